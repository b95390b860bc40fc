"""Embeddings: of the scenes of a world, kept for each model, data and setting; of a place, window by window."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import torch

from olmoearth_nb.data.simulate.world import World
from olmoearth_nb.io.durable import read_array, write_array
from olmoearth_nb.model.encoder import Encoded, Encoder
from olmoearth_nb.model.patch_embed import observed
from olmoearth_nb.sample import Batch, Sample
from olmoearth_nb.weights.trained import weights_hash

READOUTS = ("scene", "patches", "patches by date")
"""What becomes of the tokens: a mean of each scene; of each patch; of each date of a patch, side by side."""


def embed(
    encoder: Encoder,
    world: World,
    scenes: np.ndarray,
    patch_size: int = 4,
    readout: str = "scene",
    modalities: tuple[str, ...] = ("sentinel2_l2a",),
    batch_size: int = 32,
    cache: str | os.PathLike[str] | None = None,
) -> np.ndarray:
    """Embeddings of scenes by an encoder in evaluation mode, in float32.

    Args:
        encoder: any encoder; it stays on its device.
        world: the scenes.
        scenes: their numbers.
        patch_size: P.
        readout: one of `READOUTS`. A date without any token takes the mean of the patch's other dates.
        modalities: sensors that the encoder sees.
        batch_size: scenes at a time.
        cache: folder in which results are kept, named by all that they depend on; None for none.

    Returns:
        (n, D) for "scene", (n, patches, D) for "patches", (n, patches, T D) for "patches by date".

    Raises:
        ValueError: for a readout that there is not.
    """
    if readout not in READOUTS:
        raise ValueError(f"no readout {readout!r}; there are {', '.join(READOUTS)}")
    scenes = np.asarray(scenes)
    path = Path(cache) / f"{_key(encoder, world, scenes, patch_size, readout, modalities)}.npy" if cache else None
    kept = read_array(path) if path is not None and path.is_file() else None
    if kept is not None:
        return kept
    from rich.progress import track

    encoder.eval()
    device, parts = next(encoder.parameters()).device, []
    pieces = np.array_split(scenes, -(-len(scenes) // batch_size))
    for piece in track(pieces, "embedding scenes", transient=True, disable=len(pieces) < 20):
        with torch.inference_mode():
            encoded = encoder(world.batch(piece, modalities).to(device), patch_size)
            parts.append(_read(encoded, readout).float().cpu().numpy())
    found = np.concatenate(parts)
    if path is not None:
        write_array(path, found)
    return found


def _read(encoded: Encoded, readout: str) -> torch.Tensor:
    """The chosen means of the tokens."""
    if readout == "scene":
        return encoded.pool()
    if readout == "patches":
        return encoded.pool_patches().flatten(1, 2)
    by_date = []
    for name in encoded.grid.shapes:
        tokens, online = encoded.of(name), encoded.grid.unflatten(encoded.online.unsqueeze(-1), name)
        by_date.append(tokens.sum(4) / online.sum(4))  # (B, h, w, T, D), NaN where a date has no token
    dates = torch.stack(by_date).nanmean(0).flatten(1, 2)
    mean = dates.nanmean(2, keepdim=True)  # stands in for dates that nobody saw
    return torch.where(dates.isnan(), mean, dates).flatten(2)


def _key(
    encoder: Encoder, world: World, scenes: np.ndarray, patch_size: int, readout: str, modalities: tuple[str, ...]
) -> str:
    """Checksum of the weights, the model, the data and the settings."""
    digest = hashlib.sha256(repr((encoder.config, patch_size, readout, modalities)).encode())
    digest.update(json.dumps(json.loads((world.folder / "world.json").read_text(encoding="utf8"))).encode())
    digest.update(np.ascontiguousarray(scenes, dtype=np.int64).tobytes())
    digest.update(weights_hash(encoder).encode())
    return digest.hexdigest()[:32]


def embed_window(
    encoder: Encoder, sample: Sample, row: int, column: int, edge: int, patch_size: int
) -> np.ndarray | None:
    """Embeddings of the whole patches of a window, of which the encoder sees nothing else.

    Args:
        encoder: any encoder, in evaluation mode; it stays on its device.
        sample: a place with at least one sensor.
        row: upper edge of the window in pixels.
        column: left edge in pixels.
        edge: of the window in pixels; it ends where the sample ends.
        patch_size: P.

    Returns:
        (rows, columns, D) float32, NaN where a patch was not observed; None if nothing was observed in any.
    """
    height, width = next(iter(sample.images.values())).shape[:2]
    rows = min(edge, (height - row) // patch_size * patch_size)
    columns = min(edge, (width - column) // patch_size * patch_size)
    batch = Batch.from_samples(sample.window(row, column, rows, columns)).to(next(encoder.parameters()).device)
    if observed(batch.images, batch.grid(encoder.config.tokenization, patch_size))[1].all():
        return None
    with torch.inference_mode():
        return encoder(batch, patch_size).pool_patches()[0].float().cpu().numpy()


def embed_place(encoder: Encoder, sample: Sample, patch_size: int = 4, window: int = 32) -> np.ndarray:
    """Embeddings of all patches of a place, window by window.

    Args:
        encoder: any encoder; it is put into evaluation mode.
        sample: a place with at least one sensor; pixels that do not fill a patch at its edges are left out.
        patch_size: P.
        window: edge of a window in pixels, a multiple of P.

    Returns:
        (rows, columns, D) float32, NaN where a patch was not observed.

    Raises:
        ValueError: if the window is no multiple of the patch size, or the place smaller than a patch.
    """
    height, width = next(iter(sample.images.values())).shape[:2]
    if window < patch_size or window % patch_size or min(height, width) < patch_size:
        raise ValueError(
            f"windows must be a multiple of the patch size and the place at least a patch, got windows of {window} px, "
            f"patches of {patch_size} px and {height}x{width} px"
        )
    encoder.eval()
    found = np.full((height // patch_size, width // patch_size, encoder.config.width), np.nan, dtype=np.float32)
    for row in range(0, len(found) * patch_size, window):
        for column in range(0, found.shape[1] * patch_size, window):
            part = embed_window(encoder, sample, row, column, window, patch_size)
            if part is not None:
                top, left = row // patch_size, column // patch_size
                found[top : top + part.shape[0], left : left + part.shape[1]] = part
    return found
