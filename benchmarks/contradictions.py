"""How often the rules of `data/sanity.py` speak on chips that are right, and on the same chips under wrong names.

    python benchmarks/contradictions.py FOLDER

FOLDER holds `eurosat_ms/CLASS/*.tif` (EuroSAT, Level 1C) and `l2a_chips/*.h5` (arrays `dn` of Level 2A in the order
B01 B02 B03 B04 B05 B06 B07 B08 B8A B09 B11 B12). Chips of water cannot give themselves away, and are counted, too.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import h5py
import numpy as np
import rasterio
from rich.progress import track

from olmoearth_nb.data.geobench.chip import ORDERS
from olmoearth_nb.data.sanity import contradictions

LEVEL_2A = "B01 B02 B03 B04 B05 B06 B07 B08 B8A B09 B11 B12".split()
BRICK_KILN = "B01 B02 B03 B04 B05 B07 B8A B08 B11 B12".split()
"""What m-brick-kiln's first ten bands hold; the last three are a true-colour picture."""


def spoken(chips: Iterable[np.ndarray], names: list[str], level: str) -> Counter[str]:
    """How many chips each rule speaks on; (H, W, C) digital numbers, B10 left out as the loader does."""
    kept = [i for i, name in enumerate(names) if name != "B10"]
    counts: Counter[str] = Counter()
    for chip in track(list(chips), f"{level} as {names[8]}..{names[-1]}", transient=True):
        odd = contradictions(chip[:, :, None][..., kept].astype(np.float32), [names[i] for i in kept], level)
        counts.update([one.sentence.split(":")[0] for one in odd] or ["nothing"])
    return counts


def brick_kiln(chip: np.ndarray) -> np.ndarray:
    """A EuroSAT chip as m-brick-kiln would hold it."""
    bands = dict(zip(ORDERS["content"], chip.transpose(2, 0, 1), strict=True))
    picture = [np.clip(bands[name] / 3000 * 255, 0, 255).astype(int) for name in ("B04", "B03", "B02")]
    return np.stack([*(bands[name] for name in BRICK_KILN), *picture], axis=-1)


def main(folder: Path) -> None:
    """Prints the counts."""
    eurosat = []
    for path in sorted(folder.glob("eurosat_ms/*/*.tif")):
        with rasterio.open(path, driver="GTiff") as file:
            eurosat.append(file.read().transpose(1, 2, 0))
    surface = []
    for path in sorted(folder.glob("l2a_chips/*.h5")):
        with h5py.File(path) as file:
            surface += list(file["dn"][()].transpose(0, 2, 3, 1))
    cases = {
        "Level 2A, right": (surface, LEVEL_2A, "L2A"),
        "Level 1C, right": (eurosat, ORDERS["content"], "L1C"),
        "Level 1C, given as L2A": (eurosat, ORDERS["content"], "L2A"),
        "Level 1C under m-eurosat's labels": (eurosat, ORDERS["published"], "L1C"),
        "Level 1C as m-brick-kiln": (map(brick_kiln, eurosat), ORDERS["published"], "L1C"),
    }
    for case, (chips, names, level) in cases.items():
        print(f"{case}: {dict(spoken(chips, list(names), level))}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
