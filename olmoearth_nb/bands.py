"""Bands and modalities: names, channel order, resolution, wavelength and normalisation.

The channel order of every modality is the order in which the published OlmoEarth checkpoints expect
it (Sentinel-2 is *not* in the order of its band numbers). Arrays are channels-last: (H, W, T, C).

Sources: order and statistics, the public OlmoEarth pretraining configuration; Sentinel-2A centres and
widths, ESA; Landsat 8 centres and widths, USGS (full width at half maximum of the spectral response).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

MISSING = -99999.0
"""Value of a pixel that was not observed; the same before and after normalisation."""

TILE = 128
"""Edge in pixels of 10 m of a tile of the official pretraining data."""

MAX_TIMESTEPS = 12
"""Longest series that the published models were trained on (twelve 30-day mosaics)."""


@dataclass(frozen=True)
class Band:
    """One channel of a modality.

    Attributes:
        name: the field's own name, such as ``"B8A"`` or ``"vv"``.
        resolution: native ground sample distance in metres.
        mean: mean of the pretraining data in the modality's raw unit.
        std: standard deviation of the pretraining data in the same unit.
        centre: centre wavelength in nm, or None where the word has no meaning (radar, maps).
        width: band width in nm, or None.
    """

    name: str
    resolution: float
    mean: float
    std: float
    centre: float | None = None
    width: float | None = None


@dataclass(frozen=True)
class Modality:
    """One kind of data, such as Sentinel-2 L2A, with its bands in channel order.

    Attributes:
        name: the name used in the published state dicts, such as ``"sentinel2_l2a"``.
        title: the name shown to people.
        bands: the channels in the order of the arrays.
        unit: unit of the raw values.
        multitemporal: whether the modality has a time axis (maps have T = 1 and no date).
        decode_only: whether the published encoders never see it (they only learn to predict it).
    """

    name: str
    title: str
    bands: tuple[Band, ...]
    unit: str
    multitemporal: bool = True
    decode_only: bool = False

    @cached_property
    def band_names(self) -> tuple[str, ...]:
        """Names of the channels in order."""
        return tuple(band.name for band in self.bands)

    def spelled(self, name: str) -> str | None:
        """The band that archives also write as ``B1``, ``b01``, ``B08A``, ``band_8a`` or ``VV``, in our spelling.

        Args:
            name: any text.

        Returns:
            One of `band_names` (and ``"B10"`` of Sentinel-2, which top-of-atmosphere data have), or None.
        """
        plain = _plain(name)
        known = (*self.band_names, *(["B10"] if self.name == "sentinel2_l2a" else []))
        return next((band for band in known if _plain(band) == plain), None)

    def indices(self, names: Iterable[str]) -> list[int]:
        """Channel indices of the named bands.

        Raises:
            ValueError: for a name that is not a band of this modality.
        """
        names = list(names)
        unknown = [name for name in names if name not in self.band_names]
        if unknown:
            meant = dict.fromkeys(band for name in unknown if (band := self.spelled(name)) in self.band_names)
            hint = f"; did you mean {' '.join(map(str, meant))}?" if meant else ""
            raise ValueError(
                f"{self.title} has no band {', '.join(map(repr, unknown))}; its bands are "
                f"{' '.join(self.band_names)}{hint}"
            )
        return [self.band_names.index(name) for name in names]

    def normalize(self, image: Tensor) -> Tensor:
        """Raw values to the inputs of the published models: x' = (x - mean) / (4 std) + 1/2, unclipped.

        That maps mean - 2 std to 0 and mean + 2 std to 1. `MISSING` stays `MISSING`.

        Args:
            image: (..., C) raw values, all bands in channel order.

        Returns:
            (..., C) float tensor.

        Raises:
            ValueError: if the last axis does not hold this modality's bands.
        """
        if image.shape[-1] != len(self.bands):
            raise ValueError(
                f"{self.title} has {len(self.bands)} bands on the last axis, got shape {tuple(image.shape)}"
            )
        image = image if image.is_floating_point() else image.float()
        numbers = torch.tensor([[band.mean, band.std] for band in self.bands], dtype=image.dtype, device="cpu")
        mean, std = numbers.to(image.device, non_blocking=True).T  # the host need not wait for the device
        # unclipped, as in official training: snow and saturated pixels lie above 1
        return torch.where(image == MISSING, image, (image - mean) / (4 * std) + 0.5)


def _plain(name: str) -> str:
    """A band's name without what archives write differently: case, spaces, a leading B, zeros before the number."""
    text = str(name).strip().upper()
    number = re.fullmatch(r"(?:BAND|B)?[ _-]?0*(\d+)[ _-]?(A?)", text)
    return "".join(number.groups()) if number else text


def _range_band(name: str, resolution: float, low: float, high: float) -> Band:
    """A band that the official data scale from low..high to 0..1: the same formula with std = range / 4."""
    return Band(name, resolution, mean=(low + high) / 2, std=(high - low) / 4)


_SENTINEL2 = Modality(
    "sentinel2_l2a",
    "Sentinel-2 L2A",
    (
        Band("B02", 10, 1188.9412572078477, 1859.1923971769581, 492.4, 66),
        Band("B03", 10, 1407.7739105458452, 1727.7387413631088, 559.8, 36),
        Band("B04", 10, 1513.0573882432757, 1740.7757298757895, 664.6, 31),
        Band("B08", 10, 2755.481305028308, 1612.2565699990187, 832.8, 106),
        Band("B05", 20, 1890.9893042634167, 1754.7320388511766, 704.1, 15),
        Band("B06", 20, 2483.7812315422448, 1622.1172720635755, 740.5, 15),
        Band("B07", 20, 2722.728248756412, 1621.8226170190276, 782.8, 20),
        Band("B8A", 20, 2885.570263047681, 1611.3587521042082, 864.7, 21),
        Band("B11", 20, 2562.852607796968, 1441.5471830655151, 1613.7, 91),
        Band("B12", 20, 1914.1383249044113, 1328.8914382756407, 2202.4, 175),
        Band("B01", 60, 1115.8494388252218, 1955.6991794280914, 442.7, 21),
        Band("B09", 60, 3269.812554170875, 2651.088425085525, 945.1, 20),
    ),
    unit="digital number (10,000 x surface reflectance)",
)

_SENTINEL1 = Modality(
    "sentinel1",
    "Sentinel-1",
    (
        Band("vv", 10, -11.648990747328444, 10.840350299936597),
        Band("vh", 10, -17.745436133270044, 10.216274681392647),
    ),
    unit="dB",
)

_LANDSAT = Modality(
    "landsat",
    "Landsat 8/9",
    (
        Band("B8", 15, 10132.090998288624, 7788.7282476413675, 590, 172),
        Band("B1", 30, 11000.959519415692, 7857.9205791510285, 443, 16),
        Band("B2", 30, 10493.416292898208, 7872.392135393957, 482, 60),
        Band("B3", 30, 10146.318478942761, 7676.2774595217115, 561, 57),
        Band("B4", 30, 10236.446029167704, 8038.218121686258, 655, 37),
        Band("B5", 30, 14427.021492873682, 9302.431605916356, 865, 28),
        Band("B6", 30, 12164.08145353199, 7442.390533225441, 1609, 85),
        Band("B7", 30, 9712.032951062303, 6037.712185433222, 2201, 187),
        Band("B9", 30, 4585.469566989013, 2549.745355740949, 1373, 20),
        Band("B10", 100, 21347.89356940543, 10957.2815012006, 10895, 590),
        Band("B11", 100, 19686.23205859348, 9911.421224126807, 12005, 1010),
    ),
    unit="digital number of Collection 2 Level 1",
)

_OSM_CLASSES = (
    "aerialway_pylon aerodrome airstrip amenity_fuel building chimney communications_tower crane flagpole fountain "
    "generator_wind helipad highway leisure lighthouse obelisk observatory parking petroleum_well power_plant "
    "power_substation power_tower river runway satellite_dish silo storage_tank taxiway water_tower works"
).split()

_WORLDCEREAL_CLASSES = (
    "tc-annual-temporarycrops tc-maize-main-irrigation tc-maize-main-maize tc-maize-second-irrigation "
    "tc-maize-second-maize tc-springcereals-springcereals tc-wintercereals-irrigation tc-wintercereals-wintercereals"
).split()


def _map(name: str, title: str, bands: Iterable[Band], unit: str) -> Modality:
    return Modality(name, title, tuple(bands), unit, multitemporal=False, decode_only=True)


_MAPS = (
    _map("worldcover", "ESA WorldCover", [Band("B1", 10, 34.04615796218091, 24.232421963981864)], "class code"),
    _map("srtm", "SRTM elevation", [Band("srtm", 30, 677.0219719644446, 993.1721306513513)], "m"),
    _map(
        "openstreetmap_raster",
        "OpenStreetMap",
        [_range_band(name, 2.5, 0, 1) for name in _OSM_CLASSES],
        "0 or 1",
    ),
    _map("wri_canopy_height_map", "WRI canopy height", [Band("B1", 1, 10, 5)], "m"),
    _map("cdl", "Cropland Data Layer", [Band("cdl", 30, 100, 50)], "class code"),
    _map(
        "worldcereal",
        "WorldCereal",
        [_range_band(f"{name}-classification", 10, 0, 100) for name in _WORLDCEREAL_CLASSES],
        "0 to 100",
    ),
)

MODALITIES: dict[str, Modality] = {m.name: m for m in (_SENTINEL2, _SENTINEL1, _LANDSAT, *_MAPS)}
"""The nine modalities of the released models, in the order of their configuration."""

SENSORS = tuple(name for name, spec in MODALITIES.items() if spec.multitemporal)
"""Modalities that have dates, and are encoded; the others are maps."""

SENTINEL2 = _SENTINEL2
"""Sentinel-2 L2A, the modality that this project is about."""


def modality(name: str) -> Modality:
    """The modality of that name.

    Raises:
        ValueError: for an unknown name, listing the valid ones.
    """
    if name not in MODALITIES:
        raise ValueError(f"unknown modality {name!r}; valid names are {', '.join(MODALITIES)}")
    return MODALITIES[name]
