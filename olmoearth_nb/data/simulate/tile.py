"""One tile of the world: three sensors, six maps, labels, dates and what is missing, all from a seed and a number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from olmoearth_nb.bands import MISSING, modality
from olmoearth_nb.data.simulate import sensors
from olmoearth_nb.data.simulate.geography import (
    BITS,
    CELLS,
    COVERS,
    CROPS,
    MARGIN,
    SCENE_CLASSES,
    TILE,
    Geography,
)
from olmoearth_nb.data.simulate.library import SPLITS, library
from olmoearth_nb.data.simulate.outlines import draw
from olmoearth_nb.data.simulate.season import MONTHS, Climate, year
from olmoearth_nb.data.simulate.version import version_of
from olmoearth_nb.sample import Sample

LEVELS = ("L2A", "L1C")
"""Levels of Sentinel-2: reflectance of the ground, and at the top of the atmosphere."""

MISSING_DATES = {"sentinel2_l2a": 0.12, "sentinel1": 0.08, "landsat": 0.2}
"""Chance that a sensor has nothing in a month."""

ABSENT_MAPS = {"worldcereal": 0.3, "wri_canopy_height_map": 0.1}
"""Chance that a tile lies outside a map. The Cropland Data Layer covers the conterminous United States only."""

AMERICA = (25.0, 49.0, -125.0, -67.0)
"""South, north, west and east of that box."""

WORLDCOVER = dict(zip(COVERS, (80, 40, 30, 20, 10, 10, 10, 50, 50, 60, 60), strict=True))
CDL = dict(zip(COVERS, (111, 0, 176, 152, 141, 142, 71, 123, 121, 131, 131), strict=True))
CDL_CROPS = (24, 23, 31, 1, 5, 41)
"""Codes of ESA WorldCover, and of the Cropland Data Layer for covers and for `CROPS`."""


@dataclass(frozen=True, eq=False)
class Tile:
    """1.28 km of the world in twelve months.

    Attributes:
        images: modality -> (128, 128, 12, C), maps (128, 128, 1, C); all months are filled, whether present or not.
        present: sensor -> (12,) bool.
        timestamps: (12, 3) day, month 0..11, year.
        latlon: (2,) degrees.
        labels: name -> (128, 128) integers, -1 where there is no answer: "scene" (land use of
            `SCENE_CLASSES`), "cover" (`COVERS`), "crop" (`CROPS`) and each of `BITS`; and float "height", "elevation".
        split: "train", "valid" or "test".
    """

    images: dict[str, np.ndarray]
    present: dict[str, np.ndarray]
    timestamps: np.ndarray
    latlon: np.ndarray
    labels: dict[str, np.ndarray]
    split: str


def split_of(number: int) -> str:
    """Split of a tile: of ten in a row, six are for training, one for validation, three for the test."""
    return SPLITS[0] if number % 10 < 6 else SPLITS[1] if number % 10 == 6 else SPLITS[2]


def make_tile(seed: int, number: int, version: int = 1, level: str = "L2A") -> Tile:
    """Makes one tile; the same on any machine, whichever tiles are made beside it.

    Args:
        seed: of the world.
        number: of the tile; it also says the split, and with it which spectra are used.
        version: of the world.
        level: of Sentinel-2, one of `LEVELS`; nothing else depends on it.
    """
    constants, split, level = version_of(version), split_of(number), checked(level)
    shape, weather, plants, optics, radar, gaps, nature = _generators(seed, number, version)
    spectra, geography, climate = library(split), draw(shape, constants), Climate.draw(weather, constants)
    surfaces = year(geography, spectra, climate, plants, nature)
    view = sensors.View(geography)
    scene = {
        "light": sensors.light(geography, climate),
        "clouds": sensors.clouds(climate, weather, constants),
        "haze": np.round(weather.gamma(1.5, 0.008, MONTHS) * 2**16) / 2**16,
    }
    landsat_scene = scene | {"clouds": sensors.clouds(climate, weather, constants)}
    images = {
        "sentinel2_l2a": sensors.sentinel2(view, surfaces, spectra, climate, scene, optics, level),
        "sentinel1": sensors.sentinel1(view, surfaces, radar),
        "landsat": sensors.landsat(view, surfaces, spectra, climate, landsat_scene, optics),
    }
    labels = label_maps(geography, view)
    images |= maps(labels, geography)
    absent, present = _absent(gaps)
    timestamps, latlon, there = _when_and_where(climate, gaps)
    absent += [] if there else ["cdl"]
    absent += [] if images["openstreetmap_raster"].any() else ["openstreetmap_raster"]  # as the official converter
    images = {name: image for name, image in images.items() if name not in absent}
    return Tile(images, present, timestamps, latlon, labels, split)


def checked(level: str) -> str:
    """A level of Sentinel-2, if it is one of `LEVELS`."""
    if level not in LEVELS:
        raise ValueError(f"no level {level!r}; levels are {', '.join(LEVELS)}")
    return level


def tile_sample(
    seed: int,
    number: int,
    modalities: Sequence[str] = ("sentinel2_l2a",),
    version: int = 1,
    level: str = "L2A",
) -> Sample:
    """A tile as a sample; months that a sensor lacks are `bands.MISSING`.

    Args:
        seed: of the world.
        number: of the tile.
        modalities: which of its sensors and maps; those that the tile does not have are left out.
        version: of the world.
        level: of Sentinel-2, one of `LEVELS`.
    """
    tile = make_tile(seed, number, version, level)
    images = {name: tile.images[name].astype(np.float32) for name in modalities if name in tile.images}
    for name in images.keys() & tile.present.keys():
        images[name][:, :, ~tile.present[name]] = MISSING
    latitude, longitude = tile.latlon.tolist()
    where = f"{abs(latitude):.2f} {'N' if latitude >= 0 else 'S'} {abs(longitude):.2f} {'E' if longitude >= 0 else 'W'}"
    seen = "" if level == LEVELS[0] else f", {level}"
    made = f"simulated (world version {version}, seed {seed}, tile {number}{seen}), {where}"
    return Sample(images, tile.timestamps, f"simulated tile {number}", made)


def tile_place(seed: int, number: int, version: int = 1) -> tuple[float, float]:
    """Latitude and longitude of a tile in degrees, without making it."""
    _, weather, _, _, _, gaps, _ = _generators(seed, number, version)
    _absent(gaps)
    latitude, longitude = _when_and_where(Climate.draw(weather, version_of(version)), gaps)[1].tolist()
    return latitude, longitude


def _generators(seed: int, number: int, version: int) -> list[np.random.Generator]:
    """Independent sources of chance for one tile: outlines, weather, plants, optics, radar, gaps, nature."""
    return [np.random.default_rng(stream) for stream in np.random.SeedSequence([version, seed, number]).spawn(7)]


def _absent(gaps: np.random.Generator) -> tuple[list[str], dict[str, np.ndarray]]:
    """Maps that the tile lies outside of, and for each sensor which months are there, at least one of Sentinel-2."""
    absent = [name for name, chance in ABSENT_MAPS.items() if gaps.uniform() < chance]
    present = {name: gaps.uniform(size=MONTHS) >= chance for name, chance in MISSING_DATES.items()}
    present["sentinel2_l2a"][gaps.integers(MONTHS)] = True
    return absent, present


def _when_and_where(climate: Climate, gaps: np.random.Generator) -> tuple[np.ndarray, np.ndarray, bool]:
    """Timestamps, latitude and longitude, and whether that is in the conterminous United States.

    Longitudes know no coasts: many tiles lie in the sea.
    """
    when = int(gaps.integers(2017, 2024))
    timestamps = np.array([(1, month, when) for month in range(MONTHS)], dtype=np.int32)
    south, north, west, east = AMERICA
    there = south <= climate.latitude <= north and bool(gaps.uniform() < 0.5)
    longitude = np.round(gaps.uniform(west, east) if there else gaps.uniform(-20, 140), 3)
    return timestamps, np.array([climate.latitude, longitude], dtype=np.float32), there


def label_maps(geography: Geography, view: sensors.View) -> dict[str, np.ndarray]:
    """Labels of each pixel of 10 m, of the surface that fills most of it."""
    top = view.dominant(CELLS)
    cover, parcel = np.asarray(geography.cover)[top], np.asarray(geography.parcel)[top]
    grown = np.isin(cover, [COVERS.index(name) for name in PLANTED])
    centre = slice(MARGIN + CELLS // 2, MARGIN + TILE * CELLS, CELLS)
    labels = {
        "scene": geography.district[centre, centre].astype(np.int8),
        "cover": cover.astype(np.int8),
        "crop": np.asarray(geography.crop)[top].astype(np.int8),
        "height": np.asarray(geography.height)[top].astype(np.float32),
        "elevation": geography.elevation[centre, centre].astype(np.float32),
    }
    bits = np.where(grown[..., None], geography.bits[parcel], -1).astype(np.int8)
    evergreen = cover == COVERS.index("conifer")  # its seasons hardly show
    bits[evergreen, BITS.index("early")] = bits[evergreen, BITS.index("late")] = -1
    return labels | {name: bits[..., i] for i, name in enumerate(BITS)}


PLANTED = ("crop", "grass", "shrub and reed", "broadleaf trees", "conifer")
"""Covers whose hidden traits are asked for; an orchard's are mixed with the grass between its rows."""


def maps(labels: dict[str, np.ndarray], geography: Geography) -> dict[str, np.ndarray]:
    """The six decode-only maps, (128, 128, 1, C), in the codes and units of their sources."""
    cover, crop = labels["cover"], labels["crop"]
    osm = np.zeros((TILE, TILE, 1, 30), dtype=np.uint8)
    bands = modality("openstreetmap_raster").band_names
    osm[..., 0, bands.index("building")] = cover == COVERS.index("roof")
    osm[..., 0, bands.index("highway")] = cover == COVERS.index("paved")
    osm[..., 0, bands.index("river")] = labels["scene"] == SCENE_CLASSES.index("river")
    osm[..., 0, bands.index("leisure")] = (cover == COVERS.index("grass")) & (labels["scene"] == 5)
    cereal = {"maize": [2], "spring cereal": [5], "winter cereal": [7]}
    layers = np.zeros((TILE, TILE, 1, 8), dtype=np.uint8)
    layers[..., 0, 0] = 100 * (crop >= 0)
    for name, channels in cereal.items():
        layers[..., 0, channels] = 100 * (crop == CROPS.index(name))[..., None]
    codes = np.array([CDL[name] for name in COVERS])[cover]
    codes = np.where(crop >= 0, np.array(CDL_CROPS)[crop], codes)
    single = {
        "worldcover": np.array([WORLDCOVER[name] for name in COVERS], dtype=np.uint8)[cover],
        "srtm": np.round(labels["elevation"]).astype(np.int16),
        "wri_canopy_height_map": np.round(labels["height"]).astype(np.uint8),
        "cdl": codes.astype(np.uint8),
    }
    return {"openstreetmap_raster": osm, "worldcereal": layers} | {k: v[..., None, None] for k, v in single.items()}
