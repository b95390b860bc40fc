"""What a run reads in place of officially normalised inputs: each band shifted and stretched.

* "official": mean - 2 std to 0, mean + 2 std to 1, by the statistics of the official data.
* "standard": (x - mean) / std, by the same statistics.
* "robust": (x - median) / (IQR / 1.349), by statistics of the data at hand; of numbers spread like a bell, IQR / 1.349
  is the standard deviation. Clouds, which widen the official deviation, hardly count.

All three follow from each other by a factor and a shift for each band. So what was trained on one of them can be made
to read official inputs (`trained.fold`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from olmoearth_nb.bands import MODALITIES, modality

Scaling = Literal["official", "standard", "robust"]
SCALINGS: tuple[str, ...] = get_args(Scaling)

Statistics = Mapping[str, tuple[tuple[float, float], ...]]
"""Modality -> (median, IQR) of each band in channel order, in the sensor's native unit."""

TO_DEVIATION = 1.349
"""IQR of a normal distribution in standard deviations."""


def rescaling(scaling: str, statistics: Statistics | None, name: str) -> tuple[Tensor, Tensor]:
    """Factor and shift that turn officially normalised values of a modality into another scaling.

    Args:
        scaling: one of `SCALINGS`.
        statistics: of "robust"; a modality that they lack is scaled as with "standard".
        name: of the modality.

    Returns:
        Two (C,) float32 tensors.

    Raises:
        ValueError: for "robust" without statistics.
    """
    bands = modality(name).bands
    if scaling == "robust" and statistics is None:
        raise ValueError("robust scaling needs statistics; measured(corpus) of pretrain.scaling makes them")
    if scaling == "official":
        return torch.ones(len(bands)), torch.zeros(len(bands))
    if scaling == "standard" or statistics is None or name not in statistics:
        return torch.full((len(bands),), 4.0), torch.full((len(bands),), -2.0)
    factors, shifts = [], []
    for band, (middle, spread) in zip(bands, statistics[name], strict=True):
        # official x = (raw - mean) / (4 std) + 1/2, so raw = mean - 2 std + 4 std x
        deviation = spread / TO_DEVIATION
        factors.append(4 * band.std / deviation)
        shifts.append((band.mean - 2 * band.std - middle) / deviation)
    return torch.tensor(factors), torch.tensor(shifts)


def check_scaling(scaling: object, statistics: object) -> None:
    """Raises a ValueError unless a scaling is one that we know, and its statistics are those of modalities."""
    if scaling not in SCALINGS:
        raise ValueError(f"normalisation must be one of {', '.join(SCALINGS)}, got {scaling!r}")
    if statistics is None:
        return
    if scaling != "robust":
        raise ValueError(f"statistics belong to normalisation='robust', got them with {scaling!r}")
    if not isinstance(statistics, Mapping) or not set(statistics) <= set(MODALITIES):
        raise ValueError(f"statistics hold modalities ({', '.join(MODALITIES)}), got {str(statistics)[:100]}")
    for name, pairs in statistics.items():
        bands = MODALITIES[name].band_names
        whole = isinstance(pairs, list | tuple) and len(pairs) == len(bands)
        if not whole or not all(_is_pair(pair) for pair in pairs):
            raise ValueError(
                f"statistics of {name} are a median and an IQR above 0 for each of its {len(bands)} bands, got "
                f"{str(pairs)[:100]}"
            )


def _is_pair(pair: Any) -> bool:
    """Whether something is a median and a range above 0."""
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        return False
    numbers = all(isinstance(value, int | float) and math.isfinite(value) for value in pair)
    return numbers and pair[1] > 0
