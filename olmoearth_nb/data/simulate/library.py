"""The world's spectra, already seen through the sensors' bands: `data/world/spectra.npz`.

Made once by `spectra.py` (which needs the `[simulate]` extra) and read here with numpy alone. Values are stored in
units of 2^-15 so that every sum over them is exact in float64, in any order: scenes are the same on any machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from olmoearth_nb.bands import modality
from olmoearth_nb.data import data_dir

UNIT = 2.0**-15
"""Reflectance of one stored step."""

CANOPIES = ("cereal", "maize", "broadleaf crop", "grass", "broadleaf trees", "conifer")
LAI = (0.0, 0.25, 0.75, 1.5, 3.0, 5.0, 7.0)
"""Leaf area indices of the canopy table."""

GROUNDS = (
    "soil",
    "sand",
    "gravel",
    "litter",
    "bark",
    "char",
    "asphalt",
    "road",
    "concrete",
    "metal",
    "tile",
    "shingle",
)
WATERS = ("clear", "turbid", "algal")
WHITES = ("snow", "cloud")
SPLITS = ("train", "valid", "test")

LANDSAT_REFLECTIVE = modality("landsat").band_names[:-2]
BANDS = (*modality("sentinel2_l2a").band_names, *(f"L{name}" for name in LANDSAT_REFLECTIVE))
"""Columns of every spectrum: the 12 of Sentinel-2A, then the 9 reflective ones of Landsat 8, marked L."""


@dataclass(frozen=True, eq=False)
class Library:
    """Spectra of one split, in units of `UNIT`, as float64 holding integers.

    Attributes:
        grounds: class of `GROUNDS`, `WATERS` or `WHITES` -> (variants, bands).
        canopies: (canopy, variant, chlorophyll, anthocyanin, water, brown, LAI, bands).
        soil: (bands,) the soil under all canopies.
    """

    grounds: dict[str, np.ndarray]
    canopies: np.ndarray
    soil: np.ndarray


@cache
def library(split: str) -> Library:
    """The spectra of a split; no spectrum is in two splits.

    Args:
        split: "train", "valid" or "test".
    """
    if split not in SPLITS:
        raise ValueError(f"no split {split!r}; splits are {', '.join(SPLITS)}")
    start = SPLITS.index(split)
    with np.load(data_dir() / "world" / "spectra.npz", allow_pickle=False) as file:
        grounds = {name: file[name][start :: len(SPLITS)].astype(np.float64) for name in GROUNDS + WATERS + WHITES}
        return Library(
            grounds, file["canopies"][:, start :: len(SPLITS)].astype(np.float64), file["soil_below"].astype(float)
        )


SURFACES = {
    "clear water": "clear",
    "bare soil": "soil",
    "green leaves": "cereal",
    "dry plants": "litter",
    "tile roof": "tile",
    "asphalt": "asphalt",
    "snow": "snow",
    "cloud": "cloud",
}
"""Surfaces that everybody knows -> their class here."""


def surface_spectra(spectra: Library) -> dict[str, np.ndarray]:
    """(12,) median reflectance of `SURFACES` in the bands of Sentinel-2, in channel order.

    Soil, dry plants, tile and asphalt are measured; water, snow, cloud and the leaves are modelled. The leaves are
    green cereals of leaf area index 5.
    """
    found = {}
    for surface, name in SURFACES.items():
        if name in CANOPIES:
            values = spectra.canopies[CANOPIES.index(name), ..., 0, LAI.index(5.0), :]
        else:
            values = spectra.grounds[name]
        found[surface] = np.median(values.reshape(-1, values.shape[-1]), 0)[:12] * UNIT
    return found
