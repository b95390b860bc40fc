"""The small network that reads embeddings."""

import numpy as np
import pytest
import torch

from olmoearth_nb.ablation.study import Study
from olmoearth_nb.evaluation.network import network_probe
from olmoearth_nb.evaluation.probes import Split, linear_probe


def agreement(rows, seed, turned=False):
    """Do two traits agree? Among six other numbers; turned: the answers are wrong."""
    rng = np.random.default_rng(seed)
    traits = rng.integers(0, 2, (rows, 2))
    x = np.concatenate([traits + 0.1 * rng.normal(size=(rows, 2)), rng.normal(size=(rows, 6))], 1)
    y = (traits[:, 0] == traits[:, 1]).astype(int)
    return Split(100 * x, 1 - y if turned else y, np.arange(rows))


def share(answers, split):
    return (answers == split.y).mean()


def test_reads_what_a_linear_probe_cannot():
    train, valid, asked = (agreement(count, seed) for seed, count in enumerate((600, 200, 400)))
    assert share(network_probe(train, valid, asked.x), asked) > 0.95
    assert share(linear_probe(train, valid, asked.x), asked) < 0.6


def test_more_than_two_answers():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, 500)
    rows = np.eye(4)[y] + 0.1 * rng.normal(size=(500, 4))
    train, valid, asked = (Split(rows[part], y[part], y[part]) for part in np.split(np.arange(500), [300, 400]))
    assert share(network_probe(train, valid, asked.x), asked) > 0.95


def test_nothing_is_found_where_nothing_is():
    rng = np.random.default_rng(0)
    train, valid, asked = (Split(rng.normal(size=(500, 4)), rng.integers(0, 2, 500), np.arange(500)) for _ in range(3))
    assert 0.4 < share(network_probe(train, valid, asked.x), asked) < 0.6


def test_the_epoch_is_chosen_on_validation_rows():
    """Asked to be wrong there, it answers with its least learnt epoch."""
    train, valid, turned, asked = agreement(600, 0), agreement(200, 1), agreement(200, 1, True), agreement(400, 2)
    assert share(network_probe(train, turned, asked.x), asked) < share(network_probe(train, valid, asked.x), asked)


def test_the_same_again_whatever_was_drawn_before():
    train, valid = agreement(300, 0), agreement(100, 1)
    torch.manual_seed(1)
    noise = 100 * np.random.default_rng(9).normal(size=(100, 8))
    first = network_probe(train, valid, noise, seed=3)
    with torch.no_grad():
        np.testing.assert_array_equal(first, network_probe(train, valid, noise, seed=3))
    assert (first != network_probe(train, valid, noise, seed=4)).any()
    drawn = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(drawn, torch.rand(1))


@pytest.mark.parametrize("task", ["two sensors, patches, network", "radar, patches, network"])
def test_a_study_may_ask_it(task):
    asked = {"arms": {"v1": {"recipe": "v1"}, "naive": {"recipe": "naive"}}, "seeds": [0, 1], "samples": [8]}
    study = Study.from_dict(asked | {"data": {"folder": "."}, "tasks": [task]})
    assert [one.name for one in study.tasks] == [task]
