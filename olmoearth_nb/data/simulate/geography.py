"""Outlines of a tile at 2.5 m: districts of one land use, parcels in them, and water, roads and hills over all.

Everything is categorical here: each cell of 2.5 m belongs to one *surface* (a crop in one state, a roof, a road).
Mixed pixels come about when sensors look at many cells at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from olmoearth_nb.bands import TILE
from olmoearth_nb.data.simulate.version import Version

CELLS = 4
"""Cells of 2.5 m along a pixel of 10 m."""

MARGIN = 48
"""Cells around the tile that the point spreads of its outer pixels reach into."""

FINE = TILE * CELLS + 2 * MARGIN

SCENE_CLASSES = (
    "annual crop",
    "permanent crop",
    "pasture",
    "herbaceous",
    "forest",
    "residential",
    "industrial",
    "river",
    "lake",
    "highway",
)
"""What a scene is, as in EuroSAT: seven land uses of districts, and three that lie over them."""

COVERS = (
    "water",
    "crop",
    "grass",
    "shrub and reed",
    "broadleaf trees",
    "conifer",
    "orchard",
    "roof",
    "paved",
    "bare",
    "burnt",
)
"""Land cover of a cell."""

CROPS = ("winter cereal", "spring cereal", "rapeseed", "maize", "soybean", "sugar beet")
BITS = ("chlorophyll", "anthocyanin", "water", "early", "late", "radar")
"""Two-valued hidden traits of every parcel that carries plants; tasks are made of them (`tasks`)."""


@dataclass(eq=False)
class Geography:
    """A tile's outlines.

    Attributes:
        label: (FINE, FINE) index of each cell's surface.
        district: (FINE, FINE) index into `SCENE_CLASSES`.
        elevation: (FINE, FINE) metres.
        texture: (FINE, FINE) where a parcel grows well or badly, in patches of some 30 m; mean 0, deviation 1.
        grain: the same at the size of a tree's crown.
        cover: (surfaces,) index into `COVERS`.
        material: (surfaces,) name of the ground, the water or the canopy.
        plants: (surfaces,) kind of season, "" for what does not grow.
        crop: (surfaces,) index into `CROPS`, -1 for what is no crop.
        vigour: (surfaces,) factor of the leaf area.
        parcel: (surfaces,) index of the parcel, for what the surfaces of a parcel have in common.
        bits: (parcels, 6) 0 or 1, in the order of `BITS`.
        version: of the world that the tile is in.
        height: (surfaces,) metres of trees.
    """

    label: np.ndarray
    district: np.ndarray
    elevation: np.ndarray
    texture: np.ndarray
    grain: np.ndarray
    bits: np.ndarray
    version: Version
    cover: list[int] = field(default_factory=list)
    material: list[str] = field(default_factory=list)
    plants: list[str] = field(default_factory=list)
    crop: list[int] = field(default_factory=list)
    vigour: list[float] = field(default_factory=list)
    parcel: list[int] = field(default_factory=list)
    height: list[float] = field(default_factory=list)

    def add(
        self,
        cover: str,
        material: str,
        parcel: int,
        plants: str = "",
        crop: int = -1,
        vigour: float = 1.0,
        height: float = 0.0,
    ) -> int:
        """Adds a surface and returns its index."""
        self.cover.append(COVERS.index(cover))
        self.material.append(material)
        self.plants.append(plants)
        self.crop.append(crop)
        self.vigour.append(vigour)
        self.parcel.append(parcel)
        self.height.append(height)
        return len(self.cover) - 1

    def new_parcel(self, generator: np.random.Generator) -> int:
        """Draws the hidden traits of one more parcel; returns its index."""
        self.bits = np.vstack([self.bits, generator.integers(0, 2, (1, len(BITS)))])
        return len(self.bits) - 1
