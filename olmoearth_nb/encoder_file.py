"""An encoder alone as one safetensors file, its configuration in the header: all that inference needs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from olmoearth_nb.checkpoint import config_from_official, config_to_official
from olmoearth_nb.encoder import Encoder

_KEY = "olmoearth_config"


def save_encoder(encoder: Encoder, path: str | os.PathLike[str]) -> Path:
    """Writes an encoder; the file appears whole or not at all.

    Args:
        encoder: the encoder.
        path: ends in `.safetensors`.

    Returns:
        The path.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    weights = {key: value.contiguous() for key, value in encoder.state_dict().items()}
    save_file(weights, part, metadata={_KEY: json.dumps(config_to_official(encoder.config))})
    part.replace(path)
    return path


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
            weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path} is not a whole safetensors file ({error})") from error
    with torch.device("meta"):
        encoder = Encoder(config_from_official(json.loads(header[_KEY])))
    encoder.load_state_dict(weights, assign=True)
    return encoder.eval()
