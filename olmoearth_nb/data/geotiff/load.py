"""GeoTIFFs as samples: one file of all bands and dates, or one file a date.

Bands are named by the files' band descriptions or by the caller, dates by the caller, the files' tags or their names,
in two documented patterns. Nothing is guessed: what cannot be told is asked for.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

from olmoearth_nb.data.arrays import Date, to_sample, without_empty_dates
from olmoearth_nb.data.geotiff.part import Options
from olmoearth_nb.data.geotiff.read import Raster
from olmoearth_nb.data.geotiff.stack import Paths, Stack, stacked
from olmoearth_nb.data.offset import Offset
from olmoearth_nb.errors import counted
from olmoearth_nb.io.memory import require_memory
from olmoearth_nb.sample import Sample

_BYTES = 20
"""Memory that a value takes at most while it is read: as stored, its mask, and copies in float32."""

_NAMED = 3
"""Files that a message names."""


def load_geotiff(
    paths: Paths,
    *,
    bands: Sequence[str] | None = None,
    dates: Sequence[Date] | None = None,
    modality: str | None = None,
    offset: Offset = "auto",
    level: Literal["L2A", "L1C"] | None = None,
    sentinel1: Literal["native", "linear"] = "native",
    missing_bands: Literal["error", "zero", "nearest"] = "error",
    scale: Literal["native", "reflectance", "linear"] = "native",
    resolution: Literal["10 m", "as is"] = "10 m",
) -> Sample:
    """Opens one GeoTIFF, or one for each date, on one pixel grid.

    Args:
        paths: the file or files, or a folder of them, which are taken in order of their names.
        bands: names of a date's bands in the order of the file; by default the band descriptions, which may carry
            the date's number, or the date, behind an underscore (``B4_11``, ``B4_20200701``). Bands that we do not
            know are left out, with a note if they look like a sensor's.
        dates: one for each timestep. By default those at the bands, or each file's tag (`DATE_TAGS`) or name: one date
            (``2020-07-01``, ``20200701``), or a first and a last day that hold T windows of 30 days, each dated by its
            first day.
        modality: whose bands to read, one of `SENSORS`; by default Sentinel-2's and Sentinel-1's. Landsat's have the
            same names and must be asked for, unless its ``QA_PIXEL`` is there; Collection 2 Level 1, digital numbers.
        offset: of Sentinel-2 (`offset.py`). "auto" takes it off where tags say that it is in the numbers, and leaves a
            note where nothing is said; a number is taken off; None: nothing is.
        level: of Sentinel-2; by default "L1C" where there is B10, else "L2A".
        sentinel1: "linear" converts power to dB; by default dB are expected, and what looks like power is refused.
        missing_bands: see `to_sample`; of Sentinel-1 both bands are needed.
        scale: of Sentinel-2: digital numbers, or "reflectance" (0..1), which is converted; "linear" says the same as
            ``sentinel1="linear"``. Scale and offset in the tags of bands are applied before (`geotiff/scaling.py`).
        resolution: "10 m" refuses pixels that are not 5 to 15 m on the ground; both note what is not 9 to 11 m.

    Returns:
        Sentinel-2, Sentinel-1 or both, or Landsat; with B10, Sentinel-2 is taken for top-of-atmosphere data.

    Raises:
        FileNotFoundError: if a file is not there.
        ValueError: naming what was given and what is valid, also if the files do not fit into memory.
    """
    stack = stacked(
        paths,
        Options(
            bands=bands,
            dates=dates,
            modality=modality,
            offset=offset,
            level=level,
            sentinel1=sentinel1,
            missing_bands=missing_bands,
            scale=scale,
            resolution=resolution,
        ),
    )
    _require_memory(stack)
    parts = [sample_of(stack, i, *part.read()) for i, part in enumerate(stack.parts)]
    return without_empty_dates(together(stack, parts))


def sample_of(stack: Stack, part: int, image: Any, notes: Sequence[str]) -> Sample:
    """The checked sample of one sensor, all dates kept."""
    own, options = stack.parts[part], stack.options

    def made(steps: Sequence[int]) -> Sample:
        return to_sample(
            image if len(steps) == len(stack.dates) else image[:, :, list(steps)],
            own.names,
            [stack.dates[t] for t in steps],
            modality_name=own.spec.name,
            scale=own.scale,  # type: ignore[arg-type]
            level=options.level if own.spec.name == "sentinel2_l2a" else None,
            missing_bands=options.missing_bands,
            empty_dates="keep",
            notes=[*own.notes, *notes],
        )

    try:
        return made(range(len(stack.dates)))
    except ValueError as error:
        raise ValueError(f"{_blamed(own.files, stack.dates, made)}: {error}") from error


def _blamed(files: Sequence[Raster], dates: Sequence[str], made: Callable[[Sequence[int]], Sample]) -> str:
    """The files, and the dates if it is some of them, that cannot be made a sample by themselves."""
    wrong = []
    for t in range(len(dates)):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                made([t])
        except ValueError:
            wrong.append(t)
    some = wrong if 0 < len(wrong) < len(dates) else range(len(dates))
    named = list(dict.fromkeys(files[t].path.name for t in some))
    when = f" ({', '.join(dates[t] for t in some)})" if len(some) < len(dates) else ""
    more = f" and {counted(len(named) - _NAMED, 'other')}" if len(named) > _NAMED else ""
    return f"{', '.join(named[:_NAMED])}{more}{when}"


def together(stack: Stack, parts: Sequence[Sample]) -> Sample:
    """One sample of all sensors."""
    images = {name: image for part in parts for name, image in part.images.items()}
    notes = tuple(dict.fromkeys([*stack.notes, *(note for part in parts for note in part.notes)]))
    sample = replace(parts[0], images=images, title=stack.title, provenance=stack.provenance, notes=notes)
    return replace(sample, georeference=stack.first.georeference)


def _require_memory(stack: Stack) -> None:
    """Raises a ValueError if the files do not fit into memory."""
    height, width = stack.first.shape
    require_memory(
        f"{stack.first.path.name} of {height} x {width} px",
        stack.values * _BYTES,
        "read windows of it: `olmoearth_nb.data.geotiff.scene.open_scene(path).window(row, column, height, width)`, or "
        "embed it, which does so",
    )
