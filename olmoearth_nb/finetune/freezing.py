"""The protocol of the official evaluation: only the head learns at first, then everything at a tenth of the rate.

Source: the public OlmoEarth evaluation code, fine-tuning. Unlike there, the table of months stays frozen, and the
frozen encoder is in evaluation mode (see `tuned`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from olmoearth_nb.finetune.tuned import Tuned


@dataclass(frozen=True)
class FreezeThenThaw:
    """When the encoder stands still, and what becomes of the learning rate. Steps may be epochs.

    Attributes:
        steps: of the whole training.
        fraction: of the steps in which the encoder is frozen, rounded up.
        factor: by which every learning rate, the head's as well, is multiplied behind them.
    """

    steps: int
    fraction: float = 0.2
    factor: float = 0.1

    def __post_init__(self) -> None:
        if self.steps < 1 or not 0 <= self.fraction <= 1 or not self.factor > 0:
            raise ValueError(f"steps must be 1 or more, fraction 0 to 1, factor above 0, got {self}")

    @property
    def frozen_steps(self) -> int:
        """Steps in which the encoder is frozen."""
        return math.ceil(round(self.fraction * self.steps, 9))  # 0.07 x 100 is a little above 7

    def begin(self, tuned: Tuned, step: int) -> float:
        """Freezes or thaws the encoder as a step needs it, also when training goes on from a checkpoint.

        Args:
            tuned: the model.
            step: that begins, from 0.

        Returns:
            What learning rates are to be multiplied by.
        """
        frozen = step < self.frozen_steps
        if frozen != tuned.frozen:
            (tuned.freeze if frozen else tuned.thaw)()
        return 1.0 if frozen or not self.frozen_steps else self.factor
