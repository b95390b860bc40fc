"""Recipes: what the releases did, and what exactly differs between two of them."""

from dataclasses import FrozenInstanceError, fields, replace

import pytest
import torch

from olmoearth_nb import OlmoEarth, published_config
from olmoearth_nb.bands import MODALITIES
from olmoearth_nb.model.config import PUBLISHED
from olmoearth_nb.pretrain.recipes import RECIPES, Optimisation, Recipe, differences, official, recipe, two_cores
from olmoearth_nb.tokenization import TOKENIZATIONS, Tokenization

S2_V1 = "B02 B03 B04 B08 | B05 B06 B07 B8A B11 B12 | B01 B09"
S2_V1_1 = "B02 B03 B04 B08 B05 B06 B07 B8A B11 B12 B01 B09"
LANDSAT_V1 = "B8 | B1 B2 B3 B4 B5 B6 B7 B9 B10 B11"
LANDSAT_V1_1 = "B8 B1 B2 B3 B4 B5 B6 B7 B9 B10 B11"
ONE_TOKEN = {"tokens of sentinel2_l2a": (S2_V1, S2_V1_1), "tokens of landsat": (LANDSAT_V1, LANDSAT_V1_1)}
V1_MASKING, V1_1_MASKING = "modality_cross_random", "random_time_with_decode"


def test_the_recipes():
    """The releases, the naive merge, the four official ablations of v1.1, and v1.1 on v1's tokens."""
    ablations = {"no band dropout", "no pixel layer", "v1 loss", "v1 masking", "v1 tokens"}
    assert set(RECIPES) == {"v1", "naive", "v1.1", "v1.2"} | ablations
    assert all(RECIPES[name].name == name for name in RECIPES)
    assert len(fields(Recipe)) <= 12


DIFFERENCES = {
    ("v1", "v1"): {},
    ("v1", "naive"): ONE_TOKEN,
    ("v1", "v1.1"): ONE_TOKEN
    | {
        "pixel_layer": (False, True),
        "band_dropout": (0.0, 0.2),
        "masking": (V1_MASKING, V1_1_MASKING),
        "masked_negatives": (False, True),
        "contrast": (0.1, 0.05),
        "micro_batch": (32, 64),
    },
    ("v1.1", "v1.2"): {"position": ("absolute", "rotary")},
    ("v1.1", "no band dropout"): {"band_dropout": (0.2, 0.0)},
    ("v1.1", "no pixel layer"): {"pixel_layer": (True, False)},
    ("v1.1", "v1 loss"): {"masked_negatives": (True, False)},
    ("v1.1", "v1 masking"): {"masking": (V1_1_MASKING, V1_MASKING)},
    ("v1 tokens", "v1.1"): ONE_TOKEN,
}


@pytest.mark.parametrize("pair", DIFFERENCES, ids=" to ".join)
def test_what_differs(pair):
    first, second = map(recipe, pair)
    assert differences(first, second) == DIFFERENCES[pair]
    assert differences(second, first) == {key: (b, a) for key, (a, b) in DIFFERENCES[pair].items()}


def test_official_training():
    """512 samples a step, 8,000 steps of warm-up, gradients clipped at 1, decay on everything, rate 1e-4."""
    for name in RECIPES:
        optimisation = recipe(name).optimisation
        assert (optimisation.batch, optimisation.warmup / optimisation.batch, optimisation.clip) == (512, 8000, 1.0)
        assert (optimisation.rate, optimisation.weight_decay) == (1e-4, 0.02)
        assert recipe(name).normalisation == "official"
        assert optimisation.micro_batch == (32 if name in ("v1", "naive") else 64)


RATES = {
    "v1": {"nano": (1e-3, 0.002), "tiny": (2e-4, 0.02), "base": (1e-4, 0.02), "large": (1e-4, 0.002)},
    "v1.1": {"nano": (2e-4, 0.02), "tiny": (2e-4, 0.002), "base": (1e-4, 0.02)},
    "v1.2": {"nano": (2e-4, 0.02), "tiny": (2e-4, 0.002), "small": (2e-4, 0.02), "base": (1e-4, 0.02)},
}


@pytest.mark.parametrize("name", RATES)
def test_rates_of_the_releases(name):
    assert tuple(RATES[name]) == PUBLISHED[name]
    for size, pair in RATES[name].items():
        found = official(name, size)
        assert (found.optimisation.rate, found.optimisation.weight_decay) == pair
        assert set(differences(found, recipe(name))) <= {"rate", "weight_decay"}


@pytest.mark.parametrize(("name", "release"), [("naive", "v1"), ("no pixel layer", "v1.1"), ("v1 masking", "v1.1")])
def test_an_ablation_is_trained_at_the_rate_of_what_it_is_compared_with(name, release):
    for size in PUBLISHED[release]:
        assert set(differences(official(name, size), official(release, size))) == set(
            differences(recipe(name), recipe(release))
        )


PARAMETERS = {
    ("v1", "nano"): (1_361_024, 827_520),
    ("v1", "tiny"): (6_202_560, 1_855_680),
    ("v1", "base"): (88_953_600, 29_541_120),
    ("v1", "large"): (307_770_368, 52_495_360),
    ("v1.1", "nano"): (1_697_328, 827_424),
    ("v1.1", "tiny"): (12_461_296, 1_855_536),
    ("v1.1", "base"): (113_973_952, 29_540_544),
    ("v1.2", "nano"): (1_698_096, 828_192),
    ("v1.2", "tiny"): (12_464_752, 1_856_688),
    ("v1.2", "small"): (35_615_200, 7_399_776),
    ("v1.2", "base"): (113_987_776, 29_545_152),
}


@pytest.mark.parametrize(("name", "size"), PARAMETERS, ids=lambda value: value)
def test_models_have_the_published_number_of_parameters(name, size):
    config = recipe(name).config(size)
    with torch.device("meta"):
        model = OlmoEarth(config)
    counted = [sum(p.numel() for p in part.parameters()) for part in (model.encoder, model.decoder)]
    assert tuple(counted) == PARAMETERS[name, size]
    assert config == published_config(name, size)


def test_mini_is_small():
    for name in RECIPES:
        config = recipe(name).config("mini")
        assert 64 <= config.width <= 96
        assert 3 <= config.depth <= 4
        assert config.modalities == tuple(MODALITIES)
        assert config.drop_path == 0.1
        assert config.tokenization == recipe(name).tokenization
        assert bool(config.pixel_hidden) == recipe(name).pixel_layer
        assert config.band_dropout == recipe(name).band_dropout
        assert config.rotary == (name == "v1.2")


@pytest.mark.parametrize("name", RECIPES)
def test_on_two_cores_only_normalisation_and_optimisation_differ(name):
    changed = differences(recipe(name), two_cores(name))
    optimisation = {"rate", "weight_decay", "warmup", "decay", "batch", "micro_batch", "drop_path"}
    assert set(changed) <= {"normalisation", *optimisation}
    assert changed["normalisation"] == ("official", "standard")
    assert differences(two_cores("v1"), two_cores("naive")) == ONE_TOKEN
    assert "micro_batch" not in differences(two_cores("v1"), two_cores("v1.1"))


class TestPrinting:
    @pytest.mark.parametrize("name", RECIPES)
    def test_one_line_a_field(self, name):
        lines = str(recipe(name)).splitlines()
        assert len({line[:24].strip() for line in lines}) == len(lines)
        assert lines[0].split(maxsplit=1) == ["name", name]
        text = str(recipe(name))
        for item in (*fields(Recipe), *fields(Optimisation)):
            assert item.name in ("tokenization", "optimisation", "statistics", "pixel_mixer") or f"{item.name} " in text

    @pytest.mark.parametrize("other", [name for name in RECIPES if name != "v1.1"])
    def test_two_printed_recipes_differ_where_the_recipes_do(self, other):
        first, second = str(recipe("v1.1")).splitlines(), str(recipe(other)).splitlines()
        changed = {a[:24].strip() for a, b in zip(first, second, strict=True) if a != b}
        assert changed == {"name", *differences(recipe("v1.1"), recipe(other))}

    def test_every_grouping_shows(self):
        """Not only those of Sentinel-2 and Landsat; a band left out shows as well."""
        apart = replace(
            recipe("v1"), tokenization=Tokenization("x", {**TOKENIZATIONS["v1"].groups, "sentinel1": ["vv", "vh"]})
        )
        assert differences(recipe("v1"), apart) == {"tokens of sentinel1": ("vv vh", "vv | vh")}
        assert differences(apart, recipe("v1")) == {"tokens of sentinel1": ("vv | vh", "vv vh")}
        assert "vv | vh" in str(apart)
        fewer = replace(
            recipe("v1"),
            tokenization=Tokenization(
                "y", {**TOKENIZATIONS["v1"].groups, "worldcereal": [MODALITIES["worldcereal"].band_names[:2]]}
            ),
        )
        assert list(differences(recipe("v1"), fewer)) == ["tokens of worldcereal"]

    def test_names_are_no_difference(self):
        renamed = replace(
            recipe("v1"), name="mine", tokenization=Tokenization("other name", TOKENIZATIONS["v1"].groups)
        )
        assert differences(recipe("v1"), renamed) == {}


WRONG = {
    "unknown recipe": (lambda: recipe("v2"), "unknown recipe 'v2'; valid are v1, naive, v1.1, v1.2, no band dropout"),
    "unknown recipe, official": (lambda: official("v2", "nano"), "unknown recipe 'v2'"),
    "unknown recipe, two cores": (lambda: two_cores("v2"), "unknown recipe 'v2'"),
    "unknown size": (lambda: recipe("v1").config("huge"), "unknown size 'huge'; valid are mini, nano"),
    "unknown size, official": (lambda: official("v1", "huge"), "unknown size 'huge'; valid are mini, nano"),
    "unknown masking": (
        lambda: Recipe("x", masking="block"),
        "unknown masking 'block'; valid are modality_cross_random",
    ),
    "unknown normalisation": (
        lambda: Recipe("x", normalisation="minmax"),
        "must be one of official, standard, robust, got 'minmax'",
    ),
    "unknown position": (lambda: Recipe("x", position="learned"), "must be 'absolute' or 'rotary', got 'learned'"),
    "negative contrast": (lambda: Recipe("x", contrast=-0.1), "contrast is a weight of at least 0, got -0.1"),
    "all bands dropped": (lambda: Recipe("x", band_dropout=1.0), "band_dropout must be from 0 to below 1, got 1.0"),
    "no rate": (lambda: Optimisation(rate=0), "rate and clip must be above 0"),
    "no clip": (lambda: Optimisation(clip=0), "rate and clip must be above 0"),
    "negative decay of weights": (lambda: Optimisation(weight_decay=-1), "weight_decay and warmup not below 0"),
    "negative warm-up": (lambda: Optimisation(warmup=-1), "weight_decay and warmup not below 0"),
    "more decay than budget": (lambda: Optimisation(decay=1.5), "decay must be a fraction from 0 to 1, got 1.5"),
    "uneven micro-batches": (lambda: Optimisation(batch=100), "multiple of micro_batch, got 100 and 32"),
    "empty micro-batch": (lambda: Optimisation(micro_batch=0), "multiple of micro_batch, got 512 and 0"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input(name):
    call, said = WRONG[name]
    with pytest.raises(ValueError, match=said):
        call()


def test_a_recipe_cannot_be_changed_by_accident():
    with pytest.raises(FrozenInstanceError):
        recipe("v1").contrast = 0.2
