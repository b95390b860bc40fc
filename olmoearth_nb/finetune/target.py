"""What labels ask: one class of several, several truths at once, or a real value, of a place or of each pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from olmoearth_nb.data.sets import Labelled
from olmoearth_nb.finetune.heads import InUnit, PixelHead, PlaceHead
from olmoearth_nb.finetune.losses import IGNORED, class_loss, truths_loss, value_loss

Kind = Literal["classes", "truths", "values"]


@dataclass(frozen=True)
class Target:
    """What is told of a place or of each of its pixels.

    Attributes:
        kind: "classes" for one of several, "truths" for several that may hold at once, "values" for real numbers.
        pixels: whether each pixel has an answer, not the place.
        classes: names of classes or truths; none for real values.
        unit: of real values; empty otherwise.
    """

    kind: Kind
    pixels: bool
    classes: tuple[str, ...]
    unit: str

    @classmethod
    def of(cls, labelled: Labelled) -> Target:
        """What a set asks, by the shape of its answers.

        Args:
            labelled: answers are (n,) of places, (n, H, W) of pixels, and (n, classes) where several may hold.

        Raises:
            ValueError: for answers of another shape, no answer at all, one that is none of the classes, or one class
                or value alone.
        """
        answers, classes = np.asarray(labelled.answers), tuple(labelled.classes)
        if answers.ndim not in (1, 2, 3):
            raise ValueError(f"answers of {labelled.name} must be (n,), (n, H, W) or (n, classes), got {answers.shape}")
        kind: Kind = "values" if not classes else "truths" if answers.ndim == 2 else "classes"
        if answers.ndim == 2 and answers.shape[1] != len(classes):
            raise ValueError(
                f"{labelled.name} has {len(classes)} classes, and {answers.shape[1]} answers a place where several hold"
            )
        target = cls(kind, answers.ndim == 3, classes, labelled.unit)
        target.check(answers, labelled.name)
        return target

    def check(self, answers: np.ndarray, name: str) -> None:
        """Raises a ValueError unless answers ask something: see `of`.

        Args:
            answers: of a set, or of some of its places.
            name: of what they are of.
        """
        known = answers[self.known(answers)]
        if not len(known):
            raise ValueError(f"there is no label in {name}; classes are whole numbers from 0, and -1 stands for none")
        if self.kind == "values":
            if known.min() == known.max():
                raise ValueError(f"all answers in {name} are {known[0]:g}; there is nothing to learn")
            return
        last = 1 if self.kind == "truths" else len(self.classes) - 1
        if known.min() < 0 or known.max() > last:
            raise ValueError(f"answers in {name} must be from 0 to {last}, or -1 for none, got {known.max()}")
        there = (answers == 1).any(0) if self.kind == "truths" else np.bincount(known, minlength=len(self.classes)) > 0
        if there.sum() == 1 and self.kind == "classes":
            raise ValueError(
                f"all labels in {name} are {self.classes[int(there.argmax())]!r}; to tell classes apart, label places "
                "of at least one other class"
            )

    @property
    def outputs(self) -> int:
        """Numbers that a head tells of a place or pixel."""
        return len(self.classes) or 1

    def known(self, answers: np.ndarray) -> np.ndarray:
        """Bool of the shape of answers: whether there is one."""
        return ~np.isnan(answers) if self.kind == "values" else answers != IGNORED

    def head(self, width: int, patch_size: int, answers: np.ndarray) -> nn.Module:
        """A head that has learnt nothing, drawn from torch's own generator.

        Args:
            width: D of the encoder.
            patch_size: P.
            answers: of the places that train; real values are standardised by them.
        """
        plain = PixelHead(width, self.outputs, patch_size) if self.pixels else PlaceHead(width, self.outputs)
        if self.kind != "values":
            return plain
        known = answers[self.known(answers)].astype(np.float64)
        return InUnit(plain, float(known.mean()), float(known.std()) or 1.0)

    def loss(self, told: Tensor, answers: Tensor, head: nn.Module, weights: Tensor | None = None) -> Tensor:
        """() what is minimised; answers that are not known do not count.

        Args:
            told: what the head tells, (..., outputs).
            answers: as `tensor` makes them.
            head: of `head`; it knows in which unit values are.
            weights: (classes,) of `class_weights`, for classes alone.
        """
        if self.kind == "classes":
            return class_loss(told, answers, weights)
        if self.kind == "truths":
            return truths_loss(told, answers)
        assert isinstance(head, InUnit)
        return value_loss(head.standard(told), head.standard(answers))

    def tensor(self, answers: np.ndarray, seen: Tensor | None = None) -> Tensor:
        """Answers as losses take them.

        Args:
            answers: of some places.
            seen: (B, H, W) bool; nothing is told elsewhere, so that labels there are ignored.
        """
        real = self.kind == "values"
        tensor = torch.from_numpy(np.asarray(answers, np.float32 if real else np.int64))
        return tensor if seen is None else tensor.masked_fill(~seen.cpu(), torch.nan if real else IGNORED)

    def predicted(self, told: Tensor) -> np.ndarray:
        """Probabilities of classes or truths, (..., classes); of real values (...) in their unit."""
        told = told.float()
        if self.kind == "values":
            return told[..., 0].cpu().numpy()
        return (told.softmax(-1) if self.kind == "classes" else told.sigmoid()).cpu().numpy()
