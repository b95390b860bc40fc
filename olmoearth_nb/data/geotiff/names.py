"""Which band of a GeoTIFF is what: names as programs write them, dates behind one another, sensors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from olmoearth_nb.bands import MODALITIES, SENSORS
from olmoearth_nb.data.geotiff.dates import DAY
from olmoearth_nb.data.geotiff.read import Raster
from olmoearth_nb.errors import counted

_QUALITY = {"QA_PIXEL", "QA_RADSAT"}
_STEP = rf"\d{{1,6}}|{DAY}"
_CLOCK = r"(?:[T ]\d{2}:?\d{2}(?::?\d{2}(?:\.\d+)?)?Z?|Z)?"
_NUMBERED = (
    re.compile(rf"(?P<band>.+?)_(?P<step>{_STEP}){_CLOCK}"),
    re.compile(rf"(?P<step>{_STEP})(?:T\d{{6}}\w*)?_(?P<band>[^_]+)"),
)
"""``B4_11``, ``B4_2020-07-01``, ``B04_2020-07-01T10:00:00``; ``11_B4``,
``20200701T105031_20200701T105626_T31TCJ_B4``."""
MASK = "datamask"
"""Band of Sentinel Hub that says where there are data, in small letters."""
LIKE_MASKS = re.compile(r"alpha|.*masks?|valid.*|scl|qa\d*|cloud.*|clm|clp", re.IGNORECASE)
"""Names of bands that may say what was not observed."""
_LIKE_OURS = re.compile(r"B\d.*|\d+A?|[VH][VH].*", re.IGNORECASE)


@dataclass(frozen=True)
class Layout:
    """Where the bands of a file lie.

    Attributes:
        names: of each sensor, the file's names of one date's bands, in its order.
        steps: number or date (20200701) behind the bands of each timestep, 0 where there is none.
        index: of each sensor, timestep and band, the position in the file, counted from 0.
        left_out: names that are no bands: those that look like one, and all others where bands are missing.
        masks: of each timestep, the position of a band that is 0 where nothing was observed, or None.
    """

    names: dict[str, list[str]]
    steps: list[int]
    index: dict[str, list[list[int]]]
    left_out: list[str]
    masks: list[int | None]


def layout_of(raster: Raster, bands: Sequence[str] | None, sensor: str | None) -> Layout:
    """Where the bands of a file lie.

    Args:
        raster: the file.
        bands: names of one date's bands; by default the file's own, which may carry the date's number, or the date,
            behind or before an underscore.
        sensor: whose bands to read; by default those of Sentinel-2 and Sentinel-1, or, where there is Landsat's
            quality band (`QA_PIXEL`, `QA_RADSAT`), those of Landsat.

    Raises:
        ValueError: for bands that are not named, named twice, or not the same at every date.
    """
    title = raster.path.name
    named = _named(raster, bands)
    sensors = _sensors([name for _, name, _ in named], sensor, title)
    index: dict[str, dict[int, dict[str, int]]] = {}
    first: dict[str, dict[str, str]] = {}
    left_out: list[str] = []
    other: list[str] = []
    masks: dict[int, int] = {}
    for position, name, step in named:
        if name.lower() == MASK:
            masks[step] = position
            continue
        owner, band = next(((s, b) for s in sensors if (b := MODALITIES[s].spelled(name))), (None, None))
        if owner is None or band is None:
            asked = sensor is not None and any(MODALITIES[s].spelled(name) for s in SENSORS)
            kept = LIKE_MASKS.fullmatch(name) or (_LIKE_OURS.fullmatch(name) and not asked)
            (left_out if kept else other).append(name)
            continue
        at = index.setdefault(owner, {}).setdefault(step, {})
        if band in at:
            raise ValueError(f"{title} has bands twice: {[band]}; dates behind one another need numbers, as in B04_1")
        at[band] = position
        first.setdefault(owner, {}).setdefault(band, name)
    steps = sorted({step for at in index.values() for step in at})
    if any(set(MODALITIES[s].band_names) - bands.keys() for s, bands in first.items()):
        left_out += [name for name in other if sensor is None]  # one of them may be what is missing
    absent = [f"{b}_{t}" for s, at in index.items() for t in steps for b in first[s] if b not in at.get(t, {})]
    if absent:
        raise ValueError(f"{title} does not have the same bands at every date; absent: {absent[:5]}")
    return Layout(
        {s: list(first[s].values()) for s in sensors if s in index},
        steps,
        {s: [[index[s][t][b] for b in first[s]] for t in steps] for s in sensors if s in index},
        list(dict.fromkeys(left_out)),
        [masks.get(t, masks.get(0)) for t in steps],  # without a number, it is that of all dates
    )


def _sensors(names: list[str], sensor: str | None, title: str) -> tuple[str, ...]:
    """Whose bands to read.

    Raises:
        ValueError: if there is none, or Landsat's and Sentinel-2's names cannot be told apart.
    """
    upper = {name.upper() for name in names}
    if sensor is None and upper & _QUALITY:
        sensor = "landsat"
    sensors = (sensor,) if sensor else ("sentinel2_l2a", "sentinel1")
    bands = {band for name in names for s in sensors if (band := MODALITIES[s].spelled(name))}
    if not bands:
        level2 = any(name.startswith(("SR_", "ST_")) for name in upper)
        raise ValueError(
            f"{title} has no band of {sensor or 'Sentinel-2 or Sentinel-1'}; its bands are {names[:20]}; give "
            "bands=[...] if they are other names of "
            f"them{'; SR_ and ST_ are Level 2, the models read Level 1' * level2}"
        )
    if sensor is None and bands >= {"B10", "B11"} and not bands & {"B8A", "B12"}:
        raise ValueError(
            f"{title}: bands B10 and B11 without B8A and B12 may be Landsat's or Sentinel-2's; say modality='landsat' "
            "or modality='sentinel2_l2a'"
        )
    return sensors


def _named(raster: Raster, bands: Sequence[str] | None) -> list[tuple[int, str, int]]:
    """Position, name and number of the date of every band of a file that is no alpha band."""
    positions = [i for i in range(len(raster.names)) if i not in raster.alpha]
    title = raster.path.name
    if bands is not None:
        if isinstance(bands, str) or len(bands) == 0:
            raise ValueError(f"bands are given in a list, the names of one date's bands, got {bands!r}")
        if len(positions) % len(bands):
            raise ValueError(
                f"{title} has {counted(len(positions), 'band')}, which is no multiple of the {len(bands)} named ones"
            )
        return [(i, str(bands[at % len(bands)]).strip(), at // len(bands)) for at, i in enumerate(positions)]
    if any(not raster.names[i] for i in positions):
        which = "band" if len(positions) == 1 else f"{len(positions)} bands"
        raise ValueError(f"{title} does not name its {which}; give bands=[...], the names of one date's bands")
    return [(i, *_numbered(str(raster.names[i]).strip())) for i in positions]


def _numbered(name: str) -> tuple[str, int]:
    """A band's name and the number of its date, 0 where there is none."""
    for pattern in _NUMBERED:
        found = pattern.fullmatch(name)
        if found:
            return found["band"], int(found["step"].replace("-", ""))
    return name, 0
