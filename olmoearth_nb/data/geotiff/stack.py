"""GeoTIFFs as a stack of dates: what their headers decide, once, and any window of their values."""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from olmoearth_nb.bands import MAX_TIMESTEPS, MODALITIES, SENSORS
from olmoearth_nb.data.arrays import Date, parse_dates
from olmoearth_nb.data.geotiff.beside import beside_notes
from olmoearth_nb.data.geotiff.dates import dates_of
from olmoearth_nb.data.geotiff.folder import tifs_of
from olmoearth_nb.data.geotiff.names import LIKE_MASKS, Layout, layout_of
from olmoearth_nb.data.geotiff.part import Options, Part, part_of
from olmoearth_nb.data.geotiff.read import Raster, read_header, same_grid
from olmoearth_nb.data.resolution import size_notes
from olmoearth_nb.errors import counted
from olmoearth_nb.georeference import degrees

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


_BAND_OF_FILE = re.compile(r"(?<![0-9A-Za-z])(B\d{1,2}A?|VV|VH)(?![0-9A-Za-z])", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Stack:
    """GeoTIFFs of one place, opened and understood, of which no value was read.

    Attributes:
        parts: of each sensor.
        dates: ISO date of each timestep.
        first: the first file, whose grid all have.
        notes: what was decided of all sensors.
        options: what the caller said.
    """

    parts: list[Part]
    dates: list[str]
    first: Raster
    notes: tuple[str, ...]
    options: Options

    @property
    def title(self) -> str:
        """Name of the first file."""
        return self.first.path.stem

    @property
    def provenance(self) -> str:
        """Name and place."""
        place = self.first.place
        return f"{self.title}, {'place unknown (' + self.first.nowhere + ')' if place is None else degrees(*place)}"

    @property
    def values(self) -> int:
        """Numbers in all bands, dates and pixels."""
        height, width = self.first.shape
        return height * width * len(self.dates) * sum(len(part.names) for part in self.parts)


def stacked(paths: Paths, options: Options) -> Stack:
    """What the headers of files say, checked.

    Args:
        paths: a file, a folder of files, or files in order of time.
        options: what the caller says.

    Raises:
        FileNotFoundError: if a file is not there.
        ValueError: naming what was given and what is valid.
    """
    if options.modality is not None and options.modality not in SENSORS:
        raise ValueError(f"modality must be one of {', '.join(SENSORS)}, got {options.modality!r}")
    if options.scale not in ("native", "reflectance", "linear"):
        raise ValueError(f"scale must be 'native', 'reflectance' or 'linear', got {options.scale!r}")
    files, notes = _files(paths)
    if not 1 <= len(files) <= MAX_TIMESTEPS:
        raise ValueError(f"give at least one GeoTIFF and at most {MAX_TIMESTEPS}, the models' dates; got {len(files)}")
    rasters = [read_header(Path(path)) for path in files]
    same_grid(rasters)
    _require_bands_together(rasters)
    layouts = [layout_of(raster, options.bands, options.modality) for raster in rasters]
    _require_same_bands(layouts)
    steps = [raster for raster, layout in zip(rasters, layouts, strict=True) for _ in layout.steps]
    days = _iso(_dates(rasters, layouts, options))
    if len(days) != len(steps):
        held = counted(len(steps), "timestep")
        raise ValueError(f"dates=[...] holds {counted(len(days), 'date')}, but the files hold {held} of bands")
    parts = [part_of(sensor, layouts, steps, days, options) for sensor in layouts[0].names]
    left_out = list(dict.fromkeys(name for layout in layouts for name in layout.left_out))
    if left_out:
        sensors = " or ".join(part.spec.title for part in parts)
        _require_complete(parts, left_out, options)
        notes = [*notes, f"left out, being no bands of {sensors}: {', '.join(left_out[:20])}"]
        masks = [name for name in left_out if LIKE_MASKS.fullmatch(name)]
        if masks:
            notes.append(
                f"{', '.join(masks[:20])} may mark what was not observed, and is not read: of bands that are masks, "
                "only one named dataMask is, which is 0 there"
            )
    notes += beside_notes([raster.beside for raster in rasters])
    notes += _place_notes(rasters[0], options.resolution)
    return Stack(parts, days, rasters[0], tuple(notes), options)


def _require_complete(parts: Sequence[Part], left_out: Sequence[str], options: Options) -> None:
    """Raises a ValueError if bands are missing that may be in the files under other names."""
    for part in parts:
        absent = sorted(set(part.spec.band_names) - {part.spec.spelled(name) for name in part.names})
        if absent and options.missing_bands == "error":
            raise ValueError(
                f"{part.spec.title} bands missing: {absent}, but the files have {', '.join(left_out[:20])}, which are "
                "no names of ours: if those are the bands, give bands=[...], all names of one date in the files' "
                "order; if not, say missing_bands='zero' (for v1.1 and later) or missing_bands='nearest' (for v1)"
            )


def _files(paths: Paths) -> tuple[list[str | os.PathLike[str]], list[str]]:
    """The files of a path, a folder or a list."""
    if not isinstance(paths, (str, os.PathLike)):
        return list(paths), []
    if Path(paths).is_dir():
        tifs, notes = tifs_of(Path(paths))
        return [*tifs], notes
    return [paths], []


def _require_bands_together(rasters: Sequence[Raster]) -> None:
    """Raises a ValueError for files of one band each that are named after other bands, as in a product."""
    found = [_BAND_OF_FILE.findall(raster.path.stem) for raster in rasters if len(raster.names) == 1]
    bands = list(dict.fromkeys(names[-1].upper() for names in found if names))
    if len(found) == len(rasters) and len(bands) > 1:
        raise ValueError(
            f"each of the {len(rasters)} files holds one band ({', '.join(bands[:20])}), but a file must hold all "
            "bands of its date: stack those of a date, on one grid of 10 m (`rio stack FILES -o X_2023-06-01.tif`, a "
            "command of rasterio), and give bands=[...] in their order; a whole product is opened by its .SAFE folder"
        )


def _require_same_bands(layouts: Sequence[Layout]) -> None:
    """Raises a ValueError unless all files have the same bands in the same spelling of ours."""
    ours = [
        {sensor: [MODALITIES[sensor].spelled(name) for name in names] for sensor, names in layout.names.items()}
        for layout in layouts
    ]
    if any({s: set(names) for s, names in one.items()} != {s: set(n) for s, n in ours[0].items()} for one in ours):
        texts = sorted({" ".join(name for names in layout.names.values() for name in names) for layout in layouts})
        raise ValueError(
            f"all files need the same bands, got {texts}; samples of several sensors are put together by `Sample.join`"
        )


def _dates(rasters: Sequence[Raster], layouts: Sequence[Layout], options: Options) -> Sequence[Date]:
    """A date for each timestep, by the caller or by the files."""
    if options.dates is not None:
        return options.dates
    return [day for raster, layout in zip(rasters, layouts, strict=True) for day in dates_of(raster, layout.steps)]


def _iso(dates: Sequence[Date]) -> list[str]:
    """Dates as text."""
    return [dt.date(year, month + 1, day).isoformat() for day, month, year in parse_dates(dates).tolist()]


def _place_notes(raster: Raster, resolution: str) -> list[str]:
    """Notes on pixels that are not of about 10 m, where it is known, or on why that is not known.

    Raises:
        ValueError: if they are far from it and must not be.
    """
    notes = size_notes(raster.georeference, raster.shape, raster.path.name, resolution)
    unknown = raster.georeference is None and raster.nowhere != "no coordinate system"
    return [f"place unknown: {raster.nowhere}"] if unknown else notes
