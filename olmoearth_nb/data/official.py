"""The official pretraining format: one HDF5 file a tile of 128 x 128 px and twelve timesteps, and the folder around it.

Facts of the format are those of the public `allenai/olmoearth_pretrain_dataset`: only the timesteps that a sensor
has are stored, one behind the other; `missing_timesteps_masks` says, True for present, which of the twelve timesteps
they fill.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from olmoearth_nb.bands import MAX_TIMESTEPS, MISSING, MODALITIES, SENSORS, TILE, modality
from olmoearth_nb.georeference import degrees
from olmoearth_nb.io.durable import write
from olmoearth_nb.io.hdf5 import Hdf5, open_hdf5
from olmoearth_nb.sample import Sample

PRESENT = "missing_timesteps_masks"
"""Group of the masks. In spite of its name True means present."""

_CHUNK = 32
"""Edge in pixels of a chunk of an uncompressed copy."""

ReadImage = Callable[[str, tuple[slice, slice]], np.ndarray]
"""(modality, (rows, columns)) -> the stored values there."""

COMPRESSION = {"compression": "zstd", "level": 3, "chunk": "whole array"}


def write_tile(
    path: str | os.PathLike[str],
    images: Mapping[str, np.ndarray],
    present: Mapping[str, np.ndarray],
    timestamps: np.ndarray,
    latlon: Sequence[float] | np.ndarray,
) -> None:
    """Writes one tile; the file appears only when it is whole.

    Args:
        path: the `.h5` file.
        images: modality -> (128, 128, 12, C) of sensors, (128, 128, 1, C) of maps; raw values.
        present: sensor -> (12,) bool; timesteps that are False are left out.
        timestamps: (12, 3) day, month 0..11, year.
        latlon: latitude and longitude in degrees.

    Raises:
        ValueError: if a shape does not fit, or no sensor has anything.
        DiskFullError: if the disk is full; nothing is left of the tile.
    """
    import h5py
    import hdf5plugin

    path = Path(path)
    stamps = np.asarray(timestamps, dtype=np.int32)
    if stamps.shape != (MAX_TIMESTEPS, 3):
        raise ValueError(f"a tile has {MAX_TIMESTEPS} timesteps: timestamps must be (12, 3), got {stamps.shape}")
    arrays: dict[str, np.ndarray] = {}
    for name, image in images.items():
        spec = modality(name)
        want = (TILE, TILE, MAX_TIMESTEPS if spec.multitemporal else 1, len(spec.bands))
        if image.shape != want:
            raise ValueError(f"{spec.title} must be {want}, got {image.shape}")
        if not spec.multitemporal:
            arrays[name] = image
        elif np.any(present[name]):
            arrays[name] = image[:, :, np.asarray(present[name], dtype=bool)]
    if not any(name in SENSORS for name in arrays):
        raise ValueError(f"a tile needs at least one date of one of {', '.join(SENSORS)}")
    whole = io.BytesIO()  # HDF5 ends the process when the disk is full, so that it must not write there itself
    with h5py.File(whole, "w") as file:
        file["latlon"] = np.asarray(latlon, dtype=np.float32)
        file["timestamps"] = stamps
        for name in sorted(arrays):
            data = np.ascontiguousarray(arrays[name])
            file.create_dataset(name, data=data, chunks=data.shape, **hdf5plugin.Zstd(clevel=3))
            if name in SENSORS:
                file[f"{PRESENT}/{name}"] = np.asarray(present[name], dtype=bool)
    write(path, lambda part: part.write_bytes(whole.getbuffer()))


def read_tile(
    path: str | os.PathLike[str],
    modalities: Sequence[str] | None = None,
    rows: slice = slice(None),
    columns: slice = slice(None),
    all_timesteps: bool = False,
) -> Sample:
    """Reads one tile, or a window of it.

    Timesteps before the first and after the last that any sensor has are cut off, as the official loader does.

    Args:
        path: the `.h5` file.
        modalities: which to read; by default all that we know.
        rows: pixels of 10 m to read.
        columns: the same.
        all_timesteps: whether to keep all twelve timesteps instead of cutting off the empty ends.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not a whole file of this format, naming what is wrong.
    """
    path = Path(path)
    with open_hdf5(path) as file:
        tile = tile_of(file, path, modalities)
        return tile.window(lambda name, window: file.read(name, window=window), rows, columns, all_timesteps)


def copy_uncompressed(path: Path, copy: Path) -> None:
    """Writes a tile again without compression, so that a window can be read without the rest.

    Every byte of the copy that is read later is checked by HDF5: numbers by the checksum of their chunk, headers by
    those of its newer format.

    Raises:
        ValueError: if the tile is not whole.
        DiskFullError: if the disk is full; no part of the copy stays.
    """
    import h5py

    whole = io.BytesIO()  # HDF5 ends the process when the disk is full, so that it must not write there itself
    with open_hdf5(path) as source, h5py.File(whole, "w", libver="latest") as target:
        tile = tile_of(source, path)
        masks = [f"{PRESENT}/{name}" for name in tile.present]
        for name in ("latlon", "timestamps", *masks, *tile.names):
            data = source.read(name, kinds="biuf")
            chunks = (*(min(_CHUNK, edge) for edge in data.shape[:2]), *data.shape[2:])
            target.create_dataset(name, data=data, chunks=chunks, fletcher32=True)
    write(copy, lambda part: part.write_bytes(whole.getbuffer()))


def is_tile(path: str | os.PathLike[str]) -> bool:
    """Whether an HDF5 file is of this format rather than another."""
    try:
        with open_hdf5(path) as file:
            return "timestamps" in file
    except (OSError, ValueError):
        return False


def stored_tile(path: Path) -> tuple[Tile, dict[str, np.ndarray]]:
    """A whole tile as it is stored: what it says of itself, and its images, (128, 128, dates that it has, C).

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not a whole file of this format.
    """
    with open_hdf5(path) as file:
        tile = tile_of(file, path)
        return tile, {name: file.read(name) for name in tile.names}


@dataclass(frozen=True)
class Tile:
    """What a tile says of itself; its images are read when a window is asked for.

    Attributes:
        path: of the file.
        timestamps: (12, 3) day, month 0..11, year.
        latlon: latitude and longitude in degrees.
        present: sensor -> (12,) bool, True = the tile has this timestep.
        names: modalities, in the order of `bands.MODALITIES` or as they were asked for.
    """

    path: Path
    timestamps: np.ndarray
    latlon: tuple[float, float]
    present: Mapping[str, np.ndarray]
    names: Sequence[str]

    def window(self, read: ReadImage, rows: slice, columns: slice, all_timesteps: bool = False) -> Sample:
        """A window as a sample.

        Args:
            read: gives the stored values of a modality in a window.
            rows: pixels to read.
            columns: the same.
            all_timesteps: whether to keep timesteps that no sensor has at either end.

        Raises:
            ValueError: if the window holds NaN, naming the file.
        """
        used = np.flatnonzero(np.any(list(self.present.values()), axis=0))
        steps = slice(0, MAX_TIMESTEPS) if all_timesteps else slice(int(used[0]), int(used[-1]) + 1)
        images = {}
        for name in self.names:
            image = read(name, (rows, columns)).astype(np.float32)
            if name in SENSORS:
                shown = self.present[name][steps]  # no sensor has a timestep outside of them
                full = np.full((*image.shape[:2], len(shown), image.shape[3]), MISSING, dtype=np.float32)
                full[:, :, shown] = image
                image = full  # (H, W, T, C), the empty ends cut off
            images[name] = image
        name, where = self.path.name, degrees(*self.latlon, 3)
        try:
            return Sample(images, self.timestamps[steps], name, f"the file {name}, {where}")
        except ValueError as error:  # which of a thousand tiles it is must be in the message
            raise ValueError(f"{self.path}: {error}") from error


def tile_of(file: Hdf5, path: Path, modalities: Sequence[str] | None = None) -> Tile:
    """What an open file says of itself; all shapes are right."""
    absent = [key for key in ("timestamps", "latlon") if key not in file]
    if absent:
        raise ValueError(f"{path} has no {absent}: it is not a tile of the official format, it has {file.names()}")
    for name, shape in (("timestamps", (MAX_TIMESTEPS, 3)), ("latlon", (2,))):
        _require_shape(file, path, name, shape)
    where = file.read("latlon")
    if not (np.abs(where) <= (90, 180)).all():
        raise ValueError(f"{path}: latlon must be latitude and longitude in degrees, got {where.tolist()}")
    names = [name for name in modalities or MODALITIES if name in file]
    sensors = [name for name in names if name in SENSORS]
    bare = [name for name in sensors if f"{PRESENT}/{name}" not in file]
    bare += [name for name in sensors if name not in bare and file.shape(f"{PRESENT}/{name}") != (MAX_TIMESTEPS,)]
    if bare:
        raise ValueError(f"{path}: {PRESENT} must say of each of the {MAX_TIMESTEPS} timesteps whether {bare} have it")
    present = {name: file.read(f"{PRESENT}/{name}", kinds="biu").astype(bool) for name in sensors}
    if not any(mask.any() for mask in present.values()):
        raise ValueError(f"{path} has no date of any of {sensors or SENSORS}")
    for name in names:
        stored = int(present[name].sum()) if name in SENSORS else 1
        _require_shape(file, path, name, (TILE, TILE, stored, len(modality(name).bands)))
    lat, lon = where.tolist()
    return Tile(path, file.read("timestamps", kinds="iu"), (lat, lon), present, names)


def _require_shape(file: Hdf5, path: Path, name: str, shape: tuple[int, ...]) -> None:
    """Raises a ValueError unless a data set has that shape."""
    if file.shape(name) != shape:
        raise ValueError(f"{path}: {name} must be {shape}, got {file.shape(name)}")


def folder_name(modalities: Sequence[str]) -> Path:
    """Folder of a data set below its root, without the number of samples."""
    return Path("h5py_data_w_missing_timesteps_zstd_3_128_x_4") / "_".join(sorted(modalities))


def write_index(folder: str | os.PathLike[str], has: Sequence[Sequence[str]], latlon: np.ndarray) -> None:
    """Writes what stands beside the tiles: which sample has what, where they lie, how they are compressed.

    Args:
        folder: named like the number of samples.
        has: modalities of each sample.
        latlon: (samples, 2) degrees.

    Raises:
        ValueError: if the folder's name is not the number of samples.
    """
    folder = Path(folder)
    if folder.name != str(len(has)):
        raise ValueError(f"the folder of {len(has)} samples must be named {len(has)}, got {folder.name!r}")
    names = sorted({name for own in has for name in own})
    with (folder / "sample_metadata.csv").open("w", newline="", encoding="utf8") as file:
        writer = csv.writer(file)
        writer.writerow(["sample_index", *names])
        writer.writerows([i, *(int(name in own) for name in names)] for i, own in enumerate(has))
    np.save(folder / "latlon_distribution.npy", np.asarray(latlon, dtype=np.float32))
    (folder / "compression_settings.json").write_text(json.dumps(COMPRESSION, indent=2) + "\n", encoding="utf8")


class OfficialDataset(Sequence[Sample]):
    """A folder of tiles in the official format.

    Args:
        folder: holds `sample_<i>.h5` and is named like their number; or a folder with one such below it.
        modalities: which to read; by default all that we know.

    Raises:
        FileNotFoundError: if there is no such folder, or tiles are missing from it.
    """

    def __init__(self, folder: str | os.PathLike[str], modalities: Sequence[str] | None = None) -> None:
        found = sorted({path.parent for path in Path(folder).rglob("sample_metadata.csv")})
        if len(found) != 1:
            raise FileNotFoundError(f"{folder} must hold one sample_metadata.csv, it holds {len(found)}")
        self.folder, self.modalities = found[0], modalities
        if not self.folder.name.isdigit():
            raise ValueError(f"the folder of the tiles is named like their number, got {self.folder.name!r}")
        self._count = int(self.folder.name)
        gone = [i for i in range(self._count) if not self.path(i).is_file()]
        if gone:
            raise FileNotFoundError(f"{self.folder} lacks {len(gone)} of {self._count} tiles: {gone[:5]} ...")

    def path(self, index: int) -> Path:
        """File of a tile."""
        return self.folder / f"sample_{index}.h5"

    def __len__(self) -> int:
        """Number of tiles."""
        return self._count

    def __getitem__(self, index: Any) -> Any:
        """The tile's sample."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"there are {len(self)} tiles, asked for {index}")
        return read_tile(self.path(index % len(self)), self.modalities)
