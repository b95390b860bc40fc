"""A probe that is fitted from labelled points, and the small file that holds it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from olmoearth_nb.bands import modality
from olmoearth_nb.evaluation.probes import Split, fitted_logistic
from olmoearth_nb.io.durable import write
from olmoearth_nb.io.json_file import parse_json
from olmoearth_nb.io.tensors import read_safetensors, safetensors_header
from olmoearth_nb.maps.coding import MOST_CLASSES
from olmoearth_nb.maps.reading import linear
from olmoearth_nb.maps.threads import one_thread
from olmoearth_nb.model.encoder import Encoded, Encoder
from olmoearth_nb.model.precision import FULL
from olmoearth_nb.scene import Scene
from olmoearth_nb.weights.trained import weights_hash

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

_KEY = "olmoearth_probe"

_FEWEST = 4
"""Points of a class: each fourth one is for the choice of the probe's strength."""


class Head(Protocol):
    """What tells the classes of a map's cells, or their values."""

    @property
    def kind(self) -> str:
        """classes: one of several; truths: several that may hold at once; values: real numbers."""
        ...

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of what is told; of values, their unit alone."""
        ...

    @property
    def patch_size(self) -> int:
        """P that it was fitted to."""
        ...

    @property
    def cells(self) -> int:
        """Edge of a patch in cells: 1, or P where it tells each pixel."""
        ...

    def show(self, encoded: Encoded) -> Tensor:
        """(1, rows, columns, K) probabilities or values, NaN where nothing was observed."""
        ...

    def require_fit(self, encoder: Encoder, scene: Scene, patch_size: int) -> None:
        """Raises a ValueError unless this encoder, on this scene, gives what the head was fitted to."""
        ...

    def digest(self) -> str:
        """A checksum of what it learnt."""
        ...


@dataclass(frozen=True, eq=False)
class Probe:
    """A logistic regression on embeddings of patches.

    Attributes:
        weight: (K, D) float32.
        bias: (K,) float32.
        classes: names of the K classes.
        encoder: hash of the weights that made the embeddings.
        patch_size: P.
        modalities: sensors that the encoder saw.
        points: how many it was fitted to.
        accuracy: on each fourth point, which the strength of the probe was chosen on: it flatters.
    """

    weight: np.ndarray = field(repr=False)
    bias: np.ndarray = field(repr=False)
    classes: tuple[str, ...]
    encoder: str
    patch_size: int
    modalities: tuple[str, ...]
    points: int
    accuracy: float
    kind: ClassVar[str] = "classes"
    cells: ClassVar[int] = 1

    def show(self, encoded: Encoded) -> Tensor:
        """(1, rows, columns, K) probabilities of patches; see `Head`."""
        return linear(self.weight, self.bias)(encoded).softmax(-1)

    def digest(self) -> str:
        """A checksum of weights and biases."""
        return digest(self.weight, self.bias)

    def require_fit(self, encoder: Encoder, scene: Scene, patch_size: int) -> None:
        """Raises a ValueError unless this encoder, on this scene, gives the embeddings that the probe knows."""
        if weights_hash(encoder) != self.encoder:
            raise ValueError("the head was fitted to embeddings of another model; give that model, or fit it again")
        if patch_size != self.patch_size:
            raise ValueError(
                f"the head was fitted to patches of {self.patch_size} px; say patch_size={self.patch_size}"
            )
        require_sensors(scene, self.modalities)


def digest(*arrays: np.ndarray) -> str:
    """A checksum of arrays."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def sensors(scene: Scene) -> tuple[str, ...]:
    """What an encoder sees of a scene, by name."""
    return tuple(sorted(name for name in scene.modalities if not modality(name).decode_only))


def require_sensors(scene: Scene, modalities: Sequence[str]) -> None:
    """Raises a ValueError unless a scene has the sensors that a head was fitted to, and no other."""
    if sensors(scene) != tuple(sorted(modalities)):
        raise ValueError(
            f"the head was fitted to {', '.join(modalities)}, {scene.title} has {', '.join(sensors(scene))}"
        )


def fit_probe(
    encoder: Encoder,
    scene: Scene,
    features: GeoDataFrame,
    label: str,
    patch_size: int = 4,
    window: int | None = None,
    precision: str = FULL,
) -> Probe:
    """Fits a probe to points and polygons with a class each; one that was never observed is left out.

    Args:
        encoder: any encoder.
        scene: that holds them.
        features: with a column that names the class of each.
        label: that column.
        patch_size: P.
        window: see `points.features.embed_features`.
        precision: likewise.

    Raises:
        ValueError: if there is no such column, a class is missing, there are fewer than two classes, more than a map
            can hold, or fewer than four observed features of one; and see `embed_features`.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from olmoearth_nb.points.features import embed_features

    answers = answers_of(features, label)
    with one_thread():
        table = embed_features(
            encoder, scene, features[[features.geometry.name]], patch_size, window=window, precision=precision
        )
    x, seen = table.filter(regex="^e[0-9]+$").to_numpy(), (table["patches"] > 0).to_numpy()
    classes, y, counts = np.unique(answers[table["feature"].to_numpy()][seen], return_inverse=True, return_counts=True)
    x = x[seen]
    _check_classes(classes, counts, label)
    place = np.zeros(len(y), dtype=np.int64)  # which of its class a point is
    for number in range(len(classes)):
        place[y == number] = np.arange(counts[number])
    held = place % _FEWEST == _FEWEST - 1
    train, valid = (Split(x[rows], y[rows], np.flatnonzero(rows)) for rows in (~held, held))
    with one_thread():
        chosen = fitted_logistic(train, valid)
        accuracy = float((chosen.predict(valid.x) == valid.y).mean())
        final = make_pipeline(StandardScaler(), LogisticRegression(C=chosen[-1].C, max_iter=1000)).fit(x, y)
    weight, bias = _unscaled(final)
    names = tuple(str(name) for name in classes)
    return Probe(weight, bias, names, weights_hash(encoder), patch_size, sensors(scene), len(x), accuracy)


def answers_of(features: GeoDataFrame, label: str) -> np.ndarray:
    """(n,) names of the features' classes."""
    columns = [str(name) for name in features.columns if name != features.geometry.name]
    if label not in columns:
        raise ValueError(f"the features have no column {label!r}; there are {', '.join(columns)}")
    values = features[label]
    if values.isna().any():
        raise ValueError(f"{int(values.isna().sum())} of {len(values)} features have no {label!r}; leave them out")
    return values.astype(str).to_numpy(dtype=object)


def _check_classes(classes: np.ndarray, counts: np.ndarray, label: str) -> None:
    """Raises a ValueError unless there are two classes or more, with enough features each."""
    if not 2 <= len(classes) <= MOST_CLASSES:
        raise ValueError(f"a probe tells 2 to {MOST_CLASSES} classes, {label!r} has {len(classes)}")
    few = [f"{name} ({count})" for name, count in zip(classes, counts, strict=True) if count < _FEWEST]
    if few:
        raise ValueError(
            f"a probe needs {_FEWEST} observed features of each class, there are fewer of {', '.join(few)}"
        )


def _unscaled(fitted: Any) -> tuple[np.ndarray, np.ndarray]:
    """(K, D) weights and (K,) biases that read embeddings as they are; a softmax follows."""
    scaler, model = fitted[0], fitted[-1]
    weight, bias = model.coef_ / scaler.scale_, model.intercept_
    bias = bias - weight @ scaler.mean_
    if len(weight) == 1:  # of two classes scikit-learn keeps the second alone
        weight, bias = np.concatenate([0 * weight, weight]), np.concatenate([0 * bias, bias])
    return weight.astype(np.float32), bias.astype(np.float32)


def save_probe(probe: Probe, path: str | os.PathLike[str]) -> Path:
    """Writes a probe as one safetensors file, whole or not at all.

    Args:
        probe: any.
        path: ends in `.safetensors`.
    """
    tensors = {"weight": torch.from_numpy(probe.weight), "bias": torch.from_numpy(probe.bias)}
    about = {name: value for name, value in asdict(probe).items() if name not in tensors}
    about["width"] = probe.weight.shape[1]
    return write(Path(path), lambda part: save_file(tensors, part, metadata={_KEY: json.dumps(about)}))


def load_probe(path: str | os.PathLike[str]) -> Probe:
    """Reads what `save_probe` wrote.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no probe, or not whole.
    """
    path = Path(path)
    header = safetensors_header(path)
    if _KEY not in header:
        raise ValueError(f"{path} holds no probe: its header has no {_KEY}")
    about = parse_json(header[_KEY], f"the header of {path}")
    kinds = {"classes": list, "encoder": str, "patch_size": int, "modalities": list, "points": int, "accuracy": float}
    wrong = [name for name, kind in kinds.items() if not isinstance(about.get(name), kind)]
    width = about.get("width")
    if wrong or not isinstance(width, int) or not 2 <= len(about["classes"]) <= MOST_CLASSES or not 0 < width < 1 << 16:
        raise ValueError(f"the header of {path} does not describe a probe ({', '.join(wrong) or 'classes, width'})")
    count = len(about["classes"])
    with torch.device("meta"):
        wanted = {"weight": torch.empty(count, width), "bias": torch.empty(count)}
    tensors = read_safetensors(path, wanted)
    given: dict[str, Any] = {
        name: tuple(map(str, about[name])) if kind is list else about[name] for name, kind in kinds.items()
    }
    return Probe(tensors["weight"].numpy(), tensors["bias"].numpy(), **given)
