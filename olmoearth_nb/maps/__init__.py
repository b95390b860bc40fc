"""From a scene of any size to a map: windows that overlap, a head, blocks on any number of workers, one GeoTIFF."""
