"""Draws a tile: hills, districts, what fills them, and water and roads over all."""

from __future__ import annotations

import numpy as np

from olmoearth_nb.data.simulate.geography import BITS, FINE, SCENE_CLASSES, Geography
from olmoearth_nb.data.simulate.landuse import FILL
from olmoearth_nb.data.simulate.noise import nearest, quantise, rough, smooth
from olmoearth_nb.data.simulate.version import Version


def draw(generator: np.random.Generator, version: Version) -> Geography:
    """Draws the outlines of one tile of a version of the world."""
    shape = (FINE, FINE)
    relief = float(generator.choice([4.0, 15.0, 60.0], p=[0.5, 0.3, 0.2]))
    hills = rough(shape, 300, generator)
    elevation = quantise(generator.uniform(10, 900) + relief * (hills - hills.min()), 64.0)
    seeds = generator.uniform(0, FINE, (int(generator.integers(10, 18)), 2))
    warp = np.stack([12 * smooth(shape, 60, generator), 12 * smooth(shape, 60, generator)], -1)
    cells = np.moveaxis(np.mgrid[:FINE, :FINE], 0, -1)
    near = nearest((cells + warp).reshape(-1, 2), seeds).reshape(shape)
    uses = generator.choice(7, len(seeds), p=[0.27, 0.1, 0.14, 0.11, 0.18, 0.12, 0.08])
    geography = Geography(
        label=np.zeros(shape, dtype=np.int32),
        district=uses[near].astype(np.int8),
        elevation=elevation,
        texture=rough(shape, 14, generator, octaves=2),
        grain=smooth(shape, 3, generator),
        bits=np.zeros((0, len(BITS)), dtype=int),
        version=version,
    )
    for number, use in enumerate(uses):
        inside = np.argwhere(near == number)
        if len(inside):
            FILL[SCENE_CLASSES[use]](geography, inside, generator)
    overlay(geography, hills, relief, generator)
    return geography


def overlay(geography: Geography, hills: np.ndarray, relief: float, generator: np.random.Generator) -> None:
    """Lakes in the hollows, a river where it is not too hilly, a highway and country roads."""
    parcel = geography.new_parcel(generator)
    y, x = np.mgrid[:FINE, :FINE]
    if generator.uniform() < 0.35:
        lake = hills < np.quantile(hills, generator.uniform(0.06, 0.25))
        surface = geography.add("water", str(generator.choice(["clear", "turbid", "algal"])), parcel)
        geography.label[lake], geography.district[lake] = surface, SCENE_CLASSES.index("lake")
        geography.elevation[lake] = geography.elevation[lake].max()
    if generator.uniform() < 0.5 and relief < 50:
        bend = 40 * smooth((1, FINE), 90, generator)[0] + generator.uniform(0.2, 0.8) * FINE
        wide = generator.uniform(6, 26) * (1 + 0.2 * smooth((1, FINE), 60, generator)[0])
        river = np.abs(y - bend[None, :]) < wide[None, :] / 2
        river = river.T if generator.uniform() < 0.5 else river
        surface = geography.add("water", str(generator.choice(["clear", "turbid"])), parcel)
        geography.label[river], geography.district[river] = surface, SCENE_CLASSES.index("river")
        geography.elevation[river] = np.median(geography.elevation[river])
    for width, chance in ((11.0, 0.3), (3.2, 0.9), (3.2, 0.6)):
        if generator.uniform() < chance:
            turn, through = generator.uniform(0, np.pi), generator.uniform(0.2, 0.8, 2) * FINE
            across = (y - through[0]) * quantise(np.cos(turn)) + (x - through[1]) * quantise(np.sin(turn))
            road = np.abs(across) < width / 2
            surface = geography.add("paved", "road", parcel)
            geography.label[road] = surface
            if width > 10:
                geography.district[road] = SCENE_CLASSES.index("highway")
