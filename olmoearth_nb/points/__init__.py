"""Embeddings of points and polygons as a table."""
