"""The folder of a fit: opened again it tells the same, and what does not belong to it is refused."""

import copy
import json

import numpy as np
import pytest
import torch
from fitting import S2, TEST, TRAIN, VALID, chips, encoder

from olmoearth_nb.bands import MISSING
from olmoearth_nb.finetune.fitted import FITTED, HEAD, fit, load_fitted
from olmoearth_nb.finetune.places import Places
from olmoearth_nb.finetune.ways import RATES, Settings
from olmoearth_nb.weights.encoder_file import save_encoder
from olmoearth_nb.weights.trained import weights_hash


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """An encoder's file, which fits stand on."""
    return save_encoder(encoder(), tmp_path_factory.mktemp("base") / "encoder.safetensors")


def fitted(folder, source, way="lora", labelled=None, **changes):
    places = Places(labelled or chips(), S2)
    settings = Settings(way, **{"epochs": 2, "batch": 8, **changes})
    return fit(encoder(), places, TRAIN, VALID, settings, folder, str(source))


@pytest.mark.parametrize("way", RATES)
def test_opened_again_it_tells_the_same(way, source, tmp_path):
    labelled = chips("values") if way == "full" else chips(pixels=way == "layer decay")
    batch = labelled.batch(TEST, S2)
    batch.images[S2[0]][3] = MISSING  # of a place nothing was observed
    first = fitted(tmp_path, source, way, labelled)
    told = first.predict(batch)
    assert np.isnan(told[3]).all()
    assert np.isfinite(np.delete(told, 3, 0)).all()
    again = load_fitted(tmp_path)
    assert np.array_equal(again.predict(batch), told, equal_nan=True)
    assert (again.target, again.modalities) == (first.target, S2)
    assert not again.tuned.training
    about = json.loads((tmp_path / FITTED).read_text())
    assert about["train"] == [f"place {number}" for number in TRAIN]
    assert about["settings"]["way"] == way
    names = {path.name for path in tmp_path.iterdir()}
    kept = {"lora": {"lora.safetensors"}, "frozen": set()}.get(way, {"encoder.safetensors"})
    assert names - {".lock"} == {"plan.json", FITTED, HEAD, "log.csv"} | kept
    before = (tmp_path / FITTED).stat().st_mtime_ns
    fitted(tmp_path, source, way, labelled)
    assert (tmp_path / FITTED).stat().st_mtime_ns == before


def test_values_are_told_in_their_unit(source, tmp_path):
    labelled = chips("values")
    told = fitted(tmp_path, source, "frozen", labelled, epochs=40).predict(labelled.batch(TEST, S2))
    assert np.abs(told - labelled.answers[TEST]).mean() < 2.5  # answers are 2000, 2005 and 2010 m
    mean = load_fitted(tmp_path).tuned.head.mean
    assert float(mean) == pytest.approx(labelled.answers[TRAIN].mean())


def test_another_fit_is_refused(source, tmp_path):
    fitted(tmp_path, source)
    with pytest.raises(
        FileExistsError, match=r"settings: .*'rank': 8.* there, .*'rank': 4.* asked for.*another folder"
    ):
        fitted(tmp_path, source, rank=4)
    labelled = chips()
    labelled.answers[0] = 1
    with pytest.raises(FileExistsError, match="data: "):
        fitted(tmp_path, source, labelled=labelled)


def test_another_encoder_is_refused_and_none_is_changed(source, tmp_path):
    base = encoder()
    before = weights_hash(base)
    for way in ("lora", "frozen"):
        fitted(tmp_path / way, source, way)
        other = copy.deepcopy(base)
        with torch.no_grad():
            other.norm.weight.add_(0.1)
        with pytest.raises(ValueError, match=r"stands on .*, an encoder of other weights than this; open that one"):
            load_fitted(tmp_path / way, other)
        load_fitted(tmp_path / way, base)
        assert weights_hash(base) == before
        path = tmp_path / way / FITTED
        path.write_text(path.read_text().replace(str(source), str(tmp_path / "gone.safetensors")))
        with pytest.raises(FileNotFoundError, match=r"stands on the encoder .*gone.*give it as encoder="):
            load_fitted(tmp_path / way)
        assert load_fitted(tmp_path / way, base).about["epochs"] == 2


def changed(about, **values):
    return json.dumps({**about, **values})


def test_a_damaged_folder_is_refused(source, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no finished fit, it has no fitted\.json"):
        load_fitted(tmp_path)
    fitted(tmp_path, source)
    path, about = tmp_path / FITTED, json.loads((tmp_path / FITTED).read_text())
    target, settings = about["target"], about["settings"]
    for wrong in (
        {"target": 3},
        {"target": target | {"kind": "words"}},
        {"target": target | {"classes": []}},
        {"target": target | {"more": 1}},
        {"settings": settings | {"way": "best"}},
        {"settings": settings | {"patch_size": 9}},
        {"modalities": ["sentinel9"]},
        {"model": None},
    ):
        path.write_text(changed(about, **wrong))
        with pytest.raises(ValueError, match=r"does not describe a fit|patch"):
            load_fitted(tmp_path)
    path.write_text(changed(about, target=target | {"classes": ["a", "b"]}))
    with pytest.raises(ValueError, match=r"head.safetensors is not the head that fitted.json describes"):
        load_fitted(tmp_path)
    path.unlink()
    with pytest.raises(FileNotFoundError, match="a fit was begun there, the same command goes on with it"):
        load_fitted(tmp_path)
