"""What the versions of the world differ in: the constants of one generator.

Version 1 is the first world. Version 2 is fitted to real pixels: `docs/results/world.md` has the figures.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Version:
    """Constants of a world; the defaults are version 1's, and a spread of 0 leaves a thing out.

    Attributes:
        number: of the version; it is part of every seed.
        chlorophyll: fraction of the contrast between low and high chlorophyll that leaves show.
        anthocyanin: the same.
        water: the same.
        shade: reflectance of canopies, relative to that of PROSAIL's closed layer with `canopy`'s shadows.
        soil_shape: fraction of the difference in shape between a natural ground and the mean soil.
        soil_brightness: reflectance of natural ground, relative to dry and smooth samples in a laboratory.
        wilted: most that plants are brown in their season; a parcel has a part of it.
        drought: most of the leaf area that a tile lacks in its dry season; what stays is brown by half as much.
        frost: surface temperature in kelvin below which snow lies.
        half_vigour: leaf area of a half of the season whose `early` or `late` bit is 0, relative to the other half.
        fallow: chance that a parcel of fields, meadows or scrub lies dormant: bare, or under dead plants.
        parcel_brightness: logarithmic spread of a factor that all bands of a parcel share.
        month_brightness: the same of a month, for all that a tile shows.
        parcel_month_brightness: the same of a parcel in a month.
        vigour: leaf area of the parts of a parcel, from its worst to its best, relative to the best.
        vigour_edges: where one part ends and the next begins, in deviations of the texture, best to worst.
        fine: weight of the texture at the size of a crown in that of the parts, beside the one of some 30 m.
        parcel_size: area of a parcel, relative to `landuse.PARCEL_HECTARES`.
        gain: spread of a band's gain from date to date: what correction of the atmosphere leaves.
        cloud_chances: of months that are clear, hardly, partly, mostly and wholly clouded.
    """

    number: int
    chlorophyll: float = 1.0
    anthocyanin: float = 1.0
    water: float = 1.0
    shade: float = 1.0
    soil_shape: float = 1.0
    soil_brightness: float = 1.0
    wilted: float = 0.0
    drought: float = 0.0
    frost: float = 274.0
    half_vigour: float = 0.25
    fallow: float = 0.0
    parcel_brightness: float = 0.0
    month_brightness: float = 0.0
    parcel_month_brightness: float = 0.0
    vigour: tuple[float, ...] = (1.0, 0.7)
    vigour_edges: tuple[float, ...] = (0.6,)
    fine: float = 0.0
    parcel_size: float = 1.0
    gain: float = 0.015
    cloud_chances: tuple[float, ...] = (0.6, 0.18, 0.12, 0.06, 0.04)


VERSIONS = {
    1: Version(1),
    2: Version(
        2,
        chlorophyll=0.5,
        anthocyanin=0.45,
        water=0.75,
        shade=0.87,
        soil_shape=0.45,
        soil_brightness=0.8,
        wilted=0.25,
        drought=0.4,
        half_vigour=0.15,
        frost=271.0,
        fallow=0.15,
        parcel_brightness=0.16,
        month_brightness=0.11,
        parcel_month_brightness=0.1,
        vigour=(1.0, 0.65, 0.3),
        vigour_edges=(0.3, 1.1),
        fine=0.8,
        parcel_size=0.85,
        gain=0.004,
        cloud_chances=(0.68, 0.16, 0.09, 0.04, 0.03),
    ),
}
"""Frozen: a change of any value is a new version; results of all versions stay."""


def version_of(number: int) -> Version:
    """A version by its number.

    Raises:
        ValueError: if there is none.
    """
    if number not in VERSIONS:
        raise ValueError(f"no version {number} of the world; there are {', '.join(map(str, VERSIONS))}")
    return VERSIONS[number]
