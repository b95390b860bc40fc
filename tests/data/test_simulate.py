"""The simulated world: frozen, reproducible, complete, and its targets what they say."""

import csv
import hashlib
import importlib
import importlib.util
import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from olmoearth_nb.bands import MISSING, SENTINEL2
from olmoearth_nb.data.official import OfficialDataset, read_tile
from olmoearth_nb.data.simulate.generate import simulate
from olmoearth_nb.data.simulate.geography import BITS, COVERS, SCENE_CLASSES
from olmoearth_nb.data.simulate.library import BANDS, CANOPIES, LAI, SPLITS, UNIT, library
from olmoearth_nb.data.simulate.outlines import draw
from olmoearth_nb.data.simulate.scenes import TARGETS, answer, majority, scene_class, timesteps, windows
from olmoearth_nb.data.simulate.season import Climate
from olmoearth_nb.data.simulate.sensors import clouds, kernel, light, shares
from olmoearth_nb.data.simulate.tile import make_tile, split_of, tile_place, tile_sample
from olmoearth_nb.data.simulate.version import VERSIONS
from olmoearth_nb.data.simulate.world import World

ROOT = Path(__file__).parents[2]

FROZEN = {
    1: {
        0: "dc06d6cd2c14bf49c9db9f2c716d26975b53de7e73684f4b964f94bd95f1dbf8",
        6: "01e48a05c05dcc1ed99b53eb99b0412bdf56db9b4ab15f12a75261c8d1b233a1",
        17: "8020c5744f4e8934a7ca26896d1bc864aa5229b48b5fe4a56656beedd8d9610f",
    },
    2: {
        0: "19dee516302c550b9618b27f38a8c79a4a2741c00670cd63c8454f5ca77b58f7",
        6: "788912fed19514414cb4242ffd7b75c0502be9184bdf2f6ec8451c484572c534",
        17: "8977568eae08840774ec61a12f389a68e743f6ea3249e2c2cf89c87f96495899",
    },
}
"""Version of the world -> tile of seed 0 -> fingerprint. A change of any value is a new version with a new entry."""


@cache
def made(version, number):
    """A tile of seed 0, made once for all tests that look at it and do not change it."""
    return make_tile(0, number, version)


@pytest.fixture(scope="module")
def tile():
    return made(1, 0)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(simulate(tmp_path_factory.mktemp("world") / "made", 40, size=32, dates=6, seed=3, quiet=True))


def fingerprint(tile):
    """sha256 of all values of a tile: what "the world is frozen" is checked against."""
    digest = hashlib.sha256()
    groups = (tile.images, tile.present, tile.labels, {"timestamps": tile.timestamps, "latlon": tile.latlon})
    for arrays in groups:
        for name in sorted(arrays):
            values = np.ascontiguousarray(arrays[name])
            digest.update(f"{name} {values.dtype} {values.shape}".encode())
            digest.update(values.tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize(("version", "number"), [(v, n) for v, tiles in FROZEN.items() for n in tiles])
def test_the_world_is_frozen(version, number):
    assert fingerprint(made(version, number)) == FROZEN[version][number]


def test_every_version_is_frozen():
    assert list(FROZEN) == list(VERSIONS)
    with pytest.raises(ValueError, match="no version 3 of the world; there are 1, 2"):
        make_tile(0, 0, version=3)


def test_version_2_is_nearer_to_real_pixels(monkeypatch):
    """A few figures that three tiles can tell; benchmarks/likeness.py has them all, and where the bounds are from."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    likeness = importlib.import_module("likeness")
    monkeypatch.setattr(likeness, "DRAWN", 4000)  # enough for three tiles
    found = {}
    for version in VERSIONS:
        images = [made(version, number).images["sentinel2_l2a"][:, :, ::2].astype(float) for number in FROZEN[1]]
        found[version] = likeness.figures(likeness.Pixels("", SENTINEL2.band_names, images))
    for name in ("B03, DN", "B04, DN", "B11, DN", "B12, DN"):
        low, high = likeness.reach("", likeness.EARLIER[f"dense: own part of {name}"])
        assert low < found[2][f"dense: own part of {name}"] < 1.4 * high, name
    for name in ("own part of B03, %", "own part of B03, DN", "own part of B12, DN", "effective rank within a scene"):
        assert found[2][name] < 0.9 * found[1][name], name
    assert found[2]["correlation B02, B08"] > found[1]["correlation B02, B08"] + 0.1
    assert found[2]["mean of clear land, B08"] < 0.9 * found[1]["mean of clear land, B08"]
    assert found[2]["variance between pixels, B8A"] < found[1]["variance between pixels, B8A"]


def test_from_above_the_air():
    """Vapour takes two thirds of B09 as in real L1C chips, air lights B01 up, and all else of the tile stays."""
    low, high = made(2, 0), make_tile(0, 0, version=2, level="L1C")
    ground, above = (one.images["sentinel2_l2a"].astype(float) for one in (low, high))
    names = SENTINEL2.band_names
    b01, b02, b08, b8a, b09 = (names.index(name) for name in ("B01", "B02", "B08", "B8A", "B09"))
    land = (ground[..., b02] < 2000) & (ground[..., b08] > 1500)
    assert 0.9 < ground[land][:, b09].mean() / ground[land][:, b8a].mean() < 1.1
    assert 0.2 < above[land][:, b09].mean() / above[land][:, b8a].mean() < 0.5
    dark = ground[..., b01] < 300
    assert (above[dark][:, b01] > ground[dark][:, b01] + 500).all()
    assert (above[land][:, b08] < ground[land][:, b08]).mean() > 0.95
    assert all((high.images[name] == low.images[name]).all() for name in low.images if name != "sentinel2_l2a")
    with pytest.raises(ValueError, match="no level 'L3'; levels are L2A, L1C"):
        make_tile(0, 0, level="L3")


def test_a_tile_is_complete(tile):
    assert set(tile.images) >= {"sentinel2_l2a", "sentinel1", "landsat", "worldcover", "srtm", "openstreetmap_raster"}
    assert tile.images["sentinel2_l2a"].shape == (128, 128, 12, 12)
    assert tile.images["landsat"].shape == (128, 128, 12, 11)
    assert tile.images["sentinel2_l2a"].dtype == tile.images["landsat"].dtype == np.uint16
    assert all(np.isfinite(image).all() for image in tile.images.values())
    assert {"cover", "crop", "height", "elevation", "scene", *BITS} == set(tile.labels)
    assert all(mask.any() for mask in tile.present.values())


def test_coarse_bands_are_blocks_as_in_the_archive(tile):
    """20 m bands repeat 2 x 2 pixels, the 60 m bands 4 x 4 (they are kept on a grid of 40 m), 10 m bands do not."""
    image = tile.images["sentinel2_l2a"].astype(int)
    for band, block in (("B11", 2), ("B8A", 2), ("B01", 4), ("B09", 4)):
        channel = image[..., SENTINEL2.indices([band])[0]]
        assert (channel == channel[::block, ::block].repeat(block, 0).repeat(block, 1)).all()
    thermal = tile.images["landsat"][..., -1]
    assert (thermal == thermal[::2, ::2].repeat(2, 0).repeat(2, 1)).all()
    fine = image[..., SENTINEL2.indices(["B08"])[0]]
    assert (fine != fine[::2, ::2].repeat(2, 0).repeat(2, 1)).mean() > 0.5


def test_a_tile_as_a_sample(tile):
    """Months that a sensor lacks are marked, all others are the tile's own; maps come along; the rest is left out."""
    sample = tile_sample(0, 0, ("sentinel2_l2a", "landsat", "srtm", "cdl"))
    assert set(sample.images) == {"sentinel2_l2a", "landsat", "srtm"}, "tile 0 lies outside the crop map"
    for name in ("sentinel2_l2a", "landsat"):
        there = tile.present[name]
        assert (sample.images[name][:, :, ~there] == MISSING).all()
        assert (sample.images[name][:, :, there] == tile.images[name][:, :, there]).all()
    assert sample.timestamps.tolist() == tile.timestamps.tolist()
    assert "39.98 N 17.52 W" in sample.provenance
    assert "simulated" in sample.provenance


@pytest.mark.parametrize("number", [0, 6, 7])
def test_a_place_without_its_tile(number):
    assert tile_place(0, number) == tuple(made(1, number).latlon.tolist())


@pytest.mark.parametrize(("latitude", "bright", "dark"), [(45.0, (1, 1), (-1, -1)), (-40.0, (-1, 1), (1, -1))])
def test_slopes_towards_the_sun_are_bright(latitude, bright, dark):
    """Half past ten: the sun is in the south-east of the north, in the north-east of the south."""
    generator = np.random.default_rng(0)
    geography = draw(generator, VERSIONS[1])
    south = -0.6 if latitude > 0 else 0.6
    sky = {"sun": np.full(12, 0.7), "north": np.full(12, south), "east": np.full(12, 0.38)}
    climate = replace(Climate.draw(generator, VERSIONS[1]), latitude=latitude, **sky)
    geography.grain[:] = 0
    y, x = np.mgrid[: len(geography.label), : len(geography.label)]
    for (down, right), sign in ((bright, 1), (dark, -1)):
        geography.elevation = -0.5 * (down * y + right * x)  # descends towards (down, right)
        middle = light(geography, climate)[32:96, 32:96]
        assert (sign * (middle - 1) > 0.05).all()


@pytest.mark.parametrize(("latitude", "rows"), [(45.0, -8), (-40.0, 8)])
def test_shadows_fall_away_from_the_sun(latitude, rows):
    sky = {"north": np.full(12, rows / 12), "east": np.full(12, 0.5)}
    climate = replace(Climate.draw(np.random.default_rng(0), VERSIONS[1]), latitude=latitude, **sky)
    cover = clouds(climate, np.random.default_rng(4), VERSIONS[1])
    month = next(m for m in range(12) if 0.02 < (cover[..., m] > 0).mean() < 0.3)
    cloud, shadow = cover[..., month] > 0, cover[..., month] < 0
    moved, inner = np.roll(cloud, (rows, -6), (0, 1)), (slice(16, 112), slice(16, 112))
    assert (moved & shadow)[inner].sum() == shadow[inner].sum() > 0


def test_shares_of_a_pixel():
    """A pixel sees the cells under its kernel: brute force at a few pixels, and all weights add up."""
    label = np.random.default_rng(0).integers(0, 5, (608, 608))
    weights, total = shares(label, 8, 5)
    assert (weights.sum(1) == total).all()
    weight = kernel(8)
    for row, column in ((0, 0), (31, 7), (63, 63)):
        first_row, first_column = (48 + 8 * edge - 4 for edge in (row, column))
        seen = label[first_row : first_row + 16, first_column : first_column + 16]
        expected = [float((np.outer(weight, weight) * (seen == k)).sum()) for k in range(5)]
        assert weights[row * 64 + column].tolist() == expected


def test_spectra():
    spectra = {split: library(split) for split in SPLITS}
    for one, other in (("train", "valid"), ("train", "test"), ("valid", "test")):
        for name, values in spectra[one].grounds.items():
            shared = {row.tobytes() for row in values} & {row.tobytes() for row in spectra[other].grounds[name]}
            assert not shared, (name, one, other)
        assert not np.isin(spectra[one].canopies[..., 5], -1).any()
    train = spectra["train"]
    assert train.canopies.shape[0] == len(CANOPIES)
    assert train.canopies.shape[-2:] == (len(LAI), len(BANDS))
    ndvi = [(a[3] - a[2]) / (a[3] + a[2]) for a in train.canopies[0, 0, 1, 0, 1, 0]]
    assert ndvi[1:] == sorted(ndvi[1:]), "more leaves, more NDVI"
    assert (train.grounds["snow"][:, 0] * UNIT > 0.9).all()
    assert (train.grounds["clear"][:, 8] * UNIT < 0.02).all(), "water is black at 1.6 micrometres"
    with pytest.raises(ValueError, match="splits are train, valid, test"):
        library("all")


@pytest.mark.skipif(importlib.util.find_spec("prosail") is None, reason="needs the [simulate] extra")
def test_the_library_can_be_made_again():
    from olmoearth_nb.data.simulate.spectra import build

    with np.load(ROOT / "data" / "world" / "spectra.npz") as file:
        for name, values in build().items():
            if name != "bands":
                assert np.abs(values.astype(int) - file[name].astype(int)).max() <= 1, name


def test_targets_are_made_of_traits():
    generator = np.random.default_rng(1)
    labels = {name: generator.integers(0, 2, (64, 64)).astype(np.int8) for name in BITS}
    for traits in labels.values():
        traits[:10] = -1
    for target, traits in TARGETS.items():
        found = answer(target, labels)
        assert (found[:10] == -1).all()
        inside = found[10:]
        if len(traits) == 1:
            assert (inside == labels[traits[0]][10:]).all()
            continue
        for name in traits:
            for value in (0, 1):
                share = inside[labels[name][10:] == value].mean()
                assert abs(share - 0.5) < 0.05, "one trait alone says nothing"
        assert set(np.unique(inside)) == {0, 1}
    with pytest.raises(ValueError, match="no target 'taste'; there are one band"):
        answer("taste", labels)


def test_traits_are_balanced():
    bits = np.concatenate([make_tile(5, i).labels["water"].ravel()[::40] for i in range(6)])
    assert 0.3 < (bits[bits >= 0]).mean() < 0.7


def test_windows_timesteps_and_majority():
    assert windows(64) == [(0, 0), (0, 64), (64, 0), (64, 64)]
    assert len(windows(48)) == 4
    assert timesteps(12) == list(range(12))
    assert timesteps(6) == [1, 3, 5, 7, 9, 11]
    assert timesteps(1) == [6]
    for wrong, call in ((4, windows), (129, windows), (0, timesteps), (13, timesteps)):
        with pytest.raises(ValueError, match=f"got {wrong}"):
            call(wrong)
    values = np.array([[0, 1, -1, -1], [1, 1, -1, 2], [-1, -1, 3, 3], [-1, 0, 4, 4]])
    assert majority(values, 2).tolist() == [[1, -1], [-1, 3]]


def test_what_a_scene_is():
    use = np.zeros((10, 10), dtype=int)
    assert SCENE_CLASSES[scene_class(use)] == "annual crop"
    use[:1] = SCENE_CLASSES.index("river")
    assert SCENE_CLASSES[scene_class(use)] == "river"
    use[:1, :5] = SCENE_CLASSES.index("highway")
    assert SCENE_CLASSES[scene_class(use)] == "highway"


def checksums(folder):
    return {p.relative_to(folder): hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("asked", [{"scenes": 48}, {"scenes": 2, "size": 128, "version": 2, "level": "L1C"}])
def test_workers_do_not_matter(tmp_path, asked):
    one = simulate(tmp_path / "one", **asked, seed=1, workers=1, quiet=True)
    two = simulate(tmp_path / "two", **asked, seed=1, workers=2, quiet=True)
    assert checksums(one) == checksums(two)
    assert simulate(two, **asked, seed=1) == two, "what is there is not made again"
    kept = json.loads((two / "world.json").read_text())["parameters"]
    assert (kept["version"], kept.get("level")) == (asked.get("version", 1), asked.get("level"))
    assert len(World(two)) == asked["scenes"]
    with pytest.raises(FileExistsError, match=r"holds a world of .*not of"):
        simulate(two, **asked | {"version": 3 - kept["version"]}, seed=1)


def test_folders_are_not_overwritten(tmp_path, world):
    with pytest.raises(FileExistsError, match=r"holds a world of .*not of"):
        simulate(world.folder, 41, seed=3)
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(FileExistsError, match="holds other files"):
        simulate(tmp_path, 1)
    with pytest.raises(ValueError, match="at least 1, got 0 and 1"):
        simulate(tmp_path / "new", 0)
    half = tmp_path / "half"
    half.mkdir()
    (half / "unfinished").touch()
    (half / "scenes.csv").touch()
    with pytest.raises(FileNotFoundError, match="no finished world"):
        World(half)
    assert len(World(simulate(half, 2, size=128, quiet=True))) == 2


def test_a_world_opens_as_scenes(world):
    assert len(world) == 40
    assert world.timesteps == [1, 3, 5, 7, 9, 11]
    assert [SPLITS[i] for i in world.split] == [split_of(int(t)) for t in world.tile]
    samples = world.samples(np.array([17, 2]), ("sentinel2_l2a", "sentinel1"))
    whole = make_tile(3, 1)
    image = samples[0].images["sentinel2_l2a"]
    row, column = world.corner[17]
    for position, step in enumerate(world.timesteps):
        if whole.present["sentinel2_l2a"][step]:
            expected = whole.images["sentinel2_l2a"][row : row + 32, column : column + 32, step]
            assert (image[:, :, position] == expected).all()
        else:
            assert (image[:, :, position] == MISSING).all()
    batch = world.batch(np.arange(3))
    assert batch.images["sentinel2_l2a"].shape == (3, 32, 32, 6, 12)
    answers = world.answers("cover", np.array([17]), 32)
    assert 0 <= answers[0, 0, 0] < len(COVERS)


def test_the_list_of_scenes(world):
    with (world.folder / "scenes.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["scene"]) for row in rows] == list(range(40))
    assert {row["class"] for row in rows} <= set(SCENE_CLASSES)


def test_the_committed_tiles():
    tiles = OfficialDataset(ROOT / "data" / "world" / "tiles")
    assert len(tiles) == 3
    fresh = made(1, 6)
    sample = read_tile(tiles.path(1), all_timesteps=True)
    for name in ("sentinel2_l2a", "sentinel1", "landsat"):
        for slot in range(12):
            expected = fresh.images[name][:, :, slot] if slot % 2 and fresh.present[name][slot] else MISSING
            assert (sample.images[name][:, :, slot] == expected).all()
    assert sum(p.stat().st_size for p in (ROOT / "data" / "world").rglob("*") if p.is_file()) < 10_000_000
