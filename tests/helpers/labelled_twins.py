"""Twins of labelled sets: chips of EuroSAT and GeoBench whose numbers are those of land or of water."""

import json
import pickle

import numpy as np
import pandas as pd
from chips import write_chip
from geotiffs import write
from rasterio.io import MemoryFile

from olmoearth_nb.data.geobench.chip import FILE_ORDER, LABELS

LAND = dict(zip(FILE_ORDER, (1357, 1123, 1057, 959, 1227, 2077, 2463, 2390, 762, 12, 1861, 1139, 2700), strict=True))
WATER = dict(zip(FILE_ORDER, (1200, 850, 560, 340, 300, 240, 230, 200, 90, 10, 45, 25, 170), strict=True))
KILN = [*"B01 B02 B03 B04 B05 B07 B8A B08 B11 B12".split(), "red", "green", "blue"]
"""What m-brick-kiln holds, in the order of its labels."""

SPLITS = {"train": ["id_1", "id_2", "id_3"], "valid": ["id_4"], "test": ["id_5"]}


def pixels(means=LAND, order=FILE_ORDER, seed=0, edge=64):
    """(bands, edge, edge) digital numbers around the means of the public statistics of m-eurosat."""
    rng, means = np.random.default_rng(seed), means | {"red": 120, "green": 110, "blue": 90}
    return np.stack([rng.normal(means[band], means[band] / 10, (edge, edge)) for band in order]).astype(np.uint16)


def chip(path, values=None, **options):
    """A EuroSAT chip."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return write(path, pixels() if values is None else values, **options)


def write_eurosat(folder, count=3, step=2_000):
    """Chips of land and of water, `count` of each class, in a row with so many metres between them."""
    for k, (name, means) in enumerate((("Forest", LAND), ("Pasture", LAND), ("SeaLake", WATER))):
        for i in range(count):
            place = (400_000 + step * (k * count + i), 4_900_000)
            chip(folder / name / f"{name}_{i + 1}.tif", pixels(means, seed=10 * k + i), origin=place)
    return folder


class Affine:
    """Pickled by name and absent where it is read, like GeoBench's own classes."""

    def __init__(self, *numbers):
        self.numbers = numbers

    def __reduce__(self):
        return Affine, self.numbers


class CRS:
    def __init__(self, text):
        self.text = text

    def __getstate__(self):
        return self.text

    def __setstate__(self, text):
        self.text = text


class Classification:
    def __init__(self, names):
        self.n_classes, self._class_names = len(names), names


class TaskSpecifications:
    def __init__(self, name, classes):
        self.dataset_name, self.label_type = name, Classification(classes)


def placed(lat, lon, crs="EPSG:4326"):
    """Metadata of a chip's first band that say where it lies."""
    step = 0.64 / 111 / 64
    return {"date": None, "transform": Affine(step, 0.0, lon, 0.0, -step, lat), "crs": CRS(crs)}


def write_kilns(folder, places=(), name="brick_kiln_v1.0", splits=SPLITS):
    """A twin of m-brick-kiln: chips 1 and 4 show a kiln."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "default_partition.json").write_text(json.dumps(splits))
    (folder / "task_specs.pkl").write_bytes(pickle.dumps(TaskSpecifications(name, ["not brick kiln", "brick kiln"])))
    (folder / "band_stats.json").write_text(json.dumps({label: {"mean": 9.0, "std": 1.0} for label in LABELS}))
    for i in range(1, 6):
        place = places[i - 1] if places else {"date": None}
        metadata = {"label": int(i in (1, 4)), LABELS[0]: place}
        write_chip(folder / f"id_{i}.hdf5", metadata, values=pixels(order=KILN, seed=i))
    return folder


def write_m_eurosat(folder, train=2, test=1):
    """A twin of m-eurosat: chip i shows class i, which repeat, and all lie a degree apart."""
    folder.mkdir(exist_ok=True)
    names = [f"id_{i + 1}" for i in range(train + test)]
    splits = {"train": names[:train], "valid": [], "test": names[train:]}
    (folder / "default_partition.json").write_text(json.dumps(splits))
    for i, name in enumerate(names, 1):
        metadata = {"label": i % 10, LABELS[0]: placed(45.0 + i, 9.0)}
        write_chip(folder / f"{name}.hdf5", metadata, values=pixels(seed=i))
    return folder


PATCHES = {
    "train": {"Tree cover": ["t1", "t2"], "Permanent water bodies": ["w1", "w2"]},
    "val": {"Tree cover": ["t3"], "Permanent water bodies": ["w3"]},
    "test": {"Tree cover": ["t4"], "Permanent water bodies": ["w4"]},
}
"""Patches of a twin of similar-but-different."""

SURFACE = LAND | {"B09": 2650}
"""Land as Level 2A shows it, where water vapour is taken out."""

PATCH_ORDER = "B01 B02 B03 B04 B05 B06 B07 B08 B8A B09 B11 B12".split()


def patch(values=None, seed=0, **options):
    """The bytes of a GeoTIFF of land, as a cell of a shard holds it."""
    with MemoryFile() as memory:
        write(memory.name, pixels(SURFACE, PATCH_ORDER, seed, 32) if values is None else values, **options)
        return memory.read()


def write_shard(path, rows):
    """A table of (id, bytes, class), in row groups of two."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame(rows, columns=["patch_id", "tif", "wc_mode_label"])
    frame.to_parquet(path, row_group_size=2)
    return path


def write_similar(folder, changed=None, splits=PATCHES, **options):
    """A twin of similar-but-different: a shard of land and one of water, patches six kilometres apart.

    Args:
        folder: to make.
        changed: id -> bytes of its GeoTIFF.
        splits: of `splits.json`.
        options: of the GeoTIFFs.
    """
    for k, (label, means) in enumerate({"Permanent water bodies": WATER, "Tree cover": SURFACE}.items()):
        rows = []
        for i in range(1, 5):
            name = f"{'wt'[k]}{i}"
            place = {"origin": (400_000 + 6_000 * (4 * k + i), 4_900_000), **options}
            data = (changed or {}).get(name) or patch(pixels(means, PATCH_ORDER, 10 * k + i, 32), **place)
            rows.append((name, data, label))
        write_shard(folder / "shards" / f"{label}.parquet", rows)
    indices = {"class_to_idx": {"Permanent water bodies": 1, "Tree cover": 0}}
    (folder / "splits.json").write_text(json.dumps(indices | splits))
    return folder
