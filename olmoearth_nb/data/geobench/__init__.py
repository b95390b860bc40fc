"""Chips and data sets of GeoBench (m-eurosat)."""
