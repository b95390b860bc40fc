"""Ways to fit an encoder to labels, and the settings of a fit: what learns, when, and how fast.

* "frozen": the head alone learns.
* "full": the official protocol; the head alone for a fifth of the training, then everything at a tenth of the rate,
  which falls when validation stops getting better.
* "layer decay": everything learns from the first step, a block by .65 slower than the next one. It is what users of
  OlmoEarth are told since May 2026.
* "lora": low-rank deltas of linear layers learn beside the head, everything else stands still.
"""

from __future__ import annotations

import copy
import math
from dataclasses import asdict, dataclass

import torch

from olmoearth_nb.finetune.groups import DECAY, Group, layer_decay, one_rate
from olmoearth_nb.finetune.lora import LAYERS, add_lora
from olmoearth_nb.finetune.tuned import Tuned
from olmoearth_nb.model.encoder import Encoder
from olmoearth_nb.tokenization import check_patch_size
from olmoearth_nb.weights.trained import check_seed

RATES = {"frozen": 1e-2, "full": 1e-3, "layer decay": 1e-3, "lora": 1e-3}
"""Ways, and the learning rate of each where none is given."""


@dataclass(frozen=True)
class Settings:
    """How an encoder is fitted.

    Attributes:
        way: one of `RATES`.
        epochs: passes over the places that train.
        batch: places a step.
        rate: learning rate of the head; None for that of the way.
        weight_decay: of AdamW.
        patience: epochs without a better validation after which the fit ends; 0 for never.
        balanced: whether every class counts the same in sum.
        decay: of "layer decay", what a block's rate is of the next one's.
        rank: of "lora".
        alpha: of "lora"; a delta counts alpha / rank.
        layers: of "lora", one of `lora.LAYERS`.
        patch_size: P.
        seed: of the head, the order of the places and all else that is random.
    """

    way: str = "layer decay"
    epochs: int = 50
    batch: int = 32
    rate: float | None = None
    weight_decay: float = 0.01
    patience: int = 0
    balanced: bool = False
    decay: float = DECAY
    rank: int = 8
    alpha: float = 16.0
    layers: str = "qv"
    patch_size: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        if self.way not in RATES:
            raise ValueError(f"way must be one of {', '.join(map(repr, RATES))}, got {self.way!r}; say way='full'")
        for name, least in (("epochs", 1), ("batch", 1), ("patience", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(f"{name} must be a whole number from {least} on, got {value!r}")
        if not 0 < self.whole_rate < math.inf or not 0 <= self.weight_decay < math.inf:
            raise ValueError(f"rate must be above 0 and weight_decay at least 0, got {self.rate}, {self.weight_decay}")
        if self.layers not in LAYERS:
            raise ValueError(f"layers must be one of {', '.join(LAYERS)}, got {self.layers!r}")
        check_patch_size(self.patch_size)
        check_seed(self.seed)

    @property
    def whole_rate(self) -> float:
        """Learning rate of the head."""
        return RATES[self.way] if self.rate is None else self.rate

    def describe(self) -> dict[str, object]:
        """Plain data; of the way's own settings those alone that it reads."""
        read = {"layer decay": ("decay",), "lora": ("rank", "alpha", "layers")}.get(self.way, ())
        others = {"decay", "rank", "alpha", "layers"}.difference(read)
        return {name: value for name, value in asdict(self).items() if name not in others} | {"rate": self.whole_rate}


def adapted(encoder: Encoder, settings: Settings) -> Encoder:
    """A copy of an encoder in which what the way lets learn requires a gradient, and nothing else.

    Low-rank factors are drawn from torch's own generator.

    Args:
        encoder: any; it stays as it is.
        settings: of the fit.
    """
    encoder = copy.deepcopy(encoder)
    if settings.way == "frozen":
        encoder.requires_grad_(False)
    if settings.way == "lora":
        add_lora(encoder, settings.rank, settings.alpha, settings.layers)
    return encoder


def optimiser(tuned: Tuned, settings: Settings) -> torch.optim.AdamW:
    """AdamW with the parameter groups of the way."""
    rate = settings.whole_rate
    decayed = settings.way == "layer decay"
    groups: list[Group] = layer_decay(tuned, rate, settings.decay) if decayed else one_rate(tuned, rate)
    return torch.optim.AdamW(groups, rate, weight_decay=settings.weight_decay)


class Plateau:
    """The official fall of the rate: to a fifth, when validation was no better for more than two epochs.

    It is torch's own schedule, on a rate of 1, so that what it says is a factor.
    """

    def __init__(self) -> None:
        self._rate = torch.optim.SGD([torch.zeros(1)], lr=1.0)
        self._schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
            self._rate, "max", factor=0.2, patience=2, cooldown=10
        )

    @property
    def factor(self) -> float:
        """What learning rates are to be multiplied by."""
        return float(self._rate.param_groups[0]["lr"])

    def saw(self, score: float) -> None:
        """An epoch ended with this validation score; larger is better."""
        self._schedule.step(score)

    def state(self) -> dict[str, float]:
        """Plain numbers to go on from."""
        known = ("best", "num_bad_epochs", "cooldown_counter", "last_epoch")
        return {name: getattr(self._schedule, name) for name in known} | {"factor": self.factor}

    def load(self, state: dict[str, float]) -> None:
        """Goes on from what `state` gave."""
        for name, value in state.items():
            if name != "factor":
                setattr(self._schedule, name, value)
        self._rate.param_groups[0]["lr"] = state["factor"]
