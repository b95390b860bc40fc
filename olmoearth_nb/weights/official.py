"""Model folders in the official layout: `config.json` and `weights.pth`.

Everything that an old or differently laid out file needs is here and nowhere else:

* v1 stores the patch projection as a convolution (D, C, 8, 8); ours is a linear layer (D, 8 * 8 * C).
* Files carry a copy of the whole encoder as `target_encoder`, of which only the patch embeddings are
  ever read. We keep and write those alone, with `projection_only_target` set.
* Legacy `composite_encodings.pos_embed` tables are dropped.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from olmoearth_nb.bands import MODALITIES
from olmoearth_nb.io.durable import write_json, write_tensors
from olmoearth_nb.io.json_file import read_json
from olmoearth_nb.io.tensors import as_weight, read_torch, require_fit
from olmoearth_nb.model.config import ModelConfig
from olmoearth_nb.model.olmoearth import OlmoEarth
from olmoearth_nb.model.patch_embed import BAND_DROPOUT_MODALITIES, PATCH
from olmoearth_nb.tokenization import TOKENIZATIONS, Tokenization

CONFIG, WEIGHTS = "config.json", "weights.pth"

_CLASS = "olmoearth_pretrain.nn."
_PROJECTION = re.compile(r"\.per_modality_embeddings\..*\.proj\.weight$")
_DROPPED = re.compile(r"^target_encoder\.(?!patch_embeddings\.)|composite_encodings\.pos_embed$")

_REQUIRED_VALUES: dict[str, Any] = {
    "mlp_ratio": 4.0,
    "max_patch_size": PATCH,
    "num_register_tokens": 0,
    "qk_norm": False,
    "aggregate_then_project": True,
    "num_projection_layers": 1,
    "rope_coordinate_scale": 1.0,
    "post_proj_hidden_sizes": None,
}
"""Options of the official configuration that change the model and of which we implement one value."""


_LARGEST = {"width": 8192, "depth": 256, "decoder_depth": 256, "pixel_hidden": 8192}
"""Far above every published size; a configuration beyond it would take hours or terabytes before it fails."""

_MOST_BANDS = 1000
_MOST_WORDS = 1000
"""Letters of an error that repeats what was given."""


def load_official(folder: Path) -> OlmoEarth:
    """A model from a folder that holds `config.json` and `weights.pth`, in evaluation mode on the CPU.

    Raises:
        UnsafeFileError: if the weights file holds anything but tensors.
        ValueError: if the configuration is one that we do not implement (v1.3), or weights do not fit it.
    """
    config = config_from_official(read_json(folder / CONFIG), str(folder / CONFIG))
    with torch.device("meta"):  # shapes alone: no weight is drawn that a file replaces
        model = OlmoEarth(config)
    path = folder / WEIGHTS
    state = read_torch(path)
    if not isinstance(state, dict) or not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items()):
        raise ValueError(f"{path} does not hold a state dict: tensors by name, and nothing else")
    state = _kept(state)
    require_fit(path, {key: _shape(key, value) for key, value in state.items()}, model.state_dict())
    ours = {key: _laid_out(key, as_weight(path, key, state.pop(key))) for key in list(state)}
    model.load_state_dict(ours, assign=True)
    return model.eval()


def save_model(model: OlmoEarth, folder: str | os.PathLike[str]) -> Path:
    """Writes a model in the official layout; each file appears whole or not at all.

    Args:
        model: the model.
        folder: made if it is not there.

    Returns:
        The folder.
    """
    folder = Path(folder)
    write_tensors(folder / WEIGHTS, state_to_official(model))
    write_json(folder / CONFIG, config_to_official(model.config))
    return folder


def state_from_official(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights of an official file under our names and shapes."""
    return {key: _laid_out(key, value) for key, value in _kept(state).items()}


def _kept(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a file that are read in some version."""
    if any("attention_pooler" in key for key in state):
        raise ValueError("these are weights of v1.3, which is out of scope; load v1, v1.1 or v1.2")
    return {key: value for key, value in state.items() if not _DROPPED.search(key)}


def _laid_out(key: str, value: Tensor) -> Tensor:
    """A weight of a file in our layout: (D, C, 8, 8) of a patch projection becomes (D, 8 * 8 * C)."""
    if _PROJECTION.search(key) and value.ndim == 4:
        return value.permute(0, 2, 3, 1).flatten(1).contiguous()
    return value


def _shape(key: str, value: Tensor) -> tuple[int, ...]:
    """Shape that a weight of a file has in our layout."""
    if _PROJECTION.search(key) and value.ndim == 4:
        return value.shape[0], value.shape[1:].numel()
    return tuple(value.shape)


def state_to_official(model: OlmoEarth) -> dict[str, Tensor]:
    """Weights of a model as an official file holds them."""
    state = model.state_dict()
    if model.config.pixel_hidden == 0:
        for key, value in state.items():
            if _PROJECTION.search(key):
                state[key] = value.unflatten(1, (PATCH, PATCH, -1)).permute(0, 3, 1, 2).contiguous()
    return state


def config_to_official(config: ModelConfig) -> dict[str, Any]:
    """The `config.json` of a configuration, as `olmoearth-pretrain-minimal` reads it."""
    shared: dict[str, Any] = {
        "supported_modality_names": list(config.modalities),
        "num_heads": config.heads,
        "mlp_ratio": 4.0,
        "max_sequence_length": 12,
    }
    if config.tokenization != TOKENIZATIONS["v1"]:
        shared["tokenization_config"] = _tokenization_to_official(config.tokenization, config.modalities)
    if config.rotary:
        shared |= {
            "position_encoding": "rope_3d_mixed",
            "rope_mixed_base": 10000.0,
            "rope_temporal_coordinate_scale": 1 / 30,
        }
    encoder = _encoder_to_official(config, shared)
    decoder = shared | {
        "_CLASS_": _CLASS + "flexi_vit.PredictorConfig",
        "encoder_embedding_size": config.width,
        "decoder_embedding_size": config.width,
        "depth": config.decoder_depth,
    }
    only_decoded = [name for name in config.modalities if MODALITIES[name].decode_only]
    return {
        "model": {
            "_CLASS_": _CLASS + "latent_mim.LatentMIMConfig",
            "encoder_config": encoder,
            "decoder_config": decoder,
            "projection_only_target": True,
        },
        "train_module": {"masking_config": {"strategy_config": {"only_decode_modalities": only_decoded}}},
    }


def _encoder_to_official(config: ModelConfig, shared: dict[str, Any]) -> dict[str, Any]:
    """The part of the encoder, with what it shares with the decoder."""
    encoder = shared | {
        "_CLASS_": _CLASS + "flexi_vit.EncoderConfig",
        "embedding_size": config.width,
        "depth": config.depth,
        "max_patch_size": PATCH,
        "drop_path": config.drop_path,
        "use_linear_patch_embed": config.pixel_hidden > 0,
    }
    if config.pixel_hidden:
        encoder["patch_embed_hidden_sizes"] = [config.pixel_hidden]
    if config.pixel_mixer:
        encoder["pixel_mixer"] = config.pixel_mixer  # no official key: the official code has no such model
    if config.band_dropout:
        encoder |= {
            "band_dropout_rate": config.band_dropout,
            "random_band_dropout": True,
            "band_dropout_modalities": list(BAND_DROPOUT_MODALITIES),
        }
    return encoder


def config_from_official(official: dict[str, Any], name: str = CONFIG) -> ModelConfig:
    """The configuration that a `config.json` describes.

    Args:
        official: what is in it.
        name: of the file, for errors.

    Raises:
        ValueError: if it is not an OlmoEarth configuration, or has options that we do not implement, or is larger than
            any model.
    """
    try:
        encoder, decoder = official["model"]["encoder_config"], official["model"]["decoder_config"]
        _refuse_unsupported(encoder, decoder)
        config = _model_config(encoder, decoder)
    except (KeyError, TypeError, AttributeError, IndexError, OverflowError) as error:
        raise ValueError(
            f"{name} does not describe an OlmoEarth model; it needs model.encoder_config and model.decoder_config "
            f"with the official keys ({type(error).__name__}: {str(error)[:_MOST_WORDS]})"
        ) from error
    except ValueError as error:
        raise ValueError(f"{name}: {str(error)[:_MOST_WORDS]}") from error
    large = [f"{key} {getattr(config, key)}" for key, most in _LARGEST.items() if getattr(config, key) > most]
    if large:
        raise ValueError(f"{name}: {', '.join(large)} is larger than any model that we load; at most {_LARGEST}")
    return config


def _position(part: dict[str, Any]) -> str:
    """The position encoding of an encoder or decoder, also under its deprecated name."""
    return part.get("position_encoding") or part.get("spatial_pos_encoding") or "absolute"


def _model_config(encoder: dict[str, Any], decoder: dict[str, Any]) -> ModelConfig:
    """Our configuration from the official two."""
    hidden = encoder.get("patch_embed_hidden_sizes") or [0]
    return ModelConfig(
        width=encoder["embedding_size"],
        depth=encoder["depth"],
        heads=encoder["num_heads"],
        decoder_depth=decoder["depth"],
        tokenization=_tokenization_from_official(encoder.get("tokenization_config")),
        pixel_hidden=hidden[0],
        position="rotary" if _position(encoder) == "rope_3d_mixed" else "absolute",
        band_dropout=encoder.get("band_dropout_rate", 0.0),
        drop_path=encoder.get("drop_path", 0.1),
        modalities=tuple(encoder["supported_modality_names"]),
        pixel_mixer=encoder.get("pixel_mixer"),
    )


def _refuse_unsupported(encoder: dict[str, Any], decoder: dict[str, Any]) -> None:
    """Raises for options that would silently give other numbers."""
    if encoder.get("attention_pooler_config") or decoder.get("use_attention_pooler"):
        raise ValueError("this is a v1.3 model, which is out of scope; load v1, v1.1 or v1.2")
    wrong = {k: part[k] for part in (encoder, decoder) for k, v in _REQUIRED_VALUES.items() if part.get(k, v) != v}
    position = _position(encoder)
    if _position(decoder) != position:
        wrong["position_encoding of the decoder"] = _position(decoder)
    groups = [_tokenization_from_official(part.get("tokenization_config")) for part in (encoder, decoder)]
    if groups[0] != groups[1]:
        wrong["tokenization_config of the decoder"] = groups[1].groups
    if position not in ("absolute", "rope_3d_mixed"):
        wrong["position_encoding"] = position
    scale = encoder.get("rope_temporal_coordinate_scale", 1 / 30)
    if position == "rope_3d_mixed" and abs(scale - 1 / 30) > 1e-9:
        wrong["rope_temporal_coordinate_scale"] = scale
    if len(encoder.get("patch_embed_hidden_sizes") or []) > 1:
        wrong["patch_embed_hidden_sizes"] = encoder["patch_embed_hidden_sizes"]
    if decoder["decoder_embedding_size"] != encoder["embedding_size"] or decoder["num_heads"] != encoder["num_heads"]:
        wrong["decoder_embedding_size, num_heads"] = (decoder["decoder_embedding_size"], decoder["num_heads"])
    if wrong:
        raise ValueError(f"asks for what is not implemented: {wrong}; implemented: {_REQUIRED_VALUES}")


def _tokenization_to_official(tokenization: Tokenization, modalities: tuple[str, ...]) -> dict[str, Any]:
    """Groups of every modality that differ from the official default, which is v1's."""
    overrides = {
        name: {
            "_CLASS_": _CLASS + "tokenization.ModalityTokenization",
            "band_groups": [list(group) for group in tokenization.groups_of(name)],
        }
        for name in modalities
        if tokenization.groups_of(name) != TOKENIZATIONS["v1"].groups_of(name)
    }
    return {"_CLASS_": _CLASS + "tokenization.TokenizationConfig", "overrides": overrides}


def _tokenization_from_official(official: dict[str, Any] | None) -> Tokenization:
    """The tokenization of a configuration; a built-in one where the groups are the same."""
    overrides = (official or {}).get("overrides", {})
    given = {name: [list(group) for group in value["band_groups"]] for name, value in overrides.items()}
    if sum(len(group) for groups in given.values() for group in groups) > _MOST_BANDS:
        raise ValueError(f"tokenization_config names more than {_MOST_BANDS} bands")
    groups = dict(TOKENIZATIONS["v1"].groups) | given
    own = Tokenization("from config.json", groups, source=f"{CONFIG} of the model")
    return next((known for known in TOKENIZATIONS.values() if known == own), own)
