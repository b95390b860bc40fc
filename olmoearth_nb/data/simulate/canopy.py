"""Green and dry canopies from PROSAIL: the one module that imports `prosail` (GPL-3.0, nothing of it is vendored).

PROSPECT-D gives the leaf, 4SAIL the canopy (Jacquemoud et al. 2009, doi:10.1016/j.rse.2008.01.026). The ranges
are this world's own, chosen inside what the model is used for. Rows and crowns throw shadows that a turbid layer
does not know: canopies are darkened by a constant fraction, conifers most.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from olmoearth_nb.data.simulate.library import CANOPIES, LAI

LEAVES: dict[str, dict[str, tuple[float, float]]] = {
    "cereal": {"n": (1.3, 1.6), "dry": (0.004, 0.007), "angle": (60, 72), "sunlit": (0.85, 0.95)},
    "maize": {"n": (1.4, 1.6), "dry": (0.004, 0.006), "angle": (52, 62), "sunlit": (0.85, 0.95)},
    "broadleaf crop": {"n": (1.4, 1.8), "dry": (0.003, 0.006), "angle": (32, 48), "sunlit": (0.85, 0.95)},
    "grass": {"n": (1.3, 1.7), "dry": (0.004, 0.008), "angle": (58, 70), "sunlit": (0.85, 0.95)},
    "broadleaf trees": {"n": (1.6, 2.0), "dry": (0.006, 0.010), "angle": (40, 55), "sunlit": (0.65, 0.75)},
    "conifer": {"n": (1.9, 2.4), "dry": (0.010, 0.018), "angle": (52, 64), "sunlit": (0.45, 0.6)},
}
"""Leaf structure N, dry matter in g/cm2, mean leaf angle in degrees, fraction of the canopy that is not in shadow."""

PIGMENT = {"chlorophyll": (20.0, 52.0), "anthocyanin": (0.5, 8.0), "water": (0.007, 0.026)}
"""Low and high of the three traits that tasks are made of: micrograms/cm2 twice, cm of water."""

SUN, VIEW = 35.0, 5.0
"""Zenith angles in degrees at which all spectra are modelled; a scene's own sun only scales them."""


def canopies(variants: int, generator: np.random.Generator, soil: np.ndarray) -> np.ndarray:
    """Canopy spectra on a grid of traits.

    Args:
        variants: species or cultivars of each canopy.
        generator: draws each variant's constants.
        soil: (2101,) reflectance below, 400 to 2500 nm.

    Returns:
        (canopy, variant, chlorophyll 2, anthocyanin 2, water 2, green or brown 2, LAI, 2101) reflectance.
    """
    from prosail import run_prosail

    table = np.empty((len(CANOPIES), variants, 2, 2, 2, 2, len(LAI), 2101))
    for number, name in enumerate(CANOPIES):
        for variant in range(variants):
            leaf = {key: generator.uniform(*span) for key, span in LEAVES[name].items()}
            jitter = generator.uniform(0.92, 1.08, 3)
            for chl, ant, wet, brown, i in product(*[range(2)] * 4, range(len(LAI))):
                if LAI[i] == 0:
                    table[number, variant, chl, ant, wet, brown, i] = soil
                    continue
                spectrum = run_prosail(
                    n=leaf["n"],
                    cab=8.0 if brown else PIGMENT["chlorophyll"][chl] * jitter[0],
                    car=4.0 if brown else 8.0,
                    cbrown=0.9 if brown else 0.0,
                    cw=0.002 if brown else PIGMENT["water"][wet] * jitter[2],
                    cm=leaf["dry"],
                    ant=PIGMENT["anthocyanin"][ant] * jitter[1],
                    lai=LAI[i],
                    lidfa=leaf["angle"],
                    typelidf=2,
                    hspot=0.05,
                    tts=SUN,
                    tto=VIEW,
                    psi=90.0,
                    prospect_version="D",
                    rsoil0=soil,
                )
                cover = 1 - np.exp(-0.6 * LAI[i])
                table[number, variant, chl, ant, wet, brown, i] = spectrum * (1 - cover * (1 - leaf["sunlit"]))
    return table
