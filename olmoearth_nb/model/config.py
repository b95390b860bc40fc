"""`ModelConfig`: what a model is, in eleven fields, and the published sizes.

Source of the sizes: the published configurations of OlmoEarth v1, v1.1 and v1.2.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from olmoearth_nb.bands import MODALITIES, modality
from olmoearth_nb.model.pixel_mixers import PixelMixing, check_pixel_mixing
from olmoearth_nb.tokenization import TOKENIZATIONS, Tokenization
from olmoearth_nb.tokenization import tokenization as named_tokenization


@dataclass(frozen=True)
class ModelConfig:
    """Everything that shapes a model.

    Attributes:
        width: D, size of a token.
        depth: number of encoder blocks.
        heads: number of attention heads, dividing the width.
        decoder_depth: number of predictor blocks.
        tokenization: which bands share a token.
        pixel_hidden: units of the pixel layer before the patch projection; 0 for none (v1).
        position: "absolute" adds date and position to tokens (v1, v1.1), "rotary" rotates attention (v1.2).
        band_dropout: highest rate of dropped bands in pretraining (v1.1: 0.2).
        drop_path: stochastic depth of the encoder in training.
        modalities: names of the modalities that the model has weights for.
        pixel_mixer: how the bands of a pixel meet before its patch is projected, beside or in place of a pixel layer:
            "residual" or "attention" (`pixel_mixers`); None in all releases.
    """

    width: int = 128
    depth: int = 4
    heads: int = 8
    decoder_depth: int = 4
    tokenization: Tokenization = field(default_factory=lambda: TOKENIZATIONS["v1.1"])
    pixel_hidden: int = 0
    position: Literal["absolute", "rotary"] = "absolute"
    band_dropout: float = 0.0
    drop_path: float = 0.1
    modalities: tuple[str, ...] = tuple(MODALITIES)
    pixel_mixer: PixelMixing | None = None

    def __post_init__(self) -> None:
        for name in ("width", "depth", "heads", "decoder_depth"):
            _check_whole(name, getattr(self, name), least=1)
        _check_whole("pixel_hidden", self.pixel_hidden, least=0)
        check_pixel_mixing(self.pixel_mixer)
        for name in ("band_dropout", "drop_path"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be from 0 to below 1, got {getattr(self, name)!r}")
        # encodings are quarters of the width, and that of the position is halved twice more: 16
        if self.width % self.heads or self.width % 16:
            raise ValueError(
                f"width must be a multiple of 16 and of the number of heads, got width {self.width}, {self.heads} heads"
            )
        if self.position not in ("absolute", "rotary"):
            raise ValueError(f"position must be 'absolute' or 'rotary', got {self.position!r}")
        if self.position == "rotary" and (self.width // self.heads) % 4:
            raise ValueError(f"a rotary model needs heads of a multiple of 4, got {self.width // self.heads}")
        if not self.modalities or len(set(self.modalities)) < len(self.modalities):
            raise ValueError(f"a model has at least one modality and none twice, got {list(self.modalities)}")
        for name in self.modalities:
            modality(name)

    @property
    def rotary(self) -> bool:
        """Whether attention is rotated by date and place (v1.2)."""
        return self.position == "rotary"


def _check_whole(name: str, value: object, least: int) -> None:
    """Raises a ValueError unless a value is a whole number of at least so much."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")


class Size(NamedTuple):
    """What the name of a size stands for.

    Attributes:
        width: D.
        depth: number of encoder blocks.
        heads: number of attention heads.
        decoder_depth: number of predictor blocks.
        pixel_hidden: units of the pixel layer, in the versions that have one (v1.1 and later).
    """

    width: int
    depth: int
    heads: int
    decoder_depth: int
    pixel_hidden: int


SIZES: dict[str, Size] = {
    "mini": Size(64, 3, 4, 2, 32),
    "nano": Size(128, 4, 8, 4, 12),
    "tiny": Size(192, 12, 3, 4, 64),
    "small": Size(384, 12, 6, 4, 64),
    "base": Size(768, 12, 12, 4, 64),
    "large": Size(1024, 24, 16, 4, 64),
}
"""The published sizes, and `mini`, ours, for studies on two cores."""

PUBLISHED: dict[str, tuple[str, ...]] = {
    "v1": ("nano", "tiny", "base", "large"),
    "v1.1": ("nano", "tiny", "base"),
    "v1.2": ("nano", "tiny", "small", "base"),
}
"""The sizes that exist of each version."""


def published_config(version: str, size: str) -> ModelConfig:
    """The configuration of a published model.

    Args:
        version: "v1", "v1.1" or "v1.2".
        size: one of `PUBLISHED[version]`.

    Raises:
        ValueError: for a version or size that does not exist, listing those that do.
    """
    if version == "v1.3":
        raise ValueError(f"v1.3 is out of scope (it pools with a further attention layer); {_available()}")
    if size not in PUBLISHED.get(version, ()):
        raise ValueError(f"there is no published OlmoEarth {version} {size}; {_available()}")
    first = version == "v1"
    return size_config(
        size,
        TOKENIZATIONS["v1" if first else "v1.1"],
        pixel_hidden=0 if first else SIZES[size].pixel_hidden,
        position="rotary" if version == "v1.2" else "absolute",
        band_dropout=0.0 if first else 0.2,
    )


def size_config(size: str, tokenization: str | Tokenization, pixel_hidden: int = 0, **changes: Any) -> ModelConfig:
    """A model of a published size with any tokenization, otherwise as v1: for comparing tokenizations alone.

    Args:
        size: one of `SIZES`.
        tokenization: a tokenization or the name of a built-in one.
        pixel_hidden: units of the pixel layer; 0 for none.
        changes: other fields of `ModelConfig`, such as ``position="rotary"``.

    Raises:
        ValueError: for an unknown size or tokenization, listing the valid ones.
    """
    if size not in SIZES:
        raise ValueError(f"unknown size {size!r}; valid are {', '.join(SIZES)}")
    if isinstance(tokenization, str):
        tokenization = named_tokenization(tokenization)
    chosen = SIZES[size]
    return ModelConfig(
        chosen.width,
        chosen.depth,
        chosen.heads,
        chosen.decoder_depth,
        tokenization=tokenization,
        pixel_hidden=pixel_hidden,
        **changes,
    )


def _available() -> str:
    """The versions and sizes that exist, in words."""
    return "available are " + "; ".join(f"{version}: {', '.join(sizes)}" for version, sizes in PUBLISHED.items())
