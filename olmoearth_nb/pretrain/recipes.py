"""Recipes of pretraining as data: v1, v1.1, v1.2, and every step between them.

Two recipes are compared by `differences(a, b)`; a new one is `replace(RECIPES["v1.1"], name="mine", masking="time")`.

Source: the public OlmoEarth training configurations. `naive` is v1 with every sensor in one token and v1's masking
kept, so that merged Sentinel-2 is encoded or decoded as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from olmoearth_nb.bands import MODALITIES
from olmoearth_nb.model.config import PUBLISHED, SIZES, ModelConfig, size_config
from olmoearth_nb.model.pixel_mixers import PixelMixing
from olmoearth_nb.pretrain.masking import STRATEGIES
from olmoearth_nb.tokenization import TOKENIZATIONS, Tokenization
from olmoearth_nb.weights.scaling import Scaling, Statistics, check_scaling


@dataclass(frozen=True)
class Optimisation:
    """AdamW and its schedule: warm-up, a constant rate, and a decay to zero.

    Attributes:
        rate: learning rate after the warm-up.
        weight_decay: of all parameters, norms and biases too, as in official training.
        warmup: samples until the full rate.
        decay: fraction of a budget at its end in which the rate falls linearly to 0.
        batch: samples an optimiser step.
        micro_batch: samples a forward pass; the contrast of views is between them.
        clip: largest norm of the gradient.
        drop_path: stochastic depth of the encoder: probability with which a sample skips a branch.
    """

    rate: float = 1e-4
    weight_decay: float = 0.02
    warmup: int = 8000 * 512
    decay: float = 0.2
    batch: int = 512
    micro_batch: int = 32
    clip: float = 1.0
    drop_path: float = 0.1

    def __post_init__(self) -> None:
        if self.rate <= 0 or self.clip <= 0 or self.weight_decay < 0 or self.warmup < 0:
            raise ValueError(f"rate and clip must be above 0, weight_decay and warmup not below 0, got {self}")
        if not 0 <= self.decay <= 1:
            raise ValueError(f"decay must be a fraction from 0 to 1, got {self.decay}")
        if self.micro_batch < 1 or self.batch % self.micro_batch:
            raise ValueError(f"batch must be a multiple of micro_batch, got {self.batch} and {self.micro_batch}")


@dataclass(frozen=True)
class Recipe:
    """How a model is pretrained.

    Attributes:
        name: short name, shown in tables and figures.
        tokenization: which bands share a token.
        pixel_layer: whether pixels pass a layer of their own before a patch is projected (v1.1).
        pixel_mixer: another way in which the bands of a pixel meet, "residual" or "attention"; None in all releases.
        band_dropout: highest rate at which the online encoder loses whole bands (v1.1: 0.2).
        masking: one of `masking.STRATEGIES`.
        masked_negatives: whether equal targets of maps are no negatives (v1.1).
        contrast: weight of the contrast between the two views.
        position: "absolute", or "rotary" (v1.2).
        normalisation: "official" (mean - 2 std to 0, mean + 2 std to 1), "standard" (mean to 0, std to 1), or "robust"
            (median to 0, IQR / 1.349 to 1; see `weights.scaling`). A band that is dropped is 0 in each: mean - 2 std
            in official training, the mean with "standard", the median with "robust".
        statistics: of "robust": modality -> (median, IQR) of each band; None takes those of the corpus.
        optimisation: rate, schedule, batch.
    """

    name: str
    tokenization: Tokenization = field(default_factory=lambda: TOKENIZATIONS["v1"])
    pixel_layer: bool = False
    pixel_mixer: PixelMixing | None = None
    band_dropout: float = 0.0
    masking: str = "modality_cross_random"
    masked_negatives: bool = False
    contrast: float = 0.1
    position: Literal["absolute", "rotary"] = "absolute"
    normalisation: Scaling = "official"
    statistics: Statistics | None = None
    optimisation: Optimisation = field(default_factory=Optimisation)

    def __post_init__(self) -> None:
        if self.masking not in STRATEGIES:
            raise ValueError(f"unknown masking {self.masking!r}; valid are {', '.join(STRATEGIES)}")
        check_scaling(self.normalisation, self.statistics)
        if self.contrast < 0:
            raise ValueError(f"contrast is a weight of at least 0, got {self.contrast}")
        self.config("mini")  # checks position, band dropout and drop path

    def config(self, size: str) -> ModelConfig:
        """The model of a size: `config.SIZES`.

        Raises:
            ValueError: for an unknown size, listing the valid ones.
        """
        return size_config(
            size,
            self.tokenization,
            pixel_hidden=SIZES[size].pixel_hidden if self.pixel_layer and size in SIZES else 0,
            position=self.position,
            pixel_mixer=self.pixel_mixer,
            band_dropout=self.band_dropout,
            drop_path=self.optimisation.drop_path,
        )

    def __str__(self) -> str:
        """One line a field."""
        return "\n".join(f"{name:24} {value}" for name, value in flat(self).items())


def differences(first: Recipe, second: Recipe) -> dict[str, tuple[Any, Any]]:
    """Exactly what differs between two recipes, their names left out: field -> (first, second)."""
    one, other = (flat(given, all_groups=True) for given in (first, second))
    names = [name for name in {**one, **other} if name != "name"]
    return {name: (one.get(name), other.get(name)) for name in names if one.get(name) != other.get(name)}


def flat(recipe: Recipe, all_groups: bool = False) -> dict[str, Any]:
    """Every field by name; tokenizations as their groups, the optimisation's fields one by one.

    Groups are those of Sentinel-2 and Landsat, which the releases group differently, and of modalities with groups of
    their own; or of all. Statistics that are not given are left out.
    """
    found: dict[str, Any] = {}
    for item in fields(recipe):
        value = getattr(recipe, item.name)
        if isinstance(value, Tokenization):
            for name, spec in MODALITIES.items():
                groups = value.groups_of(name)
                if all_groups or name in ("sentinel2_l2a", "landsat") or groups != (spec.band_names,):
                    found[f"tokens of {name}"] = " | ".join(" ".join(group) for group in groups)
        elif isinstance(value, Optimisation):
            found |= {own.name: getattr(value, own.name) for own in fields(value)}
        elif value is not None:
            found[item.name] = value
    return found


_V1 = Recipe("v1")
_V1_1 = Recipe(
    "v1.1",
    tokenization=TOKENIZATIONS["v1.1"],
    pixel_layer=True,
    band_dropout=0.2,
    masking="random_time_with_decode",
    masked_negatives=True,
    contrast=0.05,
    optimisation=Optimisation(micro_batch=64),
)

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        _V1,
        replace(_V1, name="naive", tokenization=TOKENIZATIONS["v1.1"]),
        _V1_1,
        replace(_V1_1, name="v1.2", position="rotary"),
        replace(_V1_1, name="no band dropout", band_dropout=0.0),
        replace(_V1_1, name="no pixel layer", pixel_layer=False),
        replace(_V1_1, name="v1 loss", masked_negatives=False),
        replace(_V1_1, name="v1 masking", masking="modality_cross_random"),
        replace(_V1_1, name="v1 tokens", tokenization=TOKENIZATIONS["v1"]),
    )
}
"""Recipes by name: the releases, the naive merge, the official ablations of v1.1, and v1.1 on the tokens of v1.

The last one, which nobody has published, tells the tokens from the rest of the recipe.
"""

RATES: dict[tuple[str, str], tuple[float, float]] = {
    ("v1", "nano"): (1e-3, 0.002),
    ("v1", "tiny"): (2e-4, 0.02),
    ("v1", "large"): (1e-4, 0.002),
    ("v1.1", "nano"): (2e-4, 0.02),
    ("v1.1", "tiny"): (2e-4, 0.002),
    ("v1.2", "nano"): (2e-4, 0.02),
    ("v1.2", "tiny"): (2e-4, 0.002),
    ("v1.2", "small"): (2e-4, 0.02),
}
"""Rate and weight decay of the releases where they differ from 1e-4 and 0.02 (v1's inferred from its files)."""


def recipe(name: str) -> Recipe:
    """The built-in recipe of that name.

    Raises:
        ValueError: for an unknown name, listing the valid ones.
    """
    if name not in RECIPES:
        raise ValueError(f"unknown recipe {name!r}; valid are {', '.join(RECIPES)}")
    return RECIPES[name]


def official(name: str, size: str) -> Recipe:
    """A built-in recipe with the released learning rate and weight decay of a size.

    What is compared with a release is trained as that release was: `naive` as v1, ablations as v1.1.

    Raises:
        ValueError: for an unknown recipe or size, listing the valid ones.
    """
    found = recipe(name)
    found.config(size)  # checks the size
    # what has no release of its own follows the one that it is compared with
    release = {"naive": "v1"}.get(name, name if name in PUBLISHED else "v1.1")
    rate, decay = RATES.get((release, size), (1e-4, 0.02))
    return replace(found, optimisation=replace(found.optimisation, rate=rate, weight_decay=decay))


def two_cores(name: str, size: str = "mini") -> Recipe:
    """A built-in recipe as it runs in minutes on two cores; what differs from the official one is `differences`.

    Many small steps at a high rate, inputs standardised, no stochastic depth: with batches of 16 and a drop path of 0.1
    four times as many samples had taught less (`docs/results/pretraining.md`). The rate falls with the width.
    """
    found = recipe(name)
    rate = 4e-3 * 64 / found.config(size).width  # 4e-3 at width 64, found by trials of mini
    small = Optimisation(rate, weight_decay=0.02, warmup=1024, batch=4, micro_batch=4, drop_path=0.0)
    return replace(found, normalisation="standard", optimisation=small)
