"""The bands of one sensor in a stack of GeoTIFFs: what is to be done with their numbers, and windows of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import numpy as np

from olmoearth_nb.bands import MISSING, MODALITIES, Modality
from olmoearth_nb.data.arrays import Date
from olmoearth_nb.data.geotiff.names import Layout
from olmoearth_nb.data.geotiff.read import Raster
from olmoearth_nb.data.geotiff.scaling import Scaling, scaling_of
from olmoearth_nb.data.observed import unmasked, without_empty, without_fills
from olmoearth_nb.data.offset import UNSAID, Offset, read_offset, remove_offset, settle, without_offset
from olmoearth_nb.data.paged import Window
from olmoearth_nb.data.units import REFLECTANCE


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
        masks: of each timestep, the position of a band that is 0 where nothing was observed, or None.
        scalings: of each timestep and band.
        offsets: (T, C) digital numbers to take off.
        notes: what was decided, one sentence each.
    """

    spec: Modality
    names: list[str]
    scale: str
    files: list[Raster]
    index: list[list[int]]
    masks: list[int | None]
    scalings: list[list[Scaling]]
    offsets: np.ndarray
    notes: tuple[str, ...]

    def read(self, window: Window | None = None, judged: bool = False) -> tuple[np.ma.MaskedArray, list[str]]:
        """(H, W, T, C) numbers of a window without their offset, and notes on them.

        Args:
            window: by default everything.
            judged: whether the numbers were looked at before, so that this window is only converted.

        Raises:
            ValueError: if the numbers contradict what is said of their scale or offset.
        """
        image, notes = self.scaled(window, judged)
        if not judged:
            image, low = self.taken_off(image)
            return image, [*notes, *low]
        if self.offsets.any():
            taken = remove_offset(np.ma.getdata(image), self.offsets, self.scale)
            image = np.ma.MaskedArray(taken, np.ma.getmaskarray(image))
        return image, notes

    def taken_off(self, image: np.ma.MaskedArray) -> tuple[np.ma.MaskedArray, list[str]]:
        """Numbers without their offset, and a note on how many of them lay below it; see `without_offset`."""
        try:
            return without_offset(image, self.offsets, self.scale)
        except ValueError as error:
            raise ValueError(f"{self.files[0].path.name}: {error}") from error

    def scaled(self, window: Window | None = None, judged: bool = False) -> tuple[np.ma.MaskedArray, list[str]]:
        """(H, W, T, C) numbers of a window as their tags scale them, their offset in them; see `read`."""
        dates = []
        for _, group in groupby(zip(self.files, self.index, strict=True), key=lambda step: id(step[0])):
            steps = list(group)  # all dates of a file at once
            image = steps[0][0].values([band for _, bands in steps for band in bands], window)
            dates.append(image.reshape(*image.shape[:2], len(steps), len(self.names)))
        image, notes = np.ma.concatenate(dates, axis=2), []
        hidden = np.ma.getmaskarray(image)
        for t, (raster, band) in enumerate(zip(self.files, self.masks, strict=True)):
            if band is not None:
                hidden[:, :, t] |= np.ma.filled(raster.values([band], window), 0) == 0
        image = np.ma.MaskedArray(np.ma.getdata(image), hidden)
        if hidden.any():
            notes.append(f"{hidden.any(-1).mean():.1%} of the {self.spec.title} pixels are not observed")
        if any(scaling.changes for step in self.scalings for scaling in step):
            if not judged:
                self._require_scaled(image)
            image, filled = self._converted(image)
            notes += filled
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


def part_of(sensor: str, layouts: Sequence[Layout], steps: list[Raster], days: list[str], options: Options) -> Part:
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
    _require_one_type(spec, steps, days, scalings)
    notes = list(dict.fromkeys(one.note for step in scalings for one in step if one.note))
    offsets = np.zeros((len(steps), len(names)), dtype=np.int64)
    if sensor == "sentinel2_l2a":
        offsets, taken = _offsets(steps, index, scalings, days, options.offset)
        notes += taken
    if scale == "linear":
        notes.append("linear radar power converted to dB")
    masks = [position for layout in layouts for position in layout.masks]
    if any(position is not None for position in masks):
        notes.append("what the band dataMask marks by 0 is not observed")
    return Part(spec, names, scale, steps, index, masks, scalings, offsets, tuple(notes))


def _require_one_type(spec: Modality, steps: list[Raster], days: list[str], scalings: list[list[Scaling]]) -> None:
    """Raises a ValueError if some files are 8-bit pictures by their number type, and others are not.

    Put together with others, their numbers lose the type that gives them away.
    """
    if spec.name not in ("sentinel2_l2a", "landsat"):
        return
    small = [
        raster.dtype.kind in "ui" and raster.dtype.itemsize == 1 and not any(scaling.changes for scaling in step)
        for raster, step in zip(steps, scalings, strict=True)
    ]
    if any(small) and not all(small):
        raster, day = steps[small.index(True)], days[small.index(True)]
        other = steps[small.index(False)]
        raise ValueError(
            f"{raster.path.name} ({day}) holds {raster.dtype} numbers, an 8-bit picture or a map, but "
            f"{other.path.name} holds {other.dtype}: leave that date out, or give it in the unit of the others"
        )


def _offsets(
    steps: list[Raster], index: list[list[int]], scalings: list[list[Scaling]], days: list[str], offset: Offset
) -> tuple[np.ndarray, list[str]]:
    """(T, C) offsets of processing baselines to take off, and the notes that say so."""
    declared = []
    for raster, positions, step in zip(steps, index, scalings, strict=True):
        try:
            declared += [
                read_offset({**raster.tags, **raster.band_tags[i]}, [dict(one.stated)] if one.stated else None)
                for i, one in zip(positions, step, strict=True)
            ]
        except ValueError as error:
            raise ValueError(f"{raster.path.name}: {error}") from error
    bands = len(scalings[0])
    offsets, notes = settle(offset, declared, [day for day in days for _ in range(bands)])
    processed = next((found for raster in steps if (found := _PROCESSED.match(raster.path.name))), None)
    if processed and processed[1] >= "0400":
        hint = (
            f"; the name says N{processed[1]}, a baseline that adds it: only who wrote the file can have taken it off"
        )
        notes = [note.replace(UNSAID, UNSAID + hint) for note in notes]
    return offsets.reshape(len(days), bands), notes


_PROCESSED = re.compile(r"S2[A-D]_MSIL\d[AC]_\d{8}T\d{6}_N(\d{4})_")
"""Name of a product of Sentinel-2, with its processing baseline."""
