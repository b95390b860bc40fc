"""A year of every surface: leaf area, colour, snow, radar backscatter and temperature in twelve months."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from olmoearth_nb.data.simulate.geography import BITS, COVERS, Geography
from olmoearth_nb.data.simulate.library import BANDS, CANOPIES, LAI, Library
from olmoearth_nb.data.simulate.noise import quantise
from olmoearth_nb.data.simulate.version import Version

MONTHS = 12


@dataclass(frozen=True)
class Plant:
    """How a plant's year runs, in months after the spring of its place.

    Attributes:
        rise: when half of the leaves are out.
        fall: when half of them are gone.
        most: leaf area index at its best.
        least: leaf area index outside the season.
        dies: whether it turns brown before it goes.
    """

    rise: float
    fall: float
    most: float
    least: float = 0.1
    dies: bool = True


PLANTS: dict[str, Plant] = {
    "winter cereal": Plant(-1.8, 3.6, 5.0),
    "spring cereal": Plant(0.0, 5.2, 4.2),
    "rapeseed": Plant(-2.4, 3.2, 4.8),
    "maize": Plant(1.2, 6.8, 4.6),
    "soybean": Plant(1.4, 6.4, 4.8),
    "sugar beet": Plant(1.0, 8.0, 4.4, dies=False),
    "grass": Plant(-0.6, 7.6, 3.4, 1.0, dies=False),
    "reed": Plant(0.6, 6.6, 4.0, 1.0),
    "shrub": Plant(0.2, 7.0, 2.6, 0.9, dies=False),
    "broadleaf trees": Plant(0.5, 6.8, 5.2, 0.7),
    "orchard": Plant(0.6, 7.0, 3.0, 0.5),
    "conifer": Plant(0.0, 8.0, 5.0, 3.6, dies=False),
}

DEEP_ROOTS = ("broadleaf trees", "orchard", "conifer")
"""Plants that a dry season does not reach."""

NATURAL = ("soil", "sand", "gravel", "litter", "bark", "char")
"""Grounds that no one has laid."""

RADAR_STEP = 2.5
"""How many dB the `radar` bit moves volume and ground scattering down or up."""


@dataclass(frozen=True)
class Climate:
    """A tile's place and year.

    Attributes:
        latitude: degrees.
        spring: month (0 to 12) in which spring begins.
        moisture: (12,) wetness of the ground, 0 to 1.
        snow: (12,) fraction of open ground under snow.
        warmth: (12,) surface temperature of grass in kelvin.
        sun: (12,) cosine of the sun's zenith angle at half past ten: how much of its direction points up.
        north: (12,) how much of it points north, negative where the sun stands in the south.
        east: (12,) how much of it points east.
    """

    latitude: float
    spring: float
    moisture: np.ndarray
    snow: np.ndarray
    warmth: np.ndarray
    sun: np.ndarray
    north: np.ndarray
    east: np.ndarray

    @classmethod
    def draw(cls, generator: np.random.Generator, version: Version) -> Climate:
        """Draws a place between 50 degrees south and 62 north, more often north."""
        latitude = float(np.round(generator.uniform(20, 62) * generator.choice([1.0, -0.8], p=[0.75, 0.25]), 2))
        late = (abs(latitude) - 20) / 42  # 0 in the subtropics, 1 in the north
        spring = (1.6 + 2.2 * late + generator.normal(0, 0.5) + (6 if latitude < 0 else 0)) % 12
        month = np.arange(MONTHS) + 0.5
        summer = np.cos(2 * np.pi * (month - (6.9 if latitude > 0 else 0.9)) / 12)
        warmth = 299 - 16 * late + (6 + 9 * late) * summer + generator.normal(0, 1.5, MONTHS)
        declination = np.deg2rad(23.44 * np.cos(2 * np.pi * (month - 5.7) / 12))
        phi = np.deg2rad(latitude)
        hour = np.deg2rad(22.5)  # before noon
        sun = np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.cos(hour)
        north = np.sin(declination) * np.cos(phi) - np.cos(declination) * np.sin(phi) * np.cos(hour)
        east = np.cos(declination) * np.sin(hour)
        snow = np.where(warmth < version.frost, generator.uniform(0.2, 1.0, MONTHS), 0.0)
        fields = (generator.uniform(0, 1, MONTHS), snow, warmth, np.clip(sun, 0.15, None), north, east)
        return cls(latitude, float(np.round(spring * 2**16) / 2**16), *(quantise(values) for values in fields))


@dataclass(frozen=True, eq=False)
class Year:
    """What every surface is like in twelve months.

    Attributes:
        reflectance: (surfaces, 12, bands of `library.BANDS`) in units of `library.UNIT`, whole numbers.
        backscatter: (surfaces, 12, 2) sigma nought of VV and VH, linear, in steps of 2^-20.
        temperature: (surfaces, 12) kelvin, in steps of 1/64.
        leaf_area: (surfaces, 12) leaf area index, 0 for what has no leaves.
    """

    reflectance: np.ndarray
    backscatter: np.ndarray
    temperature: np.ndarray
    leaf_area: np.ndarray


def year(
    geography: Geography,
    library: Library,
    climate: Climate,
    generator: np.random.Generator,
    nature: np.random.Generator,
) -> Year:
    """Runs the year of every surface of a tile.

    Args:
        geography: the tile's outlines.
        library: its spectra.
        climate: its place and weather.
        generator: draws what all versions of the world have.
        nature: draws what a version adds.
    """
    count, version = len(geography.cover), geography.version
    lack, brightness = _drought(version, nature), _brightness(geography, nature)
    wilted = version.wilted * nature.uniform(size=len(geography.bits))
    shift, lush = generator.normal(0, 0.35, len(geography.bits)), generator.uniform(0.8, 1.2, len(geography.bits))
    pick = generator.integers(0, 2**31, (len(geography.bits), 6))
    reflectance, backscatter = np.zeros((count, MONTHS, len(BANDS))), np.zeros((count, MONTHS, 2))
    leaf_area = np.zeros((count, MONTHS))
    for i in range(count):
        parcel, name = geography.parcel[i], geography.plants[i]
        if name:
            bits = dict(zip(BITS, geography.bits[parcel], strict=True))
            area, brown, after = leaves(PLANTS[name], bits, climate.spring + shift[parcel], version.half_vigour)
            dry = lack * (name not in DEEP_ROOTS)
            area = area * lush[parcel] * geography.vigour[i] * (1 - dry)
            brown = np.maximum(brown, np.minimum(wilted[parcel] + 0.5 * dry, 0.9))
            ground = _ground(library, version, pick[parcel], geography.cover[i], after, climate.moisture)
            reflectance[i] = _canopy(library, geography, i, pick[parcel], bits, area, brown, ground)
            leaf_area[i] = area
            backscatter[i] = volume(area, climate.moisture, bits["radar"], "trees" in name or name == "conifer")
        else:
            reflectance[i] = _static(library, version, geography.material[i], pick[parcel], climate)
            backscatter[i] = 10 ** (np.array(STATIC_DB[COVERS[geography.cover[i]]]) / 10)
    reflectance *= brightness[..., None]
    _snow(reflectance, geography, library, climate, pick)
    warm = np.array([WARMER[COVERS[cover]] for cover in geography.cover])[:, None]
    temperature = quantise(climate.warmth[None] + warm * np.clip(climate.sun, 0, None)[None], 64.0)
    return Year(np.round(reflectance).clip(1), quantise(backscatter, 2.0**20), temperature, quantise(leaf_area))


def leaves(plant: Plant, bits: dict[str, int], spring: float, weak: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Leaf area index, fraction of brown leaves and fraction of stubble in the middle of each month.

    Where the `early` or `late` bit is 0, a half of the season has `weak` times its leaf area.
    """
    middle, half = spring + (plant.rise + plant.fall) / 2, (plant.fall - plant.rise) / 2
    since = (np.arange(MONTHS) + 0.5 - middle + 6) % 12 - 6  # months since the middle of the season
    out = 1 / (1 + np.exp(-(half - np.abs(since)) / 0.35))
    late = 1 / (1 + np.exp(-since / 0.35))
    early_factor, late_factor = (1.0 if bits[name] else weak for name in ("early", "late"))
    area = plant.least + (plant.most - plant.least) * out * ((1 - late) * early_factor + late * late_factor)
    brown = np.clip((since - half + 0.9) / 0.9, 0, 1) * (since < half + 1.2) if plant.dies else np.zeros(MONTHS)
    after = ((since > half + 0.2) & (since < half + 2.0)).astype(float)
    return area, brown, after


def _drought(version: Version, nature: np.random.Generator) -> np.ndarray:
    """(12,) fraction of the leaf area that a tile lacks: most in the middle of its dry season, nothing half a year on.

    Few tiles are very dry.
    """
    most, middle = version.drought * nature.beta(0.8, 1.2), nature.uniform(0, MONTHS)
    return quantise(most * (0.5 + 0.5 * np.cos(2 * np.pi * (np.arange(MONTHS) + 0.5 - middle) / MONTHS)))


def _natural(library: Library, version: Version, ground: str, pick: int) -> np.ndarray:
    """(bands,) one spectrum of a ground; soil and what lies on it is moved towards the mean soil in shape."""
    variants = library.grounds[ground]
    spectrum = variants[pick % len(variants)]
    if ground not in NATURAL:
        return spectrum
    level = spectrum.mean() / library.soil.mean()
    kept = version.soil_shape
    return version.soil_brightness * (kept * spectrum + (1 - kept) * level * library.soil)


def _ground(
    library: Library, version: Version, pick: np.ndarray, cover: int, after: np.ndarray, moisture: np.ndarray
) -> np.ndarray:
    """(12, bands) what lies under the leaves: soil, darker when wet, or stubble and litter."""
    soil, litter = (_natural(library, version, name, pick[i]) for i, name in enumerate(("soil", "litter")))
    wet = (1.1 - 0.4 * moisture)[:, None]
    covered = 0.7 * after if COVERS[cover] == "crop" else np.full(MONTHS, 0.5)
    return wet * soil * (1 - covered[:, None]) + litter * covered[:, None]


def _brightness(geography: Geography, nature: np.random.Generator) -> np.ndarray:
    """(surfaces, 12) factor that all bands share: of the parcel, of the month, and of the parcel in the month.

    The first is what ground and stand are like, the others are the sun's and the view's direction. Water has none.
    """
    version, parcels = geography.version, len(geography.bits)
    logarithm = version.parcel_brightness * nature.standard_normal((parcels, 1))
    logarithm = logarithm + version.month_brightness * nature.standard_normal(MONTHS)
    logarithm = logarithm + version.parcel_month_brightness * nature.standard_normal((parcels, MONTHS))
    dry = np.asarray(geography.cover) != COVERS.index("water")
    return quantise(np.where(dry[:, None], np.exp(logarithm)[geography.parcel], 1.0))


def _canopy(
    library: Library,
    geography: Geography,
    surface: int,
    pick: np.ndarray,
    bits: dict[str, int],
    area: np.ndarray,
    brown: np.ndarray,
    ground: np.ndarray,
) -> np.ndarray:
    """(12, bands) canopy of a leaf area over its own ground."""
    version, table = geography.version, library.canopies[CANOPIES.index(geography.material[surface])]
    table = table[pick[2] % len(table)]
    for trait in ("chlorophyll", "anthocyanin", "water"):  # the first axis that is left
        high = 0.5 + (bits[trait] - 0.5) * getattr(version, trait)
        table = (1 - high) * table[0] + high * table[1]
    table = version.shade * table  # (brown, LAI, bands)
    position = np.interp(area, LAI, np.arange(len(LAI)))
    low = np.minimum(position.astype(int), len(LAI) - 2)
    part = (position - low)[:, None]
    green, dry = (states[low] * (1 - part) + states[low + 1] * part for states in table)
    below = np.exp(-1.1 * area)[:, None] * (ground - version.shade * library.soil)  # the table has a mean soil below
    return green * (1 - brown[:, None]) + dry * brown[:, None] + below


def _static(library: Library, version: Version, material: str, pick: np.ndarray, climate: Climate) -> np.ndarray:
    """(12, bands) of what has no leaves; algae bloom in summer only, bare soil is darker when wet."""
    own = np.tile(_natural(library, version, material, pick[3]), (MONTHS, 1))
    if material == "algal":
        clear = library.grounds["clear"]
        own[climate.warmth < 289] = clear[pick[4] % len(clear)]
    if material in ("soil", "sand", "gravel"):
        own = own * (1.1 - 0.4 * climate.moisture)[:, None]
    return own


def _snow(reflectance: np.ndarray, geography: Geography, library: Library, climate: Climate, pick: np.ndarray) -> None:
    """Lays snow on the ground, in place; half as much on trees, none on water."""
    kept = {"broadleaf trees": 0.5, "conifer": 0.4, "water": 0.0, "paved": 0.5}
    white = library.grounds["snow"][pick[0, 5] % len(library.grounds["snow"])]
    share = np.array([kept.get(COVERS[cover], 1.0) for cover in geography.cover])[:, None] * climate.snow
    reflectance += share[..., None] * (white - reflectance)


STATIC_DB: dict[str, tuple[float, float]] = {
    "water": (-19.5, -26.5),
    "roof": (-3.5, -11.0),
    "paved": (-14.5, -22.5),
    "bare": (-12.5, -20.5),
    "burnt": (-12.0, -18.5),
}
"""VV and VH of what has no leaves, in dB: this world's own choice."""

WARMER = dict.fromkeys(COVERS, 0.0) | {"roof": 9.0, "paved": 8.0, "bare": 7.0, "burnt": 8.0, "crop": 1.5}
WARMER |= {"water": -5.0, "broadleaf trees": -2.0, "conifer": -2.0}
"""Kelvin above grass under a sun in the zenith."""


def volume(area: np.ndarray, moisture: np.ndarray, bit: int, trees: bool) -> np.ndarray:
    """(12, 2) backscatter of VV and VH by the water-cloud model (Attema and Ulaby 1978, doi:10.1029/RS013i002p00357).

    sigma = A cos t (1 - exp(-2 B V / cos t)) + ground exp(-2 B V / cos t), V the leaf area index, t = 38 degrees.
    A, B and the ground are this world's own choice, so that fields lie in the range of the official statistics.
    """
    cosine = np.cos(np.deg2rad(38.0))
    step = 10 ** ((2 * bit - 1) * RADAR_STEP / 10)
    strength = np.array([0.20, 0.055]) if trees else np.array([0.12, 0.028])
    through = np.exp(-2 * np.array([0.13, 0.17]) * area[:, None] / cosine)
    ground = 10 ** ((np.array([-15.0, -23.0]) + np.array([5.0, 3.5]) * moisture[:, None]) / 10)
    return step * (strength * cosine * (1 - through) + ground * through)
