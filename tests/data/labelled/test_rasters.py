"""Chips with rasters of labels beside them."""

import numpy as np
import pytest
from geotiffs import BANDS, numbers, write

from olmoearth_nb.data.labelled.rasters import RasterPixels
from olmoearth_nb.data.sets import LabelledPixels

S2 = ("sentinel2_l2a",)


def make(folder, count=3, names="sea\nland\nice\n", real=False):
    """Chips of 16 x 16 px, the first two near each other; labels are columns, and the first row has none."""
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True)
    for number in range(count):
        origin = (500_000 + (1_000 if number == 1 else 50_000 * number), 800_000)
        tags = {"TIFFTAG_DATETIME": "2021:06:01 10:00:00"}
        write(folder / "images" / f"c{number}.tif", numbers(seed=number), BANDS, tags, origin=origin)
        values = np.tile(np.arange(16) // 6, (1, 16, 1)).astype(np.float32 if real else np.uint8)
        values[0, 0] = 255
        write(folder / "labels" / f"c{number}.tif", values, origin=origin, nodata=255)
    (folder / "labels" / "classes.txt").write_text(names)
    return folder


def test_every_pixel_has_its_label(tmp_path):
    data = RasterPixels(make(tmp_path / "fields"), dates=["2021-06-01"])
    assert isinstance(data, LabelledPixels)
    assert (data.name, data.ids, data.classes) == ("pixels of fields", ["c0", "c1", "c2"], ("sea", "land", "ice"))
    assert data.answers.shape == (3, 16, 16)
    assert (data.answers[:, 0] == -1).all()
    assert data.answers[1, 3].tolist() == [0] * 6 + [1] * 6 + [2] * 4
    assert data.groups.tolist() == [0, 0, 1]
    assert "2 groups of 3 chips" in data.notes[0]
    batch = data.batch(np.array([2, 0]), S2)
    assert batch.images[S2[0]].shape == (2, 16, 16, 1, 12)
    assert (data.samples(np.array([2]))[0].images[S2[0]][:, :, 0, 3] == numbers(seed=2)[3]).all()
    with pytest.raises(ValueError, match="has sentinel2_l2a, not sentinel1"):
        data.batch(np.array([0]), ("sentinel1",))


def test_real_values_and_classes_without_names(tmp_path):
    real = RasterPixels(make(tmp_path / "real", real=True), unit="m", dates=["2021-06-01"])
    assert (real.classes, real.unit, real.answers.dtype) == ((), "m", np.float32)
    assert np.isnan(real.answers[:, 0]).all()
    folder = make(tmp_path / "unnamed")
    (folder / "labels" / "classes.txt").unlink()
    assert RasterPixels(folder, dates=["2021-06-01"]).classes == ("class 0", "class 1", "class 2")


def damage(folder, how):
    """Makes one thing of a folder wrong."""
    label = folder / "labels" / "c1.tif"
    values = np.ones((1, 16, 16), np.uint8)
    place = (501_000, 800_000)
    if how == "alone":
        label.unlink()
    elif how == "size":
        write(label, values[:, :8], origin=place)
    elif how == "place":
        write(label, values, origin=(600_000, 800_000))
    elif how == "crs":
        write(label, values, crs="EPSG:32632", origin=place)
    elif how == "bands":
        write(label, np.repeat(values, 2, 0), origin=place)
    elif how == "real":
        write(label, values.astype(np.float32), origin=place)
    elif how == "large":
        write(label, values.astype(np.uint16) * 999, origin=place)
    elif how == "names":
        (folder / "labels" / "classes.txt").write_text("sea\nland\n")


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("alone", r"each chip of images/ needs a GeoTIFF of its name in labels/; alone are \['c1'\] \(1 of 3\)"),
        ("size", "all chips must have one size"),
        ("place", "bring both on one grid"),
        ("crs", "bring both on one grid"),
        ("bands", "must have one band of whole numbers, .* it has 2 of uint8"),
        ("real", r"or of real values whose unit is said \(unit='m'\); it has 1 of float32"),
        ("large", "classes are numbers from 0 to 255, got 999 to 999; what has no class is to be masked"),
        ("names", "must name 3 classes or more, each once; it names 2"),
    ],
)
def test_what_does_not_belong_together(tmp_path, how, said):
    damage(make(tmp_path / "fields"), how)
    with pytest.raises(ValueError, match=said):
        _ = RasterPixels(tmp_path / "fields", dates=["2021-06-01"]).groups


def test_a_folder_of_something_else(tmp_path):
    with pytest.raises(FileNotFoundError, match="must hold images/ and labels/"):
        RasterPixels(tmp_path)
