"""Embeddings of the scenes of a world, computed once for each model, data and setting."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import torch

from olmoearth_nb.data.simulate.world import World
from olmoearth_nb.encoder import Encoded, Encoder

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
    if path is not None and path.is_file():
        return np.load(path)
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
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.npy")
        np.save(part, found)
        part.replace(path)
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
    mean = dates.nanmean(2, keepdim=True)
    return torch.where(dates.isnan(), mean, dates).flatten(2)


def _key(
    encoder: Encoder, world: World, scenes: np.ndarray, patch_size: int, readout: str, modalities: tuple[str, ...]
) -> str:
    """Checksum of the weights, the model, the data and the settings."""
    digest = hashlib.sha256(repr((encoder.config, patch_size, readout, modalities)).encode())
    digest.update(json.dumps(json.loads((world.folder / "world.json").read_text(encoding="utf8"))).encode())
    digest.update(np.ascontiguousarray(scenes, dtype=np.int64).tobytes())
    for name, value in encoder.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:32]
