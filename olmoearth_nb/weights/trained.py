"""What a run leaves: an encoder and a predictor as safetensors, without what a seed gives again.

Frozen targets and the patch embeddings of maps, which the encoder never uses, are made again from the recorded seed and
checked by their hash. A run on inputs of another scaling is *folded*: its first layers are changed so that the files
read officially normalised inputs like any other encoder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from olmoearth_nb.bands import MODALITIES
from olmoearth_nb.io.durable import write, write_json
from olmoearth_nb.io.json_file import read_json
from olmoearth_nb.io.tensors import MisfitError, read_safetensors
from olmoearth_nb.model.config import ModelConfig
from olmoearth_nb.model.encoder import Encoder
from olmoearth_nb.model.olmoearth import OlmoEarth
from olmoearth_nb.model.patch_embed import GroupEmbed, PatchEmbed
from olmoearth_nb.model.predictor import Predictor
from olmoearth_nb.weights.encoder_file import FILE as ENCODER
from olmoearth_nb.weights.encoder_file import load_encoder, save_encoder
from olmoearth_nb.weights.scaling import Statistics, check_scaling, rescaling

PREDICTOR, RUN = "predictor.safetensors", "run.json"


def initial_model(config: ModelConfig, seed: int) -> OlmoEarth:
    """A model as it is before its first step, the same for the same seed."""
    with torch.random.fork_rng(devices=[]):  # the caller's random numbers go on as if nothing had been drawn
        torch.manual_seed(seed)
        return OlmoEarth(config)


def load_untrained(folder: Path, seed: int | None = None) -> Encoder:
    """The encoder of a run as it was before its first step, in evaluation mode.

    It reads the same officially normalised inputs as the trained one, so that the two differ in training alone.

    Args:
        folder: of the trained model.
        seed: draws other initial weights than the run's.

    Raises:
        FileNotFoundError: if one of its files is not there.
        ValueError: if a file is not whole.
    """
    about = _about(folder, (ENCODER, RUN))
    config = replace(load_encoder(folder / ENCODER).config, modalities=tuple(MODALITIES))
    encoder = initial_model(config, about["seed"] if seed is None else seed).encoder
    fold(encoder.patch_embeddings, about["normalisation"], about.get("statistics"))
    return encoder.eval()


def fold(embeddings: PatchEmbed, scaling: str = "standard", statistics: Statistics | None = None) -> None:
    """Makes patch embeddings that were trained on another scaling read officially normalised inputs, in place.

    With f x + s in place of the official x, weights become f w and biases gain the sum of s w; standardised is 4 x - 2.
    Enlarging patches keeps constants, so the change passes through it.

    Args:
        embeddings: to change.
        scaling: that they were trained on; nothing is changed for "official".
        statistics: see `rescaling`.
    """
    if scaling == "official":
        return
    with torch.no_grad():
        for name, groups in embeddings.per_modality_embeddings.items():
            factor, shift = rescaling(scaling, statistics, name)  # (C,)
            for bands, layer in zip(embeddings.tokenization.indices(name), groups.children(), strict=True):
                assert isinstance(layer, GroupEmbed)
                if layer.mixer is not None:
                    layer.mixer.fold(factor[bands], shift[bands])
                first = layer.proj if layer.pixel_proj is None else layer.pixel_proj[0]
                assert isinstance(first, nn.Linear)
                pixels = first.in_features // len(bands)  # 64 of a patch, or 1; bands are the fastest axis
                first.bias.add_((shift[bands].repeat(pixels) * first.weight).sum(1))  # before the weights change
                first.weight.mul_(factor[bands].repeat(pixels))


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
        about: of the run; must hold "seed" and "normalisation", and "statistics" if that is "robust".
        half: whether to round weights to float16.

    Returns:
        The folder.
    """
    about = about | {"targets": weights_hash(model.target_encoder)}
    kept = initial_model(model.config, about["seed"])  # a copy: folding must not touch the model in training
    kept.load_state_dict(model.state_dict())
    fold(kept.encoder.patch_embeddings, about["normalisation"], about.get("statistics"))
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
    about, encoder = _about(folder, (ENCODER, PREDICTOR, RUN)), load_encoder(folder / ENCODER)
    config = replace(encoder.config, modalities=tuple(MODALITIES))
    predictor = _predictor(config, folder / PREDICTOR)  # both files fit the configuration before anything is drawn
    model = initial_model(config, about["seed"])
    if weights_hash(model.target_encoder) != about["targets"]:
        raise ValueError(
            f"{folder}: the frozen targets made again from seed {about['seed']} are not those of the run; another "
            "version of torch may draw other initial weights. The encoder can be used, training cannot go on"
        )
    for embeddings in (model.encoder.patch_embeddings, model.target_encoder.patch_embeddings):
        fold(embeddings, about["normalisation"], about.get("statistics"))
    model.encoder.load_state_dict(encoder.state_dict(), strict=False)
    model.decoder.load_state_dict(predictor)
    return model.eval()


def _about(folder: Path, files: Sequence[str]) -> dict[str, Any]:
    """What the run says of itself, those of its files being there."""
    absent = [name for name in files if not (folder / name).is_file()]
    if absent:
        raise FileNotFoundError(f"{folder} is no trained model: it has no {', '.join(absent)}")
    about = read_json(folder / RUN)
    lacks = [key for key in ("seed", "normalisation") if key not in about]
    lacks += ["targets"] if PREDICTOR in files and "targets" not in about else []
    if lacks:
        raise ValueError(f"{folder / RUN} does not describe a run: it has no {', '.join(lacks)}")
    try:
        check_seed(about["seed"])
    except ValueError as error:
        raise ValueError(f"{folder / RUN} does not describe a run: {error}") from error
    try:
        check_scaling(about["normalisation"], about.get("statistics"))
    except ValueError as error:
        raise ValueError(f"{folder / RUN}: {error}") from error
    if about["normalisation"] == "robust" and about.get("statistics") is None:
        raise ValueError(f"{folder / RUN}: normalisation is robust, but there are no statistics")
    return about


def check_seed(seed: object) -> None:
    """Raises a ValueError unless a seed is a whole number that torch takes."""
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 1 << 63:
        raise ValueError(f"a seed is a whole number from 0 to below 2^63, got {str(seed)[:50]}")


def _predictor(config: ModelConfig, path: Path) -> dict[str, Tensor]:
    """Weights of the predictor of a configuration."""
    with torch.device("meta"):
        wanted = Predictor(config).state_dict()
    try:
        return read_safetensors(path, wanted)
    except MisfitError as error:
        raise ValueError(f"{path} is not the predictor of the encoder beside it ({error})") from error
