"""What a token is: named groups of bands, one token per group, patch and timestep.

A `Tokenization` is data, never a branch in the encoder. Your own takes five lines:

    mine = Tokenization(
        "mine",
        {"sentinel2_l2a": ["B02 B03 B04", "B05 B06 B07 B08 B8A", "B11 B12", "B01 B09"]},
        source="my hypothesis: visible, red edge to near infrared, short-wave infrared, atmosphere",
    )

A modality that is not named gets one token for all of its bands. A band that no group names is not
read at all.
"""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from olmoearth_nb.bands import MODALITIES, modality

Groups = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, init=False, eq=False)
class Tokenization:
    """Band groups per modality; one token per group, patch and timestep.

    Args:
        name: short name, shown in tables and figures.
        groups: modality name -> groups. A group is a sequence of band names or one string of names
            separated by spaces. The order of the bands inside a group is the order in which the patch
            embedding reads them, so it matters when published weights are loaded.
        source: where the grouping comes from.

    Attributes:
        groups: the same as tuples of band names, which nobody can change.

    Raises:
        ValueError: for unknown modalities or bands, an empty group, or a band named twice.
    """

    name: str
    groups: Mapping[str, Groups]
    source: str

    def __init__(
        self, name: str, groups: Mapping[str, Sequence[str | Sequence[str]]] | None = None, source: str = ""
    ) -> None:
        tidy = {modality_name: _as_groups(modality_name, value) for modality_name, value in (groups or {}).items()}
        # frozen for good: the groups decide equality and hash, so nothing may change them afterwards
        for field, value in (("name", name), ("groups", MappingProxyType(tidy)), ("source", source)):
            object.__setattr__(self, field, value)

    def __reduce__(self) -> tuple[type[Tokenization], tuple[str, dict[str, Groups], str]]:
        """Copies and pickles as a call, since a mapping proxy does neither."""
        return Tokenization, (self.name, dict(self.groups), self.source)

    def __eq__(self, other: object) -> bool:
        """Two tokenizations are equal when they make the same tokens, whatever their names."""
        if not isinstance(other, Tokenization):
            return NotImplemented
        return all(self.groups_of(name) == other.groups_of(name) for name in MODALITIES)

    def __hash__(self) -> int:
        """Hash of the groups, in step with equality."""
        return hash(tuple(self.groups_of(name) for name in MODALITIES))

    def groups_of(self, modality_name: str) -> Groups:
        """Band groups of a modality as tuples of band names."""
        spec = modality(modality_name)
        return self.groups.get(modality_name, (spec.band_names,))

    def indices(self, modality_name: str) -> list[list[int]]:
        """Channel indices of each group of a modality."""
        spec = modality(modality_name)
        return [spec.indices(group) for group in self.groups_of(modality_name)]

    def left_out(self, modality_name: str = "sentinel2_l2a") -> tuple[str, ...]:
        """Bands of a modality that no group names, in channel order."""
        used = {band for group in self.groups_of(modality_name) for band in group}
        return tuple(band for band in modality(modality_name).band_names if band not in used)

    def token_shape(self, modality_name: str, shape: Sequence[int], patch_size: int) -> tuple[int, int, int, int]:
        """Tokens of an image along (patch rows, patch columns, timesteps, band groups).

        Args:
            modality_name: the modality.
            shape: (H, W) or (H, W, T) in pixels and timesteps; a further axis (bands) is ignored.
            patch_size: P, edge of a patch in pixels, 1 to 8.

        Returns:
            (H/P, W/P, T, G).

        Raises:
            ValueError: if the patch size is not 1..8 or does not divide the image.
        """
        check_patch_size(patch_size)
        height, width = shape[:2]
        timesteps = shape[2] if len(shape) > 2 and modality(modality_name).multitemporal else 1
        if height % patch_size or width % patch_size or min(height, width) < patch_size:
            rows, columns = height - height % patch_size, width - width % patch_size
            raise ValueError(
                f"a {height}x{width} px image does not divide into {patch_size}x{patch_size} px patches; "
                f"{f'crop it to {rows}x{columns} px or ' if rows and columns else ''}choose a patch size "
                f"of {', '.join(str(p) for p in range(1, 9) if height % p == 0 and width % p == 0)}"
            )
        return height // patch_size, width // patch_size, timesteps, len(self.groups_of(modality_name))

    def token_count(self, shapes: Mapping[str, Sequence[int]] | Sequence[int], patch_size: int) -> int:
        """Number of tokens of one sample: the sum of H/P x W/P x T x G over its modalities.

        Args:
            shapes: modality name -> (H, W, T), or one (H, W, T) for Sentinel-2 alone.
            patch_size: P, edge of a patch in pixels, 1 to 8.
        """
        by_name = shapes if isinstance(shapes, Mapping) else {"sentinel2_l2a": shapes}
        total = 0
        for name, shape in by_name.items():
            rows, columns, timesteps, groups = self.token_shape(name, shape, patch_size)
            total += rows * columns * timesteps * groups
        return total


def check_patch_size(patch_size: int) -> None:
    """Raise a ValueError unless the patch size is a whole number from 1 to 8."""
    whole = isinstance(patch_size, numbers.Integral) and not isinstance(patch_size, bool)
    if not whole or not 1 <= patch_size <= 8:
        raise ValueError(f"patch size must be a whole number from 1 to 8 (pixels of 10 m), got {patch_size!r}")


def _as_groups(modality_name: str, groups: Sequence[str | Sequence[str]]) -> Groups:
    """Groups as tuples of names, validated against the modality."""
    spec = modality(modality_name)
    if isinstance(groups, str):
        raise ValueError(f"groups of {modality_name} must be a list of groups, got the single string {groups!r}")
    tidy = tuple(tuple(group.split()) if isinstance(group, str) else tuple(group) for group in groups)
    if not tidy or any(not group for group in tidy):
        raise ValueError(f"{modality_name} needs at least one group and at least one band in each, got {list(tidy)}")
    named = [band for group in tidy for band in group]
    spec.indices(named)
    twice = sorted({band for band in named if named.count(band) > 1})
    if twice:
        raise ValueError(f"{modality_name}: {', '.join(twice)} named more than once in {list(tidy)}")
    return tidy


_S2_BY_RESOLUTION = ["B02 B03 B04 B08", "B05 B06 B07 B8A B11 B12", "B01 B09"]
_LANDSAT_V1 = ["B8", "B1 B2 B3 B4 B5 B6 B7 B9 B10 B11"]


def _ablation(name: str, sentinel2: list[str], source: str) -> Tokenization:
    """An official ablation: Sentinel-2 regrouped, Landsat in v1's two groups."""
    return Tokenization(name, {"sentinel2_l2a": sentinel2, "landsat": _LANDSAT_V1}, source)


def _other(name: str, sentinel2: list[str], source: str) -> Tokenization:
    """Another model's grouping of Sentinel-2 inside our encoder (its tokenization, not its model)."""
    return Tokenization(name, {"sentinel2_l2a": sentinel2}, source + "; its tokenization in this encoder")


TOKENIZATIONS: dict[str, Tokenization] = {
    t.name: t
    for t in (
        _ablation("v1", _S2_BY_RESOLUTION, "OlmoEarth v1 (arXiv 2511.13655): one token per resolution"),
        Tokenization("v1.1", {}, "OlmoEarth v1.1 (Ai2, May 2026): one token for all bands"),
        _ablation(
            "per_band",
            "B02 B03 B04 B08 B05 B06 B07 B8A B11 B12 B01 B09".split(),
            "OlmoEarth public training scripts, single-band ablation: one token per band",
        ),
        _ablation(
            "spectral",
            ["B02 B03 B04", "B08 B8A", "B05 B06 B07", "B11 B12", "B01 B09"],
            "OlmoEarth public training scripts, spectral ablation: neighbours in wavelength",
        ),
        _other(
            "satmae",
            ["B02 B03 B04 B08", "B05 B06 B07 B8A", "B11 B12"],
            "SatMAE (arXiv 2207.08051), public repository: by resolution and range, no 60 m bands",
        ),
        _other(
            "galileo",
            ["B02 B03 B04", "B05 B06 B07", "B08", "B8A", "B11 B12"],
            "Galileo (arXiv 2502.09356), public code: by kind of band, no 60 m; its NDVI group left out",
        ),
        _other(
            "croma",
            ["B01 B02 B03 B04 B05 B06 B07 B08 B8A B09 B11 B12"],
            "CROMA (arXiv 2311.00566): one token for all bands, in the order of wavelength",
        ),
    )
}
"""The built-in tokenizations by name."""


def tokenization(name: str) -> Tokenization:
    """The built-in tokenization of that name.

    Raises:
        ValueError: for an unknown name, listing the valid ones.
    """
    if name not in TOKENIZATIONS:
        raise ValueError(f"unknown tokenization {name!r}; valid names are {', '.join(TOKENIZATIONS)}")
    return TOKENIZATIONS[name]
