"""What a run leaves: an encoder and a predictor as safetensors, without what a seed gives again.

Frozen targets and the patch embeddings of maps, which the encoder never uses, are made again from the recorded seed and
checked by their hash. A run on standardised inputs is *folded*: its first layers are changed so that the files read
officially normalised inputs like any other encoder.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from olmoearth_nb.bands import MODALITIES
from olmoearth_nb.io.durable import write, write_json
from olmoearth_nb.model.config import ModelConfig
from olmoearth_nb.model.encoder import Encoder
from olmoearth_nb.model.olmoearth import OlmoEarth
from olmoearth_nb.model.patch_embed import GroupEmbed, PatchEmbed
from olmoearth_nb.weights.encoder_file import FILE as ENCODER
from olmoearth_nb.weights.encoder_file import load_encoder, save_encoder

PREDICTOR, RUN = "predictor.safetensors", "run.json"


def initial_model(config: ModelConfig, seed: int) -> OlmoEarth:
    """A model as it is before its first step, the same for the same seed."""
    with torch.random.fork_rng(devices=[]):  # the caller's random numbers go on as if nothing had been drawn
        torch.manual_seed(seed)
        return OlmoEarth(config)


def load_untrained(folder: Path) -> Encoder:
    """The encoder of a run as it was before its first step, in evaluation mode.

    It reads the same officially normalised inputs as the trained one, so that the two differ in training alone.

    Args:
        folder: of the trained model.
    """
    about = json.loads((folder / RUN).read_text(encoding="utf8"))
    config = replace(load_encoder(folder / ENCODER).config, modalities=tuple(MODALITIES))
    encoder = initial_model(config, about["seed"]).encoder
    if about["normalisation"] == "standard":
        fold(encoder.patch_embeddings)
    return encoder.eval()


def fold(embeddings: PatchEmbed) -> None:
    """Makes patch embeddings that were trained on standardised inputs read officially normalised ones, in place.

    Standardised is 4 x - 2 of the official x, so weights become 4 w and biases lose 2 times the sum of the weights.
    Enlarging patches keeps constants, so the change passes through it.
    """
    with torch.no_grad():
        for layer in embeddings.modules():
            if isinstance(layer, GroupEmbed):
                first = layer.proj if layer.pixel_proj is None else layer.pixel_proj[0]
                assert isinstance(first, nn.Linear)
                first.bias.sub_(2 * first.weight.sum(1))  # before the weights change
                first.weight.mul_(4)


def weights_hash(module: nn.Module) -> str:
    """sha256 of a module's weights by name."""
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def save_trained(model: OlmoEarth, folder: Path, about: dict[str, Any], half: bool = False) -> Path:
    """Writes a trained model in its small form.

    Args:
        model: as training left it.
        folder: where `encoder.safetensors`, `predictor.safetensors` and `run.json` go.
        about: of the run; must hold "seed" and "normalisation".
        half: whether to round weights to float16.

    Returns:
        The folder.
    """
    about = about | {"targets": weights_hash(model.target_encoder)}
    kept = initial_model(model.config, about["seed"])  # a copy: folding must not touch the model in training
    kept.load_state_dict(model.state_dict())
    if about["normalisation"] == "standard":
        fold(kept.encoder.patch_embeddings)
    round_to = torch.float16 if half else torch.float32
    save_encoder(kept.encoder, folder / ENCODER, without_maps=True, dtype=round_to)
    weights = {name: value.to(round_to).contiguous() for name, value in kept.decoder.state_dict().items()}
    write(folder / PREDICTOR, lambda part: save_file(weights, part))
    write_json(folder / RUN, about)
    return folder


def is_trained(folder: Path) -> bool:
    """Whether a folder holds what `save_trained` wrote."""
    return (folder / RUN).is_file()


def load_trained(folder: Path) -> OlmoEarth:
    """A whole model from its small form, in evaluation mode.

    Raises:
        FileNotFoundError: if one of the three files is not there.
        ValueError: if a file is not whole, or the targets made again are not those of the run.
    """
    about, encoder = _about(folder), load_encoder(folder / ENCODER)
    model = initial_model(replace(encoder.config, modalities=tuple(MODALITIES)), about["seed"])
    if weights_hash(model.target_encoder) != about["targets"]:
        raise ValueError(
            f"{folder}: the frozen targets made again from seed {about['seed']} are not those of the run; another "
            "version of torch may draw other initial weights. The encoder can be used, training cannot go on"
        )
    if about["normalisation"] == "standard":
        fold(model.encoder.patch_embeddings)
        fold(model.target_encoder.patch_embeddings)
    model.encoder.load_state_dict(encoder.state_dict(), strict=False)
    _load_predictor(model, folder / PREDICTOR)
    return model.eval()


def _about(folder: Path) -> dict[str, Any]:
    """What the run says of itself, its three files being there."""
    absent = [name for name in (ENCODER, PREDICTOR, RUN) if not (folder / name).is_file()]
    if absent:
        raise FileNotFoundError(f"{folder} is no trained model: it has no {', '.join(absent)}")
    try:
        about = json.loads((folder / RUN).read_text(encoding="utf8"))
        lacks = [key for key in ("seed", "normalisation", "targets") if key not in about]
    except (json.JSONDecodeError, TypeError) as error:
        raise ValueError(f"{folder / RUN} does not describe a run ({error})") from error
    if lacks:
        raise ValueError(f"{folder / RUN} does not describe a run: it has no {', '.join(lacks)}")
    return about


def _load_predictor(model: OlmoEarth, path: Path) -> None:
    """Puts the weights of a file into a model's predictor."""
    try:
        with safe_open(path, framework="pt") as file:
            weights: dict[str, Tensor] = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
        model.decoder.load_state_dict(weights)
    except SafetensorError as error:
        raise ValueError(f"{path} is not a whole safetensors file ({error})") from error
    except RuntimeError as error:
        raise ValueError(f"{path} is not the predictor of the encoder beside it ({error})") from error
