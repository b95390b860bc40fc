"""Band groups by name: the rows and columns of every table of what passes between bands."""

from __future__ import annotations

from dataclasses import dataclass

from olmoearth_nb.bands import SENTINEL2, modality
from olmoearth_nb.grid import TokenGrid


@dataclass(frozen=True)
class BandGroup:
    """The bands that share a token.

    Attributes:
        modality: name of the modality.
        bands: names of the bands, in the order of the tokenization.
    """

    modality: str
    bands: tuple[str, ...]

    @property
    def name(self) -> str:
        """Bands by name, behind the sensor's unless that is Sentinel-2: ``"B01 B09"``, ``"Sentinel-1 vv vh"``."""
        spec = modality(self.modality)
        whole = len(self.bands) == len(spec.bands) > 2
        bands = f"all {len(self.bands)} bands" if whole else " ".join(self.bands)
        return bands if spec is SENTINEL2 else f"{spec.title} {bands}"

    @property
    def wavelengths(self) -> str:
        """Centres of one or two bands, or the range of more: ``"443, 945 nm"``; empty where light has no part."""
        known = {band.name: band.centre for band in modality(self.modality).bands}
        centres = sorted(centre for band in self.bands if (centre := known[band]) is not None)
        if not centres:
            return ""
        shown = [f"{centre:.0f}" for centre in centres]
        return f"{', '.join(shown)} nm" if len(shown) <= 2 else f"{shown[0]}-{shown[-1]} nm"


def band_groups(grid: TokenGrid) -> tuple[BandGroup, ...]:
    """The band groups of a grid that an encoder sees, in the order of its sequence; maps are left out."""
    return tuple(
        BandGroup(name, bands)
        for name in grid.shapes
        if not modality(name).decode_only
        for bands in grid.tokenization.groups_of(name)
    )
