"""Fits as heads: what a map shows is what the fit tells of each window."""

import numpy as np
import pytest
import rasterio
import torch

from olmoearth_nb import Batch
from olmoearth_nb.data.load import load_scene
from olmoearth_nb.finetune.engine import LOG, Fit
from olmoearth_nb.finetune.fitted import Fitted, save_fitted
from olmoearth_nb.finetune.heads import InUnit, PixelHead, PlaceHead
from olmoearth_nb.finetune.target import Target
from olmoearth_nb.finetune.tuned import Tuned
from olmoearth_nb.finetune.ways import Settings
from olmoearth_nb.maps.fitted import FittedHead
from olmoearth_nb.maps.make import make_map
from olmoearth_nb.maps.seams import read_map
from olmoearth_nb.weights.load import open_encoder
from olmoearth_nb.weights.trained import weights_hash

S2 = ("sentinel2_l2a",)
ALONE = {"window": 32, "stride": 32, "quiet": True}


def fitted(files, kind, pixels, classes, unit=""):
    torch.manual_seed(1)
    encoder = open_encoder(files / "encoder.safetensors")
    outputs, width = len(classes) or 1, encoder.config.width
    head = PixelHead(width, outputs, 4) if pixels else PlaceHead(width, outputs)
    with torch.no_grad():
        head.linear.weight *= 10
    if kind == "values":
        head = InUnit(head, 5.0, 2.0)
    return Fitted(Tuned(encoder, head, 4).eval(), Target(kind, pixels, classes, unit), S2, {})


def predicted(one, files, row, column, edge=32):
    """What the fit tells of a window, and of none of its surroundings."""
    sample = load_scene(files / "scene").window(row, column, edge)
    return one.predict(Batch.from_samples(sample))[0]


def test_each_pixel_is_told(files, tmp_path):
    one = fitted(files, "classes", True, ("a", "b", "c"))
    made = make_map(None, files / "scene", tmp_path / "map.tif", FittedHead(one), output="probabilities", **ALONE)
    values, tiling = read_map(made)
    assert values.shape == (84, 100, 3)
    assert tiling.window == 32
    by_hand = predicted(one, files, 0, 32)
    np.testing.assert_allclose(values[:32, 32:64], by_hand, atol=0.0021)
    with rasterio.open(made) as file:
        assert tuple(file.transform)[:6] == (10, 0, 500_000, 0, -10, 800_000)
        assert file.tags()["CELLS"] == "4"
    classes = make_map(None, files / "scene", tmp_path / "classes.tif", FittedHead(one), block=40, **ALONE)
    with rasterio.open(classes) as file:
        assert (file.read(1)[:32, 32:64] == by_hand.argmax(-1)).all()
        assert (file.read(1)[40:52, 60:72] == 255).all(), "the cloud"


def test_a_place_is_asked_of_each_patch(files, tmp_path):
    """Real values are linear in the mean of the tokens: a window's is the mean of its patches'."""
    one = fitted(files, "values", False, (), "t/ha")
    values, _ = read_map(make_map(None, files / "scene", tmp_path / "map.tif", FittedHead(one), **ALONE))
    assert values.shape == (21, 25, 1)
    assert values[:8, :8].mean() == pytest.approx(predicted(one, files, 0, 0), abs=1e-4)
    with rasterio.open(tmp_path / "map.tif") as file:
        assert (file.dtypes[0], file.descriptions, file.nodata) == ("float32", ("t/ha",), -9999)


def test_several_truths_have_probabilities_alone(files, tmp_path):
    one = FittedHead(fitted(files, "truths", False, ("dry", "steep")))
    values, _ = read_map(make_map(None, files / "scene", tmp_path / "map.tif", one, **ALONE))
    assert values.shape == (21, 25, 2)
    assert abs(np.nansum(values, 2) - 1).max() > 0.1
    with pytest.raises(ValueError, match=r"a head of truths shows probabilities; say output='probabilities'"):
        make_map(None, files / "scene", tmp_path / "other.tif", one, output="classes", **ALONE)


def test_a_folder_brings_its_encoder(files, tmp_path):
    """As `finetune` leaves one; a map by the folder is the map by the objects."""
    one = fitted(files, "classes", False, ("a", "b"))
    source, settings = str(files / "encoder.safetensors"), Settings("frozen")
    log = [dict.fromkeys(LOG, 1)]
    about = {"model": source, "encoder": weights_hash(one.tuned.encoder), "modalities": list(S2)}
    about |= {"target": {"kind": "classes", "pixels": False, "classes": ["a", "b"], "unit": ""}}
    about |= {"settings": settings.describe()}
    save_fitted(Fit(one.tuned, one.target, S2, settings, log, 0), tmp_path / "fit", about)
    by_folder, _ = read_map(make_map(None, files / "scene", tmp_path / "a.tif", tmp_path / "fit", **ALONE))
    by_object, _ = read_map(make_map(None, files / "scene", tmp_path / "b.tif", FittedHead(one), **ALONE))
    np.testing.assert_array_equal(by_folder, by_object)
    with pytest.raises(ValueError, match="give model="):
        make_map(None, files / "scene", tmp_path / "c.tif", **ALONE)
