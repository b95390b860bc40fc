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
from olmoearth_nb.model.transformer import Block, Packing, by_length, in_order, init_linears


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
        self.encoder_to_decoder_embed = nn.Linear(width, width)
        self.blocks = nn.ModuleList(Block(width, config.heads, config.rotary) for _ in range(config.decoder_depth))
        self.norm = nn.LayerNorm(width)
        self.to_output_embed = nn.Linear(width, width)
        self.mask_token = nn.Parameter(torch.zeros(width))
        init_linears(self)
        self.composite_encodings = CompositeEncodings(width, config.tokenization, config.modalities, config.rotary)

    def forward(self, encoded: Encoded) -> Tensor:
        """Predicts the DECODER tokens.

        Args:
            encoded: the encoder's output.

        Returns:
            (B, N, D); exactly 0 for tokens of any other role.
        """
        grid, timestamps = encoded.grid, encoded.timestamps
        online, hidden = encoded.online, encoded.roles == Role.DECODER
        encodings = self.composite_encodings(grid, timestamps)
        at = token_coordinates(grid, timestamps) if self.config.rotary else None
        parts, groups = [], by_length(hidden)
        for rows in groups:
            seen, asked, own = Packing(online[rows]), Packing(hidden[rows]), encodings[rows]
            context = self.encoder_to_decoder_embed(self.input_norm(seen.pack(encoded.tokens[rows]))) + seen.pack(own)
            x = self.mask_token + asked.pack(own)
            x_at = None if at is None else asked.pack(at[rows])
            context_at = None if at is None else seen.pack(at[rows])
            for block in self.blocks:
                x = block(x, context, seen.key_mask, x_at, context_at)
            parts.append(asked.unpack(self.to_output_embed(self.norm(x))))
        return in_order(parts, groups)
