"""Cards: what is planted in features is told, what is not is not; what cannot be asked is said."""

import re
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import numpy as np
import pytest

from olmoearth_nb.bands import SENTINEL2
from olmoearth_nb.evaluation import card as module
from olmoearth_nb.evaluation.card import RAW, Subject, by_group, make_card
from olmoearth_nb.evaluation.card_page import COLUMNS, card_rows, differences, markdown
from olmoearth_nb.evaluation.layers import INPUT, OUTPUT, embed_layers, layer_names
from olmoearth_nb.evaluation.metrics import r2
from olmoearth_nb.evaluation.observations import Observations, View
from olmoearth_nb.evaluation.questions import ask, own_parts
from olmoearth_nb.weights.load import open_encoder, random_encoder


def view(patches=200, dates=2, sensor="sentinel2_l2a", places=40, seed=0, channels=12):
    """Bands that share their brightness, and have parts of their own."""
    generator = np.random.default_rng(seed)
    bright = generator.normal(0, 400, (patches, 1, 1, dates, 1))
    images = 1500 + bright + generator.normal(0, 100, (patches, 1, 1, dates, channels))
    stamps = np.stack([np.full((patches, dates), 1), generator.integers(0, 12, (patches, dates)),
                       np.full((patches, dates), 2020)], -1)  # fmt: skip
    return View(sensor, images.astype(np.float32), stamps, np.sort(generator.integers(0, places, patches)))


def observed(places=40, **views):
    views = views or {"sentinel2_l2a": view()}
    latlon = np.random.default_rng(5).uniform(-60, 60, (places, 2))
    return Observations("planted", views, latlon, np.arange(places), ("made for a test",))


@dataclass(eq=False)
class Planted:
    """Stands in for an encoder: features are made of what the test says."""

    make: object
    config: object = field(default_factory=lambda: SimpleNamespace(modalities=("sentinel2_l2a", "sentinel1")))


@pytest.fixture
def planted(monkeypatch):
    monkeypatch.setattr(module, "embed_layers", lambda encoder, seen: {"first": encoder.make(seen) + 0, OUTPUT:
                                                                      encoder.make(seen)})  # fmt: skip
    return Planted


def noise(seen, columns=6, seed=0):
    return np.random.default_rng([seed, len(seen)]).normal(size=(len(seen), columns))


def keeps(seen):
    """B04, B11 and the month, small beside the rest."""
    angle = 2 * np.pi * seen.month / 12
    bands = seen.values[:, SENTINEL2.indices(["B04", "B11"])] / 100
    return np.concatenate([bands, 0.2 * np.stack([np.cos(angle), np.sin(angle)], 1), noise(seen)], 1)


def scores(card, name, layer=OUTPUT):
    return {question.name: card.scores[name, layer, question.name].interval() for question in card.questions}


def test_what_is_kept_and_what_is_forgotten_is_told(planted):
    subjects = [Subject("keeps", (planted(keeps),)), Subject("blind", (planted(noise),), "random", "keeps")]
    card = make_card(subjects, observed(), draws=200)
    kept, blind, raw = scores(card, "keeps"), scores(card, "blind"), scores(card, RAW, RAW)
    for name in ("B04", "B11", "month"):
        assert kept[name].low > 0.97, name
    # B11 less the brightness that B04 says: half of it is B11's own, half B04's
    assert kept["own part of B11"].value == pytest.approx(0.5, abs=0.12)
    assert kept["own part of B02"].high < 0.15
    every = [kept[question.name].value for question in card.questions if question.kind == "own part"]
    assert kept["own parts"].value == pytest.approx(np.mean(every))
    for name in ("bands", "own parts", "NDVI", "month", "place"):
        assert blind[name].value < 0.02, name
        assert blind[name].low < 0.02
    assert raw["own parts"].low > 0.999
    assert raw["bands"].low > 0.999
    assert raw["month"].value < 0.02
    found = {(one.question, one.other): one for one in differences(card)}
    assert found["month", "blind"].p_holm < 0.01
    assert found["month", "blind"].comparison.difference.low > 0.9
    assert ("bands", RAW) not in found, "raw bands are the question"
    assert found["place", RAW].p_holm > 0.05


def test_the_weight_of_the_month_is_its_fraction_of_the_variance(planted):
    """A regression finds a faint month; how much of the features it is must be said beside it."""
    seen = view(2000, 2, places=200)

    def months(fraction):
        angle = 2 * np.pi * seen.month / 12
        return lambda _: np.sqrt(2 * fraction) * np.cos(angle)[:, None] + np.sqrt(1 - fraction) * noise(seen, 8)

    subjects = [Subject(f"{fraction}", (planted(months(fraction)),)) for fraction in (0.02, 0.3, 0.8)]
    card = make_card(subjects, observed(200, sentinel2_l2a=seen), draws=100)
    for fraction in (0.02, 0.3, 0.8):
        found = scores(card, f"{fraction}")["weight of the month"]
        assert found.value == pytest.approx(fraction, abs=0.02)
        assert found.low < fraction < found.high + 0.01
    assert scores(card, RAW, RAW)["weight of the month"].value < 0.01


def test_the_sensor(planted):
    seen = {"sentinel2_l2a": view(), "sentinel1": view(sensor="sentinel1", channels=2, seed=1)}
    tells = planted(lambda one: noise(one) + 9 * (one.sensor == "sentinel1"))
    subjects = [Subject("tells", (tells,)), Subject("blind", (planted(noise), planted(lambda one: noise(one, 6, 9))))]
    card = make_card(subjects, observed(**seen), draws=100)
    assert scores(card, "tells")["sensor"].low > 0.98
    blind = scores(card, "blind")["sensor"]
    assert abs(blind.value) < 0.15
    assert card.last(RAW, "sensor") is None
    assert {row.question.metric for row in card.rows if row.question.name == "sensor"} == {"balanced accuracy"}
    assert min(row.value.low for row in card.rows if row.question.name == "sensor") >= 0
    radar = make_card(subjects, observed(**seen), "sentinel1", draws=50)
    assert {"vv", "own part of vh"} <= {question.name for question in radar.questions}
    assert "NDVI is asked of Sentinel-2 alone, not of Sentinel-1" in " ".join(radar.notes)


def test_an_own_part_is_what_neighbours_cannot_predict():
    values = view().values @ np.random.default_rng(0).normal(size=(12, 12))
    parts = own_parts(values)
    for channel in range(12):
        others = np.delete(values, channel, 1)
        assert abs(np.corrcoef(parts[:, channel], others.T)[0, 1:]).max() < 1e-6
        inverse = np.linalg.inv(np.cov(values.T))  # the variance of a residual is that of the precision matrix
        assert parts[:, channel].var(ddof=1) == pytest.approx(1 / inverse[channel, channel], rel=1e-6)


def test_scores_are_those_of_the_metrics(planted):
    seen = observed()
    asked = ask(seen, "sentinel2_l2a")
    groups = seen.groups[seen.of("sentinel2_l2a").place]
    weights = module.group_weights(groups, 20)
    reading = module._Reading(asked, groups, by_group(groups), weights)
    told = asked.answers + np.random.default_rng(0).normal(size=asked.answers.shape)
    for column, found in enumerate(reading._r2(told).T):
        assert np.allclose(found, r2(told[:, column], asked.answers[:, column], weights))


def test_intervals_count_groups_not_rows(planted):
    """Ten copies of each observation tell nothing new: the interval stays as wide."""
    once = view(100, 1, places=20)
    often = once.select(np.repeat(np.arange(100), 10))

    def dim(seen):
        return seen.values[:, :1] + 300 * np.random.default_rng(3).normal(size=(100, 1)).repeat(len(seen) // 100, 0)

    widths = []
    for seen in (once, often):
        card = make_card([Subject("dim", (planted(dim),))], observed(20, sentinel2_l2a=seen), draws=200)
        found = scores(card, "dim")["B02"]
        widths.append(found.high - found.low)
    assert widths[1] == pytest.approx(widths[0], rel=0.2)


def test_what_cannot_be_asked_is_said():
    seen = view(100, 1)
    filled = seen.images.copy()
    filled[..., 10], filled[..., 11] = filled[..., 0], 0
    stamps = np.broadcast_to([1, 6, 2020], seen.timestamps.shape)
    bare = Observations(
        "bare",
        {"sentinel2_l2a": replace(seen, images=filled, timestamps=stamps)},
        np.full((40, 2), np.nan),
        np.arange(40),
    )
    asked = ask(bare, "sentinel2_l2a")
    assert {"B01", "B09", "month", "latitude", "own part of B01"}.isdisjoint(one.name for one in asked.questions)
    assert asked.bands.shape == (100, 10)
    said = " | ".join(asked.notes)
    for sentence in (
        "B01 equals B02 everywhere, as a band that was filled in does, and is not asked",
        "B09 is the same everywhere",
        "month is not asked: all observations are of month 7, as chips without a date are",
        "place is not asked: the data do not say where all observations lie",
    ):
        assert sentence in said
    few = Observations("few", bare.views, np.arange(80.0).reshape(40, 2), np.arange(40) // 8)
    assert any("5 groups are fewer than 10" in note for note in ask(few, "sentinel2_l2a").notes)
    flat = Observations("flat", {"sentinel2_l2a": replace(seen, images=0 * filled)}, bare.latlon, bare.groups)
    with pytest.raises(ValueError, match="no band of sentinel2_l2a varies over 100 observations"):
        ask(flat, "sentinel2_l2a")
    with pytest.raises(ValueError, match="bare has no 'landsat'; say sensor= one of sentinel2_l2a"):
        ask(bare, "landsat")


def test_a_band_that_follows_from_others_has_no_own_part():
    seen = view(100, 1)
    seen.images[..., 10] = seen.images[..., 0] + seen.images[..., 1]
    asked = ask(observed(sentinel2_l2a=seen), "sentinel2_l2a")
    names = {question.name for question in asked.questions}
    assert {"own part of B02", "own part of B03", "own part of B01"}.isdisjoint(names)
    assert {"B01", "own part of B11"} <= names
    assert "B01 follows from the other bands and has no part of its own" in asked.notes


@pytest.mark.parametrize("name", ["mini-v1-0", "mini-v1.1-0"])
def test_layers_of_an_encoder(name):
    """The first is what the first block is given, the last is the embedding; nothing stays on the encoder."""
    encoder, seen = open_encoder(name), view(5, 3)
    layers = embed_layers(encoder, seen)
    assert list(layers) == layer_names(encoder) == [INPUT, "block 1", "block 2", "block 3", OUTPUT]
    batch = seen.batch(slice(None))
    encoded = encoder(batch, 1)
    assert np.allclose(layers[OUTPUT], encoded.pool_dates()[:, 0, 0].flatten(0, 1).detach(), atol=1e-6)
    given = []
    hook = encoder.blocks[0].register_forward_pre_hook(lambda _, tokens: given.append(tokens[0]))
    encoder(batch, 1)
    hook.remove()
    first = encoded.grid.unflatten(given[0], "sentinel2_l2a").mean((1, 2, 4)).flatten(0, 1)
    assert np.allclose(layers[INPUT], first.detach(), atol=1e-6)
    assert not any(one._forward_hooks or one._forward_pre_hooks for one in encoder.modules())


def test_folds_divide_no_group():
    groups = np.random.default_rng(0).integers(0, 30, 500) ** 2
    folds = by_group(groups)
    assert folds.number.shape == (1, 500)
    for group in np.unique(groups):
        assert len(set(folds.number[0, groups == group])) == 1
    sizes = np.bincount(folds.number[0])
    assert len(sizes) == 5
    assert sizes.max() - sizes.min() < 60
    assert by_group(np.arange(4)).name == "4 folds"
    for wrong in (np.zeros(9), np.arange(9) % 2):
        with pytest.raises(ValueError, match=r"at least 3 folds and 3 groups of places, got 5 and [12]"):
            by_group(wrong)
    with pytest.raises(ValueError, match="got 2 and 9"):
        by_group(np.arange(9), 2)


def test_names_are_names_of_their_own(planted):
    for names in (["a", "a"], [], [RAW]):
        with pytest.raises(ValueError, match=re.escape(f"subjects have names of their own, other than {RAW!r}")):
            make_card([Subject(name, (planted(noise),)) for name in names], observed())


def test_tables(planted):
    twins = Subject("random, as a", (planted(noise), planted(lambda seen: noise(seen, seed=8))), "random", "a, b")
    subjects = [Subject("a", (planted(keeps),)), Subject("b", (planted(noise),)), twins]
    card = make_card(subjects, observed(), draws=50)
    rows = list(card_rows(card))
    assert tuple(rows[0]) == COLUMNS
    assert {row["source"] for row in rows} == {"model", "random", "raw bands"}
    assert {row["layer"] for row in rows if row["model"] == "a"} == {"first", OUTPUT}
    assert {row["seeds"] for row in rows if row["source"] == "random"} == {2}
    assert len(rows) == (3 * 2 + 1) * len(card.questions)
    assert all(float(row["high"]) <= 1 for row in rows)
    text = "\n".join(markdown(card))
    for wanted in (
        "* made for a test",
        "* sensor is not asked: there is one alone, sentinel2_l2a",
        "| random, as a (2 seeds) |",
        "| own parts | b - random, as a |",
        "| month | a - raw bands |",
    ):
        assert wanted in text
    shown = next(row for row in rows if (row["model"], row["layer"], row["question"]) == ("a", OUTPUT, "month"))
    assert f"| {float(shown['value']):.2f} [{float(shown['low']):.2f}, {float(shown['high']):.2f}] |" in text


def test_a_random_twin_of_a_real_model():
    """Alone and untrained, an encoder passes on what it is given; the month is a large part of it."""
    subjects = [Subject("random", tuple(random_encoder("mini-v1-0", seed) for seed in (0, 1)), "random")]
    card = make_card(subjects, observed(sentinel2_l2a=view(300, 1)), draws=50)
    found = scores(card, "random", INPUT)
    assert found["bands"].value > 0.99
    assert found["month"].value > 0.99
    assert found["weight of the month"].value > 0.2
