"""Colours that mean different things are told apart by readers with the common colour-vision deficiencies."""

from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from olmoearth_nb.plots.masking import ROLE_COLOURS
from olmoearth_nb.plots.style import BASELINES, COLOURS, PRETRAINED, RANDOM, RESOLUTION_COLOURS
from olmoearth_nb.plots.training import RECIPE_COLOURS

PALETTES = {
    "tokenizations": COLOURS,
    "recipes": RECIPE_COLOURS,
    "resolutions": RESOLUTION_COLOURS,
    "compared": dict(zip("abcd", (PRETRAINED, RANDOM, *BASELINES), strict=True)),
    "roles": {role: colour for role, (colour, _) in ROLE_COLOURS.items()},
}

SEEN = {
    "all colours": np.eye(3),
    "no red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "no blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
"""What is seen of linear red, green and blue (Machado, Oliveira and Fernandes 2009, severity 1)."""

APART = 10.0
"""Difference in CIELAB; 2.3 is just noticed side by side."""


def lab(colour, matrix):
    """CIELAB of what is seen of a colour, for the white of sRGB."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.asarray(matrix) @ linear, 0, 1)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ seen
    x, y, z = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in xyz / (0.9505, 1.0, 1.089))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("sight", SEEN)
@pytest.mark.parametrize("palette", PALETTES)
def test_no_two_meanings_look_alike(palette, sight):
    seen = {name: lab(colour, SEEN[sight]) for name, colour in PALETTES[palette].items()}
    apart = {pair: float(np.linalg.norm(seen[pair[0]] - seen[pair[1]])) for pair in combinations(seen, 2)}
    nearest = min(apart, key=apart.get)
    assert apart[nearest] > APART, f"{nearest} are {apart[nearest]:.1f} apart"


def test_the_measure_knows_what_looks_alike():
    """Red and green of one brightness: far apart for most, alike for those without green receptors."""
    red, green = (lab(colour, np.eye(3)) for colour in ("#c86464", "#6e9a64"))
    assert np.linalg.norm(red - green) > 40
    red, green = (lab(colour, SEEN["no green"]) for colour in ("#c86464", "#6e9a64"))
    assert np.linalg.norm(red - green) < 25
