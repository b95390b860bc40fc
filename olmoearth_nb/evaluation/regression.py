"""What an embedding knows of real values, such as a height or a yield: a ridge regression, its error and R2."""

from __future__ import annotations

from typing import Any

import numpy as np

from olmoearth_nb.evaluation.folds import Folds
from olmoearth_nb.evaluation.probes import Split, by_scene, checked_queries, require_finite

PENALTIES = tuple(10.0**power for power in range(-3, 6))
"""Penalties on squared weights, of standardised features, that the probe chooses from."""


def ridge_probe(train: Split, valid: Split, queries: np.ndarray) -> np.ndarray:
    """Values of a ridge regression on standardised features, its penalty chosen on the validation split.

    The penalty of least squared error there is taken, the largest of equals.

    Args:
        train: rows to fit, with real answers.
        valid: rows to choose the penalty on; never the test.
        queries: (m, D).

    Returns:
        (m,) float64.

    Raises:
        ValueError: if answers are classes, or queries hold NaN.
    """
    require_values(train, valid)
    queries = checked_queries(train, queries)
    return fitted_ridge(train, valid).predict(queries.astype(np.float64))


def fitted_ridge(train: Split, valid: Split) -> Any:
    """A ridge regression on standardised features, its penalty chosen on the validation split.

    Args:
        train: rows to fit, with real answers.
        valid: rows to choose the penalty on; never the test.

    Returns:
        scikit-learn's pipeline, fitted to the training rows.

    Raises:
        ValueError: if answers are classes.
    """
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    require_values(train, valid)
    known, check = train.x.astype(np.float64), valid.x.astype(np.float64)
    models = [make_pipeline(StandardScaler(), Ridge(alpha=penalty)) for penalty in reversed(PENALTIES)]
    fitted = [model.fit(known, train.y.astype(np.float64)) for model in models]
    errors = [float(((model.predict(check) - valid.y) ** 2).mean()) for model in fitted]
    return fitted[int(np.argmin(errors))]


def ridge_told(x: np.ndarray, answers: np.ndarray, folds: Folds, repeat: int = 0) -> np.ndarray:
    """What ridge regressions tell of many answers at once, each with a penalty of its own.

    The same as `fitted_ridge` for each answer: the penalty is chosen on a part of what trains, and the regression is
    then fitted to all of it. One decomposition of the features serves all penalties and answers.

    Args:
        x: (n, D) features.
        answers: (n, K) real values.
        folds: how the n rows are divided.
        repeat: which draw of the folds.

    Returns:
        (n, K) float64, NaN for rows that no round tests.

    Raises:
        ValueError: if features or answers hold NaN, or their numbers of rows differ.
    """
    require_finite(x, "rows")
    require_finite(answers, "answers")
    if len(x) != len(answers):
        raise ValueError(f"there are {len(x)} rows, but answers of shape {answers.shape}")
    x, answers = np.asarray(x, np.float64), np.asarray(answers, np.float64)
    penalties, told = np.array(PENALTIES[::-1]), np.full(answers.shape, np.nan)
    for turn in folds.rounds(repeat):
        ridge = _Ridges(x[turn.fit], answers[turn.fit])
        errors = [((ridge.predict(x[turn.check], penalty) - answers[turn.check]) ** 2).mean(0) for penalty in penalties]
        chosen = penalties[np.argmin(errors, axis=0)]  # (K,), the largest of equals
        told[turn.test] = _Ridges(x[turn.train], answers[turn.train]).predict(x[turn.test], chosen)
    return told


class _Ridges:
    """Ridge regressions of many answers on standardised features, for any penalty.

    Args:
        x: (n, D) features.
        answers: (n, K).
    """

    def __init__(self, x: np.ndarray, answers: np.ndarray) -> None:
        spread = x.std(0)
        self.mean, self.scale, self.level = x.mean(0), np.where(spread > 0, spread, 1.0), answers.mean(0)
        known = (x - self.mean) / self.scale
        self.sizes, self.directions = np.linalg.eigh(known.T @ known)  # (D,), (D, D)
        self.projected = self.directions.T @ (known.T @ (answers - self.level))  # (D, K)

    def predict(self, x: np.ndarray, penalty: np.ndarray | float) -> np.ndarray:
        """(m, K) values, with one penalty or one for each answer."""
        weights = self.projected / (self.sizes[:, None] + penalty)
        return ((x - self.mean) / self.scale) @ (self.directions @ weights) + self.level


def require_values(*splits: Split) -> None:
    """Raises a ValueError unless the answers of splits are real values."""
    for split in splits:
        if not split.real:
            raise ValueError(
                f"the answers are whole numbers ({split.y.min()} to {split.y.max()}), which stand for classes: use "
                "knn or linear_probe (kNN or probe in a study), or give real values as floats, by astype(float)"
            )


def rmse(answers: np.ndarray, test: Split) -> float:
    """Root of the mean squared error, in the unit of the answers.

    Raises:
        ValueError: if answers are classes, do not fit, or hold NaN.
    """
    require_values(test)
    if np.shape(answers) != test.y.shape:
        raise ValueError(f"there are {len(test.y)} rows, but answers of shape {np.shape(answers)}")
    require_finite(answers, "answers")
    return float(np.sqrt(((answers - test.y.astype(np.float64)) ** 2).mean()))


def r2(answers: np.ndarray, test: Split) -> float:
    """Coefficient of determination: 1 - squared errors / squared deviations from the mean of the test answers.

    Raises:
        ValueError: if answers are classes, do not fit, hold NaN, or are all the same.
    """
    require_values(test)
    right, rows = by_scene(answers, test)
    return float(right.sum() / rows.sum())
