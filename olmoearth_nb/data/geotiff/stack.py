"""GeoTIFFs as a stack of dates: what their headers decide, once, and any window of their values."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from olmoearth_nb.bands import MAX_TIMESTEPS, MISSING, MODALITIES, SENSORS, Modality
from olmoearth_nb.data.arrays import Date, parse_dates
from olmoearth_nb.data.geotiff.dates import dates_of
from olmoearth_nb.data.geotiff.folder import tifs_of
from olmoearth_nb.data.geotiff.names import Layout, layout_of
from olmoearth_nb.data.geotiff.read import Raster, read_header, same_grid
from olmoearth_nb.data.geotiff.scaling import Scaling, scaling_of
from olmoearth_nb.data.observed import unmasked, without_empty, without_fills
from olmoearth_nb.data.offset import Offset, read_offset, remove_offset, settle
from olmoearth_nb.data.paged import Window
from olmoearth_nb.data.units import REFLECTANCE
from olmoearth_nb.georeference import degrees

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a caller says of GeoTIFFs; see `load_geotiff`."""

    bands: Sequence[str] | None = None
    dates: Sequence[Date] | None = None
    modality: str | None = None
    offset: Offset = "auto"
    level: Literal["L2A", "L1C"] | None = None
    sentinel1: Literal["native", "linear"] = "native"
    missing_bands: Literal["error", "zero", "nearest"] = "error"
    scale: Literal["native", "reflectance", "linear"] = "native"
    resolution: Literal["10 m", "as is"] = "10 m"

    def scale_of(self, sensor: str) -> str:
        """What the numbers of a sensor are."""
        if sensor == "sentinel1":
            return "linear" if self.scale == "linear" else self.sentinel1
        return "native" if self.scale == "linear" else self.scale


@dataclass(frozen=True, eq=False)
class Part:
    """The bands of one sensor at all dates.

    Attributes:
        spec: whose bands they are.
        names: the file's names of them.
        scale: what their numbers are once the tags are applied.
        files: file of each timestep.
        index: of each timestep and band, the position in its file.
        scalings: of each timestep and band.
        offsets: (T, C) digital numbers to take off.
        notes: what was decided, one sentence each.
    """

    spec: Modality
    names: list[str]
    scale: str
    files: list[Raster]
    index: list[list[int]]
    scalings: list[list[Scaling]]
    offsets: np.ndarray
    notes: tuple[str, ...]

    def read(self, window: Window | None = None, judged: bool = False) -> tuple[np.ma.MaskedArray, list[str]]:
        """(H, W, T, C) numbers of a window, and notes on those that are no observation.

        Args:
            window: by default everything.
            judged: whether the numbers were looked at before, so that this window is only converted.
        """
        steps = [file.values(index, window) for file, index in zip(self.files, self.index, strict=True)]
        image, notes = np.ma.stack(steps, axis=2), []
        hidden = np.ma.getmaskarray(image)
        if hidden.any():
            notes.append(f"{hidden.any(-1).mean():.1%} of the {self.spec.title} pixels are not observed")
        if any(scaling.changes for step in self.scalings for scaling in step):
            if not judged:
                self._require_scaled(image)
            image, filled = self._converted(image)
            notes += filled
        if self.offsets.any():
            image = np.ma.MaskedArray(remove_offset(np.ma.getdata(image), self.offsets), np.ma.getmaskarray(image))
        return image, notes

    def _converted(self, image: np.ma.MaskedArray) -> tuple[np.ma.MaskedArray, list[str]]:
        """The numbers as their tags scale them; what is no observation before stays none."""
        values, filled = without_fills(unmasked(image, None), self.spec)
        values, empty = without_empty(values, self.spec)
        factor = np.array([[scaling.factor for scaling in step] for step in self.scalings])
        shift = np.array([[scaling.shift for scaling in step] for step in self.scalings])
        scaled = (values * factor + shift).astype(np.float32)
        return np.ma.MaskedArray(scaled, values == MISSING), [*filled, *empty]

    def _require_scaled(self, image: np.ma.MaskedArray) -> None:
        """Raises a ValueError if numbers are reflectance already, although tags scale them."""
        if (self.spec.name, self.scale, image.dtype.kind) != ("sentinel2_l2a", "native", "f"):
            return
        seen = np.ma.compressed(image)
        if seen.size and 0 < np.quantile(seen, 0.99) <= REFLECTANCE:
            raise ValueError(
                f"{self.files[0].path.name} has a scale in its tags, but its numbers up to {seen.max():.3g} look like "
                "reflectance already; say scale='reflectance', then the tags are left aside"
            )


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
    layouts = [layout_of(raster, options.bands, options.modality) for raster in rasters]
    _require_same_bands(layouts)
    steps = [raster for raster, layout in zip(rasters, layouts, strict=True) for _ in layout.steps]
    days = _iso(_dates(rasters, layouts, options))
    if len(days) != len(steps):
        raise ValueError(f"the files hold {len(steps)} timesteps of bands, but {len(days)} dates are given")
    parts = [_part(sensor, layouts, steps, days, options) for sensor in layouts[0].names]
    left_out = list(dict.fromkeys(name for layout in layouts for name in layout.left_out))
    if left_out:
        sensors = " or ".join(part.spec.title for part in parts)
        notes = [*notes, f"left out, being no bands of {sensors}: {', '.join(left_out[:20])}"]
    return Stack(parts, days, rasters[0], (*notes, *_place_notes(rasters[0], options.resolution)), options)


def _files(paths: Paths) -> tuple[list[str | os.PathLike[str]], list[str]]:
    """The files of a path, a folder or a list."""
    if not isinstance(paths, (str, os.PathLike)):
        return list(paths), []
    if Path(paths).is_dir():
        tifs, notes = tifs_of(Path(paths))
        return [*tifs], notes
    return [paths], []


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


def _part(sensor: str, layouts: Sequence[Layout], steps: list[Raster], days: list[str], options: Options) -> Part:
    """The bands of one sensor, and what is to be done with their numbers."""
    spec, names = MODALITIES[sensor], layouts[0].names[sensor]
    if sensor == "sentinel1" and len(names) < len(spec.bands):
        raise ValueError(
            f"{steps[0].path.name} has {names} of Sentinel-1, of which the models read vv and vh together; leave radar "
            "out by modality='sentinel2_l2a' if there is Sentinel-2"
        )
    ours = [spec.spelled(name) for name in names]
    index = []
    for layout in layouts:  # each file may have another order
        order = [[spec.spelled(name) for name in layout.names[sensor]].index(band) for band in ours]
        index += [[positions[i] for i in order] for positions in layout.index[sensor]]
    alone = len(layouts[0].names) == 1
    scale = options.scale_of(sensor)
    scalings = [
        [scaling_of(raster, i, sensor, str(band), scale, alone) for i, band in zip(positions, ours, strict=True)]
        for raster, positions in zip(steps, index, strict=True)
    ]
    notes = list(dict.fromkeys(one.note for step in scalings for one in step if one.note))
    offsets = np.zeros((len(steps), len(names)), dtype=np.int64)
    if sensor == "sentinel2_l2a" and scale == "native":
        offsets, taken = _offsets(steps, scalings, days, options.offset)
        notes += taken
    if scale == "linear":
        notes.append("linear radar power converted to dB")
    return Part(spec, names, scale, steps, index, scalings, offsets, tuple(notes))


def _offsets(
    steps: list[Raster], scalings: list[list[Scaling]], days: list[str], offset: Offset
) -> tuple[np.ndarray, list[str]]:
    """(T, C) offsets of processing baselines to take off, and the notes that say so."""
    declared = []
    for raster, step in zip(steps, scalings, strict=True):
        tags = {**raster.band_tags[0], **raster.tags}
        try:
            declared += [read_offset(tags, [dict(scaling.stated)] if scaling.stated else None) for scaling in step]
        except ValueError as error:
            raise ValueError(f"{raster.path.name}: {error}") from error
    bands = len(scalings[0])
    offsets, notes = settle(offset, declared, [day for day in days for _ in range(bands)])
    return offsets.reshape(len(days), bands), notes


def _place_notes(raster: Raster, resolution: str) -> list[str]:
    """Notes on pixels that are not of about 10 m, where it is known, or on why that is not known.

    Raises:
        ValueError: if they are far from it and must not be.
    """
    if resolution not in ("10 m", "as is"):
        raise ValueError(f"resolution must be '10 m' or 'as is', got {resolution!r}")
    if raster.georeference is None:
        return [] if raster.nowhere == "no coordinate system" else [f"place unknown: {raster.nowhere}"]
    size = raster.georeference.pixel_size(*raster.shape)
    size_note = f"pixels of {round(size[0], 1):g} x {round(size[1], 1):g} m; the models read 10 m"
    if resolution == "10 m" and not all(5 <= edge <= 15 for edge in size):
        raise ValueError(f"{raster.path.name} has {size_note}: resample, or say resolution='as is'")
    return [] if all(9 <= edge <= 11 for edge in size) else [size_note]
