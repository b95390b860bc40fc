"""What a pretraining run is: everything that decides its result, and the legs that it is run in.

The learning rate rises, stays, and falls to zero at the end of a budget. Up to the fall all budgets share one *trunk*;
each budget is a *branch* that leaves the trunk where its fall begins. One long run so gives every shorter one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from olmoearth_nb.model.precision import check_precision
from olmoearth_nb.pretrain.crops import Crops
from olmoearth_nb.pretrain.recipes import Optimisation, Recipe, flat

TRUNK = "trunk"
"""Name of the stretch that all budgets share."""


@dataclass(frozen=True)
class Leg:
    """A stretch of training that is run at one go.

    Attributes:
        name: of its folder.
        start: optimiser steps done before it.
        end: optimiser steps done after it.
        falls: whether the learning rate falls to 0 over the leg.
        keeps: steps at which a checkpoint is kept for good, because a branch begins there.
    """

    name: str
    start: int
    end: int
    falls: bool
    keeps: tuple[int, ...] = ()


@dataclass(frozen=True)
class Plan:
    """A run.

    Attributes:
        recipe: the objective and the optimisation.
        size: of the model.
        crops: what a micro-batch sees of a tile.
        seed: of initialisation, order, crops, masks and dropout.
        budgets: samples after which a model is to be had, each with its own decay, ascending.
        precision: one of `model.precision.PRECISIONS`.
    """

    recipe: Recipe
    size: str
    crops: Crops = field(default_factory=Crops)
    seed: int = 0
    budgets: tuple[int, ...] = (1024,)
    precision: str = "32-true"

    def __post_init__(self) -> None:
        check_precision(self.precision)
        if not self.budgets or list(self.budgets) != sorted(set(self.budgets)) or self.budgets[0] < self.batch:
            raise ValueError(f"budgets must ascend from at least one batch of {self.batch} samples, got {self.budgets}")

    @property
    def batch(self) -> int:
        """Samples an optimiser step."""
        return self.recipe.optimisation.batch

    @property
    def legs(self) -> list[Leg]:
        """The trunk, then one branch for each budget."""
        branches = []
        for budget in self.budgets:
            end = budget // self.batch  # in optimiser steps
            start = end - max(1, round(self.recipe.optimisation.decay * end)) if self.recipe.optimisation.decay else end
            branches.append(Leg(f"budget-{budget}", start, end, falls=True))
        # one long run serves all budgets: each branches off where its rate begins to fall, none is trained from 0
        starts = sorted({leg.start for leg in branches})
        keeps = tuple(start for start in starts if start)  # step 0 is made again from the seed
        return [Leg(TRUNK, 0, starts[-1], falls=False, keeps=keeps), *branches]

    def describe(self) -> dict[str, Any]:
        """All that decides the result as JSON, to be compared when the run is taken up again."""
        model, crops = self.recipe.config(self.size), self.crops
        return {
            "recipe": self.recipe.name,
            **{name: value for name, value in flat(self.recipe).items() if name != "name"},
            "size": self.size,
            "model": {name: getattr(model, name) for name in ("width", "depth", "heads", "decoder_depth", "drop_path")},
            "crops": {"patch sizes": [*crops.patch_sizes], "edges": [*crops.edges], "budget": crops.budget},
            "budget counted as": crops.counted.name,
            "seed": self.seed,
            "budgets": list(self.budgets),
            "precision": self.precision,
        }


def learning_rate(optimisation: Optimisation, leg: Leg, step: int) -> float:
    """Rate of an optimiser step: linear warm-up, constant, linear fall to 0 at the end of a branch.

    Args:
        optimisation: rate, batch and warm-up.
        leg: which stretch.
        step: number of the step in the run, from 0.
    """
    warmup = optimisation.warmup / optimisation.batch
    rate = optimisation.rate * min(1.0, (step + 1) / warmup if warmup else 1.0)
    return rate * (leg.end - step) / (leg.end - leg.start) if leg.falls else rate


def budgets_of(samples: int | Sequence[int], batch: int) -> tuple[int, ...]:
    """Budgets rounded down to whole batches."""
    given = [samples] if isinstance(samples, int) else samples
    return tuple(sorted({count // batch * batch for count in given}))
