"""The encoder: images to tokens to embeddings. It never asks which tokenization it runs.

1. embed the patches of every band group (`patch_embed`),
2. add what each token is told about itself (`encodings`),
3. keep only the tokens whose role is ONLINE,
4. run the blocks and the final norm, and put the tokens back in their places.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from olmoearth_nb.bands import modality
from olmoearth_nb.grid import Role, TokenGrid
from olmoearth_nb.model.config import ModelConfig
from olmoearth_nb.model.encodings import CompositeEncodings, token_coordinates
from olmoearth_nb.model.memory import warn_if_large
from olmoearth_nb.model.packing import by_length, exporting, in_order, packing
from olmoearth_nb.model.patch_embed import PatchEmbed, observed
from olmoearth_nb.model.transformer import Block, init_linears
from olmoearth_nb.sample import Batch


@dataclass(frozen=True, eq=False)
class Encoded:
    """Embeddings of a batch.

    Attributes:
        tokens: (B, N, D); exactly 0 where a token was not encoded.
        roles: (B, N) `Role` of each token, on the host.
        grid: what each token is.
        timestamps: (B, T, 3) of the batch.
    """

    tokens: Tensor
    roles: Tensor
    grid: TokenGrid
    timestamps: Tensor

    @property
    def online(self) -> Tensor:
        """(B, N) bool, True = the token was encoded; on the device of the tokens."""
        return self.roles.eq(Role.ONLINE).to(self.tokens.device, non_blocking=True)

    def of(self, name: str) -> Tensor:
        """(B, rows, columns, timesteps, groups, D) tokens of one modality."""
        return self.grid.unflatten(self.tokens, name)

    def pool(self) -> Tensor:
        """(B, D) mean over the encoded tokens of all modalities together."""
        return self.tokens.sum(1) / self.online.sum(1, keepdim=True)

    def pool_patches(self) -> Tensor:
        """(B, rows, columns, D): mean over dates and groups of each modality, then over modalities.

        A patch without any encoded token is NaN: it has no embedding.
        """
        means = []
        for name in self.grid.shapes:
            counts = self.grid.unflatten(self.online.unsqueeze(-1), name).sum((3, 4))  # (B, rows, columns, 1)
            means.append(self.of(name).sum((3, 4)) / counts)  # tokens not encoded are 0
        return torch.stack(means).nanmean(0)

    def pool_dates(self) -> Tensor:
        """(B, rows, columns, timesteps, D): mean over groups of each sensor, then over sensors.

        A date of a patch without any encoded token is NaN.
        """
        means = []
        for name in self.grid.shapes:
            if modality(name).multitemporal:
                counts = self.grid.unflatten(self.online.unsqueeze(-1), name).sum(4)  # (B, rows, columns, T, 1)
                means.append(self.of(name).sum(4) / counts)
        return torch.stack(means).nanmean(0)


class ProjectAndAggregate(nn.Module):
    """The linear layer behind the mean, used by the contrastive loss."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.projection = nn.Sequential(nn.Linear(width, width))

    def forward(self, pooled: Tensor) -> Tensor:
        """(B, D) to (B, D)."""
        return self.projection(pooled)


class Encoder(nn.Module):
    """The OlmoEarth encoder of v1, v1.1 and v1.2, for any tokenization.

    `torch.compile` takes it whole: what is asked of masks stays outside of the graphs (``fullgraph=True`` cannot be).
    `torch.export` with ``strict=False`` (torch 2.7 and later) takes a module that calls it on a `Batch` and returns
    tensors, such as ``encoded.pool()``. The exported program is for one size of image, one number of dates and one
    patch size; the number of samples may vary (``dynamic_shapes``) and any value may be missing. It embeds missing
    tokens as well and masks them. It cannot raise: a sample of which nothing was observed is NaN.

    Args:
        config: sizes and tokenization.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.blocks = nn.ModuleList(
            Block(config.width, config.heads, config.rotary, config.drop_path) for _ in range(config.depth)
        )
        self.norm = nn.LayerNorm(config.width)
        self.project_and_aggregate = ProjectAndAggregate(config.width)
        init_linears(self)  # patch embeddings keep PyTorch's own initialisation, as in official training
        self.composite_encodings = CompositeEncodings(
            config.width, config.tokenization, config.modalities, config.rotary
        )
        self.patch_embeddings = PatchEmbed(
            config.width,
            config.tokenization,
            config.modalities,
            config.pixel_hidden,
            config.band_dropout,
            config.pixel_mixer,
        )

    def forward(self, batch: Batch, patch_size: int, roles: Tensor | None = None) -> Encoded:
        """Encodes the ONLINE tokens of a batch.

        Args:
            batch: normalised images and timestamps.
            patch_size: P, 1 to 8.
            roles: (B, N) `Role` of each token in the order of `batch.grid(...)`; by default everything
                observed is ONLINE and maps are DECODER. Unobserved tokens become MISSING in any case.

        Raises:
            ValueError: if the roles do not fit, make the encoder see a map, or leave a sample nothing to see.

        Warns:
            UserWarning: of an image that is much for one pass, with an estimate (`memory.warn_if_large`).
        """
        grid = batch.grid(self.config.tokenization, patch_size)
        if not torch.compiler.is_compiling():
            warn_if_large(self.config, grid, len(batch), batch.timestamps.device)
        images, missing = observed(batch.images, grid)
        roles = self._roles(batch, grid, roles, missing)
        online = roles.eq(Role.ONLINE)  # `==` with a member of an enumeration is False behind a break of dynamo's graph
        keep = None if exporting() or bool(online.all()) else online
        # the sum is not made in place: under autocast the embeddings are bfloat16 and the encodings float32, and the
        # residual stream that begins here has to be float32
        tokens = self.patch_embeddings(images, grid, keep) + self.composite_encodings(grid, batch.timestamps)
        return self.encode(tokens, roles, grid, batch.timestamps)

    def encode(self, tokens: Tensor, roles: Tensor, grid: TokenGrid, timestamps: Tensor) -> Encoded:
        """Encodes the ONLINE ones of embedded patches.

        Args:
            tokens: (B, N, D) patch embeddings plus encodings; only those of ONLINE tokens are read.
            roles: (B, N) `Role` of each token, at least one ONLINE in every sample; on the host.
            grid: what each token is.
            timestamps: (B, T, 3) day, month, year.
        """
        online = roles.eq(Role.ONLINE)
        at = token_coordinates(grid, timestamps) if self.config.rotary else None  # (B, N, 3)
        parts, groups = [], by_length(online, tokens.device)
        for rows in groups:
            kept = packing(online[rows], tokens.device)
            x = kept.pack(tokens[rows])  # (b, M, D): hidden tokens do not exist for the blocks
            x_at = None if at is None else kept.pack(at[rows])  # (b, M, 3)
            for block in self.blocks:
                x = block(x, key_mask=kept.key_mask, x_at=x_at)
            parts.append(kept.unpack(self.norm(x)))  # (b, N, D)
        return Encoded(in_order(parts, groups), roles, grid, timestamps)

    def project(self, encoded: Encoded) -> Tensor:
        """(B, D) projected mean of the encoded tokens (the official "project_aggregated")."""
        return self.project_and_aggregate(encoded.pool())

    def _roles(self, batch: Batch, grid: TokenGrid, roles: Tensor | None, missing: Tensor) -> Tensor:
        """Roles of all tokens, checked and with unobserved tokens MISSING."""
        absent = [name for name in grid.shapes if name not in self.config.modalities]
        if absent:
            raise ValueError(f"this model has no weights for {absent}; it has {list(self.config.modalities)}")
        hidden, missing = grid.decode_only, missing.cpu()  # roles are drawn and read on the host
        roles = None if roles is None else roles.cpu()
        if roles is None:
            roles = (hidden.long() * Role.DECODER).expand(missing.shape[0], -1)
        elif roles.shape != (len(batch), len(grid)):
            raise ValueError(f"roles must be (B, N) = {(len(batch), len(grid))}, got {tuple(roles.shape)}")
        elif not exporting() and roles[:, hidden].eq(Role.ONLINE).any():
            raise ValueError("maps are never encoded: give their tokens the role DECODER or TARGET_ONLY, not ONLINE")
        roles = roles.masked_fill(missing, Role.MISSING)
        if exporting():  # what is checked below depends on values; a sample with nothing to see gives NaN
            return roles
        empty = (~roles.eq(Role.ONLINE).any(1)).nonzero().flatten().tolist()
        if empty:
            raise ValueError(f"nothing to encode in sample {empty} of the batch: no token is ONLINE and observed")
        return roles
