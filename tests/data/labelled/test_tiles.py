"""A few simulated tiles in memory, and the pixels of a world: both are labelled data."""

import numpy as np
import pytest

from olmoearth_nb.bands import MISSING
from olmoearth_nb.data.labelled.tiles import TileSet
from olmoearth_nb.data.labelled.world import LABELS, WorldPixels, WorldSet
from olmoearth_nb.data.sets import LabelledPixels, LabelledSet
from olmoearth_nb.data.simulate.geography import SCENE_CLASSES
from olmoearth_nb.data.simulate.scenes import scene_class
from olmoearth_nb.data.simulate.tile import make_tile

S2 = ("sentinel2_l2a",)


@pytest.fixture(scope="module")
def tiles():
    return TileSet(2, size=32, dates=3, seed=5, version=1)


def test_windows_are_those_of_their_tile(tiles):
    """Pixels, months without a date, and what is asked, looked up in the tile itself."""
    assert isinstance(tiles, LabelledSet)
    tile, number = make_tile(5, 1, 1), 16 + 4 * 2 + 3  # third row, fourth column of the second tile
    part, months = (slice(64, 96), slice(96, 128)), [2, 6, 10]
    assert tiles.ids[number] == "tile 1, row 64, column 96"
    assert (tiles.groups == np.repeat([0, 1], 16)).all()
    (sample,) = tiles.samples(np.array([number]))
    image = tile.images[S2[0]][part][:, :, months].astype(np.float32)
    seen = tile.present[S2[0]][months]
    assert (sample.images[S2[0]][:, :, seen] == image[:, :, seen]).all()
    assert (sample.images[S2[0]][:, :, ~seen] == MISSING).all()
    assert (sample.timestamps == tile.timestamps[months]).all()
    assert tiles.answers[number] == scene_class(tile.labels["scene"][part])
    assert tiles.classes == tuple(SCENE_CLASSES)
    for label in LABELS:
        asked = tiles.asking(label)
        assert isinstance(asked, LabelledPixels)
        assert asked.answers.shape == (32, 32, 32)
        assert (asked.answers[number] == tile.labels[label][part]).all()
        assert (asked.classes, asked.unit) == LABELS[label]
        assert label in asked.name
    assert tiles.answers.shape == (32,)
    with pytest.raises(ValueError, match="sentinel2_l2a alone, not sentinel1"):
        tiles.batch(np.array([0]), ("sentinel1",))
    with pytest.raises(ValueError, match="label must be empty or one of cover, crop, height, elevation, got 'roof'"):
        tiles.asking("roof")


def test_pixels_of_a_world(small_world):
    """The same scenes as those that have one answer each, with the labels that lie beside the tiles."""
    scenes, pixels = WorldSet(small_world), WorldPixels(small_world, "height")
    assert isinstance(pixels, LabelledPixels)
    assert (pixels.ids, pixels.unit, pixels.classes) == (scenes.ids, "m", ())
    assert (pixels.split == scenes.split).all()
    number = 50
    with np.load(small_world / "labels" / f"labels_{pixels.groups[number]}.npz") as file:
        row, column = pixels.world.corner[number]
        assert np.array_equal(pixels.answers[number], file["height"][row : row + 32, column : column + 32])
    some = np.array([number])
    assert (pixels.batch(some, S2).images[S2[0]] == scenes.batch(some, S2).images[S2[0]]).all()
    assert WorldPixels(small_world).answers.max() < len(LABELS["cover"][0])
    with pytest.raises(ValueError, match="the labels cover, crop, height, elevation, got 'roof'"):
        WorldPixels(small_world, "roof")
