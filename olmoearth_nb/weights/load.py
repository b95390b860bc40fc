"""Models and encoders from wherever there are some: a name, a folder in either layout, or one file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from olmoearth_nb.errors import warn
from olmoearth_nb.io.shipped import pretrained_dir, pretrained_names
from olmoearth_nb.model.config import ModelConfig
from olmoearth_nb.model.encoder import Encoder
from olmoearth_nb.model.olmoearth import OlmoEarth
from olmoearth_nb.weights.encoder_file import FILE as ENCODER
from olmoearth_nb.weights.encoder_file import load_encoder
from olmoearth_nb.weights.official import CONFIG, WEIGHTS, load_official
from olmoearth_nb.weights.trained import PREDICTOR, RUN, check_seed, initial_model, is_trained, load_trained
from olmoearth_nb.weights.trained import load_untrained as untrained_of

Source = str | os.PathLike[str]


def load_model(name_or_folder: Source, **options: Any) -> OlmoEarth:
    """Loads a model by name, or from a folder in the official layout or as pretraining leaves it.

    Args:
        name_or_folder: a published name such as ``"OlmoEarth-v1_1-Nano"``; the name of a model that comes with the
            package, such as ``"mini-v1-long"``; a folder with `config.json` and `weights.pth`, or one with
            `encoder.safetensors`, `predictor.safetensors` and `run.json`. A folder goes before a name.
        options: for a published name, the options of `published.download`: `endpoint`, `cache_dir`, `lock_file`.

    Returns:
        The model in evaluation mode on the CPU.

    Raises:
        DownloadError: if a published model can neither be had from the cache nor from the hub.
        FileNotFoundError: if one of its files is not in the folder.
        UnsafeFileError: if the weights file holds anything but tensors.
        ValueError: for an unknown name, if the configuration is one that we do not implement (v1.3), or if weights do
            not fit it.
    """
    folder = _folder(name_or_folder, options)
    if is_trained(folder):
        return load_trained(folder)
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            needed = f"{CONFIG} and {WEIGHTS}, or {ENCODER}, {PREDICTOR} and {RUN} of a model trained here"
            alone = f"; it holds an encoder alone, which open_encoder reads: {ENCODER}"
            raise FileNotFoundError(
                f"{folder} is not a model folder: it has no {name} (needed: {needed})"
                f"{alone if (folder / ENCODER).is_file() else ''}{_shadow(name_or_folder)}"
            )
    return load_official(folder)


def open_encoder(source: Source, **options: Any) -> Encoder:
    """An encoder from wherever there is one, in evaluation mode on the CPU.

    Args:
        source: the name of a published model or of one that comes with the package, a model folder, or a
            `.safetensors` file that `save_encoder` wrote, or a folder that holds one as `encoder.safetensors` and no
            whole model. A folder goes before a name.
        options: for a published name, those of `published.download`.

    Raises:
        FileNotFoundError: if there is no such file, or the folder holds no model.
        ValueError: for an unknown name, or files that are not a model's.
        DownloadError: if a published model cannot be had.
    """
    if Path(source).suffix == ".safetensors" and not Path(source).is_dir():
        return load_encoder(source)
    folder = _folder(source, options)
    if (folder / ENCODER).is_file() and not (folder / WEIGHTS).is_file():
        return load_encoder(folder / ENCODER)
    return load_model(folder).encoder


def random_encoder(model: Source | ModelConfig, seed: int = 0) -> Encoder:
    """An encoder with random weights, the same for the same seed: what training is compared with.

    Args:
        model: a configuration; or the name of a published model, whose weights are not needed; or the name or folder
            of a model that was trained here, whose untrained twin this is: before its first step, but of another
            seed, on the same officially normalised inputs. The seed in its `run.json` gives its very beginning.
        seed: from 0 to below 2^63.

    Returns:
        The encoder in evaluation mode on the CPU. The caller's random numbers stay as they are.

    Raises:
        ValueError: for an unknown name, a seed that is none, or a damaged folder.
        FileNotFoundError: if a folder holds no model that was trained here.
    """
    from olmoearth_nb.weights.published import configuration

    check_seed(seed)
    if isinstance(model, ModelConfig):
        return initial_model(model, seed).encoder.eval()
    known = None if Path(model).is_dir() else configuration(os.fspath(model))
    return initial_model(known, seed).encoder.eval() if known else untrained_of(_folder(model, {}), seed)


def _folder(source: Source, options: dict[str, Any]) -> Path:
    """The folder of a model that is given by its path or its name; a published one is downloaded."""
    folder, name = Path(source), os.fspath(source)
    if folder.is_dir():
        if shadow := _shadow(source):
            warn(f"{folder.resolve()} is opened{shadow}")
        return folder
    if folder.is_file():
        raise ValueError(f"{folder} is a file, not a folder of a model; open_encoder reads encoder.safetensors files")
    if name in pretrained_names():
        return pretrained_dir(name)
    from olmoearth_nb.weights.published import download

    return download(name, **options)


def _shadow(source: Source) -> str:
    """Says that a folder here has the name of a model that comes with the package; else nothing."""
    name = os.fspath(source)
    if name not in pretrained_names() or Path(source).resolve() == pretrained_dir(name).resolve():
        return ""
    return f"; it hides the model {name} that comes with the package, whose folder is {pretrained_dir(name)}"
