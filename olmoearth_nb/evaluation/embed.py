"""Embeddings: of many places, kept for each model, data and setting; of one of any size, window by window."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import torch

from olmoearth_nb.bands import modality
from olmoearth_nb.errors import counted, warn
from olmoearth_nb.evaluation.sources import Source, as_source, content, groups, sensors_of
from olmoearth_nb.io.durable import read_array, write_array
from olmoearth_nb.model.encoder import Encoded, Encoder
from olmoearth_nb.model.memory import PART, memory_of
from olmoearth_nb.model.patch_embed import observed
from olmoearth_nb.model.precision import FULL, check_precision, in_precision
from olmoearth_nb.sample import Batch, Sample
from olmoearth_nb.scene import Scene
from olmoearth_nb.tokenization import check_patch_size
from olmoearth_nb.weights.trained import weights_hash

READOUTS = ("scene", "patches", "patches by date")
"""What becomes of the tokens: a mean of each scene; of each patch; of each date of a patch, side by side."""


def embed(
    encoder: Encoder,
    source: Source | Sequence[Sample],
    scenes: np.ndarray | Sequence[int] | None = None,
    patch_size: int = 4,
    readout: str = "scene",
    modalities: tuple[str, ...] | None = None,
    batch_size: int = 32,
    cache: str | os.PathLike[str] | None = None,
    precision: str = FULL,
) -> np.ndarray:
    """Embeddings of many places by an encoder in evaluation mode, in float32.

    Args:
        encoder: any encoder; it stays on its device.
        source: the scenes of a simulated world, the pixels of `to_samples`, a list of samples, or anything else with a
            length and `batch`. Samples of several sizes have the readout "scene" in common.
        scenes: numbers of those that are embedded; None for all.
        patch_size: P; 1 for single pixels.
        readout: one of `READOUTS`. A date without any token takes the mean of the patch's other dates.
        modalities: sensors that the encoder sees; by default all that samples and pixels have, and of a world
            Sentinel-2 alone.
        batch_size: places at a time.
        cache: folder in which results are kept, named by all that they depend on, the content of the source included;
            a damaged one is made again. With "patches" the same pass also keeps "scene". None for none.
        precision: of products, one of `model.precision.PRECISIONS`, whatever autocast stands around the call.

    Returns:
        (n, D) for "scene", (n, patches, D) for "patches", (n, patches, T D) for "patches by date"; NaN, with a warning,
        for places of which nothing was observed.

    Raises:
        ValueError: for a readout or a precision that there is not, something that is no source, samples without a
            common size, or, where no `modalities` are named, without the same sensors.
    """
    if readout not in READOUTS:
        raise ValueError(f"no readout {readout!r}; there are {', '.join(READOUTS)}")
    known = as_source(source)
    numbers = _numbers(scenes, len(known))
    modalities = sensors_of(known, numbers) if modalities is None else tuple(modalities)
    pieces = [p for group in groups(known, numbers) for p in np.array_split(group, -(-len(group) // batch_size))]
    check_precision(precision)
    readouts = (readout, "scene") if cache and readout == "patches" else (readout,)
    paths: dict[str, Path] = {}
    if cache:
        about = content(known, [numbers[piece] for piece in pieces], modalities)
        keys = _keys(encoder, about, patch_size, readouts, modalities, precision)
        paths = {one: Path(cache) / f"{key}.npy" for one, key in keys.items()}
    kept = read_array(paths[readout]) if paths and paths[readout].is_file() else None
    if kept is None:
        with in_precision(precision, encoder):
            found = _embedded(encoder, known, numbers, pieces, patch_size, readouts, modalities)
        for one, path in paths.items():
            write_array(path, found[one])
        kept = found[readout]
    without = int(np.isnan(kept).reshape(len(kept), -1).all(1).sum())
    if without:
        warn(f"of {without} of {counted(len(kept), 'place')} nothing whole was observed; the embedding is NaN there")
    return kept


def _numbers(scenes: np.ndarray | Sequence[int] | None, count: int) -> np.ndarray:
    """Numbers of the places that are embedded, from what the caller gives."""
    numbers = np.arange(count) if scenes is None else np.asarray(scenes)
    if not len(numbers):
        raise ValueError("there is nothing to embed")
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu":
        raise ValueError(f"scenes are named by whole numbers, got {numbers.dtype} of shape {numbers.shape}")
    if not 0 <= numbers.min() <= numbers.max() < count:
        raise ValueError(f"scenes are numbered 0 to {count - 1}, got {numbers.min()} to {numbers.max()}")
    return numbers


def _embedded(
    encoder: Encoder,
    source: Source,
    numbers: np.ndarray,
    pieces: list[np.ndarray],
    patch_size: int,
    readouts: tuple[str, ...],
    modalities: tuple[str, ...],
) -> dict[str, np.ndarray]:
    """The embeddings of each readout, computed batch by batch in one pass; pieces are positions in `numbers`."""
    from rich.progress import track

    encoder.eval()
    device, found = next(encoder.parameters()).device, dict[str, np.ndarray]()
    for piece in track(pieces, "embedding scenes", transient=True, disable=len(pieces) < 20):
        batch = source.batch(numbers[piece], modalities).to(device)
        with torch.no_grad():
            parts = _parts(encoder, batch, patch_size, readouts)
        for readout, part in parts.items():
            if readout not in found:
                found[readout] = np.empty((len(numbers), *part.shape[1:]), np.float32)
            every = found[readout]
            if every.shape[1:] != part.shape[1:]:
                raise ValueError(
                    f"samples of different sizes or dates have no {readout!r} in common, got {every.shape[1:]} and "
                    f"{part.shape[1:]}; embed those of one size, or say readout='scene'"
                )
            every[piece] = part
    return found


def _parts(encoder: Encoder, batch: Batch, patch_size: int, readouts: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The embeddings of a batch, NaN for samples of which nothing was observed."""
    grid = batch.grid(encoder.config.tokenization, patch_size)
    seen = ~observed(batch.images, grid)[1].all(1).cpu()
    if seen.all():
        encoded = encoder(batch, patch_size)
        return {readout: read(encoded, readout).float().cpu().numpy() for readout in readouts}
    shape = next(iter(grid.shapes.values()))
    parts = {}
    for readout in readouts:
        patches = [] if readout == "scene" else [shape[0] * shape[1]]
        width = encoder.config.width * (shape[2] if readout == "patches by date" else 1)
        parts[readout] = np.full((len(batch), *patches, width), np.nan, dtype=np.float32)
    if seen.any():
        rows = seen.to(batch.timestamps.device)
        some = Batch({name: image[rows] for name, image in batch.images.items()}, batch.timestamps[rows])
        encoded = encoder(some, patch_size)
        for readout, part in parts.items():
            part[seen.numpy()] = read(encoded, readout).float().cpu().numpy()
    return parts


def read(encoded: Encoded, readout: str) -> torch.Tensor:
    """The means of the tokens that a readout stands for; see `embed`."""
    if readout == "scene":
        return encoded.pool()
    if readout == "patches":
        return encoded.pool_patches().flatten(1, 2)
    dates = encoded.pool_dates().flatten(1, 2)  # (B, patches, T, D)
    mean = dates.nanmean(2, keepdim=True)  # stands in for dates that nobody saw
    return torch.where(dates.isnan(), mean, dates).flatten(2)


def _keys(
    encoder: Encoder,
    about: bytes,
    patch_size: int,
    readouts: tuple[str, ...],
    modalities: tuple[str, ...],
    precision: str,
) -> dict[str, str]:
    """Checksums of the weights, the model, the data and the settings, one for each readout."""
    rest = about + weights_hash(encoder).encode() + (b"" if precision == FULL else precision.encode())
    settings = {readout: repr((encoder.config, patch_size, readout, modalities)).encode() for readout in readouts}
    return {readout: hashlib.sha256(own + rest).hexdigest()[:32] for readout, own in settings.items()}


def encode_window(encoder: Encoder, scene: Scene, row: int, column: int, edge: int, patch_size: int) -> Encoded | None:
    """What an encoder makes of the whole patches of a window, of which it sees nothing else.

    Args:
        encoder: any encoder, in evaluation mode; it stays on its device.
        scene: a place with at least one sensor; its maps are not read.
        row: upper edge of the window in pixels.
        column: left edge in pixels.
        edge: of the window in pixels; it ends where the scene ends.
        patch_size: P.

    Returns:
        None if nothing was observed in any patch.
    """
    height, width = scene.shape
    rows = min(edge, (height - row) // patch_size * patch_size)
    columns = min(edge, (width - column) // patch_size * patch_size)
    sample = scene.window(row, column, rows, columns)
    sensors = {name: image for name, image in sample.images.items() if not modality(name).decode_only}
    batch = Batch.from_samples(replace(sample, images=sensors)).to(next(encoder.parameters()).device)
    if observed(batch.images, batch.grid(encoder.config.tokenization, patch_size))[1].all():
        return None
    with torch.no_grad():
        return encoder(batch, patch_size)


def embed_window(
    encoder: Encoder, scene: Scene, row: int, column: int, edge: int, patch_size: int
) -> np.ndarray | None:
    """Embeddings of the whole patches of a window; see `encode_window`.

    Returns:
        (rows, columns, D) float32, NaN where a patch was not observed; None if nothing was observed in any.
    """
    encoded = encode_window(encoder, scene, row, column, edge, patch_size)
    if encoded is None:
        return None
    with torch.no_grad():
        return encoded.pool_patches()[0].float().cpu().numpy()


def embed_place(
    encoder: Encoder,
    scene: Scene,
    patch_size: int = 4,
    window: int = 32,
    out: np.ndarray | None = None,
    precision: str = FULL,
) -> np.ndarray:
    """Embeddings of all patches of a place, window by window: of a scene of any size, one window is in memory.

    Args:
        encoder: any encoder; it is put into evaluation mode.
        scene: a sample, or a larger scene, with at least one sensor; pixels that do not fill a patch at its edges are
            left out.
        patch_size: P.
        window: edge of a window in pixels, a multiple of P.
        out: where the embeddings go if memory does not hold them, such as ``numpy.lib.format.open_memmap("e.npy",
            "w+", "float32", (rows, columns, D))``; by default a new array.
        precision: of products, one of `model.precision.PRECISIONS`.

    Returns:
        (rows, columns, D) float32, NaN where a patch was not observed.

    Raises:
        ValueError: if the window is no multiple of the patch size, the place smaller than a patch or without a sensor,
            the embeddings do not fit into `out` or into memory, or for another precision.
    """
    check_patch_size(patch_size)
    height, width = scene.shape
    if window < patch_size or window % patch_size or min(height, width) < patch_size:
        raise ValueError(
            f"windows must be a multiple of the patch size and the place at least a patch, got windows of {window} px, "
            f"patches of {patch_size} px and {height}x{width} px"
        )
    if all(modality(name).decode_only for name in scene.modalities):
        raise ValueError(f"{scene.title} has no sensor to encode, only {list(scene.modalities)}")
    encoder.eval()
    found = _room((height // patch_size, width // patch_size, encoder.config.width), out)
    corners = product(range(0, len(found) * patch_size, window), range(0, found.shape[1] * patch_size, window))
    with in_precision(precision, encoder):
        for row, column in corners:
            part = embed_window(encoder, scene, row, column, window, patch_size)
            top, left, edge = row // patch_size, column // patch_size, window // patch_size
            found[top : top + edge, left : left + edge] = np.nan if part is None else part
    return found


def _room(shape: tuple[int, int, int], out: np.ndarray | None) -> np.ndarray:
    """An array for the embeddings of a place.

    Raises:
        ValueError: if the one that was given does not fit, or there is no memory for one.
    """
    if out is not None:
        if out.shape != shape or out.dtype != np.float32:
            raise ValueError(f"out must be float32 of shape {shape}, got {out.dtype} of shape {out.shape}")
        return out
    size = 4 * math.prod(shape)
    if size > PART * memory_of("cpu"):
        raise ValueError(
            f"the embeddings alone, {' x '.join(map(str, shape))} numbers, take {size / 2**30:.0f} GiB; write them to "
            "a file by out=, take larger patches, or embed a window of the scene"
        )
    return np.empty(shape, dtype=np.float32)
