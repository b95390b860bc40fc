"""What is explained: numbers or vectors that a model gives for images, in the form that `coalitions.outputs` takes.

Each function here makes an `Output`: (R changed samples, which sample of the batch each is) -> (R, ...).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from olmoearth_nb.evaluation.embed import read
from olmoearth_nb.grid import Role, TokenGrid
from olmoearth_nb.insight.coalitions import Output
from olmoearth_nb.insight.given import encoder_of
from olmoearth_nb.model.encoder import Encoder
from olmoearth_nb.model.olmoearth import OlmoEarth
from olmoearth_nb.sample import Batch

READOUTS = ("scene", "patches")
"""The mean over all tokens; the mean over dates and band groups of each patch."""


def embedding(model: Encoder | OlmoEarth, patch_size: int, readout: str = "scene") -> Output:
    """The embedding, (R, D); of "patches" all of them one behind the other.

    Args:
        model: an encoder, or a model whose encoder is read; put into evaluation mode.
        patch_size: P.
        readout: one of `READOUTS`.
    """
    _require(readout)
    encoder = encoder_of(model).eval()
    return lambda batch, _: read(encoder(batch, patch_size), readout).flatten(1)


@dataclass(frozen=True, eq=False)
class Stages:
    """The embedding as it would be at every stage of an encoder, (R, stages, D); made by `stages`.

    Attributes:
        encoder: in evaluation mode.
        patch_size: P.
        readout: one of `READOUTS`.
    """

    encoder: Encoder
    patch_size: int
    readout: str

    @property
    def names(self) -> tuple[str, ...]:
        """Stages in their order: "tokens", "attention 1", "MLP 1", ..., "norm"."""
        layers = range(1, len(self.encoder.blocks) + 1)
        return ("tokens", *(f"{part} {layer}" for layer in layers for part in ("attention", "MLP")), "norm")

    def __call__(self, batch: Batch, _: np.ndarray) -> Tensor:
        """(R, stages, D) means over the same tokens at each stage.

        Raises:
            ValueError: if something is missing in the images: then not all tokens pass the blocks.
        """
        with _heard(self.encoder) as heard:
            encoded = self.encoder(batch, self.patch_size)
        if not encoded.online.all():
            raise ValueError(
                "stages are read where every token is seen, but something was not observed, or the samples hold maps; "
                "choose samples and dates without gaps, and sensors alone"
            )
        return torch.stack([read(replace(encoded, tokens=x), self.readout).flatten(1) for x in heard], 1)


def stages(model: Encoder | OlmoEarth, patch_size: int, readout: str = "scene") -> Stages:
    """The residual stream behind each attention and each MLP, read like the embedding, and the final norm.

    Up to "tokens", bands of different tokens cannot have met; behind "attention 1" they can.

    Args:
        model: an encoder, or a model whose encoder is read; put into evaluation mode.
        patch_size: P.
        readout: one of `READOUTS`.
    """
    _require(readout)
    return Stages(encoder_of(model).eval(), patch_size, readout)


def along(output: Output, direction: np.ndarray) -> Output:
    """A vector output as a number: its length along a direction.

    Args:
        output: (R, D).
        direction: (D,), such as the difference of the mean embeddings of two classes; its own length does not matter.

    Raises:
        ValueError: for a direction that is 0 or not finite.
    """
    length = np.linalg.norm(direction)
    if not np.isfinite(length) or not length:
        raise ValueError("a direction needs a length, got one of zeros or NaN")
    unit = torch.from_numpy(np.asarray(direction, np.float64) / length)
    return lambda batch, which: output(batch, which).double() @ unit.to(batch.timestamps.device)


def logit(output: Output, score: Callable[[np.ndarray], np.ndarray], answers: Sequence[int] | np.ndarray) -> Output:
    """A probe's logit of one class of each sample, minus the mean over classes.

    Args:
        output: (R, D) features, as the probe was fitted to.
        score: (R, D) -> (R, classes) logits: of a linear probe `linear_scores`, of a network `Fitted.scores`.
        answers: (B,) the class that is explained of each sample of the batch, such as the right one.
    """
    answers = np.asarray(answers)

    def explained(batch: Batch, which: np.ndarray) -> Tensor:
        scores = score(output(batch, which).float().cpu().numpy())  # (R, classes)
        return torch.from_numpy(scores[np.arange(len(which)), answers[which]] - scores.mean(1))

    return explained


def linear_scores(probe: Any) -> Callable[[np.ndarray], np.ndarray]:
    """Logits of `evaluation.probes.fitted_logistic`; of two classes those of either, which add up to 0.

    Args:
        probe: scikit-learn's pipeline; classes must be numbered from 0.
    """

    def score(x: np.ndarray) -> np.ndarray:
        found = np.asarray(probe.decision_function(x))
        return found if found.ndim == 2 else np.stack([-found, found], 1) / 2

    return score


def prediction(model: OlmoEarth, batch: Batch, patch_size: int, hidden: Tensor) -> Output:
    """How well a pretrained model predicts hidden patches from the others: cosine of predicted and target latents.

    Targets are made of the whole images. What is removed is removed from what the encoder sees.

    Args:
        model: encoder, predictor and targets.
        batch: the samples that are explained.
        patch_size: P.
        hidden: (rows, columns) bool, the patches that are hidden with all of their bands and dates, the same for every
            tokenization; some must stay.

    Returns:
        An output of (R,): the mean over the hidden tokens.
    """
    model.eval()
    grid = batch.grid(model.config.tokenization, patch_size)
    roles = torch.where(_of_tokens(hidden, grid), int(Role.DECODER), int(Role.ONLINE))  # (N,)
    with torch.inference_mode():
        targets = model.target_encoder(batch, patch_size)  # (B, N, D)

    def explained(changed: Batch, which: np.ndarray) -> Tensor:
        encoded = model.encoder(changed, patch_size, roles.expand(len(changed), -1))
        asked = encoded.roles.eq(Role.DECODER).to(encoded.tokens.device)
        cosines = F.cosine_similarity(model.decoder(encoded), targets[which], dim=-1)  # (R, N)
        return (cosines * asked).sum(1) / asked.sum(1)

    return explained


def _of_tokens(hidden: Tensor, grid: TokenGrid) -> Tensor:
    """(N,) bool of patches that are hidden."""
    hidden = torch.as_tensor(hidden, dtype=torch.bool)
    sizes = {shape[:2] for shape in grid.shapes.values()}
    if sizes != {tuple(hidden.shape)} or not hidden.any() or hidden.all():
        raise ValueError(
            f"hidden says of each patch, {' or '.join(map(str, sizes))}, whether it is hidden; some must be and some "
            f"not, got {int(hidden.sum())} of {tuple(hidden.shape)}"
        )
    return hidden[grid.row, grid.column]


def _require(readout: str) -> None:
    """Raises a ValueError for an unknown readout."""
    if readout not in READOUTS:
        raise ValueError(f"no readout {readout!r}; there are {', '.join(READOUTS)}")


@contextmanager
def _heard(encoder: Encoder) -> Iterator[list[Tensor]]:
    """A list that one pass fills with the (B, N, D) tokens of each stage."""
    heard: list[Tensor] = []

    def before(_: nn.Module, given: tuple[Tensor, ...]) -> None:
        heard.append(given[0])

    # a block adds its attention before norm2 and its MLP at its end; the next block's input is the same tensor
    hooks = [encoder.blocks[0].register_forward_pre_hook(before)]
    hooks += [
        part.register_forward_pre_hook(before) for name, part in encoder.named_modules() if name.endswith("norm2")
    ]
    hooks += [one.register_forward_hook(lambda _, __, x: heard.append(x)) for one in (*encoder.blocks, encoder.norm)]
    try:
        yield heard
    finally:
        for hook in hooks:
            hook.remove()
