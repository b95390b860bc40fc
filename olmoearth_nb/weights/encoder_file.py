"""An encoder alone as one safetensors file, its configuration in the header: all that inference needs."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from olmoearth_nb.bands import modality
from olmoearth_nb.io.durable import write
from olmoearth_nb.model.encoder import Encoder
from olmoearth_nb.weights.official import config_from_official, config_to_official

FILE = "encoder.safetensors"
"""Name of the file beside a model's other files."""

_KEY = "olmoearth_config"


def save_encoder(
    encoder: Encoder, path: str | os.PathLike[str], without_maps: bool = False, dtype: torch.dtype = torch.float32
) -> Path:
    """Writes an encoder; the file appears whole or not at all.

    Args:
        encoder: the encoder.
        path: ends in `.safetensors`.
        without_maps: whether to leave out the patch embeddings of maps, which an encoder never uses, and map codes.
        dtype: of the stored weights; `load_encoder` gives float32 in any case.

    Returns:
        The path.
    """
    path = Path(path)
    config = encoder.config
    if without_maps:
        config = replace(config, modalities=tuple(n for n in config.modalities if not modality(n).decode_only))
    with torch.device("meta"):  # which weights an encoder of this configuration has
        kept = Encoder(config).state_dict().keys()
    weights = {key: value.to(dtype).contiguous() for key, value in encoder.state_dict().items() if key in kept}
    header = {_KEY: json.dumps(config_to_official(config))}
    return write(path, lambda part: save_file(weights, part, metadata=header))


def load_encoder(path: str | os.PathLike[str]) -> Encoder:
    """Reads an encoder that `save_encoder` wrote, in evaluation mode on the CPU.

    Raises:
        ValueError: if the file is not whole, or not such an encoder.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            if _KEY not in header:
                raise ValueError(f"{path} holds no encoder of ours: its header has no {_KEY}")
            weights = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path} is not a whole safetensors file ({error})") from error
    with torch.device("meta"):
        encoder = Encoder(config_from_official(json.loads(header[_KEY])))
    try:
        encoder.load_state_dict(weights, assign=True)
    except RuntimeError as error:
        raise ValueError(f"{path}: its weights do not fit the configuration in its header ({error})") from error
    return encoder.eval()
