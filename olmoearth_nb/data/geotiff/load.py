"""GeoTIFFs as samples: one file of all bands and dates, or one file a date.

Bands are named by the files' band descriptions or by the caller, dates by the caller, the files' tags or their names,
in two documented patterns. Nothing is guessed: what cannot be told is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from olmoearth_nb.bands import MAX_TIMESTEPS, MISSING, SENSORS
from olmoearth_nb.bands import modality as modality_of
from olmoearth_nb.data.arrays import Date, to_sample
from olmoearth_nb.data.geotiff.read import Raster, by_date, dates_of, read, same_grid
from olmoearth_nb.data.offset import Offset, take_off
from olmoearth_nb.georeference import degrees
from olmoearth_nb.sample import Sample


def load_geotiff(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    bands: Sequence[str] | None = None,
    dates: Sequence[Date] | None = None,
    modality: str | None = None,
    offset: Offset = "auto",
    sentinel1: Literal["native", "linear"] = "native",
    missing_bands: Literal["error", "zero", "nearest"] = "error",
    scale: Literal["native", "reflectance"] = "native",
    resolution: Literal["10 m", "as is"] = "10 m",
) -> Sample:
    """Opens one GeoTIFF, or one for each date, on one pixel grid.

    Args:
        paths: the file or files.
        bands: names of a date's bands in the order of the file; by default the band descriptions, which may carry
            the date's number behind an underscore (``B4_11``). Bands that we do not know are left out.
        dates: one for each timestep. By default each file's tag (`DATE_TAGS`) or name: one date (``2020-07-01``,
            ``20200701``), or a first and a last day that hold T windows of 30 days, each dated by its first day.
        modality: whose bands to read, one of `SENSORS`; by default Sentinel-2's and Sentinel-1's. Landsat's have the
            same names and must be asked for, unless its ``QA_PIXEL`` is there; Collection 2 Level 1, digital numbers.
        offset: of Sentinel-2 (`offset.py`). "auto" takes it off where tags say that it is in the numbers, and leaves a
            note where nothing is said; a number is taken off; None: nothing is.
        sentinel1: "linear" converts power to dB; by default dB are expected, and what looks like power is refused.
        missing_bands: see `to_sample`; of Sentinel-1 both bands are needed.
        scale: of Sentinel-2: digital numbers, or "reflectance" (0..1), which is converted and has no offset.
        resolution: "10 m" refuses pixels that are not 5 to 15 m on the ground; both note what is not 9 to 11 m.

    Returns:
        Sentinel-2, Sentinel-1 or both, or Landsat; with B10, Sentinel-2 is taken for top-of-atmosphere data. Where all
        its bands are 0, nothing was observed.

    Raises:
        FileNotFoundError: if a file is not there.
        ValueError: naming what was given and what is valid.
    """
    rasters = _opened([paths] if isinstance(paths, (str, os.PathLike)) else paths)
    values, names, sensor, steps = _stack(rasters, bands, modality)
    if dates is None:
        dates = [day for raster in rasters for day in dates_of(raster, steps.count(raster))]
    given = {"sentinel2_l2a": (scale, missing_bands), "sentinel1": (sentinel1, "error")}
    parts = []
    for name, own in _by_sensor(names, sensor).items():
        image, notes = _seen(values[..., [names.index(band) for band in own]], name)
        if name == "sentinel2_l2a" and scale == "native":
            image, taken = take_off(image, offset, [raster.offset() for raster in steps], dates)
            notes += taken
        parts.append(_part(image, own, dates, name, *given.get(name, ("native", missing_bands)), notes))
    return _together(parts, rasters[0], _resolved(rasters[0], resolution))


def _opened(paths: Sequence[str | os.PathLike[str]]) -> list[Raster]:
    """The files, not more than there can be dates."""
    if not 1 <= len(paths) <= MAX_TIMESTEPS:
        raise ValueError(f"give at least one GeoTIFF and at most {MAX_TIMESTEPS}, the models' dates; got {len(paths)}")
    return [read(Path(path)) for path in paths]


def _resolved(raster: Raster, resolution: str) -> list[str]:
    """A note on pixels that are not of about 10 m, where it is known.

    Raises:
        ValueError: if they are far from it and must not be.
    """
    if resolution not in ("10 m", "as is"):
        raise ValueError(f"resolution must be '10 m' or 'as is', got {resolution!r}")
    if raster.georeference is None:
        return []
    size = raster.georeference.pixel_size(*raster.values.shape[1:])
    size_note = f"pixels of {round(size[0], 1):g} x {round(size[1], 1):g} m; the models read 10 m"
    if resolution == "10 m" and not all(5 <= edge <= 15 for edge in size):
        raise ValueError(f"{raster.path.name} has {size_note}: resample, or say resolution='as is' to load_geotiff")
    return [] if all(9 <= edge <= 11 for edge in size) else [size_note]


def _seen(image: np.ndarray, name: str) -> tuple[np.ndarray, list[str]]:
    """Sentinel-2 with NaN where all bands are 0, and a note on how often that is; other sensors as they are."""
    empty = (image == 0).all(-1)
    if name != "sentinel2_l2a" or not empty.any():
        return image, []
    note = f"{empty.mean():.1%} of the Sentinel-2 pixels are 0 in all bands, which means no data"
    return np.where(empty[..., None], np.nan, image), [note]


def _stack(
    rasters: list[Raster], bands: Sequence[str] | None, modality: str | None
) -> tuple[np.ndarray, list[str], str, list[Raster]]:
    """(H, W, T, C) values of all files, the names of the bands, the sensor, and the file of each timestep."""
    if modality is not None and modality not in SENSORS:
        raise ValueError(f"modality must be one of {', '.join(SENSORS)}, got {modality!r}")
    same_grid(rasters)
    stacks = [by_date(raster, bands, modality) for raster in rasters]
    names, sensor = stacks[0][1:]
    if any(stack[1:] != (names, sensor) for stack in stacks):
        raise ValueError(f"all files need the same bands, got {sorted({' '.join(own) for _, own, _ in stacks})}")
    steps = [raster for raster, stack in zip(rasters, stacks, strict=True) for _ in range(stack[0].shape[2])]
    return np.concatenate([stack[0] for stack in stacks], axis=2), names, sensor, steps


def _by_sensor(names: list[str], sensor: str) -> dict[str, list[str]]:
    """Bands of each sensor that has any."""
    if sensor == "landsat":
        return {"landsat": names}
    radar = [name for name in names if name in ("vv", "vh")]
    parts = {"sentinel2_l2a": [name for name in names if name not in radar], "sentinel1": radar}
    return {name: own for name, own in parts.items() if own}


def _part(
    image: np.ndarray, own: list[str], dates: Sequence[Date], name: str, scale: Any, policy: Any, notes: list[str]
) -> Sample:
    """The checked sample of one sensor; NaN is what was not observed."""
    gaps = np.isnan(image)
    if scale == "linear":
        notes = ["linear radar power converted to dB", *notes]
    if gaps.any():
        notes = [f"{gaps.any(-1).mean():.1%} of the {modality_of(name).title} pixels are not observed", *notes]
    return to_sample(
        np.where(gaps, MISSING, image),
        own,
        list(dates),
        modality_name=name,
        scale=scale,
        level="L1C" if name == "sentinel2_l2a" and "B10" in own else "L2A",
        missing_bands=policy,
        notes=notes,
    )


def _together(parts: list[Sample], first: Raster, common: list[str]) -> Sample:
    """One sample of all sensors."""
    title, place = first.path.stem, first.place
    where = "place unknown (no coordinate system)" if place is None else degrees(*place)
    images = {name: image for part in parts for name, image in part.images.items()}
    notes = (*common, *(note for part in parts for note in part.notes))
    return Sample(images, parts[0].timestamps, title, f"{title}, {where}", notes, first.georeference)
