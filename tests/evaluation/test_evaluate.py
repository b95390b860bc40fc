"""Arms on a labelled set: what is known in the answers is found, nothing else is, and nothing is computed twice."""

import numpy as np
import pytest
from labelled import bright

from olmoearth_nb.bands import MISSING
from olmoearth_nb.evaluation.arms import Arm, baselines, default_patch_size, of_encoders
from olmoearth_nb.evaluation.evaluate import ROWS, default_probes, evaluate, score_rows
from olmoearth_nb.evaluation.folds import leave_one_out, published, stratified
from olmoearth_nb.evaluation.probes import Split, knn
from olmoearth_nb.evaluation.summary import difference_rows, differences, interval_rows, markdown
from olmoearth_nb.weights.load import random_encoder

S2 = ("sentinel2_l2a",)


def views(labelled, noise, seed, count=1):
    """Features that know the answer, but for noise."""
    generator = np.random.default_rng(seed)
    codes = np.eye(max(len(labelled.classes), 1))[labelled.answers.astype(int) if labelled.classes else 0]
    clean = codes if labelled.classes else labelled.answers[:, None]
    return tuple(
        np.hstack([clean, 1 + 0 * clean]) + generator.normal(0, noise, (len(labelled), 2 * clean.shape[1]))
        for _ in range(count)
    )


@pytest.fixture
def data():
    return bright(60)


def test_what_is_known_is_found(data):
    arms = [Arm("sees", views(data, 0.1, 0)), Arm("blind", (np.random.default_rng(1).normal(size=(60, 4)),))]
    arms += baselines(data, S2)
    found = evaluate(arms, data, stratified(data, 5, 2), leave_one_out(data), draws=200)
    assert found.probes == {
        "kNN-5": "leave one group out",
        "kNN-20": "leave one group out",
        "linear": "5 stratified folds, drawn 2 times",
    }
    value = {key: score.interval().value for key, score in found.scores.items()}
    for probe in found.probes:
        for metric in found.metrics:
            assert value["sees", probe, metric] > 0.99
            assert value["blind", probe, metric] < 0.7
        assert value["band means", probe, "accuracy"] > 0.8
        assert 0.25 < value["majority", probe, "accuracy"] < 0.4
    assert found.scores["sees", "linear", "accuracy"].value.shape == (1, 2)
    assert found.predicted["sees", "linear"].shape == (1, 2, 60, 3)


def test_neighbours_of_the_same_group_do_not_vote():
    """Features that tell the group alone, whose two places have different answers: leaving one place out would help."""
    data = bright(40, classes=2, per_group=2)
    generator = np.random.default_rng(0)
    data.answers = generator.integers(0, 2, 20).repeat(2)
    x = generator.normal(size=(20, 8)).repeat(2, 0) + generator.normal(0, 0.01, (40, 8))
    found = evaluate([Arm("group", (x,))], data, leave_one_out(data), probes=["kNN-5"], draws=50)
    told = found.predicted["group", "kNN-5"][0, 0].argmax(1)
    for place in range(40):
        bank = data.groups != data.groups[place]
        assert told[place] == knn(Split(x[bank], data.answers[bank], data.groups[bank]), x[[place]], 5, None)[0]
    alone = evaluate([Arm("group", (x,))], data, stratified(bright(40, per_group=1), 5, 1), probes=["kNN-5"], draws=50)
    assert alone.scores["group", "kNN-5", "accuracy"].groups == 20


def test_a_published_split_is_tested_alone(data):
    data.split = np.array(["train"] * 30 + ["valid"] * 10 + ["test"] * 20)
    found = evaluate([Arm("sees", views(data, 0.1, 0))], data, published(data), draws=50)
    assert len(found.answers) == 20
    assert found.probes["kNN-5"] == "the published split"
    bank = Split(views(data, 0.1, 0)[0][:30], data.answers[:30], data.groups[:30])
    told = found.predicted["sees", "kNN-5"][0, 0].argmax(1)
    assert (told == knn(bank, views(data, 0.1, 0)[0][40:], 5, None)).all(), "validation places do not vote"


def test_real_values():
    data = bright(60, real=True)
    arms = [Arm("sees", views(data, 0.3, 0)), *baselines(data, S2)]
    assert default_probes(data) == ("ridge",)
    found = evaluate(arms, data, stratified(data, 5, 3), draws=200)
    value = {key: score.interval().value for key, score in found.scores.items()}
    assert value["sees", "ridge", "R2"] > 0.95
    assert value["band means", "ridge", "R2"] > 0.8
    assert -0.2 < value["mean", "ridge", "R2"] < 0.05
    spread = data.answers.std()
    assert value["mean", "ridge", "RMSE"] == pytest.approx(spread, rel=0.1)
    assert value["sees", "ridge", "RMSE"] < 0.2 * spread
    rows = list(score_rows("content", found))
    total = sum(float(row["right"]) for row in rows if row["model"] == "sees" and row["repeat"] == 0) / 60
    assert total == pytest.approx(found.scores["sees", "ridge", "R2"].value[0, 0], abs=1e-3)
    assert any("RMSE, in m" in line for line in markdown({"content": found}, differences({"content": found})))


@pytest.mark.parametrize(("places", "per_group"), [(60, 2), (60, 1), (150, 3)])
def test_equal_views_are_rarely_told_apart(places, per_group):
    """Real neighbours of places that train: two views that know the answer equally well."""
    found = []
    for repeat in range(200):
        data = bright(places, per_group=per_group)
        arms = [Arm(f"view {n}", views(data, 0.7, [repeat, n])) for n in (0, 1)]
        one = evaluate(arms, data, leave_one_out(data), probes=["kNN-5"], draws=200)
        found.append(differences({"content": one})[0].comparison.p)
    assert np.mean(np.array(found) < 0.05) <= 0.08, np.mean(np.array(found) < 0.05)  # 0.05, and twice its error
    assert np.min(found) < 0.2, "nothing could be seen"


def test_encoders_are_embedded_once_and_predictions_are_kept(data, tmp_path, monkeypatch):
    encoders = [random_encoder("mini-v1.1-long", seed) for seed in (0, 1)]
    calls = []
    arm = of_encoders(
        "random", encoders, data, S2, cache=tmp_path / "e", kind="random", of="x", done=lambda: calls.append(1)
    )
    assert [x.shape for x in arm.features] == [(60, 64)] * 2
    assert len(calls) == len(list((tmp_path / "e").iterdir())) == 2
    folds = stratified(data, 3, 1)
    first = evaluate([arm], data, folds, draws=50, cache=tmp_path / "p")
    assert len(list((tmp_path / "p").iterdir())) == 6
    monkeypatch.setattr("olmoearth_nb.evaluation.evaluate._fitted", lambda *_: pytest.fail("computed again"))
    monkeypatch.setattr("olmoearth_nb.evaluation.evaluate._neighbours", lambda *_: pytest.fail("computed again"))
    again = evaluate([arm], data, folds, draws=50, cache=tmp_path / "p")
    for key, told in first.predicted.items():
        assert (told == again.predicted[key]).all()
    with pytest.raises(pytest.fail.Exception, match="computed again"):
        evaluate([arm], data, stratified(data, 3, 1, seed=1), draws=50, cache=tmp_path / "p")


def test_baselines_by_hand(data):
    data.images[2, :, :4] = MISSING
    data.images[3] = MISSING
    statistics, means, majority = baselines(data, S2)
    seen = data.images[2, :, 4:].reshape(-1, 12).astype(float)
    assert np.allclose(statistics.features[0][2], [*seen.mean(0), *seen.std(0)], rtol=1e-5)
    assert np.allclose(means.features[0][0], data.images[0].reshape(-1, 12).mean(0, dtype=float))
    assert np.isnan(statistics.features[0][3]).all()
    assert majority.features == ()
    found = evaluate([statistics, means, majority], data, stratified(data, 3, 1), draws=50)
    assert len(found.answers) == 59
    assert "1 places are left out, of which a band or all was never observed" in found.notes


def test_months_are_baselines_where_places_differ_in_them(data):
    """An answer that hangs on the season alone: bands do not tell it, months do, to neighbours as to a regression."""
    data.months = np.random.default_rng(0).integers(0, 12, 60)
    data.answers = (np.abs(data.months - 5.5) > 3).astype(int)  # winter
    data.classes = ("summer", "winter")
    data.images[:] = np.random.default_rng(1).normal(1000, 30, data.images.shape)
    data.images[5] = MISSING
    arms = baselines(data, S2)
    assert [arm.name for arm in arms] == [
        *("image statistics", "band means", "image statistics and month", "month alone", "majority")
    ]
    alone = arms[3].features[0]
    angle = 2 * np.pi * data.months / 12
    assert np.allclose(alone, np.stack([np.cos(angle), np.sin(angle)], 1))
    found = evaluate(arms, data, stratified(data, 5, 1), leave_one_out(data), draws=20)
    value = {key: score.interval().value for key, score in found.scores.items()}
    for probe in found.probes:
        assert value["month alone", probe, "accuracy"] > 0.9
        assert value["image statistics and month", probe, "accuracy"] > 0.9
        assert value["image statistics", probe, "accuracy"] < 0.75
    model = Arm("model", arms[0].features)
    asked = differences({"content": evaluate([model, *arms], data, stratified(data, 5, 1), draws=20)})
    assert {one.what for one in asked} == {"model - image statistics", "model - image statistics and month"}


def test_patches_of_single_pixels(data):
    assert default_patch_size(data, S2) == 4
    data.images = data.images[:, :1, :1]
    assert default_patch_size(data, S2) == 1


@pytest.fixture(scope="module")
def evaluations():
    """Two namings of a set, by the second of which one model sees less."""
    data, found, seed = bright(90), {}, 0
    for names, noise in (("content", 0.3), ("published", 1.2)):
        arms = [
            Arm("steady", views(data, 0.3, [seed, 1])),
            Arm("hurt", views(data, noise, [seed, 2])),
            Arm("random, as steady", views(data, 1.0, [seed, 3], 3), "random", "steady, hurt"),
            Arm("image statistics", views(data, 0.9, [seed, 4]), "baseline"),
            Arm("majority", (), "baseline"),
        ]
        found[names] = evaluate(arms, data, stratified(data, 5, 3), leave_one_out(data), ["kNN-5", "kNN-20"], draws=300)
    return found


def test_what_differs_is_found_and_counted_by_table(evaluations):
    found = differences(evaluations)
    tables = {}
    for one in found:
        tables.setdefault((one.question, one.names), []).append(one)
    assert [key[0] for key in tables] == [
        *["Do models differ?"] * 2,
        *["Are models above what is read without them?"] * 2,
        "What do these names cost?",
        "Do these names cost one more than another?",
    ]
    assert {one.what for one in tables["Do models differ?", "content"]} == {"hurt - steady"}
    assert {one.finding.split(";")[0] for one in tables["Do models differ?", "content"]} == {"not seen"}
    assert {one.finding for one in tables["Do models differ?", "published"]} == {"smaller"}
    assert "majority" not in {one.what for one in tables["What do these names cost?", "published"]}
    for one in tables["Do these names cost one more than another?", "published"]:
        value = {
            (names, arm): evaluations[names].scores[arm, one.probe, "accuracy"].interval().value
            for names in evaluations
            for arm in ("steady", "hurt")
        }
        cost = [value["content", arm] - value["published", arm] for arm in ("hurt", "steady")]
        assert one.comparison.difference.value == pytest.approx(cost[0] - cost[1])
        assert one.finding == "larger"
    above = tables["Are models above what is read without them?", "content"]
    assert {one.what for one in above} == {
        f"{model} - {other}" for model in ("steady", "hurt") for other in ("random, as steady", "image statistics")
    }
    assert all(one.p_holm >= one.comparison.p for one in found)
    against = differences(evaluations, "hurt")
    assert against[0].what == "steady - hurt"
    with pytest.raises(ValueError, match=r"no model 'other' to compare with; say against= one of steady, hurt"):
        differences(evaluations, "other")


def test_tables_say_what_was_done(evaluations):
    text = "\n".join(markdown(evaluations, differences(evaluations)))
    assert "90 places are tested, in 45 groups" in text
    assert "kNN-5: leave one group out" in text
    assert "* made for a test" in text
    assert "| random, as steady (3 seeds) |" in text
    for metric in ("Accuracy", "Balanced accuracy", "Mean average precision"):
        assert f"## {metric}, names: published" in text
    rows = list(score_rows("content", evaluations["content"]))
    assert tuple(rows[0]) == ROWS
    # groups x probes x (three arms of one seed, one of three), and the commonest class in three drawn folds
    assert len(rows) == 45 * 2 * (3 + 3 + 3)
    some = [row for row in rows if (row["model"], row["probe"]) == ("steady", "kNN-5")]
    right = sum(float(row["right"]) for row in some) / sum(row["rows"] for row in some)
    (shown,) = (
        row
        for row in interval_rows("content", evaluations["content"])
        if (row["model"], row["probe"], row["metric"]) == ("steady", "kNN-5", "accuracy")
    )
    assert float(shown["value"]) == pytest.approx(right, abs=1e-6)
    assert len(list(difference_rows(differences(evaluations)))) == text.count("not seen; ") + text.count(
        "| larger |"
    ) + text.count("| smaller |")


def test_bad_input(data):
    folds, arm = stratified(data, 3, 1), Arm("a", views(data, 1, 0))
    with pytest.raises(
        ValueError, match="twin are classes, no probe for them is ridge; say probes='kNN-5,kNN-20,linear'"
    ):
        evaluate([arm], data, folds, probes=["ridge"])
    with pytest.raises(ValueError, match=r"names of their own, got \['a', 'a'\]"):
        evaluate([arm, arm], data, folds)
    with pytest.raises(ValueError, match=r"twin has 60 places, the features of b are \(59, 6\)"):
        evaluate([Arm("b", (arm.features[0][1:],))], data, folds)
    with pytest.raises(ValueError, match="no tested place that all arms can embed"):
        evaluate([Arm("b", (np.full((60, 2), np.nan),))], data, folds)
    data.split = np.array(["train"] * 40 + ["test"] * 20)
    with pytest.raises(ValueError, match="3 stratified folds and the published split must test the same places"):
        evaluate([arm], data, folds, published(data))
