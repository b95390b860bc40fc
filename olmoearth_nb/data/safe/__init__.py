"""Sentinel-2 products as they are distributed: `.SAFE` folders."""
