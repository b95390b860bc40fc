"""A finished fit of `finetune` as the head of a map."""

from __future__ import annotations

import os
from dataclasses import dataclass

from torch import Tensor

from olmoearth_nb.finetune.fitted import Fitted, load_fitted
from olmoearth_nb.finetune.heads import Read
from olmoearth_nb.maps.probe import digest, require_sensors
from olmoearth_nb.model.encoder import Encoded, Encoder
from olmoearth_nb.scene import Scene
from olmoearth_nb.weights.trained import weights_hash


@dataclass(frozen=True, eq=False)
class FittedHead:
    """A head that learnt with its encoder.

    One that tells each pixel makes a map as fine as the scene. One that tells a place is asked of each patch: it is
    linear in the mean of the tokens, so that a place's answer is the mean of its patches'.

    Attributes:
        fitted: the fit.
    """

    fitted: Fitted

    @property
    def kind(self) -> str:
        """What it tells: classes, truths or values."""
        return self.fitted.target.kind

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of what is told; the unit of real values."""
        return self.fitted.target.classes or (self.fitted.target.unit or "value",)

    @property
    def patch_size(self) -> int:
        """P."""
        return self.fitted.tuned.patch_size

    @property
    def cells(self) -> int:
        """P if each pixel is told, else 1."""
        return self.patch_size if self.fitted.target.pixels else 1

    def show(self, encoded: Encoded) -> Tensor:
        """(1, rows, columns, K) probabilities or values; see `Head`."""
        head = self.fitted.tuned.head
        told = head(encoded) if self.fitted.target.pixels else head.tell(Read(encoded.pool_patches()))
        if self.kind == "values":
            return told
        return told.double().softmax(-1) if self.kind == "classes" else told.double().sigmoid()

    def require_fit(self, encoder: Encoder, scene: Scene, patch_size: int) -> None:
        """Raises a ValueError unless this encoder, on this scene, gives what the head was fitted to."""
        own = self.fitted.tuned.encoder
        if encoder is not own and weights_hash(encoder) != weights_hash(own):
            raise ValueError("the head was fitted with its encoder; say model=None, or fit it again")
        if patch_size != self.patch_size:
            raise ValueError(f"the head was fitted to other patches; say patch_size={self.patch_size}")
        require_sensors(scene, self.fitted.modalities)

    def digest(self) -> str:
        """A checksum of the head's weights."""
        state = self.fitted.tuned.head.state_dict()
        return digest(*(state[name].cpu().numpy() for name in sorted(state)))


def open_fitted(folder: str | os.PathLike[str], encoder: Encoder | None = None) -> tuple[Encoder, FittedHead]:
    """Encoder and head of a finished fit.

    Args:
        folder: of the fit.
        encoder: that it stands on; by default the one that it names.

    Raises:
        FileNotFoundError: if the folder holds no finished fit, or what it stands on is gone.
        ValueError: if a file is not whole, or the encoder is not that of the fit.
    """
    fitted = load_fitted(folder, encoder)
    return fitted.tuned.encoder, FittedHead(fitted)
