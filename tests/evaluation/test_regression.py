"""Real-valued answers: ridge against its closed form, errors by hand, and a study that asks for it."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import r2_score

from olmoearth_nb import Sample
from olmoearth_nb.ablation.scores import read_scores
from olmoearth_nb.ablation.study import Study
from olmoearth_nb.evaluation.folds import TRAINS, Folds
from olmoearth_nb.evaluation.intervals import accuracy
from olmoearth_nb.evaluation.probes import Split, by_scene, majority
from olmoearth_nb.evaluation.regression import PENALTIES, fitted_ridge, r2, ridge_probe, ridge_told, rmse
from olmoearth_nb.evaluation.tasks import Task, raw


def split(rows, seed, width=9, noise=1.0):
    rng = np.random.default_rng(seed)
    x = 100 * rng.normal(size=(rows, width)) + 7
    slope = np.random.default_rng(99).normal(size=width) / 100
    return Split(x, x @ slope + 3 + noise * rng.normal(size=rows), rng.integers(0, 12, rows))


def closed_form(train, penalty, x):
    """(X'X + a I)^-1 X'y of standardised features and centred answers."""
    mean, deviation = train.x.mean(0), train.x.std(0)
    known = (train.x - mean) / deviation
    weights = np.linalg.solve(known.T @ known + penalty * np.eye(known.shape[1]), known.T @ (train.y - train.y.mean()))
    return (x - mean) / deviation @ weights + train.y.mean()


@pytest.mark.parametrize("noise", [0.01, 5.0])
@pytest.mark.case("friction 7")
def test_ridge_is_the_closed_form_at_the_penalty_that_validation_prefers(noise):
    train, valid, test = (split(count, seed, noise=noise) for seed, count in enumerate((30, 200, 100)))
    errors = {penalty: ((closed_form(train, penalty, valid.x) - valid.y) ** 2).mean() for penalty in PENALTIES}
    best = min(errors, key=errors.get)
    assert np.allclose(ridge_probe(train, valid, test.x), closed_form(train, best, test.x), atol=1e-8)


def test_the_penalty_is_chosen_on_validation_rows():
    """The noisier the few rows to learn from, the larger it is; asked for the opposite there, it says nothing."""
    train, valid, test = (split(count, seed) for seed, count in enumerate((60, 200, 100)))
    turned = Split(valid.x, 2 * valid.y.mean() - valid.y, valid.scene)
    assert r2(ridge_probe(train, valid, test.x), test) > 0.3
    assert np.ptp(ridge_probe(train, turned, test.x)) < 0.05 * np.ptp(ridge_probe(train, valid, test.x))


def test_many_answers_at_once_are_each_one_alone():
    """One decomposition, a penalty for each answer: as the probe of each answer, refitted to all that trains."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(120, 9)) @ generator.normal(size=(9, 9))
    x[:, 4] = 7.0  # a feature that is always the same
    answers = x[:, :3] + generator.normal(size=(120, 3)) * [0.1, 5, 50]
    number = np.append(generator.integers(0, 4, 110), np.full(10, TRAINS))
    folds = Folds("four", number[None])
    told = ridge_told(x, answers, folds)
    assert (np.isnan(told).all(1) == (number == TRAINS)).all()
    for turn in folds.rounds(0):
        for column in range(3):
            fit, check = (Split(x[rows], answers[rows, column], rows) for rows in (turn.fit, turn.check))
            model = clone(fitted_ridge(fit, check)).fit(x[turn.train], answers[turn.train, column])
            assert np.allclose(model.predict(x[turn.test]), told[turn.test, column], atol=1e-8)
    with pytest.raises(ValueError, match="there are 119 rows, but answers of shape"):
        ridge_told(x[1:], answers, folds)
    with pytest.raises(ValueError, match="1 of 120 answers hold NaN"):
        ridge_told(x, np.where(np.arange(360).reshape(120, 3) == 5, np.nan, answers), folds)


def test_errors_by_hand():
    test = Split(np.zeros((4, 1)), np.array([1.0, 2.0, 3.0, 6.0]), np.array([0, 0, 1, 1]))
    answers = np.array([1.0, 2.0, 4.0, 5.0])
    assert rmse(answers, test) == pytest.approx(np.sqrt(0.5))
    assert r2(answers, test) == pytest.approx(1 - 2 / 14)
    assert r2(answers, test) == pytest.approx(r2_score(test.y, answers))
    right, rows = by_scene(answers, test)
    assert rows.tolist() == pytest.approx([5 / 3.5, 9 / 3.5])  # squared deviations from 3, whose mean is 3.5
    assert right.tolist() == pytest.approx([5 / 3.5, 7 / 3.5])
    assert accuracy(right, rows).value == pytest.approx(r2(answers, test)), "intervals read R2 as they read accuracy"
    assert r2(majority(test, test.x), test) == pytest.approx(0), "the mean of the answers explains nothing"
    assert majority(test, test.x).tolist() == [3.0] * 4


def test_what_has_no_r2():
    same = Split(np.zeros((3, 1)), np.full(3, 2.5), np.arange(3))
    with pytest.raises(ValueError, match=r"all 3 answers are 2.5; R2 compares with their spread"):
        r2(same.y, same)
    test = split(10, 0)
    for call in (rmse, r2):
        with pytest.raises(ValueError, match=r"10 rows, but answers of shape \(9,\)"):
            call(test.y[:9], test)
        with pytest.raises(ValueError, match="1 of 10 answers hold NaN"):
            call(np.where(np.arange(10) == 2, np.nan, test.y), test)
        with pytest.raises(ValueError, match="stand for classes"):
            call(test.y, Split(test.x, np.arange(10), test.scene))


@pytest.mark.case("friction 7")
def test_ridge_refuses_classes():
    train, valid = split(20, 0), split(20, 1)
    for pair in (
        (Split(train.x, np.arange(20), train.scene), valid),
        (train, Split(valid.x, np.arange(20), valid.scene)),
    ):
        with pytest.raises(ValueError, match=r"whole numbers \(0 to 19\).*use knn or linear_probe .*astype\(float\)"):
            ridge_probe(*pair, valid.x)


class Hills:
    """A world whose bands see the height in every patch, and the cover in none."""

    tile = np.repeat(np.arange(10), 6)

    def __init__(self):
        self.heights = np.random.default_rng(0).uniform(0, 20, (60, 2, 2)).astype(np.float32)

    def of(self, split):
        first, last = {"train": (0, 6), "valid": (6, 8), "test": (8, 10)}[split]
        return np.flatnonzero((self.tile >= first) & (self.tile < last))

    def answers(self, target, scenes, patch):
        assert patch == 4
        return self.heights[scenes] if target == "height" else (self.heights[scenes] > 10).astype(np.int8)

    def samples(self, scenes, modalities):
        noise = np.random.default_rng(1).normal(0, 100, (60, 8, 8, 2, 12))
        bands = 1000 + 100 * self.heights.repeat(4, 1).repeat(4, 2)[..., None, None] + noise
        return [Sample({"sentinel2_l2a": bands[scene]}, [[1, 5, 2020], [1, 7, 2020]]) for scene in scenes]


@pytest.mark.case("friction 7")
def test_a_task_of_real_values():
    world = Hills()
    task = Task("height", "patches", "ridge", fraction=0.5)
    right, rows = task.right(world, raw(task), 0)
    assert 0.95 < right.sum() / rows.sum() < 1
    assert len(rows) == 2
    floor = Task("height", "patches", "majority", fraction=0.5)
    lowest, _ = floor.right(world, raw(floor), 0)
    assert lowest.sum() < right.sum()
    assert lowest.sum() / rows.sum() <= 1e-9
    for target, probe, message in (
        ("height", "probe", "use ridge_probe"),
        ("cover", "ridge", "use knn or linear_probe"),
    ):
        wrong = Task(target, "patches", probe, fraction=0.5)
        with pytest.raises(ValueError, match=message):
            wrong.right(world, raw(wrong), 0)


@pytest.mark.case("friction 7")
def test_a_study_may_ask_for_it(tmp_path):
    asked = {"arms": {"v1": {"recipe": "v1"}, "naive": {"recipe": "naive"}}, "seeds": [0, 1], "samples": [8]}
    study = Study.from_dict(asked | {"data": {"folder": "."}, "tasks": ["height, patches, ridge"]})
    assert [task.name for task in study.tasks] == ["height, patches, ridge"]
    head = "arm,seed,budget,samples,rate,task,tile,right,rows\n"
    lines = [
        f'v1,{seed},8 samples,8,0.1,"height, patches, ridge",{tile},{right},4'
        for seed, tile, right in ((0, 0, 2.75), (0, 1, -1.5), (1, 0, 3), (1, 1, 0.25))
    ]
    (tmp_path / "scores.csv").write_text(head + "\n".join(lines) + "\n")
    table = read_scores(tmp_path)
    assert table.right["v1", "8 samples", "height, patches, ridge"].tolist() == [[2.75, -1.5], [3, 0.25]]


@pytest.mark.parametrize("skewed", [False, True])
def test_intervals_of_r2_cover(skewed):
    """The spread of the answers is a sample, too: groups that are drawn again bring theirs along."""
    chance, covered = np.random.default_rng(3), []
    for _ in range(200):
        of_group = chance.normal(0, 1, 40)
        truth = np.repeat(of_group, 5) + chance.normal(0, 0.5, 200)
        answers = np.exp(truth / 2) if skewed else truth
        variance = np.exp(1.25 / 4) * (np.exp(1.25 / 4) - 1) if skewed else 1.25
        told = answers + chance.normal(
            0, 0.5 * np.sqrt(variance), 200
        )  # R2 of 0.75 where answers spread as they should
        right, rows = by_scene(told, Split(np.zeros((200, 1)), answers, np.repeat(np.arange(40), 5)))
        assert rows.sum() == pytest.approx(200)
        found = accuracy(right, rows)
        covered.append(found.low <= 0.75 <= found.high)
    assert np.mean(covered) >= 0.9, np.mean(covered)
