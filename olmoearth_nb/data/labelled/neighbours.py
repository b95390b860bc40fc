"""Groups of places that lie near each other: they are not independent, so that no split may go through a group."""

from __future__ import annotations

import numpy as np

APART = 10.0
"""Kilometres from which two chips count as independent: sixteen times the edge of a EuroSAT chip, one tenth of that of
a Sentinel-2 product."""

_RADIUS = 6371.0


def grouped(places: np.ndarray, apart: float = APART) -> np.ndarray:
    """Numbers of groups: places that are linked by steps shorter than `apart` are one group.

    Args:
        places: (n, 2) latitude and longitude in degrees; NaN where a place is unknown, which then is its own group.
        apart: in kilometres.

    Returns:
        (n,) from 0 on, in the order in which groups come first.

    Raises:
        ValueError: if `apart` is no length.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import KDTree

    if not 0 < apart < 20_000:
        raise ValueError(f"apart is a distance in kilometres, from above 0 to below 20,000, got {apart}")
    known = np.flatnonzero(np.isfinite(places).all(1))
    lat, lon = np.radians(places[known]).T
    points = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)
    chord = 2 * np.sin(apart / _RADIUS / 2)  # straight through the Earth
    pairs = KDTree(points).query_pairs(chord, output_type="ndarray") if len(known) else np.zeros((0, 2), np.int64)
    one, other = known[pairs].T
    links = coo_array((np.ones(len(pairs)), (one, other)), shape=(len(places), len(places)))
    groups = connected_components(links, directed=False)[1]
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]


def by_place(places: np.ndarray, apart: float) -> tuple[np.ndarray, str]:
    """Groups of chips, and a sentence that says how they were made.

    Args:
        places: (n, 2) latitude and longitude, NaN where it is unknown.
        apart: in kilometres.
    """
    groups, unknown = grouped(places, apart), int((~np.isfinite(places).all(1)).sum())
    sizes = np.bincount(groups)
    text = (
        f"chips linked by steps shorter than {apart:g} km are one group: {len(sizes)} groups of {len(groups)} chips, "
        f"the largest of {sizes.max()}"
    )
    return groups, text + (f"; the place of {unknown} is unknown, each is its own group" if unknown else "")
