"""Notebooks: made from `notebooks/src`, executed, shown as pages."""
