"""The picture at the top of the README: python benchmarks/hero.py

Writes docs/figures/hero.png: one patch of the embedded forest, in June, under every tokenization.
"""

from __future__ import annotations

from pathlib import Path

from olmoearth_nb import TOKENIZATIONS
from olmoearth_nb.data import load_embedded
from olmoearth_nb.plots.designs import tokens_figure
from olmoearth_nb.plots.style import use_style

if __name__ == "__main__":
    use_style()
    figure = tokens_figure(load_embedded("forest"), list(TOKENIZATIONS.values()), row=3, column=5, time=5)
    figure.savefig(Path(__file__).parents[1] / "docs" / "figures" / "hero.png", dpi=200)
