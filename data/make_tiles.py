"""Makes the committed tiles in data/world/tiles (run: python data/make_tiles.py).

Tiles 0, 6 and 7 of seed 0 (one of each split) with every second month, in the official pretraining format.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from olmoearth_nb.data.official import folder_name, write_index, write_tile
from olmoearth_nb.data.simulate.generate import MODALITY_NAMES
from olmoearth_nb.data.simulate.tile import make_tile

NUMBERS = (0, 6, 7)
MONTHS = slice(1, 12, 2)


def main() -> None:
    """Writes the tiles and their index."""
    root = Path(__file__).parent / "world" / "tiles"
    folder = root / folder_name(MODALITY_NAMES) / str(len(NUMBERS))
    folder.mkdir(parents=True, exist_ok=True)
    has, where = [], []
    for position, number in enumerate(NUMBERS):
        tile, kept = make_tile(0, number), np.zeros(12, dtype=bool)
        kept[MONTHS] = True
        present = {name: mask & kept for name, mask in tile.present.items()}
        write_tile(folder / f"sample_{position}.h5", tile.images, present, tile.timestamps, tile.latlon)
        sensors = [name for name in tile.images if name not in present or present[name].any()]
        has.append(sensors)
        where.append(tile.latlon)
        np.savez_compressed(root / f"labels_{position}.npz", allow_pickle=False, **tile.labels)
    write_index(folder, has, np.array(where))


if __name__ == "__main__":
    main()
