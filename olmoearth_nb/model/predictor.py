"""The predictor (decoder): what the hidden tokens would be, from the encoded ones.

Every DECODER token starts as one learned mask token plus its encodings and asks the encoded tokens by
cross-attention. Queries never see each other; the context stays the same in all blocks.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from olmoearth_nb.grid import Role
from olmoearth_nb.model.config import ModelConfig
from olmoearth_nb.model.encoder import Encoded
from olmoearth_nb.model.encodings import CompositeEncodings, token_coordinates
from olmoearth_nb.model.linear import Linear
from olmoearth_nb.model.packing import by_length, in_order, packing
from olmoearth_nb.model.transformer import Block, init_linears


class Predictor(nn.Module):
    """The OlmoEarth predictor of v1, v1.1 and v1.2.

    Args:
        config: sizes and tokenization; width and heads are the encoder's.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.input_norm = nn.LayerNorm(width)
        self.encoder_to_decoder_embed = Linear(width, width)
        self.blocks = nn.ModuleList(Block(width, config.heads, config.rotary) for _ in range(config.decoder_depth))
        self.norm = nn.LayerNorm(width)
        self.to_output_embed = Linear(width, width)
        self.mask_token = nn.Parameter(torch.zeros(width))
        init_linears(self)
        self.composite_encodings = CompositeEncodings(width, config.tokenization, config.modalities, config.rotary)

    def forward(self, encoded: Encoded, encodings: Tensor | None = None) -> Tensor:
        """Predicts the DECODER tokens.

        Args:
            encoded: the encoder's output.
            encodings: (B, N, D) of `composite_encodings` for its grid and dates, if they are known already.

        Returns:
            (B, N, D); exactly 0 for tokens of any other role.
        """
        grid, timestamps, device = encoded.grid, encoded.timestamps, encoded.tokens.device
        online, hidden = encoded.roles.eq(Role.ONLINE), encoded.roles.eq(Role.DECODER)  # on the host
        if encodings is None:
            encodings = self.composite_encodings(grid, timestamps)  # (B, N, D)
        at = token_coordinates(grid, timestamps) if self.config.rotary else None  # (B, N, 3)
        parts, groups = [], by_length(hidden, device)
        for rows in groups:
            seen, predicted = packing(online[rows], device), packing(hidden[rows], device)
            context = self.encoder_to_decoder_embed(self.input_norm(seen.pack(encoded.tokens[rows])))  # (b, M, D)
            context = context + seen.pack(encodings[rows])  # told again where it is: the encoder may have forgotten
            x = self.mask_token + predicted.pack(encodings[rows])  # (b, M', D): a query knows what and where it is
            x_at = None if at is None else predicted.pack(at[rows])
            context_at = None if at is None else seen.pack(at[rows])
            for block in self.blocks:
                x = block(x, context, seen.key_mask, x_at, context_at)
            parts.append(predicted.unpack(self.to_output_embed(self.norm(x))))  # (b, N, D)
        return in_order(parts, groups)
