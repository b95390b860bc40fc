"""Tables of embedded features: their columns, and files of them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from olmoearth_nb.points.geojson import Feature

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".parquet", ".csv")
"""Kinds of table that are written."""


def feature_table(
    features: Sequence[Feature], numbers: Sequence[int] | np.ndarray, facts: Mapping[str, Any], embeddings: np.ndarray
) -> pd.DataFrame:
    """One row for each feature.

    Args:
        features: n of them.
        numbers: their numbers in the file they come from.
        facts: name -> one value, or n values.
        embeddings: (n, D) float32.

    Returns:
        The properties, then `feature`, `id`, `lon`, `lat` and the facts, then `e000`, `e001` and so on. A property
        whose name is one of ours gets ``property_`` before it.
    """
    import pandas as pd

    centres = [feature.geometry.centroid for feature in features]
    ours: dict[str, Any] = {
        "feature": np.asarray(numbers, dtype=np.int64),
        "id": _column([feature.id for feature in features]),
        "lon": np.array([centre.x for centre in centres]),
        "lat": np.array([centre.y for centre in centres]),
        **facts,
    }
    values = {f"e{i:03d}": embeddings[:, i] for i in range(embeddings.shape[1])}
    properties: dict[str, Any] = {}
    for name in dict.fromkeys(name for feature in features for name in feature.properties):
        free = name
        while free in ours or free in values or free in properties:
            free = f"property_{free}"
        properties[free] = _column([feature.properties.get(name) for feature in features])
    return pd.DataFrame(properties | ours | values, index=range(len(features)))


def _column(values: Sequence[Any]) -> Any:
    """JSON values as one column of whole numbers, numbers, truths, or else text; nothing stays nothing."""
    import pandas as pd

    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return pd.array(list(values), dtype="boolean")
    if kinds == {int} and all(value is None or -(2**63) <= value < 2**63 for value in values):
        return pd.array(list(values), dtype="Int64")
    if float in kinds and kinds <= {int, float}:
        return np.array([np.nan if value is None else float(value) for value in values])
    texts = [value if value is None or isinstance(value, str) else json.dumps(value) for value in values]
    return pd.array(texts, dtype="string")


def check_table_path(path: str | os.PathLike[str]) -> Path:
    """The path, if a table can be written there by its suffix.

    Raises:
        ValueError: for another suffix, listing the valid ones.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"a table is written as {' or '.join(SUFFIXES)}, got {path.name!r}")
    return path


def write_table(table: pd.DataFrame, path: str | os.PathLike[str]) -> Path:
    """Writes a table as Parquet or CSV, by the suffix; the file appears whole or not at all.

    Raises:
        ValueError: for another suffix.
    """
    path = check_table_path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    if path.suffix.lower() == ".parquet":
        table.to_parquet(part, index=False)
    else:
        table.to_csv(part, index=False)
    part.replace(path)
    return path
