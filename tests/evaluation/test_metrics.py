"""Metrics by weights are scikit-learn's on repeated rows."""

import numpy as np
import pytest
from sklearn import metrics as sk

from olmoearth_nb.evaluation.metrics import OF_CLASSES, OF_VALUES


@pytest.fixture
def draw():
    generator = np.random.default_rng(4)
    answers = generator.integers(0, 4, 60)
    predicted = generator.dirichlet(np.ones(4), 60).round(1)  # many of the same value
    times = generator.multinomial(60, np.full(60, 1 / 60), 5)
    return answers, predicted, times.astype(float)


def test_classes(draw):
    answers, predicted, times = draw
    found = {name: metric(predicted, answers, times) for name, metric in OF_CLASSES.items()}
    for number, row in enumerate(times.astype(int)):
        y, p = answers.repeat(row), predicted.repeat(row, 0)
        assert found["accuracy"][number] == pytest.approx(sk.accuracy_score(y, p.argmax(1)))
        assert found["balanced accuracy"][number] == pytest.approx(sk.balanced_accuracy_score(y, p.argmax(1)))
        expected = np.mean([sk.average_precision_score(y == c, p[:, c]) for c in range(4)])
        assert found["mean average precision"][number] == pytest.approx(expected)


def test_a_class_that_is_not_drawn_is_left_out(draw):
    answers, predicted, times = draw
    times[0, answers == 2] = 0
    kept = answers != 2
    for name in ("balanced accuracy", "mean average precision"):
        metric = OF_CLASSES[name]
        some = metric(predicted[kept], answers[kept], times[:1, kept])
        assert metric(predicted, answers, times)[0] == pytest.approx(some[0])


def test_values(draw):
    *_, times = draw
    generator = np.random.default_rng(5)
    answers = generator.normal(1e4, 3, 60)
    predicted = answers + generator.normal(0, 2, 60)
    found = {name: metric(predicted, answers, times) for name, metric in OF_VALUES.items()}
    for number, row in enumerate(times.astype(int)):
        y, p = answers.repeat(row), predicted.repeat(row)
        assert found["RMSE"][number] == pytest.approx(np.sqrt(sk.mean_squared_error(y, p)))
        assert found["R2"][number] == pytest.approx(sk.r2_score(y, p))
    with pytest.raises(ValueError, match="all answers are the same"):
        OF_VALUES["R2"](np.zeros(3), np.ones(3), np.ones((1, 3)))
