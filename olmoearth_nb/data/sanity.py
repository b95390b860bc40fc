"""Sentinel-2 bands whose numbers contradict their names: told, with how sure that is, and never changed.

The rules look at most of the observed pixels of a sample, and at bands that are in the data. They were set on 2,116
Sentinel-2 L2A chips and 375 EuroSAT chips of Level 1C (`docs/results/input.md` has the counts).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from olmoearth_nb.bands import MISSING, SENTINEL2
from olmoearth_nb.data.units import PERCENT

BRIGHT = 1000.0
"""Digital number of the near infrared from which a pixel is land."""

LAND = 0.2
"""Fraction of the pixels that must be land before anything is told from it."""

LEAST = 64
"""Pixels of land below which nothing is told: a single pixel may be anything."""

MOST = 0.75
"""Fraction of the land's pixels that must contradict a name: few pixels, or numbers without any order, say nothing."""

VAPOUR = 0.7
"""B09 / B8A below which water vapour has not been taken out: medians of land are 0.80 to 1.19 in Level 2A, 0.14 to 0.60
in Level 1C."""

NEIGHBOUR = 0.75
"""B8A / B07 below which one of the two has another's name. Over land: 0.94 to 1.27 in both levels."""

EIGHT_BITS = 255.0

BLINDING = 18_000.0
"""Median over all bands that not even snow or clouds have, whose short-wave infrared is dark."""

DARK = 600.0
"""99th percentile that land exceeds unless it lies in deep shadow."""

_WAVES = sorted((band.centre or 0.0, band.name) for band in SENTINEL2.bands)
"""Bands in the order of wavelength."""

_APART = 20.0
"""How many times brighter than a band in percent its neighbours are, at least."""


class Contradiction(NamedTuple):
    """What is odd about a sample: a sentence that is the same for all such samples, and this sample's numbers."""

    sentence: str
    evidence: str

    def __str__(self) -> str:
        return f"{self.sentence} ({self.evidence})"


def contradictions(image: np.ndarray, names: Sequence[str], level: str) -> list[Contradiction]:
    """What is odd about the numbers of each band.

    Args:
        image: (H, W, T, C) digital numbers of Sentinel-2, `MISSING` where unobserved.
        names: the C bands that are in the data (not filled ones).
        level: "L2A" or "L1C", as the caller has it.
    """
    bands = {name: image[..., i] for i, name in enumerate(names)}
    misplaced = [*_eight_bits(bands), *_red_edge(bands)]
    # a misplaced B8A makes B09 odd, too, and another unit all of them
    return (
        _unit(image) or _dark(bands) or [*_dates(image, bands), *_percent(bands)] or misplaced or _vapour(bands, level)
    )


def _unit(image: np.ndarray) -> list[Contradiction]:
    """Numbers that digital numbers can be, and hardly ever are."""
    seen = image[image != MISSING]
    if len(seen) < LEAST:
        return []
    median, highest = float(np.median(seen)), float(seen.max())
    if highest <= EIGHT_BITS:
        return [
            Contradiction(
                "all numbers are those of an 8-bit picture or of percent, or of very dark water: if they are no "
                "digital numbers, convert them to reflectance and say scale='reflectance'",
                f"they do not exceed {highest:.0f}",
            )
        ]
    if median > BLINDING:
        return [
            Contradiction(
                "half of the numbers are brighter than any ground: reflectance that was multiplied by another number "
                "than 10,000? Convert it, and say scale='reflectance'",
                f"their median is {median:.0f}, a reflectance of {median / 1e4:.1f}",
            )
        ]
    return []


def _dark(bands: dict[str, np.ndarray]) -> list[Contradiction]:
    """Numbers as small as those of water with the colours of land, whose infrared is brighter than its red."""
    infrared, red = bands.get("B08", bands.get("B8A")), bands.get("B04")
    if infrared is None or red is None:
        return []
    seen = (infrared != MISSING) & (red != MISSING)
    if seen.sum() < LEAST:
        return []
    near, far = float(np.median(infrared[seen])), float(np.median(red[seen]))
    highest = max(float(np.quantile(values[seen], 0.99)) for values in bands.values())
    if highest > DARK or near < DARK / 4 or near < 1.5 * far:
        return []
    return [
        Contradiction(
            "the colours are those of land, but the numbers are very small: deep shadow, or reflectance that was "
            "multiplied by another number than 10,000? If so, convert it, and say scale='reflectance'",
            f"99 % do not exceed {highest:.0f}, a reflectance of {highest / 1e4:.2f}",
        )
    ]


def _dates(image: np.ndarray, bands: dict[str, np.ndarray]) -> list[Contradiction]:
    """Dates that do not exceed 255 in any band, where other dates see land."""
    lit = _lit(bands)
    if lit is None or image.shape[2] < 2:
        return []
    seen = (image != MISSING).any(-1)
    land = lit.sum((0, 1)) > MOST * np.maximum(seen.sum((0, 1)), 1)
    low = (image.max((0, 1, 3)) <= EIGHT_BITS) & (seen.sum((0, 1)) >= LEAST)
    if not low.any() or lit[:, :, land].sum() < LEAST:
        return []
    steps = ", ".join(map(str, np.flatnonzero(low).tolist()))
    return [
        Contradiction(
            f"timesteps {steps} (counted from 0) almost surely hold an 8-bit picture or percent, not digital numbers: "
            "bring all dates to one unit, or leave those out",
            f"they do not exceed 255 while the near infrared of others exceeds {BRIGHT:.0f}",
        )
    ]


def _percent(bands: dict[str, np.ndarray]) -> list[Contradiction]:
    """Bands whose numbers are percent, over land whose other bands are digital numbers."""
    lit = _lit(bands)
    if lit is None or lit.mean() < LAND or lit.sum() < LEAST:
        return []
    order = [name for _, name in _WAVES if name in bands]
    middle = {name: float(np.median(bands[name][lit])) for name in order}
    low = [name for name in order if _is_percent(bands[name][lit])]
    dark = []
    for name in low:
        at = order.index(name)
        before = next((other for other in order[at::-1] if other not in low), None)
        behind = next((other for other in order[at:] if other not in low), None)
        if all(middle[other] >= _APART * middle[name] for other in (before, behind) if other):
            dark.append(name)
    green = "B08" in middle and "B04" in middle and middle["B08"] > 2 * middle["B04"]
    if not dark or ({*dark} <= {"B11", "B12"} and not green):  # ice and muddy water are as dark in these
        return []
    return [
        Contradiction(
            f"{', '.join(dark)} almost surely hold percent, the other bands digital numbers: bring all to one unit",
            f"99 % do not exceed {PERCENT:.0f}, their neighbours are more than {_APART:.0f} times brighter",
        )
    ]


def _is_percent(values: np.ndarray) -> bool:
    """Whether numbers of one band can be percent."""
    seen = values[values != MISSING]
    return seen.size >= LEAST and (seen % 1 != 0).mean() > 0.5 and np.quantile(seen, 0.99) <= PERCENT


def _lit(bands: dict[str, np.ndarray]) -> np.ndarray | None:
    """(H, W, T) where any near infrared band is as bright as land; None without such a band."""
    infrared = [bands[name] for name in ("B07", "B08", "B8A") if name in bands]
    return np.max(infrared, axis=0) > BRIGHT if infrared else None


def _most(bands: dict[str, np.ndarray], one: str, other: str, land: str) -> float | None:
    """What a ratio of two bands does not exceed in most pixels where the third is bright; None without such pixels."""
    if not {one, other, land} <= bands.keys():
        return None
    lit = (bands[land] > BRIGHT) & (bands[one] != MISSING) & (bands[other] > 0)
    if lit.mean() < LAND or lit.sum() < LEAST:
        return None
    return float(np.quantile(bands[one][lit] / bands[other][lit], MOST))


def _eight_bits(bands: dict[str, np.ndarray]) -> list[Contradiction]:
    """Bands of a picture among bands of digital numbers, where there is land, which no band sees as dark as that."""
    lit = _lit(bands)
    if lit is None:
        return []
    low = [name for name, values in bands.items() if 0 < values.max() <= EIGHT_BITS]
    if lit.mean() < MOST or lit.sum() < LEAST or (len(low) < 3 and not {"B11", "B12"} <= {*low}):
        return []  # one or two bands may be as dark over dense forest
    return [
        Contradiction(
            f"{', '.join(low)} almost surely hold an 8-bit picture, not these bands (as in GeoBench's m-brick-kiln): "
            "leave them out and fill them by missing_bands",
            f"they do not exceed 255 while the near infrared exceeds {BRIGHT:.0f}",
        )
    ]


def _red_edge(bands: dict[str, np.ndarray]) -> list[Contradiction]:
    """B8A far below B07, its neighbour."""
    ratio = _most(bands, "B8A", "B07", "B07")
    if ratio is None or ratio >= NEIGHBOUR:
        return []
    return [
        Contradiction(
            "the names or the order of the bands are almost surely wrong: B8A is far below B07, its neighbour (EuroSAT "
            "stores B8A last, and m-eurosat's labels miss that)",
            f"at most {ratio:.2f} of it in most of the land, where chips that are right have 0.94 to 1.27",
        )
    ]


def _vapour(bands: dict[str, np.ndarray], level: str) -> list[Contradiction]:
    """B09 far below B8A, as at the top of the atmosphere."""
    ratio = _most(bands, "B09", "B8A", "B8A")
    if ratio is None or ratio >= VAPOUR or level != "L2A":
        return []
    return [
        Contradiction(
            "this is very likely top-of-atmosphere data: B09 is far below B8A, as where water vapour was not taken "
            "out; if so, say level='L1C'",
            f"at most {ratio:.2f} of it in most of the land; L1C has 0.14 to 0.60, L2A 0.80 to 1.19",
        )
    ]
