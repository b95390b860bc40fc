"""Sentinel-2 of a place from a STAC catalogue, as monthly composites."""
