"""The folder of a fit: what it was asked to do, so that nothing else goes on in it, and what came of it.

`fitted.json` says what was fitted to what and with which settings; `head.safetensors` is the head. An encoder that
learnt is beside them as `encoder.safetensors`, its low-rank deltas as `lora.safetensors`. A frozen encoder, and the one
that deltas stand beside, are not copied: their source and checksum are written down.
"""

from __future__ import annotations

import copy
import json
import os
import platform
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from safetensors.torch import save_file

from olmoearth_nb.bands import MODALITIES
from olmoearth_nb.finetune.engine import LOG, Engine, Fit
from olmoearth_nb.finetune.lora_file import load_lora, save_lora
from olmoearth_nb.finetune.places import Places
from olmoearth_nb.finetune.target import Kind, Target
from olmoearth_nb.finetune.tuned import Tuned
from olmoearth_nb.finetune.ways import RATES, Settings
from olmoearth_nb.io.durable import alone, write, write_csv, write_json
from olmoearth_nb.io.json_file import read_json
from olmoearth_nb.io.tensors import MisfitError, read_safetensors
from olmoearth_nb.model.encoder import Encoder
from olmoearth_nb.model.patch_embed import observed
from olmoearth_nb.pretrain.saves import Checkpoints
from olmoearth_nb.sample import Batch
from olmoearth_nb.tokenization import check_patch_size
from olmoearth_nb.weights.encoder_file import FILE as ENCODER
from olmoearth_nb.weights.encoder_file import load_encoder, save_encoder
from olmoearth_nb.weights.load import open_encoder
from olmoearth_nb.weights.trained import weights_hash

PLAN, FITTED, HEAD, DELTAS, TABLE = "plan.json", "fitted.json", "head.safetensors", "lora.safetensors", "log.csv"


@dataclass(frozen=True, eq=False)
class Fitted:
    """A finished fit, ready to predict.

    Attributes:
        tuned: encoder and head, in evaluation mode on the CPU.
        target: what it tells.
        modalities: sensors that it was fitted on.
        about: what `fitted.json` says.
    """

    tuned: Tuned
    target: Target
    modalities: tuple[str, ...]
    about: dict[str, Any]

    def predict(self, batch: Batch) -> np.ndarray:
        """What is told of some places, on whatever device the model is.

        Args:
            batch: normalised, with the sensors that it was fitted on.

        Returns:
            Probabilities of classes (B, C), or of each pixel (B, H, W, C); of real values (B,) or (B, H, W) in their
            unit. NaN where nothing was observed.
        """
        batch = batch.to(next(self.tuned.parameters()).device)
        grid = batch.grid(self.tuned.encoder.config.tokenization, self.tuned.patch_size)
        rows = ~observed(batch.images, grid)[1].all(1)
        seen = rows.cpu().numpy()
        size = next(iter(batch.images.values())).shape[1:3] if self.target.pixels else ()
        classes = () if self.target.kind == "values" else (len(self.target.classes),)
        told = np.full((len(batch), *size, *classes), np.nan, np.float32)
        if seen.any():
            some = Batch({name: image[rows] for name, image in batch.images.items()}, batch.timestamps[rows])
            with torch.inference_mode():
                told[seen] = self.target.predicted(self.tuned(some))
        return told


def fit(
    encoder: Encoder,
    places: Places,
    train: np.ndarray,
    valid: np.ndarray,
    settings: Settings,
    folder: Path,
    source: str,
    fabric: Any = None,
    quiet: bool = True,
) -> Fitted:
    """Fits an encoder to labels in a folder, from wherever it stands there.

    Args:
        encoder: to be fitted; it stays as it is.
        places: of a labelled set.
        train: numbers of the places that it is fitted to.
        valid: numbers of those by which the best epoch is chosen; none for the last epoch.
        settings: how.
        folder: where everything goes.
        source: where the encoder is from, as `open_encoder` takes it.
        fabric: see `Engine`.
        quiet: see `Engine`.

    Raises:
        FileExistsError: if the folder holds another fit, naming what differs, or another process works in it.
        FittingError: if it cannot go on; the same call tries again from the last checkpoint.
        DiskFullError: if the disk is full; the last checkpoint is kept.
    """
    with alone(folder):
        plan = describe(encoder, places, train, valid, settings, source)
        refuse_another(folder / PLAN, plan)
        if not (folder / FITTED).is_file():
            engine = Engine(encoder, places, train, valid, settings, folder, fabric, quiet)
            write_json(folder / PLAN, plan)
            save_fitted(engine.run(), folder, plan)
            Checkpoints(folder).forget()
    return load_fitted(folder, encoder)


def describe(
    encoder: Encoder, places: Places, train: np.ndarray, valid: np.ndarray, settings: Settings, source: str
) -> dict[str, Any]:
    """Plain data that tell this fit from every other."""
    target = Target.of(places.labelled)
    return {
        "model": source,
        "encoder": weights_hash(encoder),
        "modalities": list(places.modalities),
        "target": {"kind": target.kind, "pixels": target.pixels, "classes": list(target.classes), "unit": target.unit},
        "data": places.identity(),
        "train": [places.labelled.ids[number] for number in train.tolist()],
        "valid": [places.labelled.ids[number] for number in valid.tolist()],
        "settings": settings.describe(),
    }


def refuse_another(path: Path, plan: dict[str, Any]) -> None:
    """Raises a FileExistsError if a folder holds another fit than this one."""
    if not path.is_file():
        return
    kept, wanted = read_json(path), json.loads(json.dumps(plan))
    if differs := [key for key in {**wanted, **kept} if kept.get(key) != wanted.get(key)]:
        said = "; ".join(
            f"{key}: {_short(kept.get(key))} there, {_short(wanted.get(key))} asked for" for key in differs
        )
        raise FileExistsError(f"{path.parent} holds another fit ({said}); give another folder")


def _short(value: Any) -> str:
    """A value in few letters."""
    if isinstance(value, list):
        return f"{len(value)} places"
    return f"{value}" if len(f"{value}") <= 200 else f"{value:.200}..."


def save_fitted(done: Fit, folder: Path, about: dict[str, Any]) -> None:
    """Writes a finished fit; `fitted.json` comes last, so that its folder is whole.

    Args:
        done: the fit.
        folder: where it goes.
        about: of `describe`.
    """
    head = {name: value.cpu().contiguous() for name, value in done.tuned.head.state_dict().items()}
    write(folder / HEAD, lambda part: save_file(head, part))
    if done.settings.way == "lora":
        save_lora(done.tuned.encoder, folder / DELTAS)
    elif done.settings.way != "frozen":
        save_encoder(done.tuned.encoder, folder / ENCODER, without_maps=True)
    write_csv(folder / TABLE, LOG, done.log)
    last = done.log[-1]
    came = {"epochs": last["epoch"], "best epoch": last["best"] or last["epoch"], "seconds": last["seconds"]}
    came |= {"learnt": done.learnt, "torch": torch.__version__.split("+")[0], "python": platform.python_version()}
    write_json(folder / FITTED, about | came)


def load_fitted(folder: str | os.PathLike[str], encoder: Encoder | None = None) -> Fitted:
    """Opens a finished fit.

    Args:
        folder: of the fit.
        encoder: that a frozen fit or low-rank deltas stand on, if it is not where `fitted.json` says; it stays as it
            is. Fits by other ways bring their own.

    Raises:
        FileNotFoundError: if the folder holds no finished fit, or what it stands on is gone.
        ValueError: if a file is not whole, or the encoder is not that of the fit.
    """
    folder = Path(folder)
    about = _about(folder)
    target = Target(**about["target"] | {"classes": tuple(about["target"]["classes"])})
    way, patch_size = about["settings"]["way"], about["settings"]["patch_size"]
    if way in ("full", "layer decay"):
        base = load_encoder(folder / ENCODER)
    else:
        base = copy.deepcopy(encoder) if encoder is not None else _base(about["model"], folder)
        if weights_hash(base) != about["encoder"]:
            raise ValueError(
                f"{folder} stands on {about['model']}, an encoder of other weights than this; open that one"
            )
    if way == "lora":
        load_lora(base, folder / DELTAS)
    head = target.head(base.config.width, patch_size, np.zeros(1))
    try:
        head.load_state_dict(read_safetensors(folder / HEAD, head.state_dict()))
    except MisfitError as error:
        raise ValueError(f"{folder / HEAD} is not the head that {FITTED} describes ({error})") from error
    return Fitted(Tuned(base, head, patch_size).eval(), target, tuple(about["modalities"]), about)


def _about(folder: Path) -> dict[str, Any]:
    """What `fitted.json` says, checked."""
    path = folder / FITTED
    if not path.is_file():
        begun = "; a fit was begun there, the same command goes on with it" if (folder / PLAN).is_file() else ""
        raise FileNotFoundError(f"{folder} holds no finished fit, it has no {FITTED}{begun}")
    about = read_json(path)
    try:
        target, settings = about["target"], about["settings"]
        whole = target["kind"] in get_args(Kind) and isinstance(target["pixels"], bool) and set(target) == _ASKED
        whole &= all(isinstance(name, str) for name in (target["unit"], about["model"], about["encoder"]))
        whole &= all(isinstance(name, str) for name in target["classes"]) and settings["way"] in RATES
        whole &= bool(about["modalities"]) and set(about["modalities"]) <= set(MODALITIES)
        check_patch_size(settings["patch_size"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} does not describe a fit ({error!r})") from error
    if not whole or bool(target["classes"]) is (target["kind"] == "values"):
        raise ValueError(f"{path} does not describe a fit: {str(target)[:200]} by {str(settings['way'])[:50]}")
    return about


_ASKED = {field.name for field in fields(Target)}


def _base(source: str, folder: Path) -> Encoder:
    """The encoder that a fit stands on."""
    try:
        return open_encoder(source)
    except (FileNotFoundError, ValueError) as error:
        raise FileNotFoundError(
            f"{folder} stands on the encoder {source}, which cannot be opened ({error}); give it as encoder="
        ) from error
