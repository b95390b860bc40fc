"""Batches of noise and roles drawn at random."""

import numpy as np
import torch

from olmoearth_nb import Batch, Role

CHANNELS = {"sentinel2_l2a": 12, "sentinel1": 2, "landsat": 11, "worldcover": 1, "srtm": 1, "openstreetmap_raster": 30}
STATIC = {"worldcover", "srtm", "openstreetmap_raster"}


def random_batch(names, size=(16, 16), timesteps=2, batch=2, seed=0) -> Batch:
    """Normalised noise with real dates, different in each sample."""
    generator = torch.Generator().manual_seed(seed)
    images = {
        name: torch.randn(batch, *size, 1 if name in STATIC else timesteps, CHANNELS[name], generator=generator)
        for name in names
    }
    start = torch.tensor([[3, 2, 2019], [28, 10, 2021], [9, 6, 2023], [17, 0, 2017]])[:batch]
    timestamps = start[:, None].repeat(1, timesteps, 1)
    timestamps[:, :, 1] = (timestamps[:, :, 1] + torch.arange(timesteps)) % 12
    return Batch(images, timestamps)


def random_roles(grid, batch, seed=0, ragged=False) -> torch.Tensor:
    """Two fifths ONLINE, a fifth of each other role; maps DECODER. Equal counts in all samples unless ragged."""
    rng = np.random.default_rng(seed)
    visible = np.flatnonzero(~grid.decode_only.numpy())
    roles = torch.full((batch, len(grid)), int(Role.DECODER))
    for sample in range(batch):
        mixed = np.resize([Role.ONLINE, Role.ONLINE, Role.TARGET_ONLY, Role.DECODER, Role.MISSING], len(visible))
        if ragged:
            mixed[: sample * len(visible) // 6] = Role.TARGET_ONLY
        roles[sample, visible] = torch.from_numpy(rng.permutation(mixed))
    return roles


def masked_view(model, batch, patch_size, roles):
    """What the encoder sees, what the predictor makes of it, and what it should be, of one view of a batch."""
    encoded = model.encoder(batch, patch_size, roles)
    return encoded, model.decoder(encoded), model.target_encoder(batch, patch_size)
