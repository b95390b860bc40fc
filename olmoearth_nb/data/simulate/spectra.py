"""Makes `data/world/spectra.npz`: python -m olmoearth_nb.data.simulate.spectra OUT (needs the `[simulate]` extra).

Soils, sand, gravel, dead plants, char, roads and roofs are measured spectra of earthlib 1.1 (MIT; its sources in
data/README.md). Canopies are PROSAIL's (`canopy`). Water, snow and cloud are published models, cited at each
function. All are convolved with the published responses of Sentinel-2A and Landsat 8 (pyrsr, Apache-2.0).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from olmoearth_nb.data.simulate.canopy import canopies
from olmoearth_nb.data.simulate.library import BANDS, GROUNDS, LANDSAT_REFLECTIVE, UNIT

NM = np.arange(400, 2501)
"""Wavelengths in nm on which all spectra are handled."""

EARTHLIB = {
    "soil": (("soil",), 72),
    "sand": (("sand",), 24),
    "gravel": (("gravel",), 24),
    "litter": (("litter", "npv"), 36),
    "bark": (("bark", "wood"), 36),
    "char": (("char",), 18),
    "asphalt": (("asphalt", "parking_lot"), 36),
    "road": (("road",), 48),
    "concrete": (("concrete_tile", "sidewalk"), 48),
    "metal": (("metal",), 18),
    "tile": (("tile",), 18),
    "shingle": (("comp_shingle", "wood_shingle"), 48),
}
"""Ground -> its LEVEL_3 classes in earthlib and how many spectra are taken."""

SEED = 20261123


def measured(ground: str) -> np.ndarray:
    """(count, 2101) measured reflectance of a ground, spread evenly over its range of brightness.

    The darkest and brightest tenth are left out, and so is what is not physical (below 0 or above 1).
    """
    from earthlib.endmembers import full_library, full_metadata

    classes, count = EARTHLIB[ground]
    rows = np.flatnonzero(full_metadata["LEVEL_3"].isin(classes).to_numpy())
    data = np.asarray(full_library.data)[rows]
    rows = rows[np.isfinite(data).all(1) & (data.min(1) >= 0) & (data.max(1) <= 1)]
    data = np.asarray(full_library.data)[rows]
    order = data.mean(1).argsort(kind="stable")
    order = order[len(order) // 10 : len(order) - len(order) // 10]
    chosen = order[np.unique(np.linspace(0, len(order) - 1, count).round().astype(int))]
    wavelengths = np.asarray(full_library.sensor.band_centers) * 1000
    return np.stack([np.interp(NM, wavelengths, data[row]) for row in chosen])


def water_absorption() -> np.ndarray:
    """(2101,) absorption of pure water in 1/m, from the constants that PROSPECT-D comes with."""
    from prosail import spectral_lib

    return 100.0 * np.asarray(spectral_lib.prospectd.kw)


def water(chlorophyll: float, sediment: float, dissolved: float, glint: float) -> np.ndarray:
    """(2101,) reflectance of deep water.

    Gordon et al. 1988 (doi:10.1029/JD093iD09p10909): r = 0.0949 u + 0.0794 u^2, u = bb / (a + bb), and through the
    surface 0.52 r / (1 - 1.7 r) (Lee et al. 2002, doi:10.1364/AO.41.005755). Water scatters as Morel 1974,
    0.00288 (l / 500)^-4.32 / m, half of it back. Pigments have PROSPECT's spectrum of chlorophyll; what a milligram
    absorbs and scatters is this world's own choice.

    Args:
        chlorophyll: mg/m3.
        sediment: g/m3.
        dissolved: absorption by dissolved matter at 440 nm in 1/m.
        glint: reflectance of the surface itself.
    """
    from prosail import spectral_lib

    pigment = np.asarray(spectral_lib.prospectd.kab) * 0.3
    absorbed = water_absorption() + chlorophyll * pigment + dissolved * np.exp(-0.014 * (NM - 440))
    absorbed = absorbed + 0.02 * sediment * np.exp(-0.010 * (NM - 440))
    back = 0.5 * 0.00288 * (NM / 500) ** -4.32 + (0.012 * sediment + 0.002 * chlorophyll) * (550 / NM) ** 0.5
    u = back / (absorbed + back)
    below = 0.0949 * u + 0.0794 * u**2
    return np.pi * 0.52 * below / (1 - 1.7 * below) + glint


def cloud(radius: float, depth: float) -> np.ndarray:
    """(2101,) reflectance of a water cloud.

    Absorption in a droplet of radius r is 0.85 r times that of bulk water (Twomey and Bohren 1980,
    doi:10.1175/1520-0469(1980)037<2086:SAFCOA>2.0.CO;2), a thick cloud reflects exp(-4 s / sqrt 3),
    s^2 = (1 - albedo) / (1 - g albedo), and one of optical depth d lets 1 / (1 + 0.75 d (1 - g)) pass.

    Args:
        radius: of the droplets in micrometres.
        depth: optical depth.
    """
    g, albedo = 0.85, 1 - 0.85 * radius * 1e-6 * water_absorption()
    similar = np.sqrt((1 - albedo) / (1 - g * albedo))
    return np.exp(-4 * similar / np.sqrt(3)) * (1 - 1 / (1 + 0.75 * depth * (1 - g)))


def snow(area: float) -> np.ndarray:
    """(2101,) albedo of snow of a specific surface area in m2/kg (Kokhanovsky and Zege 2004, by snowoptics)."""
    from snowoptics import albedo_diffuse_KZ04

    return albedo_diffuse_KZ04(NM * 1e-9, area)


def responses() -> np.ndarray:
    """(bands, 2101) responses of the bands in the order of `BANDS`, each summing to 1."""
    from pyrsr import RelativeSpectralResponse

    msi = RelativeSpectralResponse(satellite="Sentinel-2A", sensor="MSI")
    oli = RelativeSpectralResponse(satellite="Landsat-8", sensor="OLI_TIRS")
    sources = [(msi, name[1:].lstrip("0")) for name in BANDS[:12]] + [(oli, name[1:]) for name in LANDSAT_REFLECTIVE]
    rows = np.stack([np.interp(NM, rsr.rsrs_wvl, rsr.rsrs[band], left=0, right=0) for rsr, band in sources])
    rows = np.clip(rows, 0, None)
    return rows / rows.sum(1, keepdims=True)


def build() -> dict[str, np.ndarray]:
    """Every array of the library, as integers in units of `UNIT`."""
    generator = np.random.default_rng(SEED)
    through = responses()
    spectra = {ground: measured(ground) for ground in GROUNDS}
    soil = spectra["soil"].mean(0)
    draw = generator.uniform
    spectra |= {
        "clear": np.stack([water(draw(0.5, 3), draw(0.3, 2), draw(0.05, 0.3), draw(0, 0.01)) for _ in range(24)]),
        "turbid": np.stack([water(draw(3, 12), draw(25, 160), draw(0.2, 1), draw(0, 0.01)) for _ in range(24)]),
        "algal": np.stack([water(draw(50, 250), draw(3, 12), draw(0.3, 1), draw(0, 0.01)) for _ in range(24)]),
        "snow": np.stack([snow(draw(8, 60)) for _ in range(18)]),
        "cloud": np.stack([cloud(draw(6, 14), draw(8, 60)) for _ in range(24)]),
    }
    spectra["canopies"] = canopies(30, generator, soil)
    spectra["soil_below"] = soil
    arrays = {
        name: np.round(values @ through.T / UNIT).clip(1, 2**16 - 1).astype(np.uint16)
        for name, values in spectra.items()
    }
    arrays["bands"] = np.array(BANDS)
    return arrays


def main() -> None:
    """Writes the library."""
    out = Path(sys.argv[1])
    out.parent.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = build()
    np.savez_compressed(out, **arrays)
    print(f"{out}: {out.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
