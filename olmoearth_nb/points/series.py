"""Series of single pixels, embedded, as a table."""

from __future__ import annotations

import numpy as np
import pandas as pd

from olmoearth_nb.data.series import PixelSeries
from olmoearth_nb.evaluation.embed import embed
from olmoearth_nb.model.encoder import Encoder
from olmoearth_nb.model.precision import FULL

_TOGETHER = 256
"""Pixels that the encoder sees at a time: of 1 x 1 px, so that hundreds take little memory."""


def embed_series(
    encoder: Encoder, series: PixelSeries, readout: str = "scene", *, model: str = "", precision: str = FULL
) -> pd.DataFrame:
    """Embeds series of pixels: one row for each.

    Args:
        encoder: any encoder; it stays on its device and is put into evaluation mode.
        series: what `to_samples` makes of a table.
        readout: "scene" is the mean over the dates; "patches by date" keeps them (see `evaluation.embed.embed`).
        model: what to write into the column of that name.
        precision: of products, one of `model.precision.PRECISIONS`.

    Returns:
        The series in order: their labels, `series` (number from 0), `model`, `tokenization`, then `e000`, `e001` and
        so on in float32; with the dates kept `t00_date`, `t00_e000` and so on for each of the T dates. A label whose
        name is one of these gets ``label_`` before it. NaN, with a warning, where nothing was observed.

    Raises:
        ValueError: for a readout or a precision that there is not.
    """
    found = embed(encoder, series, None, 1, readout, series.modalities, _TOGETHER, precision=precision)
    found = found.reshape(len(series), -1, encoder.config.width)
    count, steps, width = found.shape
    ours: dict[str, object] = {
        "series": np.arange(count),
        "model": model,
        "tokenization": encoder.config.tokenization.name,
    }
    for step in range(steps):
        before = f"t{step:02d}_" if steps > 1 else ""
        if before:
            ours[f"{before}date"] = _dates(series.timestamps[:, step])
        ours |= {f"{before}e{i:03d}": found[:, step, i] for i in range(width)}
    labels: dict[str, object] = {}
    for name, values in series.labels.items():
        free = str(name)
        while free in ours or free in labels:
            free = f"label_{free}"
        labels[free] = values
    return pd.DataFrame(labels | ours, index=range(count))


def _dates(stamps: np.ndarray) -> list[str]:
    """ISO dates of (n, 3) day, month 0..11 and year."""
    return [f"{year}-{month + 1:02d}-{day:02d}" for day, month, year in stamps.tolist()]
