"""Players: the bands, or groups of bands, whose interaction is asked for. They are the same for every tokenization."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from olmoearth_nb.bands import MISSING, SENTINEL2, modality
from olmoearth_nb.insight.given import require_batch
from olmoearth_nb.sample import Batch

FEWEST, MOST = 2, 12
"""Players that a question may have: 12 have 4,096 coalitions."""


@dataclass(frozen=True)
class Players:
    """Disjoint groups of bands of one sensor, each of which is there or is removed as a whole.

    Bands that no player holds are never removed.

    Attributes:
        names: of the players, in the order of tables.
        bands: names of the bands of each.
        modality: the sensor.

    Raises:
        ValueError: for an unknown band, an empty player, a band that two players hold, or less than 2 or more than 12
            players.
    """

    names: tuple[str, ...]
    bands: tuple[tuple[str, ...], ...]
    modality: str = SENTINEL2.name

    def __post_init__(self) -> None:
        if len(self.names) != len(self.bands) or len(set(self.names)) < len(self.names):
            raise ValueError(f"players need a name of their own each, got {self.names} for {len(self.bands)} players")
        if not FEWEST <= len(self.bands) <= MOST:
            advice = "say Players.each_band()" if len(self.bands) < FEWEST else "put bands into groups"
            raise ValueError(
                f"interactions are computed of {FEWEST} to {MOST} players, got {len(self.bands)}: {advice}"
            )
        every = [band for group in self.bands for band in group]
        modality(self.modality).indices(every)  # a clear error for a band that there is not
        if empty := [name for name, group in zip(self.names, self.bands, strict=True) if not group]:
            raise ValueError(f"player {empty[0]!r} holds no band")
        if twice := sorted({band for band in every if every.count(band) > 1}):
            raise ValueError(f"players must not overlap, but several hold {', '.join(twice)}")

    @classmethod
    def of(cls, groups: Mapping[str, str | Sequence[str]], modality_name: str = SENTINEL2.name) -> Players:
        """Players by name: ``Players.of({"visible": "B02 B03 B04", "short-wave": "B11 B12"})``.

        Args:
            groups: name -> bands, as a sequence or as one string with spaces.
            modality_name: the sensor.
        """
        bands = tuple(tuple(group.split() if isinstance(group, str) else group) for group in groups.values())
        return cls(tuple(groups), bands, modality_name)

    @classmethod
    def each_band(cls, modality_name: str = SENTINEL2.name) -> Players:
        """Every band of a sensor is a player, in the order of the channels."""
        names = modality(modality_name).band_names
        return cls(names, tuple((name,) for name in names), modality_name)

    @classmethod
    def by_resolution(cls, modality_name: str = SENTINEL2.name) -> Players:
        """The bands of one resolution are a player: 10 m, 20 m and 60 m of Sentinel-2, as v1's tokens are.

        Raises:
            ValueError: for a sensor all of whose bands have one resolution.
        """
        groups: dict[str, list[str]] = {}
        for band in sorted(modality(modality_name).bands, key=lambda band: band.resolution):
            groups.setdefault(f"{band.resolution:g} m", []).append(band.name)
        if len(groups) < FEWEST:
            raise ValueError(
                f"the bands of {modality(modality_name).title} have one resolution, {', '.join(groups)}; to make each "
                f"of them a player, say Players.each_band({modality_name!r})"
            )
        return cls.of(groups, modality_name)

    def __len__(self) -> int:
        """n, the number of players."""
        return len(self.names)

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """All pairs (i, j), i < j, in the order of tables; n (n - 1) / 2 of them."""
        return tuple(combinations(range(len(self)), 2))

    @property
    def pair_names(self) -> tuple[str, ...]:
        """Names of the pairs, such as "10 m x 20 m"."""
        return tuple(f"{self.names[i]} x {self.names[j]}" for i, j in self.pairs)

    @property
    def across(self) -> np.ndarray:
        """(pairs,) bool, the pairs that have no resolution in common."""
        resolution = {band.name: band.resolution for band in modality(self.modality).bands}
        seen = [{resolution[band] for band in group} for group in self.bands]
        return np.array([not seen[i] & seen[j] for i, j in self.pairs])

    @property
    def player_of_channel(self) -> np.ndarray:
        """(C,) number of the player that holds each channel; -1 for none."""
        spec, number = modality(self.modality), np.full(len(modality(self.modality).bands), -1)
        for player, group in enumerate(self.bands):
            number[spec.indices(group)] = player
        return number

    def require_in(self, batch: Batch) -> None:
        """Raises a ValueError unless there are samples, and each has seen every player."""
        require_batch(batch, "samples")
        if self.modality not in batch.images:
            raise ValueError(
                f"the samples have no {modality(self.modality).title}, only {', '.join(batch.images)}; its bands "
                "cannot be removed"
            )
        seen = (batch.images[self.modality] != MISSING).flatten(1, -2).any(1).cpu().numpy()  # (B, C)
        for player, name in enumerate(self.names):
            absent = ~seen[:, self.player_of_channel == player].any(1)
            if absent.any():
                raise ValueError(
                    f"player {name} ({' '.join(self.bands[player])}) was not observed in sample "
                    f"{np.flatnonzero(absent).tolist()}: what is not in a sample cannot be removed from it"
                )
