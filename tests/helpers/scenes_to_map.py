"""A small scene to map."""

import numpy as np

HEIGHT, WIDTH = 84, 101
"""21 x 25 patches of 4 px, and a column that fills none."""

CLOUD = (slice(40, 52), slice(60, 72))


def pixels(seed, height=HEIGHT, width=WIDTH):
    """Dark in the west, bright in the east; 0, the nodata of Sentinel-2, under the cloud."""
    values = np.random.default_rng(seed).integers(600, 900, (12, height, width)).astype(np.uint16)
    values[:, :, width // 2 :] += 2500
    values[:, *CLOUD] = 0
    return values
