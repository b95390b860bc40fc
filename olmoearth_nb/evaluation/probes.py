"""What an embedding knows, by the votes of its nearest neighbours and by a linear probe.

The protocol of the official evaluation: k = 20, cosine similarity, votes weighted by exp(similarity / 0.07).
Independent benchmarks use k = 5 with equal votes. The probe is scikit-learn's logistic regression on standardised
features, its strength chosen on the validation split.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

STRENGTHS = (0.001, 0.01, 0.1, 1.0, 10.0)
"""Inverse regularisations that the probe chooses from."""


@dataclass(frozen=True, eq=False)
class Split:
    """Features and answers of one split.

    Attributes:
        x: (n, D) features.
        y: (n,) integer answers, all valid.
        scene: (n,) number of the scene that each row is from; rows of one scene are not independent.
    """

    x: np.ndarray
    y: np.ndarray
    scene: np.ndarray

    def __post_init__(self) -> None:
        if self.x.ndim != 2 or len(self.y) != len(self.x) or len(self.scene) != len(self.x):
            raise ValueError(f"x must be (n, D) with n answers and scenes, got {self.x.shape}, {self.y.shape}")
        if not len(self.x):
            raise ValueError("a split without rows cannot be scored")
        if not np.isfinite(self.x).all():
            raise ValueError(f"{int((~np.isfinite(self.x)).any(1).sum())} of {len(self.x)} rows hold NaN or infinity")
        if (self.y < 0).any():
            raise ValueError("answers must be 0 or larger; leave out what has no answer")


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
        ValueError: if the bank has fewer than k rows.
    """
    if not 1 <= k <= len(train.x):
        raise ValueError(f"k must be from 1 to the {len(train.x)} rows of the bank, got {k}")
    bank, classes = _unit(train.x), int(train.y.max()) + 1  # rows of length 1: their products are cosines
    answers = []
    for part in np.array_split(_unit(queries), -(-len(queries) // 1024)):
        similarity = part @ bank.T  # (m, n)
        nearest = np.argpartition(-similarity, k - 1, axis=1)[:, :k]  # (m, k), in no order
        near = np.take_along_axis(similarity, nearest, 1)
        far = near - near.max(1, keepdims=True)  # the largest weight is 1, so that no exponential overflows
        weight = np.ones_like(near) if temperature is None else np.exp(far / temperature)
        votes = np.zeros((len(part), classes))
        # (m, classes); `at` adds up the votes of neighbours of the same class
        np.add.at(votes, (np.arange(len(part))[:, None], train.y[nearest]), weight)
        answers.append(votes.argmax(1))
    return np.concatenate(answers)


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
    """
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

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
    assert chosen is not None
    return chosen.predict(queries)


def majority(train: Split, queries: np.ndarray) -> np.ndarray:
    """The commonest training answer for every query: the lowest baseline."""
    return np.full(len(queries), np.bincount(train.y).argmax())


def by_scene(answers: np.ndarray, test: Split) -> tuple[np.ndarray, np.ndarray]:
    """Right answers and rows of every test scene.

    Returns:
        Two (scenes,) arrays in the order of the scenes' numbers: right answers, rows.
    """
    _, number = np.unique(test.scene, return_inverse=True)
    return np.bincount(number, answers == test.y), np.bincount(number).astype(float)
