"""What a fit learns, that nothing of it is lost, and what it refuses."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import fitting
import numpy as np
import pytest
import torch
from fitting import EPOCHS, S2, TEST, TRAIN, VALID, chips, differing, encoder, engine, state

from olmoearth_nb.bands import MISSING
from olmoearth_nb.finetune.engine import Engine, FittingError, launched
from olmoearth_nb.finetune.places import Places
from olmoearth_nb.finetune.scores import score
from olmoearth_nb.finetune.ways import RATES, Settings
from olmoearth_nb.io.durable import DiskFullError
from olmoearth_nb.pretrain.saves import Checkpoints


@pytest.mark.parametrize("way", RATES)
def test_every_way_learns_and_moves_what_it_should(way):
    more = {"epochs": 20, "rate": 2e-2} if way == "full" else {"epochs": 8, "rate": 1e-2}
    one = engine(way, drop_path=0.0, **more)
    before = state(one.tuned)
    fit = one.run()
    assert score(fit.target, one.predict(TEST), chips().answers[TEST]) == 1.0
    moved = differing(before, state(fit.tuned))
    assert {"frozen": 2, "lora": 2 + 2 * 2 * 3}.get(way, 40) <= len(moved) == len([*one.adam.state])
    assert {name.partition(".")[0] for name in moved} == {"head"} | ({"encoder"} if way != "frozen" else set())
    assert way != "lora" or all("lora_" in name or "head" in name for name in moved)
    assert not fit.tuned.training


@pytest.mark.parametrize(
    ("kind", "pixels", "least"),
    [("values", False, 0.9), ("truths", False, 0.99), ("classes", True, 0.8), ("values", True, 0.8)],
)
def test_values_truths_and_pixels(kind, pixels, least):
    """Some answers are unknown, and nothing was observed of some pixels."""
    labelled = chips(kind, pixels)
    unknown = np.nan if kind == "values" else -1
    labelled.answers[0] = unknown
    labelled.answers[5, ...] = unknown
    if pixels:
        labelled.images[1, :4, :4] = MISSING
    one = engine(labelled=labelled, drop_path=0.0, epochs=12, rate=1e-2)
    fit = one.run()
    told = one.predict(TEST)
    assert told.shape == (12, *(8, 8) * pixels, *(len(labelled.classes),) * (kind != "values"))
    assert score(fit.target, told, labelled.answers[TEST]) > least
    assert np.isnan(one.predict(np.array([1]))).any() == pixels


def test_unknown_answers_do_not_count():
    """As a fit without their places, which here are all in one batch."""
    labelled = chips()
    labelled.answers[:4] = -1
    settings = Settings(epochs=3, batch=24, rate=3e-3)
    none, told = np.array([], int), []
    for train in (TRAIN, TRAIN[4:]):
        one = Engine(encoder(0.0), Places(labelled, S2), train, none, settings)
        told.append((one.run().log[-1]["loss"], one.predict(TEST)))
    assert told[0][0] == pytest.approx(told[1][0], rel=1e-4)
    np.testing.assert_allclose(told[0][1], told[1][1], atol=1e-3)


@pytest.fixture(scope="module")
def uncut():
    """A fit by the official protocol that nothing interrupted."""
    return engine("full").run()


def without_time(log):
    return [{name: value for name, value in row.items() if name != "seconds"} for row in log]


def test_a_killed_fit_goes_on_bit_for_bit(uncut, tmp_path):
    """Killed by the system while it wrote its fourth checkpoint; the third is gone on from."""
    path = os.pathsep.join(map(str, [Path(fitting.__file__).parent, *sys.path]))
    words = [sys.executable, fitting.__file__, str(tmp_path), "4"]
    done = subprocess.run(words, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert Checkpoints(tmp_path).newest(100)[1]["step"] == 9
    fit = engine("full", tmp_path).run()
    assert differing(state(uncut.tuned), state(fit.tuned)) == []
    assert without_time(fit.log) == without_time(uncut.log)


def interrupt_after(one, step):
    """Ctrl-C behind a step."""
    made = one._step

    def interrupted(numbers):
        made(numbers)
        if one.step == step:
            signal.raise_signal(signal.SIGINT)

    one._step = interrupted


def test_an_interrupted_fit_goes_on_bit_for_bit(uncut, tmp_path):
    """Ctrl-C in the middle of an epoch: the step is finished and saved; as ever, the caller's numbers stay."""
    one, random = engine("full", tmp_path), torch.random.get_rng_state()
    interrupt_after(one, 7)
    with pytest.raises(KeyboardInterrupt, match="stopped after step 7; the same call goes on from there"):
        one.run()
    fit = engine("full", tmp_path).run()
    assert differing(state(uncut.tuned), state(fit.tuned)) == []
    assert without_time(fit.log) == without_time(uncut.log)
    assert torch.equal(torch.random.get_rng_state(), random)


def test_a_full_disk_keeps_the_last_checkpoint(uncut, tmp_path, monkeypatch):
    save, calls = torch.save, []

    def full(value, path):
        calls.append(path)
        if len(calls) == 3:
            raise RuntimeError("PytorchStreamWriter failed writing file")
        save(value, path)

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(DiskFullError, match="disk or its quota is full"):
        engine("full", tmp_path).run()
    fit = engine("full", tmp_path).run()
    assert differing(state(uncut.tuned), state(fit.tuned)) == []


def test_fabric_gives_the_same_numbers_and_takes_half_precision(uncut):
    places, settings = Places(chips(), S2), Settings("full", EPOCHS, 8, 3e-3)
    fits = []
    for precision in ("32-true", "bf16-mixed"):
        fabric = launched(precision)
        fits.append(Engine(encoder(), places, TRAIN, VALID, settings, fabric=fabric).run())
    if fabric.device.type == "cpu":
        assert differing(state(uncut.tuned), state(fits[0].tuned)) == []
        assert without_time(fits[0].log) == without_time(uncut.log)
    assert fits[1].log[-1]["loss"] == pytest.approx(fits[0].log[-1]["loss"], abs=0.1)


def test_the_official_rates(uncut, tmp_path):
    """A fifth frozen, a tenth behind it, and a fifth of that when validation stood still for three epochs, even cut."""
    assert [row["rate"] for row in uncut.log[:2]] == pytest.approx([3e-3, 3e-4])
    labelled = chips()
    labelled.answers[VALID] = 0  # nothing that is learnt makes this better
    labelled.answers[VALID[0]] = 1
    one = engine("full", tmp_path, labelled, epochs=12, rate=1e-12)
    interrupt_after(one, 10)
    with pytest.raises(KeyboardInterrupt):
        one.run()
    log = engine("full", tmp_path, labelled, epochs=12, rate=1e-12).run().log
    assert [row["rate"] / 1e-12 for row in log] == pytest.approx([1] * 2 + [0.1] * 2 + [0.02] * 8)


def test_the_best_epoch_is_kept_and_waiting_ends():
    one = engine(rate=0.05, epochs=40, patience=4)
    fit = one.run()
    best = max(fit.log, key=lambda row: row["valid"])
    assert fit.log[-1]["best"] == best["epoch"]
    assert len(fit.log) == best["epoch"] + 4 < 40
    assert score(fit.target, one.predict(VALID), chips().answers[VALID]) == best["valid"]
    without = engine(valid=np.array([], int), patience=4).run()
    assert len(without.log) == EPOCHS
    assert without.log[-1]["valid"] is without.log[-1]["best"] is None


def test_rare_classes_count_as_much():
    labelled = chips()
    labelled.answers[TRAIN[3:]] = 0
    assert engine(labelled=labelled, balanced=True).weights.tolist() == pytest.approx([24 / 3 / 22, 8, 8])


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (np.full(48, 1), "all labels in twin are 'grey'; to tell classes apart, label places of at least one other"),
        (np.full(48, -1), "there is no label in twin"),
        (np.arange(48) % 4, "answers in twin must be from 0 to 2, or -1 for none, got 3"),
        (np.where(np.arange(48) < 24, -1, np.arange(48) % 3), "no label in the 24 places of twin that train"),
        (np.where(np.arange(48) < 24, 2, np.arange(48) % 3), "all labels in the 24 places of twin that train are 'bri"),
        (np.zeros((48, 2), int), "twin has 3 classes, and 2 answers a place"),
        (np.zeros((48, 1, 1, 1), int), r"must be \(n,\), \(n, H, W\) or \(n, classes\)"),
    ],
)
def test_labels_that_ask_nothing(answers, said):
    labelled = chips()
    labelled.answers = answers
    with pytest.raises(ValueError, match=said):
        engine(labelled=labelled)


def test_what_else_is_refused(tmp_path):
    labelled = chips("values")
    labelled.answers[:] = 3.0
    with pytest.raises(ValueError, match="all answers in twin are 3; there is nothing to learn"):
        engine(labelled=labelled)
    with pytest.raises(ValueError, match="balanced weights are for one class of several"):
        engine(labelled=chips("values"), balanced=True)
    labelled = chips()
    labelled.images[7] = MISSING
    with pytest.raises(ValueError, match=r"nothing to encode in sample \[\d\].*; this batch is .*place 7\b"):
        engine(labelled=labelled).run()
    with pytest.raises(FittingError, match=r"the loss of step \d+ is .*; a lower learning rate than 1e\+30"):
        engine(folder=tmp_path, rate=1e30, epochs=9).run()
    with pytest.raises(ValueError, match="no weights for"):
        Engine(
            fitting.tuned(modalities=("sentinel1",)).encoder, Places(chips(), S2), TRAIN, VALID, Settings(epochs=1)
        ).run()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"way": "best"}, "say way='full'"),
        ({"epochs": 0}, "epochs must be a whole number from 1 on"),
        ({"batch": 2.5}, "batch must be a whole number"),
        ({"rate": 0.0}, "rate must be above 0"),
        ({"layers": "q"}, "layers must be one of qv, all"),
        ({"patch_size": 9}, "patch"),
        ({"seed": -1}, "a seed is a whole number"),
    ],
)
def test_settings_that_cannot_be(changes, said):
    with pytest.raises(ValueError, match=said):
        Settings(**changes)
