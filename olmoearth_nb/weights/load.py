"""Models and encoders from wherever there are some: a name, a folder in either layout, or one file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from olmoearth_nb.model.encoder import Encoder
from olmoearth_nb.model.olmoearth import OlmoEarth
from olmoearth_nb.weights.encoder_file import FILE as ENCODER
from olmoearth_nb.weights.encoder_file import load_encoder
from olmoearth_nb.weights.official import CONFIG, WEIGHTS, load_official
from olmoearth_nb.weights.trained import PREDICTOR, RUN, is_trained, load_trained


def load_model(name_or_folder: str | os.PathLike[str], **options: Any) -> OlmoEarth:
    """Loads a published model by name, or a model from a folder in the official layout or as pretraining leaves it.

    Args:
        name_or_folder: such as ``"OlmoEarth-v1_1-Nano"``, a folder with `config.json` and `weights.pth`, or one with
            `encoder.safetensors`, `predictor.safetensors` and `run.json`.
        options: for a name, the options of `published.download`: `endpoint`, `cache_dir`, `lock_file`.

    Returns:
        The model in evaluation mode on the CPU.

    Raises:
        DownloadError: if a published model can neither be had from the cache nor from the hub.
        FileNotFoundError: if one of its files is not in the folder.
        UnsafeFileError: if the weights file holds anything but tensors.
        ValueError: if the configuration is one that we do not implement (v1.3), or weights do not fit it.
    """
    folder = Path(name_or_folder)
    if not folder.is_dir():
        from olmoearth_nb.weights.published import download

        folder = download(os.fspath(name_or_folder), **options)
    if is_trained(folder):
        return load_trained(folder)
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            needed = f"{CONFIG} and {WEIGHTS}, or {ENCODER}, {PREDICTOR} and {RUN} of a model trained here"
            raise FileNotFoundError(f"{folder} is not a model folder: it has no {name} (needed: {needed})")
    return load_official(folder)


def open_encoder(source: str | os.PathLike[str], **options: Any) -> Encoder:
    """An encoder from wherever there is one, in evaluation mode on the CPU.

    Args:
        source: the name of a published model, a model folder, or a `.safetensors` file that `save_encoder` wrote, or
            a folder that holds one as `encoder.safetensors` and no whole model.
        options: for a name, those of `published.download`.

    Raises:
        FileNotFoundError: if there is no such file, or the folder holds no model.
        ValueError: for an unknown name, or files that are not a model's.
        DownloadError: if a published model cannot be had.
    """
    path = Path(source)
    if path.is_dir() and not (path / WEIGHTS).is_file() and (path / ENCODER).is_file():
        path = path / ENCODER
    if path.suffix != ".safetensors":
        return load_model(source, **options).encoder
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    return load_encoder(path)
