"""From pixels to tokens: one small projection per band group, for every patch size from 1 to 8.

FlexiViT (arXiv 2212.08013) resizes the *kernel* to the patch size; OlmoEarth resizes the *image*, so
that a patch is always 8x8 pixels: bicubic with antialiasing, which is not a no-op when enlarging.
v1 projects the 8x8 pixels linearly. v1.1 first passes every pixel through a shared layer (bands to m
units, ReLU): the pixel layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from olmoearth_nb.bands import MISSING, modality
from olmoearth_nb.grid import TokenGrid
from olmoearth_nb.model.linear import Linear, activated
from olmoearth_nb.model.packing import exporting, in_parts, joined
from olmoearth_nb.model.pixel_mixers import PixelMixing, pixel_mixer
from olmoearth_nb.tokenization import Tokenization

PATCH = 8
"""Edge of a patch in pixels after resizing; the weights are made for it."""

REACH = 2
"""Pixels that the bicubic kernel looks beyond a patch."""

NUMBERS_AT_ONCE = 2**18
"""Numbers of enlarged images that are made together on a CPU: a megabyte."""

PATCHES_AT_ONCE = 128
"""Patches that are embedded together on a CPU: their pixels, of up to 64 units, are two megabytes."""

BAND_DROPOUT_MODALITIES = ("sentinel2_l2a", "landsat")
"""The modalities whose bands v1.1 drops in training."""


def resize_to_patches(image: Tensor, patch_size: int) -> Tensor:
    """Enlarges an image so that each P x P patch becomes 8 x 8.

    Bicubic interpolation with antialiasing is linear along rows and along columns, and looks two pixels beyond a patch.
    So it is a small matrix product for each row of patches and one for each column: the numbers of
    `torch.nn.functional.interpolate`, several times faster on a CPU.

    Args:
        image: (B, H, W, T, C), H and W divisible by the patch size.
        patch_size: P.

    Returns:
        (B, 8 H/P, 8 W/P, T, C); the image itself for P = 8.
    """
    if patch_size == PATCH:
        return image
    samples, height, width, timesteps, bands = image.shape
    if torch.compiler.is_compiling():  # what is traced must not be kept for later calls
        frames = image.permute(0, 3, 4, 1, 2).flatten(0, 1)  # (B T, C, H, W)
        size = [edge // patch_size * PATCH for edge in (height, width)]
        frames = F.interpolate(frames, size=size, mode="bicubic", antialias=True)
        return frames.unflatten(0, (samples, timesteps)).permute(0, 3, 4, 1, 2)
    with torch.autocast(image.device.type, enabled=False):  # an axis comes first, is enlarged, and makes way
        x = _along(image.float().permute(2, 0, 1, 3, 4).reshape(width, -1), patch_size)  # (8w, B H T C)
        x = x.view(-1, samples, height, timesteps * bands).permute(2, 1, 0, 3).reshape(height, -1)  # (H, B 8w T C)
        x = _along(x, patch_size).view(height // patch_size * PATCH, samples, -1, timesteps, bands)
        return x.transpose(0, 1).contiguous().to(image.dtype)  # (B, 8h, 8w, T, C)


def _along(x: Tensor, patch_size: int) -> Tensor:
    """(P patches, n) to (8 patches, n)."""
    places, weights = (of.to(x.device, non_blocking=True) for of in _windows(len(x) // patch_size, patch_size))
    seen = x.index_select(0, places.flatten()).view(*places.shape, -1)  # (patches, P + 4, n)
    return (weights @ seen).flatten(0, 1)


@lru_cache(maxsize=256)
@torch.inference_mode(False)
def _windows(patches: int, patch_size: int) -> tuple[Tensor, Tensor]:
    """Which pixels along an axis each enlarged patch is made of, (patches, P + 4), and weights, (patches, 8, P + 4).

    Never tensors of inference mode: they are kept, and a later call may need gradients of pixels.
    """
    edge = patches * patch_size
    pixels = torch.eye(edge, device="cpu")[None, None]
    whole = F.interpolate(pixels, size=[patches * PATCH, edge], mode="bicubic", antialias=True)[0, 0]
    span = min(patch_size + 2 * REACH, edge)
    first = (torch.arange(patches, device="cpu") * patch_size - REACH).clamp(0, edge - span)
    places = first[:, None] + torch.arange(span, device="cpu")  # (patches, span)
    return places, whole.unflatten(0, (patches, PATCH)).gather(2, places[:, None].expand(-1, PATCH, -1))


class GroupEmbed(nn.Module):
    """Embeds the patches of one band group.

    Args:
        bands: C, number of bands in the group.
        width: D.
        pixel_hidden: m, units of the pixel layer; 0 for none (v1).
        mixing: how the bands of a pixel meet before; None in all releases.
    """

    def __init__(self, bands: int, width: int, pixel_hidden: int, mixing: PixelMixing | None = None) -> None:
        super().__init__()
        self.mixer = pixel_mixer(mixing, bands)
        self.pixel_proj = PixelLayer(Linear(bands, pixel_hidden), nn.ReLU()) if pixel_hidden else None
        self.proj = Linear(PATCH * PATCH * (pixel_hidden or bands), width)

    def forward(self, image: Tensor, keep: tuple[Tensor, ...] | None = None) -> Tensor:
        """Embeds the patches of an enlarged image.

        Args:
            image: (B, 8h, 8w, T, C).
            keep: samples, rows, columns and dates of the patches to embed; None for all.

        Returns:
            (B, h, w, T, D), or (kept patches, D) in order.
        """
        samples, height, width, timesteps, bands = image.shape
        rows, columns = height // PATCH, width // PATCH
        patches = image.view(samples, rows, PATCH, columns, PATCH, timesteps, bands)
        if keep is not None:
            kept = patches.permute(0, 1, 3, 5, 2, 4, 6)[keep]  # (kept, 8, 8, C)
            return self.proj(self._pixels(kept).flatten(1))  # (kept, D)
        at_once = max(1, PATCHES_AT_ONCE // (columns * timesteps))
        tokens = in_parts(self._rows, patches.flatten(0, 1), at_once)  # (B h, w, T, D)
        return tokens.view(samples, rows, columns, timesteps, self.proj.out_features)

    def _rows(self, patches: Tensor) -> Tensor:
        """(n, 8, w, 8, T, C) rows of patches to (n, w, T, D)."""
        return self.proj(self._pixels(patches).permute(0, 2, 4, 1, 3, 5).flatten(3))  # of (n, w, T, 8 x 8 x C)

    def _pixels(self, x: Tensor) -> Tensor:
        """(..., C) to (..., m), where bands meet for the first time in v1.1; (..., C) without a pixel layer."""
        if self.mixer is not None:
            x = self.mixer(x.contiguous())
        return x if self.pixel_proj is None else self.pixel_proj(x.contiguous())


class PixelLayer(nn.Sequential):
    """A linear layer and a ReLU."""

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) to (..., m)."""
        layer = self[0]
        assert isinstance(layer, nn.Linear)
        return activated(layer, x, "relu")


class BandDropout(nn.Module):
    """Band dropout of v1.1: in training a sample loses whole bands, the same for all of its pixels and dates.

    Off until `enabled` is set, because frozen targets are made of every band. A band that is lost is 0, which is
    mean - 2 std of the official normalisation, not the mean.

    Args:
        rate: highest rate; each call draws its own from U(0, rate).
    """

    generator: torch.Generator | None = None
    """Where the draws come from; torch's own generator by default."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.enabled = False

    def forward(self, group: Tensor) -> Tensor:
        """(B, H, W, T, C) of one band group, with lost bands 0; a sample that would lose every band keeps one."""
        samples, bands = group.shape[0], group.shape[-1]
        if not (self.training and self.enabled and self.rate > 0) or bands == 1:
            return group
        device, generator = group.device, self.generator
        rate = torch.rand((), device=device, generator=generator) * self.rate
        keep = torch.rand(samples, bands, device=device, generator=generator) >= rate  # (B, C)
        spared = torch.randint(bands, (samples, 1), device=device, generator=generator)  # (B, 1)
        keep = keep | (~keep.any(1, keepdim=True) & (torch.arange(bands, device=device) == spared))
        return group * keep[:, None, None, None]  # (B, 1, 1, 1, C) over all pixels and dates


class PatchEmbed(nn.Module):
    """Embeds all images of a batch into one flat token sequence.

    Args:
        width: D.
        tokenization: the band groups.
        modalities: names of the modalities.
        pixel_hidden: units of the pixel layer; 0 for none.
        band_dropout: highest rate of `BandDropout` in training (v1.1: 0.2).
        mixing: how the bands of a pixel meet in sensors, see `pixel_mixers`; never in maps, which are not encoded.
    """

    def __init__(
        self,
        width: int,
        tokenization: Tokenization,
        modalities: tuple[str, ...],
        pixel_hidden: int,
        band_dropout: float,
        mixing: PixelMixing | None = None,
    ) -> None:
        super().__init__()
        self.width = width
        self.tokenization = tokenization
        self.band_dropout = BandDropout(band_dropout)
        self.per_modality_embeddings = nn.ModuleDict()
        for name in modalities:
            groups = tokenization.groups_of(name)
            own = None if modality(name).decode_only else mixing
            self.per_modality_embeddings[name] = nn.ModuleDict(
                {f"{name}__{i}": GroupEmbed(len(group), width, pixel_hidden, own) for i, group in enumerate(groups)}
            )

    def forward(self, images: Mapping[str, Tensor], grid: TokenGrid, keep: Tensor | None = None) -> Tensor:
        """Tokens of all modalities.

        Args:
            images: modality name -> (B, H, W, T, C), normalised, from `observed`: without `bands.MISSING`.
            grid: their layout.
            keep: (B, N) bool on the host, True = embed this token, the others are 0; by default all tokens.

        Returns:
            (B, N, D).
        """
        if keep is not None or self.training:
            return self.embed(enlarged(images, grid), grid, keep)
        parts = [self.embed(enlarged(some, grid), grid) for some in _few_at_a_time(images, grid.patch_size)]
        return joined(parts, 0)

    def embed(self, frames: Mapping[str, Tensor], grid: TokenGrid, keep: Tensor | None = None) -> Tensor:
        """`forward` for frames that are enlarged already, which pretraining does once for targets and both views.

        Args:
            frames: modality name -> (B, 8 H/P, 8 W/P, T, C) of `enlarged`.
            grid: their layout.
            keep: see `forward`.
        """
        return joined(
            [
                self._modality(name, frames[name], None if keep is None else grid.unflatten(keep, name))
                for name in grid.shapes
            ]
        )

    def _modality(self, name: str, frames: Tensor, keep: Tensor | None) -> Tensor:
        """(B, H/P * W/P * T * G, D) tokens of one modality."""
        tokens = []
        for number, indices in enumerate(self.tokenization.indices(name)):
            embed = self.per_modality_embeddings[name].get_submodule(f"{name}__{number}")
            group = _channels(frames, indices)  # (B, 8h, 8w, T, C of the group)
            if name in BAND_DROPOUT_MODALITIES:
                group = self.band_dropout(group)  # a band of zeros is one before and after the resize
            if keep is None:
                token = embed(group)  # (B, h, w, T, D)
            else:
                of_group = keep[..., number]  # (B, h, w, T)
                # as indices, which are sent ahead: a mask would be turned into them while the host waits for the device
                where = tuple(axis.to(group.device, non_blocking=True) for axis in of_group.nonzero(as_tuple=True))
                kept = embed(group, where)  # (kept patches, D)
                token = kept.new_zeros(*of_group.shape, self.width).index_put_(where, kept)
            tokens.append(token.unsqueeze(4))
        return joined(tokens, 4).flatten(1, 4)  # (B, h, w, T, G, D) -> (B, N of the modality, D)


def enlarged(images: Mapping[str, Tensor], grid: TokenGrid) -> dict[str, Tensor]:
    """The images of a grid, each (B, H, W, T, C), enlarged to (B, 8 H/P, 8 W/P, T, C)."""
    return {name: resize_to_patches(images[name], grid.patch_size) for name in grid.shapes}


def _few_at_a_time(images: Mapping[str, Tensor], patch_size: int) -> Iterator[Mapping[str, Tensor]]:
    """The same images, on a CPU so few samples at a time that their enlarged pixels stay in the cache."""
    first = next(iter(images.values()), None)
    if first is None or exporting() or first.device.type != "cpu":
        yield images
        return
    numbers = sum(image[:1].numel() for image in images.values()) * PATCH**2 // patch_size**2
    few = max(1, NUMBERS_AT_ONCE // max(1, numbers))
    for some in zip(*(image.split(few) for image in images.values()), strict=True):
        yield dict(zip(images, some, strict=True))


def _channels(image: Tensor, indices: list[int]) -> Tensor:
    """The channels of (..., C) at the given indices; a view where they are neighbours in order."""
    if indices == list(range(indices[0], indices[0] + len(indices))):
        return image[..., indices[0] : indices[0] + len(indices)]
    return image[..., indices]


def observed(images: Mapping[str, Tensor], grid: TokenGrid) -> tuple[dict[str, Tensor], Tensor]:
    """Separates what was observed from what is missing.

    A token is missing if any pixel of any of its bands is. (The official masks look at the top-left pixel
    of a patch only, so that -99999 can enter a token, and by the resize its neighbours.)

    Args:
        images: modality name -> (B, H, W, T, C) with `bands.MISSING` where unobserved.
        grid: their layout.

    Returns:
        The images with 0 where unobserved, and (B, N) bool, True = the token is missing.
    """
    clean, parts = {}, []
    for name, (rows, columns, timesteps, groups) in grid.shapes.items():
        clean[name] = image = images[name]
        asked = image.device.type == "cpu" and not exporting() and image.numel()
        if asked and image.amin() > MISSING:  # a shortcut where asking does not mean waiting
            parts.append(image.new_zeros(len(image), rows * columns * timesteps * groups, dtype=torch.bool))
            continue
        unobserved = image == MISSING
        clean[name] = image.masked_fill(unobserved, 0.0)
        p = grid.patch_size
        by_patch = unobserved.unflatten(1, (rows, p)).unflatten(3, (columns, p)).amax(dim=(2, 4))  # (B, h, w, T, C)
        by_group = [by_patch[..., indices].any(-1) for indices in grid.tokenization.indices(name)]
        parts.append(torch.stack(by_group, -1).flatten(1))  # (B, h, w, T, G) -> (B, N of the modality)
    return clean, torch.cat(parts, dim=1)
