"""The one place where a raster that somebody else wrote is opened.

A raster may name other files: a virtual raster its sources, a web-map description its server, a GeoTIFF its overviews
in a tag, and every format the files beside it. Here only drivers that are named look at the file, and nothing that it
names, and nothing beside it, is opened.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from olmoearth_nb.io.addresses import plain

if TYPE_CHECKING:
    from olmoearth_nb.io.web import RemoteFile

_ALONE = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # as if nothing were beside it: no .ovr, .msk, .aux.xml, .tfw
    "GDAL_PAM_ENABLED": "NO",  # no .aux.xml, neither read nor written
    "GDAL_GEOREF_SOURCES": "INTERNAL",
    "CPL_VSIL_CURL_ALLOWED_FILENAME": "none",  # no addresses
    "PROJ_NETWORK": "OFF",
}
"""GDAL's settings while a file is open. Measured with GDAL 3.10: the first one alone keeps side-car files away."""


@dataclass(frozen=True)
class InMemory:
    """The bytes of a raster that is no file of its own, such as a cell of a table.

    Attributes:
        name: what it is called in errors.
        data: the whole file.
    """

    name: str
    data: bytes

    @property
    def stem(self) -> str:
        """The name: it has no ending, as that of a path has."""
        return self.name


Source: TypeAlias = "str | os.PathLike[str] | InMemory | RemoteFile"


class RasterError(ValueError):
    """A file is not a whole raster of the formats that are meant, or names other files; the message names it."""


@contextmanager
def open_raster(source: Source, drivers: Sequence[str] = ("GTiff",)) -> Iterator[Any]:
    """Opens a raster for reading, and follows nothing that it or a file beside it names.

    Args:
        source: path of a local file, the bytes of one, or a file on a server, which is read in parts.
        drivers: GDAL's names of the formats that are meant, such as ``"GTiff"`` or ``"JP2OpenJPEG"``; one for a file on
            a server.

    Yields:
        The open `rasterio.DatasetReader`; read it before the context ends.

    Raises:
        FileNotFoundError: if there is no such file.
        RasterError: a ValueError, if it is not a whole file of these formats, also while it is read in the context, or
            names another file as its overviews.
        DownloadError: if a part cannot be had from the server.
    """
    import rasterio
    from rasterio._err import CPLE_BaseError  # not among `rasterio.errors`, and raised all the same
    from rasterio.errors import RasterioError

    remote = None if isinstance(source, (str, os.PathLike, InMemory)) else source
    if isinstance(source, (str, os.PathLike)):
        name = Path(source).name
        if not Path(source).is_file():
            raise FileNotFoundError(f"no file {source}")
    else:
        name = source.name if isinstance(source, InMemory) else source.what
    try:
        with rasterio.Env(**_ALONE), ExitStack() as held, _opened(source, drivers, held) as file:
            if "OVERVIEW_FILE" in file.tags(ns="OVERVIEWS"):  # GDAL would open it by any driver
                raise RasterError(f"{name} names another file as its overviews; it is not opened")
            yield file
    except RasterioError as error:
        if remote is None or remote.failed is None:
            meant = " or ".join(drivers)
            raise RasterError(f"{name} is not a whole file of {meant} ({error.__cause__ or error})") from error
    except CPLE_BaseError as error:  # such as of a coordinate system that is none of the Earth
        raise RasterError(f"{name} cannot be read ({plain(error)})") from error
    if remote is not None and remote.failed is not None:
        raise remote.failed


def _opened(source: Source, drivers: Sequence[str], held: ExitStack) -> Any:
    """The dataset of a source; what it needs beyond itself lives as long as `held`."""
    import rasterio
    from rasterio.io import DatasetReader, MemoryFile

    if isinstance(source, InMemory):
        path = held.enter_context(MemoryFile(source.data)).name
    elif isinstance(source, (str, os.PathLike)):
        path = str(Path(source).absolute())
    else:  # `rasterio.open` takes one driver only, but only it takes an opener
        return rasterio.open("part", driver=drivers[0], opener=source)
    return DatasetReader(path, driver=list(drivers), sharing=False)
