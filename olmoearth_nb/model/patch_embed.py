"""From pixels to tokens: one small projection per band group, for every patch size from 1 to 8.

FlexiViT (arXiv 2212.08013) resizes the *kernel* to the patch size; OlmoEarth resizes the *image*, so
that a patch is always 8x8 pixels: bicubic with antialiasing, which is not a no-op when enlarging.
v1 projects the 8x8 pixels linearly. v1.1 first passes every pixel through a shared layer (bands to m
units, ReLU): the pixel layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from olmoearth_nb.bands import MISSING, modality
from olmoearth_nb.grid import TokenGrid
from olmoearth_nb.model.packing import exporting
from olmoearth_nb.model.pixel_mixers import PixelMixing, pixel_mixer
from olmoearth_nb.tokenization import Tokenization

PATCH = 8
"""Edge of a patch in pixels after resizing; the weights are made for it."""

BAND_DROPOUT_MODALITIES = ("sentinel2_l2a", "landsat")
"""The modalities whose bands v1.1 drops in training."""


def resize_to_patches(image: Tensor, patch_size: int) -> Tensor:
    """Enlarges an image so that each P x P patch becomes 8 x 8.

    Bicubic interpolation with antialiasing is linear along rows and columns, so it is two matrix products:
    the same numbers as `torch.nn.functional.interpolate`, two to five times faster on a CPU.

    Args:
        image: (B, C, H, W), H and W divisible by the patch size.
        patch_size: P.

    Returns:
        (B, C, 8 H/P, 8 W/P); the image itself for P = 8.
    """
    if patch_size == PATCH:
        return image
    if torch.compiler.is_compiling():  # what is traced must not be kept for later calls
        size = [edge // patch_size * PATCH for edge in image.shape[-2:]]
        return F.interpolate(image, size=size, mode="bicubic", antialias=True)
    down, across = (
        _enlargement(edge // patch_size, patch_size).to(image.device, non_blocking=True) for edge in image.shape[-2:]
    )
    with torch.autocast(image.device.type, enabled=False):
        return (down @ image.float() @ across.T).to(image.dtype)


@lru_cache(maxsize=256)
@torch.inference_mode(False)
def _enlargement(patches: int, patch_size: int) -> Tensor:
    """(8 patches, P patches) weight of each pixel along one axis in each pixel of the enlarged image.

    Never a tensor of inference mode: it is kept, and a later call may need gradients of pixels.
    """
    pixels = torch.eye(patches * patch_size, device="cpu")[None, None]
    size = [patches * PATCH, patches * patch_size]
    return F.interpolate(pixels, size=size, mode="bicubic", antialias=True)[0, 0]


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
        self.pixel_proj = nn.Sequential(nn.Linear(bands, pixel_hidden), nn.ReLU(inplace=True)) if pixel_hidden else None
        self.proj = nn.Linear(PATCH * PATCH * (pixel_hidden or bands), width)

    def forward(self, frames: Tensor, keep: tuple[Tensor, ...] | None = None) -> Tensor:
        """Embeds the patches of (F, C, H, W) resized frames.

        Args:
            frames: one for each date of each sample.
            keep: frames, rows and columns of the patches to embed; None for all.

        Returns:
            (F, H/8, W/8, D), or (kept patches, D) in order.
        """
        x = frames.permute(0, 2, 3, 1)  # (F, 8h, 8w, C), channels last as the weights expect them
        if keep is not None:
            x = x.unflatten(1, (-1, PATCH)).unflatten(3, (-1, PATCH)).transpose(2, 3)[keep]  # (kept, 8, 8, C)
            x = x if self.mixer is None else self.mixer(x)
            return self.proj((x if self.pixel_proj is None else self.pixel_proj(x)).flatten(1))  # (kept, D)
        if self.mixer is not None:
            x = self.mixer(x.contiguous())
        if self.pixel_proj is not None:
            x = self.pixel_proj(x.contiguous())  # (F, 8h, 8w, m): bands meet here for the first time in v1.1
        _, height, width, channels = x.shape
        # one row of 8 pixels is contiguous in memory: a patch is 8 such rows, which saves a copy of every pixel
        rows = x.reshape(-1, height // PATCH, PATCH, width // PATCH, PATCH * channels)  # (F, h, 8, w, 8 C)
        return self.proj(rows.transpose(2, 3).flatten(3))  # (F, h, w, 8 x 8 x C) -> (F, h, w, D)


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

    def forward(self, group: Tensor, timesteps: int) -> Tensor:
        """(B T, C, H, W) of one band group, with lost bands 0; a sample that would lose every band keeps one."""
        samples, bands = group.shape[0] // timesteps, group.shape[1]
        if not (self.training and self.enabled and self.rate > 0) or bands == 1:
            return group
        device, generator = group.device, self.generator
        rate = torch.rand((), device=device, generator=generator) * self.rate
        keep = torch.rand(samples, bands, device=device, generator=generator) >= rate  # (B, C)
        spared = torch.randint(bands, (samples, 1), device=device, generator=generator)  # (B, 1)
        keep = keep | (~keep.any(1, keepdim=True) & (torch.arange(bands, device=device) == spared))
        return group * keep.repeat_interleave(timesteps, 0)[:, :, None, None]  # (B T, C, 1, 1) over all pixels


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
        return self.embed(enlarged(images, grid), grid, keep)

    def embed(self, frames: Mapping[str, Tensor], grid: TokenGrid, keep: Tensor | None = None) -> Tensor:
        """`forward` for frames that are enlarged already, which pretraining does once for targets and both views.

        Args:
            frames: modality name -> (B T, C, 8 H/P, 8 W/P) of `enlarged`.
            grid: their layout.
            keep: see `forward`.
        """
        return torch.cat(
            [
                self._modality(name, frames[name], shape[2], None if keep is None else grid.unflatten(keep, name))
                for name, shape in grid.shapes.items()
            ],
            dim=1,
        )

    def _modality(self, name: str, frames: Tensor, timesteps: int, keep: Tensor | None) -> Tensor:
        """(B, H/P * W/P * T * G, D) tokens of one modality."""
        tokens = []
        for number, indices in enumerate(self.tokenization.indices(name)):
            embed = self.per_modality_embeddings[name].get_submodule(f"{name}__{number}")
            group = _channels(frames, indices)  # (B T, C of the group, 8h, 8w)
            if name in BAND_DROPOUT_MODALITIES:
                group = self.band_dropout(group, timesteps)  # a band of zeros is one before and after the resize
            if keep is None:
                token = embed(group)  # (B T, h, w, D)
            else:
                of_group = keep[..., number].permute(0, 3, 1, 2).flatten(0, 1)  # (B T, h, w)
                # as indices, which are sent ahead: a mask would be turned into them while the host waits for the device
                where = tuple(axis.to(group.device, non_blocking=True) for axis in of_group.nonzero(as_tuple=True))
                kept = embed(group, where)  # (kept patches, D)
                token = kept.new_zeros(*of_group.shape, self.width).index_put(where, kept)
            tokens.append(token.unflatten(0, (-1, timesteps)).permute(0, 2, 3, 1, 4))  # (B, h, w, T, D)
        return torch.stack(tokens, dim=4).flatten(1, 4)  # (B, h, w, T, G, D) -> (B, N of the modality, D)


def enlarged(images: Mapping[str, Tensor], grid: TokenGrid) -> dict[str, Tensor]:
    """The images of a grid, each (B, H, W, T, C), as frames (B T, C, 8 H/P, 8 W/P)."""
    return {
        name: resize_to_patches(images[name].permute(0, 3, 4, 1, 2).flatten(0, 1), grid.patch_size)
        for name in grid.shapes
    }


def _channels(frames: Tensor, indices: list[int]) -> Tensor:
    """The channels of (B, C, H, W) at the given indices; a view where they are neighbours in order."""
    if indices == list(range(indices[0], indices[0] + len(indices))):
        return frames[:, indices[0] : indices[0] + len(indices)]
    return frames[:, indices]


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
        clean[name], unobserved = images[name], images[name] == MISSING
        asked = unobserved.device.type == "cpu" and not exporting()
        if asked and not unobserved.any():  # a shortcut where asking does not mean waiting
            parts.append(unobserved.new_zeros(len(unobserved), rows * columns * timesteps * groups))
            continue
        clean[name] = images[name].masked_fill(unobserved, 0.0)
        p = grid.patch_size
        by_patch = unobserved.unflatten(1, (rows, p)).unflatten(3, (columns, p)).amax(dim=(2, 4))  # (B, h, w, T, C)
        by_group = [by_patch[..., indices].any(-1) for indices in grid.tokenization.indices(name)]
        parts.append(torch.stack(by_group, -1).flatten(1))  # (B, h, w, T, G) -> (B, N of the modality)
    return clean, torch.cat(parts, dim=1)
