"""Two models on labelled places: planted regressions and nulls, splits, cost, advice."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
from labelled import InMemorySet, bright

from olmoearth_nb.bands import MISSING, SENTINEL2
from olmoearth_nb.comparison.advice import advise
from olmoearth_nb.comparison.classes import class_differences
from olmoearth_nb.comparison.compare import Way, compare, require_answers
from olmoearth_nb.comparison.cost import Costs, ModelCost, measure
from olmoearth_nb.comparison.heads import exchange
from olmoearth_nb.comparison.report import RETRAIN, agreement_rows, markdown
from olmoearth_nb.comparison.splits import as_if_random, has_neighbours, spatial, split_differences
from olmoearth_nb.evaluation.arms import Arm
from olmoearth_nb.evaluation.contenders import Contender
from olmoearth_nb.evaluation.evaluate import evaluate
from olmoearth_nb.evaluation.folds import leave_one_out, stratified
from olmoearth_nb.evaluation.intervals import Comparison, Interval
from olmoearth_nb.plots.comparison import plot_agreement, plot_classes
from olmoearth_nb.weights.load import open_encoder, random_encoder

CLASSES = ("crop", "town", "water", "wood")


def answers_only(places=160, per_group=2):
    groups = np.arange(places) // per_group
    return InMemorySet(np.zeros((places, 1, 1, 1, 12)), groups % len(CLASSES), groups, CLASSES)


def views(labelled, generator, noise=1.0, destroyed=None):
    """Features of a model: its class, noisily; those of a class that is destroyed are those of the next class."""
    answers = labelled.answers.copy()
    if destroyed is not None:
        answers[answers == destroyed] += 1
    return np.eye(len(CLASSES) + 1)[answers] + generator.normal(0, noise, (len(answers), len(CLASSES) + 1))


def told(labelled, current, candidate, draws=200):
    arms = [Arm("now", (current,)), Arm("new", (candidate,))]
    evaluation = evaluate(arms, labelled, leave_one_out(labelled), probes=("kNN-5",), draws=draws)
    return class_differences(evaluation, "now", "new", "kNN-5", draws)


def test_a_planted_regression_in_one_class_is_found():
    labelled, generator = answers_only(), np.random.default_rng(0)
    found = told(labelled, views(labelled, generator, 0.3), views(labelled, generator, 0.3, destroyed=1), draws=1000)
    by_name = {one.name: one for one in found}
    assert [one.name for one in found] == list(CLASSES)
    assert by_name["town"].finding == "regression"
    assert by_name["town"].current > 0.9 > 0.7 > by_name["town"].candidate
    assert by_name["crop"].finding.startswith("not seen")
    assert by_name["wood"].finding.startswith("not seen")
    assert (by_name["town"].places, by_name["town"].groups) == (40, 20)
    backwards = told(labelled, views(labelled, generator, 0.3, destroyed=1), views(labelled, generator, 0.3))
    assert {one.name: one.finding for one in backwards}["town"] == "gain"


def test_a_planted_null_is_flagged_no_more_often_than_promised():
    """Two equally good views: a class of 60 such comparisons is flagged in at most 5 %, and a margin for chance."""
    labelled, flagged = answers_only(120), 0
    for seed in range(60):
        generator = np.random.default_rng(seed)
        found = told(labelled, views(labelled, generator), views(labelled, generator))
        flagged += any(one.finding in ("gain", "regression") for one in found)
    assert flagged <= 6


def test_classes_of_few_groups_are_not_compared():
    labelled, generator = answers_only(16), np.random.default_rng(0)
    found = told(labelled, views(labelled, generator, 0.1), views(labelled, generator, 0.1, destroyed=1))
    assert {one.finding for one in found} == {"too few groups, 2 of 5"}
    assert {one.comparison for one in found} == {None}


def test_a_random_split_gains_where_neighbours_are_alike():
    """Groups have a place of their own in feature space, and hardly a class: only neighbours tell."""
    labelled, generator = answers_only(200, per_group=5), np.random.default_rng(0)
    x = generator.normal(0, 1, (40, 8))[labelled.groups] + generator.normal(0, 0.1, (200, 8))
    folds = stratified(labelled, 5, 2)
    random = as_if_random(labelled, folds)
    assert (random.tested == folds.tested).all()
    for number in random.number:
        assert np.bincount(number).tolist() == [40] * 5
        assert np.bincount(number[labelled.answers == 1], minlength=5).tolist() == [10] * 5
    arms = [Arm("now", (x,))]
    by_split = [evaluate(arms, labelled, one, probes=("kNN-5",), draws=200) for one in (folds, random)]
    (one,) = split_differences(*by_split)
    assert one.random.value > 0.8 > 0.4 > one.spatial.value
    assert one.comparison.difference.low > 0.2
    left_out = as_if_random(labelled, leave_one_out(labelled))
    assert len(set(left_out.number[0].tolist())) == 200


def test_a_published_split_is_used_where_it_divides_no_group():
    labelled = bright(24)
    assert has_neighbours(labelled)
    assert not has_neighbours(bright(24, per_group=1))
    labelled.split = np.where(labelled.groups < 8, "train", "test")
    folds, _, notes = spatial(labelled)
    assert (folds.name, notes) == ("the published split", [])
    drawn = as_if_random(labelled, folds)
    assert (drawn.tested == folds.tested).all()
    assert spatial(labelled, ignore_split=True)[0].name == "5 stratified folds, drawn 5 times"
    labelled.split = np.where(np.arange(24) < 15, "train", "test")
    folds, _, notes = spatial(labelled)
    assert "stratified" in folds.name
    assert "both sides" in notes[0]


def cost(milliseconds, macs):
    return ModelCost(9, macs, 5, 4, milliseconds, 1, 1, False)


CHEAPER = Costs(cost((4.0, 4.1, 4.2), 40), cost((2.0, 2.1, 2.0), 10))
DEARER = Costs(CHEAPER.candidate, CHEAPER.current)


def of(value, low, high, p):
    comparison = Comparison(Interval(value, low, high), p, 0.04)
    return SimpleNamespace(comparison=comparison, p_holm=p)


@pytest.mark.parametrize(
    ("gain", "costs", "lost", "groups", "action", "said"),
    [
        (of(-0.1, -0.2, -0.05, 0.001), CHEAPER, True, 99, "stay", "loses accuracy, -0.100 [-0.200, -0.050]"),
        (of(0.1, 0.05, 0.2, 0.001), CHEAPER, True, 99, "look first", "loses in town (0.90 to 0.40)"),
        (of(0.0, -0.01, 0.01, 0.9), CHEAPER, True, 99, "look first", "loses in town"),
        (of(0.1, 0.05, 0.2, 0.001), CHEAPER, False, 99, "switch", "gains accuracy"),
        (of(0.1, 0.05, 0.2, 0.001), DEARER, False, 99, "weigh", "takes 2.0"),
        (of(0.01, -0.02, 0.04, 0.5), CHEAPER, False, 99, "switch", "a loss larger than 0.020 is unlikely"),
        (of(0.01, -0.02, 0.04, 0.5), DEARER, False, 99, "stay", "not cheaper"),
        (of(0.01, -0.08, 0.1, 0.5), CHEAPER, False, 99, "undecided", "a loss of 0.08 could have hidden"),
        (of(0.0, 0.0, 0.0, 1.0), CHEAPER, False, 12, "undecided", "a loss of 0.25 could have hidden"),
        (of(0.0, 0.0, 0.0, 1.0), CHEAPER, False, 99, "switch", "a loss larger than 0.030 is unlikely"),
    ],
)
def test_the_rule(gain, costs, lost, groups, action, said):
    classes = [SimpleNamespace(name="sea", finding="too few groups, 4 of 5", comparison=None)]
    classes += [SimpleNamespace(name="town", finding="regression", current=0.9, candidate=0.4, comparison=0)] * lost
    advice = advise(gain, classes, costs, groups)
    assert advice.action == action
    assert said in advice.reason
    unjudged = "of 1 classes have too few groups to be judged (sea)"
    assert (unjudged in advice.reason) == (action in ("switch", "weigh"))


def test_costs_where_time_says_nothing():
    noisy = Costs(cost((1.0, 9.0, 2.0), 40), cost((8.0, 1.0, 2.5), 10))
    assert noisy.time.low < 1 < noisy.time.high
    assert (noisy.verdict, CHEAPER.verdict, DEARER.verdict) == ("cheaper", "cheaper", "dearer")
    with pytest.raises(ValueError, match="margin=0"):
        Way(margin=0)


def test_time_is_measured_in_turns():
    encoders, passed = [random_encoder("mini-v1.1-0", seed) for seed in (0, 1)], []
    for name, encoder in zip("AB", encoders, strict=True):
        encoder.register_forward_pre_hook(lambda *_, name=name: passed.append(name))
    ticks = iter(range(10_000))
    found = measure(*encoders, bright(6), ("sentinel2_l2a",), 4, turns=3, clock=lambda: next(ticks))
    assert "".join(passed) == "AB" * 5  # once to warm up, once to see how long it takes, three turns
    assert found.time == Interval(1.0, 1.0, 1.0)
    assert found.candidate.tokens == 4
    assert found.candidate.milliseconds == (1000 / 6,) * 3
    with pytest.raises(ValueError, match="turns=2"):
        measure(*encoders, bright(6), ("sentinel2_l2a",), 4, turns=2)


def test_a_head_does_not_read_another_models_embeddings():
    labelled, generator = answers_only(), np.random.default_rng(0)
    x = views(labelled, generator, 0.2)
    x[3] = np.nan
    folds = stratified(labelled, 5, 1)
    same = exchange(x, x[:, ::-1].copy(), labelled.answers, len(CLASSES), folds)
    assert same.own > 0.9 > 0.5 > same.exchanged
    other = exchange(x, x[:, :3], labelled.answers, len(CLASSES), folds)
    assert other.exchanged is None
    assert "3 numbers in place of 5" in str(other)


@pytest.fixture(scope="module")
def blind():
    """A model, and one that does not see B08, which alone tells the wood from the town."""
    generator = np.random.default_rng(0)
    labelled = InMemorySet(
        generator.normal(1000, 60, (96, 8, 8, 1, 12)).astype(np.float32),
        np.arange(96) % 3,
        np.arange(96),
        ("town", "wood", "water"),
    )
    labelled.images[labelled.answers == 1, ..., 3] += 2500
    labelled.images[labelled.answers == 2] -= 700
    current = open_encoder("mini-v1.1-0")
    candidate = copy.deepcopy(current)
    for name, weight in candidate.named_parameters():
        if "sentinel2_l2a" in name and weight.ndim == 2 and weight.shape[1] == len(SENTINEL2.bands):
            weight.data[:, 3] = 0
    models = [Contender("sees", [current]), Contender("blind", [candidate])]
    return labelled, models, compare(models, labelled, Way(repeats=1))


def test_a_model_that_is_blind_to_a_band_loses_the_class_that_hangs_on_it(blind):
    _, _, compared = blind
    findings = {one.name: one.finding for one in compared.deciding}
    assert "regression" in (findings["town"], findings["wood"])
    assert findings["water"].startswith("not seen")
    assert compared.advice.action in ("stay", "look first")
    assert compared.gain.comparison.difference.value < -0.1
    page = "\n".join(markdown(compared))
    assert str(compared.advice) in page
    assert RETRAIN in page
    assert "a head that was fitted to the current model has accuracy" in page
    assert "| linear |" in page
    rows = list(agreement_rows(compared))
    assert {row["agreement"] for row in rows} >= {"both right", "current alone right"}
    assert sum(compared.agreement.matrix.ravel()) == len(rows) == 96
    assert compared.costs.macs == 1


def test_figures(blind):
    _, _, compared = blind
    drawing = plot_classes(compared.deciding)
    assert next(label.get_text() for label in drawing.axes[0].get_yticklabels()) in ("town (32)", "wood (32)")
    names = {"current": "sees", "candidate": "blind"}
    assert plot_agreement(compared.agreement, names).axes[0].get_ylabel() == "sees tells"
    compared.agreement.latlon[:] = np.random.default_rng(0).uniform(0, 1, (96, 2))
    labels = plot_agreement(compared.agreement, names).axes[0].get_legend_handles_labels()[1]
    assert f"sees alone right ({compared.agreement.counts['current alone right']})" in labels


def test_real_values(blind):
    _, models, _ = blind
    labelled = bright(40, real=True)
    compared = compare(models, labelled, Way(repeats=1))
    assert (compared.probe, compared.classes, compared.evaluation.metrics[0]) == ("ridge", (), "R2")
    assert compared.gain.comparison.difference.value < -0.3  # brightness of B08 is what is asked
    assert compared.advice.action == "stay"
    assert "correlation" in "\n".join(markdown(compared))


def test_a_place_that_cannot_be_scored_counts_nowhere():
    """Both encoders still see most bands of it, image statistics do not."""
    labelled = bright(24)
    labelled.images[0, ..., SENTINEL2.band_names.index("B01")] = MISSING
    models = [Contender(str(seed), [random_encoder("mini-v1-0", seed)]) for seed in (0, 1)]
    compared = compare(models, labelled, Way(probes=("kNN-5",), repeats=1))
    assert len(compared.evaluation.answers) == len(compared.agreement.ids) == 23
    assert compared.agreement.ids[0] == "place 1"
    for one in compared.splits:
        assert one.random.value * 23 == pytest.approx(round(one.random.value * 23))


def test_what_cannot_be_compared(blind):
    labelled, models, _ = blind
    with pytest.raises(ValueError, match="two models are compared, got sees"):
        compare(models[:1], labelled)
    alone = copy.copy(labelled)
    alone.answers = np.ones(96, int)
    with pytest.raises(ValueError, match="all 96 places of twin have one answer, wood"):
        require_answers(alone)
    few = InMemorySet(labelled.images[:8], labelled.answers[:8], labelled.groups[:8] // 4, labelled.classes)
    with pytest.raises(ValueError, match="folds must be from 3 to the 2 groups of twin"):
        compare(models, few)
