"""Figures, maps and widgets; every figure has one style."""
