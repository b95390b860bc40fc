"""An encoder alone as one safetensors file, its configuration in the header: all that inference needs."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file

from olmoearth_nb.bands import modality
from olmoearth_nb.io.durable import write
from olmoearth_nb.io.json_file import parse_json
from olmoearth_nb.io.tensors import read_safetensors, safetensors_header
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

    Raises:
        ValueError: if the encoder has weights that the file would not hold, such as low-rank deltas.
    """
    path = Path(path)
    config = encoder.config
    with torch.device("meta"):
        beside = sorted(encoder.state_dict().keys() - Encoder(config).state_dict().keys())
    if beside:
        raise ValueError(f"the file would not hold {beside[:3]}; give it what without_lora makes of the encoder")
    if without_maps:
        config = replace(config, modalities=tuple(n for n in config.modalities if not modality(n).decode_only))
    with torch.device("meta"):  # which weights an encoder of this configuration has
        kept = Encoder(config).state_dict().keys()
    weights = {key: value.to(dtype).contiguous() for key, value in encoder.state_dict().items() if key in kept}
    header = {_KEY: json.dumps(config_to_official(config))}
    return write(path, lambda part: save_file(weights, part, metadata=header))


def load_encoder(path: str | os.PathLike[str]) -> Encoder:
    """Reads an encoder that `save_encoder` wrote, in evaluation mode on the CPU.

    Args:
        path: the file, or a folder that holds it as `encoder.safetensors`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is not whole, or not such an encoder.
    """
    path = Path(path)
    if path.is_dir():
        path = path / FILE
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}; open_encoder takes folders of every layout and names of models too")
    header = safetensors_header(path)
    if _KEY not in header:
        raise ValueError(f"{path} holds no encoder of ours: its header has no {_KEY}")
    name = f"the configuration in the header of {path}"
    with torch.device("meta"):
        encoder = Encoder(config_from_official(parse_json(header[_KEY], name), name))
    encoder.load_state_dict(read_safetensors(path, encoder.state_dict()), assign=True)
    return encoder.eval()
