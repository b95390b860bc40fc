"""The one place where a raster that somebody else wrote is opened.

A raster may name other files: a virtual raster its sources, a web-map description its server, a GeoTIFF its overviews
in a tag, and every format the files beside it. Here only drivers that are named look at the file, and nothing that it
names, and nothing beside it, is opened.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_ALONE = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # as if nothing were beside it: no .ovr, .msk, .aux.xml, .tfw
    "GDAL_PAM_ENABLED": "NO",  # no .aux.xml, neither read nor written
    "GDAL_GEOREF_SOURCES": "INTERNAL",
    "CPL_VSIL_CURL_ALLOWED_FILENAME": "none",  # no addresses
    "PROJ_NETWORK": "OFF",
}
"""GDAL's settings while a file is open. Measured with GDAL 3.10: the first one alone keeps side-car files away."""


class RasterError(ValueError):
    """A file is not a whole raster of the formats that are meant, or names other files; the message names it."""


@contextmanager
def open_raster(path: str | os.PathLike[str], drivers: Sequence[str] = ("GTiff",)) -> Iterator[Any]:
    """Opens a local raster for reading, and follows nothing that it or a file beside it names.

    Args:
        path: of the file.
        drivers: GDAL's names of the formats that are meant, such as ``"GTiff"`` or ``"JP2OpenJPEG"``.

    Yields:
        The open `rasterio.DatasetReader`; read it before the context ends.

    Raises:
        FileNotFoundError: if there is no such file.
        RasterError: a ValueError, if it is not a whole file of these formats, also while it is read in the context, or
            names another file as its overviews.
    """
    import rasterio
    from rasterio.errors import RasterioError
    from rasterio.io import DatasetReader  # `rasterio.open` takes one driver only

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    try:
        with rasterio.Env(**_ALONE), DatasetReader(str(path.absolute()), driver=list(drivers), sharing=False) as file:
            if "OVERVIEW_FILE" in file.tags(ns="OVERVIEWS"):  # GDAL would open it by any driver
                raise RasterError(f"{path.name} names another file as its overviews; it is not opened")
            yield file
    except RasterioError as error:
        meant = " or ".join(drivers)
        raise RasterError(f"{path.name} is not a whole file of {meant} ({error.__cause__ or error})") from error
