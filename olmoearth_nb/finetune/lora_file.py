"""Low-rank deltas alone as one small safetensors file, which says which encoder they belong to."""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from olmoearth_nb.finetune.lora import LAYERS, add_lora, lora_layers, without_lora
from olmoearth_nb.io.durable import write
from olmoearth_nb.io.json_file import parse_json
from olmoearth_nb.io.tensors import read_safetensors, safetensors_header
from olmoearth_nb.model.encoder import Encoder
from olmoearth_nb.weights.trained import weights_hash

_KEY = "olmoearth_lora"


def deltas(encoder: Encoder) -> dict[str, Tensor]:
    """The factors alone, by their names in the encoder's state dict: ``blocks.0.attn.q.lora_a`` and so on."""
    return {
        f"{name}.{factor}": getattr(layer, factor).detach()
        for name, layer in lora_layers(encoder).items()
        for factor in ("lora_a", "lora_b")
    }


def save_lora(encoder: Encoder, path: str | os.PathLike[str]) -> Path:
    """Writes the deltas of an encoder, merged or not; the file appears whole or not at all.

    Args:
        encoder: with deltas of `add_lora`.
        path: ends in `.safetensors`.

    Returns:
        The path.

    Raises:
        ValueError: if the encoder has no deltas.
    """
    layers = lora_layers(encoder)
    if not layers:
        raise ValueError("this encoder has no low-rank deltas; add_lora gives it some")
    first = next(iter(layers.values()))
    named = {name.split(".", 2)[2] for name in layers}  # of blocks.<number>.<name>
    about = {
        "rank": first.rank,
        "alpha": first.alpha,
        "layers": next(choice for choice, names in LAYERS.items() if named == set(names)),
        "encoder": weights_hash(without_lora(encoder, with_deltas=False)),
    }
    factors = {name: factor.cpu().contiguous() for name, factor in deltas(encoder).items()}
    return write(Path(path), lambda part: save_file(factors, part, metadata={_KEY: json.dumps(about)}))


def load_lora(encoder: Encoder, path: str | os.PathLike[str]) -> Encoder:
    """Gives an encoder the deltas of a file, in place.

    Args:
        encoder: the one that the deltas were trained on, without any.
        path: what `save_lora` wrote.

    Returns:
        The encoder, everything but the deltas frozen.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is not whole or holds no deltas, the encoder is another, or has deltas already.
    """
    path = Path(path)
    header = safetensors_header(path)
    if _KEY not in header:
        raise ValueError(f"{path} holds no low-rank deltas: its header has no {_KEY}")
    name = f"the header of {path}"
    about = parse_json(header[_KEY], name)
    if absent := [key for key in ("rank", "alpha", "layers", "encoder") if key not in about]:
        raise ValueError(f"{name} has no {', '.join(absent)}")
    if about["layers"] not in list(LAYERS):
        raise ValueError(f"{name}: layers must be one of {', '.join(LAYERS)}, got {about['layers']!r}")
    if not lora_layers(encoder) and weights_hash(encoder) != about["encoder"]:
        raise ValueError(
            f"the deltas in {path} were trained on an encoder of other weights than these; open that encoder first. "
            "Encoders with and without the weights of maps count as different"
        )
    wanted = _wanted(encoder, about["rank"], about["alpha"], about["layers"], name)
    factors = read_safetensors(path, wanted)  # before anything of the encoder changes
    add_lora(encoder, about["rank"], about["alpha"], about["layers"])
    encoder.load_state_dict(factors, strict=False)
    return encoder


def _wanted(encoder: Encoder, rank: int, alpha: float, layers: str, name: str) -> dict[str, Tensor]:
    """The factors that an encoder of this configuration would have, on the meta device."""
    with torch.device("meta"):
        empty = Encoder(encoder.config)
        try:
            return deltas(add_lora(empty, rank, alpha, layers))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
