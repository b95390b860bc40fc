"""Small GeoTIFFs to read."""

import numpy as np
import rasterio
from rasterio.transform import from_origin

from olmoearth_nb import SENTINEL2

BANDS = list(SENTINEL2.band_names)


def write(path, values, names=None, tags=None, crs="EPSG:32631", origin=(500_000, 800_000), nodata=None, pixel=10):
    """A GeoTIFF of (bands, H, W) values."""
    options = {"driver": "GTiff", "dtype": values.dtype, "crs": crs, "nodata": nodata}
    count, height, width = values.shape
    transform = from_origin(*origin, pixel, pixel)
    with rasterio.open(path, "w", count=count, height=height, width=width, transform=transform, **options) as file:
        file.write(values)
        if names is not None:
            file.descriptions = names
        file.update_tags(**(tags or {}))
    return path


def numbers(count=12, height=16, width=16, seed=0):
    return np.random.default_rng(seed).integers(600, 5000, (count, height, width)).astype(np.uint16)
