"""Scores of fits are those of scikit-learn, and their intervals draw groups, not pixels."""

import tracemalloc
from itertools import product

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    f1_score,
    jaccard_score,
    r2_score,
    root_mean_squared_error,
)

from olmoearth_nb.evaluation.intervals import group_weights
from olmoearth_nb.finetune.scores import metrics, resampled, score
from olmoearth_nb.finetune.target import Target

CLASSES, UNIT = ("a", "b", "c"), "m"


def drawn(kind, pixels, seed=0):
    """Predictions of two seeds, answers of which some are unknown, and groups of unequal size."""
    generator = np.random.default_rng(seed)
    shape = (30, 4, 4) if pixels else (30, 3) if kind == "truths" else (30,)
    answers = (
        generator.normal(500, 2, shape) if kind == "values" else generator.integers(0, 2 + (kind == "classes"), shape)
    )
    told = generator.normal(size=(2, *shape, *(3,) * (kind == "classes"))) + (
        answers if kind == "values" else (answers[..., None] == np.arange(3)) if kind == "classes" else answers
    )
    answers = np.where(generator.random(shape) < 0.1, np.nan if kind == "values" else -1, answers)
    if pixels:
        told[:, 3, 0, 0] = np.nan  # nothing was observed there
    return Target(kind, pixels, CLASSES * (kind != "values"), UNIT), told, answers, generator.integers(0, 6, 30)


def by_sklearn(target, told, answers, rows):
    """Scores of places, each as often as rows say."""
    told, answers = told[rows], answers[rows]
    if target.kind == "truths":
        kept = [answers[:, c] >= 0 for c in range(3)]
        return {"mAP": np.mean([average_precision_score(answers[k, c], told[k, c]) for c, k in enumerate(kept)])}
    known = (answers >= 0) & np.isfinite(told[..., 0] if target.classes else told)
    y, p = answers[known], told[known]
    if target.kind == "values":
        return {"R2": r2_score(y, p), "RMSE": root_mean_squared_error(y, p)}
    p = p.argmax(-1)
    found = {"accuracy": accuracy_score(y, p), "balanced accuracy": balanced_accuracy_score(y, p)}
    return found | {"macro F1": f1_score(y, p, average="macro"), "mIoU": jaccard_score(y, p, average="macro")}


@pytest.mark.parametrize(
    ("kind", "pixels"), [("classes", False), ("truths", False), ("values", False), ("classes", True), ("values", True)]
)
def test_scores_and_their_samples_are_sklearns(kind, pixels):
    target, told, answers, groups = drawn(kind, pixels)
    found = resampled(target, told, answers, groups, draws=20)
    assert tuple(found) == metrics(target)
    weights = group_weights(np.arange(6), 20)[:, groups].astype(int)  # (21, n)
    for seed in range(2):
        for number, times in enumerate(weights):
            expected = by_sklearn(target, told[seed], answers, np.repeat(np.arange(30), times))
            for name, one in found.items():
                values = one.value[seed, 0] if not number else one.drawn[seed, 0, number - 1]
                assert values == pytest.approx(expected[name], abs=1e-6), (name, number)
    assert score(target, told[0], answers) == pytest.approx(found[metrics(target)[0]].value[0, 0])
    assert found[metrics(target)[0]].groups == 6


@pytest.mark.parametrize("pixels", [False, True])
def test_classes_that_a_sample_lacks(pixels):
    """One that is only told counts as wrong, as in scikit-learn; one that is neither there nor told is left out."""
    target, told, answers, groups = drawn("classes", pixels)
    answers = np.where(answers == 2, 0, answers)
    found = resampled(target, told, answers, groups, draws=20)
    times = group_weights(np.arange(6), 20)[:, groups].astype(int)
    for seed, (number, rows) in product(range(2), enumerate(times)):
        kept = np.repeat(np.arange(30), rows)
        known = (answers[kept] >= 0) & np.isfinite(told[seed, kept, ..., 0])
        y, p = answers[kept][known], told[seed, kept].argmax(-1)[known]
        assert 2 in p
        for name, by_sklearn in {"macro F1": f1_score, "mIoU": jaccard_score}.items():
            if name in found:
                one = found[name]
                value = one.drawn[seed, 0, number - 1] if number else one.value[seed, 0]
                assert value == pytest.approx(by_sklearn(y, p, average="macro"))
    told[:] = np.eye(3)[np.clip(answers, 0, None)]
    found = resampled(target, told, answers, groups, draws=20)
    assert all((one.value == 1).all() and (one.drawn == 1).all() for one in found.values())


def test_many_pixels_take_little_memory():
    """Three million pixels, a thousand draws: their weights alone would be 25 GB."""
    target = Target("classes", True, CLASSES, "")
    answers = np.random.default_rng(0).integers(0, 3, (48, 256, 256), np.int8)
    told = (answers[..., None] == np.arange(3)).astype(np.float32)
    tracemalloc.start()
    found = resampled(target, [told], answers, np.arange(48) // 4)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found["mIoU"].value[0, 0] == 1
    assert peak < 400e6


def test_what_cannot_be_scored():
    target, told, answers, _ = drawn("classes", False)
    with pytest.raises(ValueError, match="nothing that was told has an answer"):
        score(target, told[0], np.full(30, -1))
    with pytest.raises(ValueError, match="at least two groups"):
        resampled(target, told, answers, np.zeros(30))
    target, told, *_ = drawn("values", False)
    with pytest.raises(ValueError, match="all answers are the same"):
        score(target, told[0], np.full(30, 2.0))
    target, told, *_ = drawn("truths", False)
    with pytest.raises(ValueError, match="no class holds in any place"):
        score(target, told[0], np.zeros((30, 3), int))
