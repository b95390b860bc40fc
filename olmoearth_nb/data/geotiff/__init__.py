"""GeoTIFFs whose bands are named and dated."""
