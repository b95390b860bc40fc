"""What an embedding knows of classes, by the votes of its nearest neighbours and by a linear probe.

Real-valued answers, such as a height, have a probe of their own (`regression.py`).

The protocol of the official evaluation: k = 20, cosine similarity, votes weighted by exp(similarity / 0.07).
Independent benchmarks use k = 5 with equal votes. The probe is scikit-learn's logistic regression on standardised
features, its strength chosen on the validation split.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

STRENGTHS = (0.001, 0.01, 0.1, 1.0, 10.0)
"""Inverse regularisations that the probe chooses from."""


@dataclass(frozen=True, eq=False)
class Split:
    """Features and answers of one split.

    Attributes:
        x: (n, D) features.
        y: (n,) answers, all valid: whole numbers from 0 for classes, floats for real values.
        scene: (n,) number of the scene that each row is from; rows of one scene are not independent.
    """

    x: np.ndarray
    y: np.ndarray
    scene: np.ndarray

    def __post_init__(self) -> None:
        shapes = [np.shape(part) for part in (self.x, self.y, self.scene)]
        if len(shapes[0]) != 2 or shapes[1:] != [shapes[0][:1]] * 2:
            raise ValueError(f"x must be (n, D) with n answers and scenes, got {', '.join(map(str, shapes))}")
        if not shapes[0][0]:
            raise ValueError("a split without rows cannot be scored")
        require_finite(self.x, "rows")
        if self.y.dtype.kind not in "iuf":
            raise ValueError(f"answers are whole numbers (classes) or real values, got {self.y.dtype}")
        require_finite(self.y, "answers")
        if not self.real and (self.y < 0).any():
            raise ValueError("answers must be 0 or larger; leave out what has no answer")

    @property
    def real(self) -> bool:
        """Whether the answers are real values, not classes."""
        return self.y.dtype.kind == "f"


def require_finite(values: np.ndarray, what: str) -> None:
    """Raises a ValueError that counts the rows of NaN or infinite numbers, and says how to do without them.

    Args:
        values: (n,) or (n, D).
        what: what the rows are, in the plural.
    """
    if np.asarray(values).dtype.kind not in "iuf":
        raise ValueError(f"{what} must hold numbers, got {np.asarray(values).dtype}")
    bad = ~np.isfinite(values).reshape(len(values), -1).all(1)
    if bad.any():
        raise ValueError(
            f"{int(bad.sum())} of {len(bad)} {what} hold NaN or infinity, which no probe can read: places of which "
            "nothing was observed have no embedding, and points outside of a scene none either. Leave them out of "
            "features, answers and scenes alike, such as by np.isfinite(x).all(1)"
        )


def checked_queries(train: Split, queries: np.ndarray) -> np.ndarray:
    """Queries, if a probe that was fitted to the training rows can answer them.

    Raises:
        ValueError: for another number of features, or rows of NaN or infinite numbers.
    """
    queries = np.asarray(queries)
    if queries.ndim != 2 or queries.shape[1] != train.x.shape[1] or not len(queries):
        raise ValueError(f"queries must be (m, {train.x.shape[1]}) like the training rows, got {queries.shape}")
    require_finite(queries, "queries")
    return queries


def require_classes(*splits: Split) -> None:
    """Raises a ValueError unless the answers of splits are classes."""
    for split in splits:
        if split.real:
            raise ValueError(
                f"the answers are real values ({split.y.min():g} to {split.y.max():g}), but this probe tells classes: "
                "use ridge_probe (ridge in a study), or give classes as whole numbers, by astype(int)"
            )


def knn(train: Split, queries: np.ndarray, k: int = 20, temperature: float | None = 0.07) -> np.ndarray:
    """Answers by the votes of the nearest training rows.

    Args:
        train: the bank.
        queries: (m, D).
        k: number of neighbours.
        temperature: votes weigh exp(similarity / temperature); None for equal votes.

    Returns:
        (m,) the answer with most votes, the smallest of equals.

    Raises:
        ValueError: if the bank has fewer than k rows, its answers are no classes, or queries hold NaN.
    """
    return knn_votes(train, queries, k, temperature).argmax(1)


def knn_votes(
    train: Split, queries: np.ndarray, k: int = 20, temperature: float | None = 0.07, scene: np.ndarray | None = None
) -> np.ndarray:
    """Fractions of the votes that each answer gets from the nearest training rows.

    Args:
        train: the bank.
        queries: (m, D).
        k: number of neighbours.
        temperature: see `knn`.
        scene: (m,) scene of each query, whose rows in the bank do not vote; None if all vote.

    Returns:
        (m, classes), summing to 1.

    Raises:
        ValueError: see `knn`; if fewer than k rows may vote.
    """
    require_classes(train)
    queries = checked_queries(train, queries)
    allowed = len(train.x) - _most_kept_out(train, scene)
    if not 1 <= k <= allowed:
        raise ValueError(f"k must be from 1 to the {allowed} rows of the bank, got {k}")
    bank, classes = _unit(train.x), int(train.y.max()) + 1  # rows of length 1: their products are cosines
    answers = []
    for rows in np.array_split(np.arange(len(queries)), -(-len(queries) // 1024)):
        similarity = _unit(queries[rows]) @ bank.T  # (m, n)
        if scene is not None:
            similarity[scene[rows][:, None] == train.scene] = -np.inf
        nearest = np.argpartition(-similarity, k - 1, axis=1)[:, :k]  # (m, k), in no order
        near = np.take_along_axis(similarity, nearest, 1)
        far = near - near.max(1, keepdims=True)  # the largest weight is 1, so that no exponential overflows
        weight = np.ones_like(near) if temperature is None else np.exp(far / temperature)
        votes = np.zeros((len(rows), classes))
        # (m, classes); `at` adds up the votes of neighbours of the same class
        np.add.at(votes, (np.arange(len(rows))[:, None], train.y[nearest]), weight)
        answers.append(votes / votes.sum(1, keepdims=True))
    return np.concatenate(answers)


def _most_kept_out(train: Split, scene: np.ndarray | None) -> int:
    """Rows of the bank that may not vote for some query, at most."""
    if scene is None:
        return 0
    scenes, rows = np.unique(train.scene, return_counts=True)
    return int(rows[np.isin(scenes, scene)].max(initial=0))


def _unit(x: np.ndarray) -> np.ndarray:
    """Rows of length 1, in float64."""
    x = np.asarray(x, dtype=np.float64)
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)


def linear_probe(train: Split, valid: Split, queries: np.ndarray) -> np.ndarray:
    """Answers of a logistic regression, its strength chosen on the validation split.

    Args:
        train: rows to fit.
        valid: rows to choose the strength on; never the test.
        queries: (m, D).

    Returns:
        (m,) answers.

    Raises:
        ValueError: if answers are no classes, or queries hold NaN.
    """
    require_classes(train, valid)
    queries = checked_queries(train, queries)
    return fitted_logistic(train, valid).predict(queries)


def fitted_logistic(train: Split, valid: Split) -> Any:
    """A logistic regression on standardised features, its strength chosen on the validation split.

    Args:
        train: rows to fit.
        valid: rows to choose the strength on; never the test.

    Returns:
        scikit-learn's pipeline, fitted to the training rows.

    Raises:
        ValueError: if answers are no classes.
    """
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    require_classes(train, valid)
    best, chosen = -1.0, None
    for strength in STRENGTHS:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=300))
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", ConvergenceWarning
            )  # the weakest strengths need not converge to be compared
            model.fit(train.x, train.y)
        score = float((model.predict(valid.x) == valid.y).mean())
        if score > best:
            best, chosen = score, model
    return chosen


def majority(train: Split, queries: np.ndarray) -> np.ndarray:
    """The commonest training answer for every query, or the mean of real values: the lowest baseline."""
    answer = train.y.mean() if train.real else np.bincount(train.y).argmax()
    return np.full(len(checked_queries(train, queries)), answer)


def by_scene(answers: np.ndarray, test: Split) -> tuple[np.ndarray, np.ndarray]:
    """Right answers and rows of every test scene.

    Of real values, a scene's rows are its squared deviations from the mean of all answers, in units of their variance,
    and what counts as right is rows - (squared errors) / variance: the sum of right, divided by that of rows, is R2, as
    it is the accuracy of classes. Both are of the scene, so that intervals draw scenes with their spread.

    Returns:
        Two (scenes,) arrays in the order of the scenes' numbers: right answers, rows.

    Raises:
        ValueError: for another number of answers, NaN among them, or real values that are all the same.
    """
    if np.shape(answers) != test.y.shape:
        raise ValueError(f"there are {len(test.y)} rows, but answers of shape {np.shape(answers)}")
    require_finite(answers, "answers")
    _, number = np.unique(test.scene, return_inverse=True)
    if not test.real:
        return np.bincount(number, answers == test.y), np.bincount(number).astype(float)
    right, rows = explained(answers, test.y)
    if not rows.any():
        raise ValueError(
            f"all {len(test.y)} answers are {test.y[0]:g}; R2 compares with their spread, and there is none"
        )
    return np.bincount(number, right), np.bincount(number, rows)


def explained(predicted: np.ndarray, answers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of real values, (n,) what counts as right and as rows; sum(right) / sum(rows) is R2, and sum(rows) is n.

    Args:
        predicted: (n,) values.
        answers: (n,) values; if they are all the same, all rows are 0.
    """
    answers = answers.astype(np.float64)
    apart, variance = (answers - answers.mean()) ** 2, answers.var()
    if not variance:
        return np.zeros(len(answers)), np.zeros(len(answers))
    rows = apart / variance
    return rows - (predicted - answers) ** 2 / variance, rows
