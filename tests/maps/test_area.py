"""Areas of classes: the worked example of Olofsson et al. (2014), and what a map says of points."""

import numpy as np
import pytest

from olmoearth_nb.maps.area import Z95, estimated_areas

COUNTS = [[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]]
PIXELS = np.array([200_000, 150_000, 3_200_000, 6_450_000])
HECTARES = 0.09 * PIXELS  # Landsat's pixels of 30 m
CLASSES = ("deforestation", "forest gain", "stable forest", "stable non-forest")


def test_the_worked_example():
    """Section 5 of the paper: areas in hectares with half their 95 % intervals, accuracies as it prints them."""
    found = estimated_areas(COUNTS, HECTARES, CLASSES)
    assert np.round(found.areas).tolist() == [21_158, 11_686, 285_770, 581_386]
    assert np.round(Z95 * found.area_errors).tolist() == [6_158, 3_756, 15_510, 16_282]
    assert np.round(found.users, 2).tolist() == [0.88, 0.73, 0.93, 0.96]
    assert np.round(Z95 * found.users_errors, 2).tolist() == [0.07, 0.10, 0.04, 0.02]
    assert np.round(found.producers, 2).tolist() == [0.75, 0.85, 0.93, 0.96]
    assert (round(found.overall, 2), round(Z95 * found.overall_error, 2)) == (0.95, 0.02)
    assert found.areas.sum() == pytest.approx(HECTARES.sum())


def test_producers_accuracy_of_deforestation_by_hand():
    """Of 10,000,000 px, 176,000 + 0 + 19,394 + 39,692 are deforestation; 176,000 of them are mapped as it."""
    found = estimated_areas(COUNTS, PIXELS, CLASSES)
    total = 176_000 + 3_200_000 / 165 + 6_450_000 * 2 / 325
    p = 176_000 / total
    own = (1 - p) ** 2 * 200_000**2 * 0.88 * 0.12 / 74
    forest = 3_200_000**2 * (1 / 165) * (164 / 165) / 164
    other = 6_450_000**2 * (2 / 325) * (323 / 325) / 324
    assert found.producers[0] == pytest.approx(p, rel=1e-12)
    assert found.producers_errors[0] == pytest.approx(np.sqrt(own + p**2 * (forest + other)) / total, rel=1e-12)


def test_the_estimate_does_not_drift_and_its_error_is_honest():
    """A map whose classes are mixed up in known parts, sampled 400 times."""
    rates, area = np.array([[0.9, 0.1], [0.3, 0.7]]), np.array([30.0, 70.0])
    truth = area @ rates
    rng = np.random.default_rng(0)
    estimates, errors = [], []
    for _ in range(400):
        found = estimated_areas([rng.multinomial(50, row) for row in rates], area)
        estimates.append(found.areas)
        errors.append(found.area_errors)
    assert np.mean(estimates, 0) == pytest.approx(truth, abs=4 * np.std(estimates, 0).max() / 20)
    assert np.std(estimates, 0) == pytest.approx(np.mean(errors, 0), rel=0.1)
    assert abs(truth[0] - area[0]) > 10 * np.std(estimates, 0)[0] / 20, "the map's own count is beside it"


def test_a_class_that_is_not_mapped_and_what_cannot_be():
    found = estimated_areas([[8, 2], [0, 0]], [10.0, 0.0], ("crop", "water"))
    assert found.areas.tolist() == [8.0, 2.0]
    assert np.isnan(found.users[1])
    assert found.producers.tolist() == [1.0, 0.0]
    with pytest.raises(ValueError, match="two sampled places or more, not so b"):
        estimated_areas([[8, 2], [0, 1]], [10.0, 5.0], ("a", "b"))
    with pytest.raises(ValueError, match="square confusion matrix"):
        estimated_areas([[1, 2]], [1.0, 2.0])
    with pytest.raises(ValueError, match="numbers from 0 on"):
        estimated_areas([[-1, 2], [3, 4]], [1.0, 2.0])
