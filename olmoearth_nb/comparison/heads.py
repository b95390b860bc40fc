"""What becomes of a head when its encoder is exchanged: embeddings of two models do not mean the same.

A head (a probe, a classifier, an index of embeddings) is fitted to the numbers of one model. Even where another model
gives as many numbers, each of them means something else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from olmoearth_nb.evaluation.evaluate import FITTED
from olmoearth_nb.evaluation.folds import Folds
from olmoearth_nb.evaluation.metrics import OF_CLASSES, OF_VALUES
from olmoearth_nb.evaluation.probes import Split


@dataclass(frozen=True)
class Heads:
    """A head of the current model on both models' embeddings, in one round.

    Attributes:
        widths: numbers of an embedding of the current model and of the candidate.
        metric: name of the score.
        own: score on embeddings of the current model.
        exchanged: score on those of the candidate; None where they are not as many numbers.
        chance: score of the commonest answer, or the mean.
    """

    widths: tuple[int, int]
    metric: str
    own: float
    exchanged: float | None
    chance: float

    def __str__(self) -> str:
        """A sentence."""
        if self.exchanged is None:
            return (
                f"embeddings have {self.widths[1]} numbers in place of {self.widths[0]}: a head of the current model "
                "cannot read them"
            )
        return (
            f"a head that was fitted to the current model has {self.metric} {self.own:.2f} on its embeddings and "
            f"{self.exchanged:.2f} on those of the candidate (the commonest answer, or the mean: {self.chance:.2f})"
        )


def exchange(current: np.ndarray, candidate: np.ndarray, answers: np.ndarray, classes: int, folds: Folds) -> Heads:
    """Fits a head to the current model and lets it read both, in the first round of a division.

    Args:
        current: (n, D) embeddings of the current model, NaN where a place has none.
        candidate: (n, D') of the candidate.
        answers: (n,) of the places.
        classes: how many there are; 0 for real values.
        folds: division of the places.
    """
    whole = np.isfinite(current).all(1) & np.isfinite(candidate).all(1)
    current, candidate, answers = current[whole], candidate[whole], answers[whole]
    turn = next(iter(Folds(folds.name, folds.number[:, whole]).rounds(0)))
    head = FITTED["linear" if classes else "ridge"](
        *(Split(current[rows].astype(np.float64), answers[rows], rows) for rows in (turn.fit, turn.check))
    )
    metric, score = next(iter((OF_CLASSES if classes else OF_VALUES).items()))
    asked, weights = answers[turn.test], np.ones((1, len(turn.test)))

    def scored(told: np.ndarray) -> float:
        rows = np.eye(classes)[told] if classes else told
        return float(score(rows, asked, weights)[0])

    known = answers[turn.fit]
    commonest = np.full(len(asked), np.bincount(known).argmax() if classes else known.mean())
    widths = (current.shape[1], candidate.shape[1])
    exchanged = scored(head.predict(candidate[turn.test])) if widths[0] == widths[1] else None
    return Heads(widths, metric, scored(head.predict(current[turn.test])), exchanged, scored(commonest))
