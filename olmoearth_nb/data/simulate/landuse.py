"""What the districts of a tile hold: fields, orchards, meadows, scrub, forest, houses, halls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from olmoearth_nb.data.simulate.geography import CROPS, SCENE_CLASSES, Geography
from olmoearth_nb.data.simulate.noise import nearest, quantise

Kinds = list[dict[str, Any]]
"""Keywords of `Geography.add`, one entry for each kind of parcel."""

HECTARE = 1600
"""Cells of 2.5 m in a hectare."""

PARCEL_HECTARES = {"annual crop": 2.6, "permanent crop": 2.0, "pasture": 1.8, "herbaceous": 2.5, "forest": 4.0}


FALLOW: dict[str, Kinds] = {
    "annual crop": [{"cover": "bare", "material": "soil"}, {"cover": "bare", "material": "litter"}],
    "pasture": [{"cover": "bare", "material": "litter"}],
    "herbaceous": [{"cover": "bare", "material": "litter"}, {"cover": "bare", "material": "soil"}],
}
"""What lies dormant for a year: nothing grows there that a task asks for."""


def parcels(use: str, inside: np.ndarray, size: float, generator: np.random.Generator) -> np.ndarray:
    """(n,) index of the parcel of each cell of a district, parcels having `size` times their usual area."""
    count = max(1, round(len(inside) / HECTARE / (PARCEL_HECTARES[use] * size)))
    seeds = inside[generator.integers(0, len(inside), count)] + generator.uniform(-0.5, 0.5, (count, 2))
    stretch = generator.uniform(1.6, 3.0) if use == "annual crop" else generator.uniform(1.0, 1.5)
    return nearest(inside, seeds, generator.uniform(0, np.pi), stretch)


def plant(geography: Geography, inside: np.ndarray, generator: np.random.Generator, surfaces: Kinds) -> None:
    """Gives each parcel of a district one of the given surfaces, in parts that grow well and parts that do not."""
    use, version = SCENE_CLASSES[geography.district[tuple(inside[0])]], geography.version
    of = parcels(use, inside, version.parcel_size, generator)
    rows, columns = inside.T
    patchy = geography.grain if use == "forest" else geography.texture
    if version.fine and use != "forest":
        mixed = (1 - version.fine) * patchy + version.fine * geography.grain
        patchy = quantise(mixed / np.hypot(1 - version.fine, version.fine))
    part = np.digitize(patchy[rows, columns], version.vigour_edges, right=True)
    for number in np.unique(of):
        kinds = surfaces
        if version.fallow and use in FALLOW and generator.uniform() < version.fallow:
            kinds = FALLOW[use]
        kind = kinds[int(generator.integers(len(kinds)))]
        parcel = geography.new_parcel(generator)
        mine = of == number
        for step, vigour in enumerate(version.vigour):
            where = mine & (part == step)
            geography.label[rows[where], columns[where]] = geography.add(parcel=parcel, vigour=vigour, **kind)


def fill_annual(geography: Geography, inside: np.ndarray, generator: np.random.Generator) -> None:
    """Fields, each of one crop, with grassy margins here and there."""
    leaf = {"maize": "maize", "soybean": "broadleaf crop", "sugar beet": "broadleaf crop", "rapeseed": "broadleaf crop"}
    kinds: Kinds = [
        {"cover": "crop", "material": leaf.get(name, "cereal"), "plants": name, "crop": i}
        for i, name in enumerate(CROPS)
    ]
    plant(geography, inside, generator, kinds)
    rows, columns = inside.T
    parcel = np.asarray(geography.parcel)[geography.label]
    border = (parcel != np.roll(parcel, 2, 0)) | (parcel != np.roll(parcel, 2, 1))
    margin = border[rows, columns] & (geography.texture[rows, columns] > 0)
    grass = geography.add("grass", "grass", geography.new_parcel(generator), plants="grass")
    geography.label[rows[margin], columns[margin]] = grass


def fill_permanent(geography: Geography, inside: np.ndarray, generator: np.random.Generator) -> None:
    """Rows of trees six cells apart, with grass or soil between."""
    plant(
        geography,
        inside,
        generator,
        [{"cover": "orchard", "material": "broadleaf trees", "plants": "orchard", "height": 4.0}],
    )
    turn = generator.uniform(0, np.pi)
    rows, columns = inside.T
    across = rows * quantise(np.cos(turn)) + columns * quantise(np.sin(turn))
    between = (across % 6.0) < 2.5
    ground = geography.add("grass", "grass", geography.new_parcel(generator), plants="grass", vigour=0.6)
    geography.label[rows[between], columns[between]] = ground


def fill_pasture(geography: Geography, inside: np.ndarray, generator: np.random.Generator) -> None:
    """Meadows with single trees."""
    plant(geography, inside, generator, [{"cover": "grass", "material": "grass", "plants": "grass"}])
    rows, columns = inside.T
    tree = geography.texture[rows, columns] > 2.3
    wood = geography.add(
        "broadleaf trees", "broadleaf trees", geography.new_parcel(generator), plants="broadleaf trees", height=9.0
    )
    geography.label[rows[tree], columns[tree]] = wood


def fill_herbaceous(geography: Geography, inside: np.ndarray, generator: np.random.Generator) -> None:
    """Rough grass, reed and shrubs with bare patches."""
    kinds: Kinds = [
        {"cover": "shrub and reed", "material": "grass", "plants": "reed"},
        {"cover": "shrub and reed", "material": "broadleaf trees", "plants": "shrub", "height": 1.5},
    ]
    plant(geography, inside, generator, kinds)
    rows, columns = inside.T
    bare = geography.texture[rows, columns] < -1.3
    ground = geography.add("bare", str(generator.choice(["soil", "sand", "gravel"])), geography.new_parcel(generator))
    geography.label[rows[bare], columns[bare]] = ground


def fill_forest(geography: Geography, inside: np.ndarray, generator: np.random.Generator) -> None:
    """Stands of broadleaf trees and conifers; a few are burnt or cut."""
    tall = float(quantise(generator.uniform(12, 32), 64.0))
    kinds: Kinds = [
        {"cover": "broadleaf trees", "material": "broadleaf trees", "plants": "broadleaf trees", "height": tall},
        {"cover": "conifer", "material": "conifer", "plants": "conifer", "height": 0.9 * tall},
    ] * 4 + [{"cover": "burnt", "material": "char"}, {"cover": "bare", "material": "bark"}]
    plant(geography, inside, generator, kinds)


def _streets(inside: np.ndarray, block: float, width: float, turn: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Turned coordinates of cells inside a grid of blocks, and whether a cell is street."""
    sine, cosine = quantise(np.sin(turn)), quantise(np.cos(turn))
    u, v = inside[:, 0] * cosine + inside[:, 1] * sine, inside[:, 1] * cosine - inside[:, 0] * sine
    return u, v, (u % block < width) | (v % (1.7 * block) < width)


def fill_residential(geography: Geography, inside: np.ndarray, generator: np.random.Generator) -> None:
    """Houses in gardens along streets."""
    parcel = geography.new_parcel(generator)
    u, v, street = _streets(inside, 24.0, 3.0, generator.uniform(0, np.pi))
    roof_names = ["tile", "shingle", "concrete"]
    roofs = np.array([geography.add("roof", name, parcel) for name in roof_names])
    lawn = geography.add("grass", "grass", parcel, plants="grass")
    trees = geography.add("broadleaf trees", "broadleaf trees", parcel, plants="broadleaf trees", height=8.0)
    paved = geography.add("paved", "asphalt", parcel)
    rows, columns = inside.T
    label = np.where(geography.texture[rows, columns] > 0.8, trees, lawn)
    house = ((u - 3) % 10.5 < generator.uniform(4.2, 6.5)) & ((v - 3) % 8.0 < generator.uniform(3.8, 5.5))
    kind = (np.floor((u - 3) / 10.5) * 7 + np.floor((v - 3) / 8.0) * 13).astype(int) % len(roofs)
    geography.label[rows, columns] = np.where(street, paved, np.where(house, roofs[kind], label))


def fill_industrial(geography: Geography, inside: np.ndarray, generator: np.random.Generator) -> None:
    """Large halls on paved and gravel ground."""
    parcel = geography.new_parcel(generator)
    u, v, street = _streets(inside, 60.0, 5.0, generator.uniform(0, np.pi))
    roofs = np.array([geography.add("roof", name, parcel) for name in ("metal", "concrete")])
    paved, gravel = geography.add("paved", "asphalt", parcel), geography.add("bare", "gravel", parcel)
    lawn = geography.add("grass", "grass", parcel, plants="grass", vigour=0.8)
    rows, columns = inside.T
    rest = geography.texture[rows, columns]
    label = np.select([rest > 0.9, rest < -0.7], [lawn, gravel], paved)
    hall = ((u - 5) % 30 < generator.uniform(16, 24)) & ((v - 5) % 51 < generator.uniform(24, 40))
    kind = (np.floor((u - 5) / 30) + np.floor((v - 5) / 51)).astype(int) % 2
    geography.label[rows, columns] = np.where(street, paved, np.where(hall, roofs[kind], label))


FILL: dict[str, Callable[[Geography, np.ndarray, np.random.Generator], None]] = {
    "annual crop": fill_annual,
    "permanent crop": fill_permanent,
    "pasture": fill_pasture,
    "herbaceous": fill_herbaceous,
    "forest": fill_forest,
    "residential": fill_residential,
    "industrial": fill_industrial,
}
"""How the cells of a district (n, 2) are filled with the surfaces of its land use."""
