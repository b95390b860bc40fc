"""Losses of classes, of several truths at once and of real values; what has no label does not count."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

IGNORED = -1
"""The class of what has no label; of real values it is NaN."""


def class_loss(logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean cross-entropy of what has a label.

    Args:
        logits: (..., classes).
        labels: (...) whole numbers from 0, `IGNORED` where there is no label.
        weights: (classes,) of `class_weights`; None if all classes count alike.

    Returns:
        () the loss, 0 if nothing has a label.

    Raises:
        ValueError: for labels of another shape.
    """
    _require_shape(logits.shape[:-1], labels)
    kept = labels != IGNORED
    chosen, answers = logits[kept].float(), labels[kept].long()  # (n, classes) and (n,)
    return F.cross_entropy(chosen, answers, weights) if len(answers) else chosen.sum()


def value_loss(values: Tensor, answers: Tensor) -> Tensor:
    """Mean squared error of what has an answer.

    Args:
        values: (..., 1) of a head with one output.
        answers: (...) real values, NaN where there is none.

    Returns:
        () the loss, 0 if nothing has an answer.

    Raises:
        ValueError: for answers of another shape, or a head of more outputs.
    """
    if values.shape[-1] != 1:
        raise ValueError(f"a head of real values has 1 output, this one has {values.shape[-1]}")
    _require_shape(values.shape[:-1], answers)
    kept = ~answers.isnan()
    chosen = values[..., 0][kept].float()  # (n,)
    return F.mse_loss(chosen, answers[kept].float()) if len(chosen) else chosen.sum()


def truths_loss(logits: Tensor, answers: Tensor) -> Tensor:
    """Mean binary cross-entropy of what is known, where several classes may hold at once: multi-label soft margin.

    Args:
        logits: (..., classes).
        answers: (..., classes) 1 where a class holds, 0 where it does not, `IGNORED` where nobody knows.

    Returns:
        () the loss, 0 if nothing is known.

    Raises:
        ValueError: for answers of another shape.
    """
    _require_shape(logits.shape, answers)
    kept = answers != IGNORED
    chosen = logits[kept].float()  # (n,)
    return F.binary_cross_entropy_with_logits(chosen, answers[kept].float()) if len(chosen) else chosen.sum()


def class_weights(labels: np.ndarray, classes: int) -> Tensor:
    """Weights by which every class of a training set counts the same in sum: n / (classes that there are, n of each).

    Args:
        labels: of any shape, whole numbers from 0, `IGNORED` where there is no label.
        classes: how many.

    Returns:
        (classes,) float32; 1 for a class that is absent.

    Raises:
        ValueError: if nothing has a label, or labels are no numbers of classes.
    """
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iu":
        raise ValueError(f"labels must be whole numbers, got {labels.dtype}; say labels.astype(int)")
    kept = labels[labels != IGNORED]
    if not len(kept):
        raise ValueError("nothing has a label; labels are whole numbers from 0, and -1 where there is none")
    if kept.min() < 0 or kept.max() >= classes:
        raise ValueError(f"labels must be from 0 to {classes - 1}, or -1 for none, got {kept.min()} to {kept.max()}")
    counts = np.bincount(kept, minlength=classes)
    even = len(kept) / np.count_nonzero(counts)
    return torch.from_numpy(np.where(counts > 0, even / np.maximum(counts, 1), 1.0).astype(np.float32))


def _require_shape(shape: torch.Size, labels: Tensor) -> None:
    """Raises unless there is a label for each output."""
    if labels.shape != shape:
        raise ValueError(f"there must be a label for each output, {tuple(shape)}, got {tuple(labels.shape)}")
