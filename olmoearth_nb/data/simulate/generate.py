"""Writes a set of scenes: tiles in the official format, their labels, a list of scenes, and what made them."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from olmoearth_nb.data.official import folder_name, write_index, write_tile
from olmoearth_nb.data.simulate.geography import SCENE_CLASSES
from olmoearth_nb.data.simulate.scenes import scene_class, timesteps, windows
from olmoearth_nb.data.simulate.tile import ABSENT_MAPS, LEVELS, checked, make_tile, split_of
from olmoearth_nb.data.simulate.version import version_of
from olmoearth_nb.errors import PlainError
from olmoearth_nb.io.durable import write_arrays

MODALITY_NAMES = (
    "sentinel2_l2a",
    "sentinel1",
    "landsat",
    "worldcover",
    "srtm",
    "openstreetmap_raster",
    "cdl",
    *ABSENT_MAPS,
)
COLUMNS = ("scene", "tile", "row", "column", "size", "slots", "split", "class")


def simulate(
    out: str | os.PathLike[str],
    scenes: int,
    size: int = 32,
    dates: int = 6,
    seed: int = 0,
    workers: int = 1,
    quiet: bool = False,
    version: int = 1,
    level: str = "L2A",
) -> Path:
    """Writes scenes and all the tiles that they are windows of.

    The same parameters give the same files, whatever the number of workers, and memory does not grow with the number
    of scenes. A folder that is only partly written has no `world.json` and is begun anew.

    Args:
        out: folder to make; it must not hold anything else.
        scenes: how many, at least 1.
        size: edge of a scene in pixels of 10 m, 8 to 128.
        dates: how many months a scene shows, 1 to 12, spread over the year.
        seed: of the world.
        workers: processes.
        quiet: whether to leave out the progress bar.
        version: of the world, 1 or 2.
        level: of Sentinel-2, "L2A" or "L1C"; `world.json` names it where it is not L2A.

    Returns:
        The folder.

    Raises:
        ValueError: for parameters out of range.
        FileExistsError: if the folder holds something that is not a world of these parameters.
        DiskFullError: if the disk is full.
        PlainError: if one of the processes was killed.
    """
    if scenes < 1 or workers < 1:
        raise ValueError(f"scenes and workers must be at least 1, got {scenes} and {workers}")
    numbers = {"scenes": scenes, "size": size, "dates": dates, "seed": seed}
    parameters: dict[str, int | str] = {"version": version_of(version).number, **numbers}
    if checked(level) != LEVELS[0]:  # worlds of version 1 have no such entry
        parameters["level"] = level
    corners, out = windows(size), Path(out)
    timesteps(dates)  # an error before the work, not behind it
    if _is_made(out, parameters):
        return out
    tiles = -(-scenes // len(corners))
    folder = out / folder_name(MODALITY_NAMES) / str(tiles)
    for made in (folder, out / "labels"):
        made.mkdir(parents=True)
    (out / "unfinished").touch()
    has, where, uses = zip(*_make((version, level), seed, tiles, folder, out / "labels", workers, quiet), strict=True)
    write_index(folder, has, np.array(where))
    places = [(scene // len(corners), *corners[scene % len(corners)]) for scene in range(scenes)]
    _write_list(out / "scenes.csv", places, size, dates, uses)
    (out / "world.json").write_text(json.dumps({"parameters": parameters}, indent=2) + "\n", encoding="utf8")
    (out / "unfinished").unlink()
    return out


def _is_made(out: Path, parameters: dict[str, int | str]) -> bool:
    """Whether the folder already holds this world; removes one that was not finished.

    Raises:
        FileExistsError: if it holds something else.
    """
    if (out / "world.json").is_file():
        found = json.loads((out / "world.json").read_text(encoding="utf8"))["parameters"]
        if found != parameters:
            raise FileExistsError(f"{out} holds a world of {found}, not of {parameters}")
        return True
    if out.exists() and any(out.iterdir()):
        if not (out / "unfinished").is_file():
            raise FileExistsError(f"{out} holds other files; give a new folder")
        shutil.rmtree(out)
    return False


def _write_list(
    path: Path, places: list[tuple[int, int, int]], size: int, dates: int, uses: Sequence[np.ndarray]
) -> None:
    """Writes one row a scene: its tile, window, timesteps, split and class."""
    shown = " ".join(map(str, timesteps(dates)))
    with path.open("w", newline="", encoding="utf8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for scene, (tile, row, column) in enumerate(places):
            kind = SCENE_CLASSES[scene_class(uses[tile][row : row + size, column : column + size])]
            writer.writerow([scene, tile, row, column, size, shown, split_of(tile), kind])


def _make(
    world: tuple[int, str], seed: int, tiles: int, folder: Path, labels: Path, workers: int, quiet: bool
) -> Iterator[tuple[list[str], np.ndarray, np.ndarray]]:
    """Makes all tiles; yields for each its modalities, place and land use, in order."""
    from rich.progress import track

    files = [(folder / f"sample_{number}.h5", labels / f"labels_{number}.npz") for number in range(tiles)]
    jobs = [(*world, seed, number, *paths) for number, paths in enumerate(files)]
    if workers == 1:
        yield from track(map(_write, jobs), "simulating tiles", total=tiles, disable=quiet)
        return
    from joblib import Parallel, delayed
    from joblib.externals.loky import BrokenProcessPool

    # Processes of loky, which unlike those of `multiprocessing` never run the caller's script again.
    pool = Parallel(workers, backend="loky", return_as="generator")
    try:
        yield from track(pool(delayed(_write)(job) for job in jobs), "simulating tiles", total=tiles, disable=quiet)
    except BrokenProcessPool as error:
        raise PlainError(
            f"a process that makes tiles was killed; see whether memory and the disk of {folder} suffice, or give "
            "fewer workers; the same call begins anew"
        ) from error


def _write(job: tuple[int, str, int, int, Path, Path]) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Makes and writes one tile."""
    version, level, seed, number, path, labels = job
    tile = make_tile(seed, number, version, level)
    write_tile(path, tile.images, tile.present, tile.timestamps, tile.latlon)
    write_arrays(labels, tile.labels)
    return [name for name in MODALITY_NAMES if name in tile.images], tile.latlon, tile.labels["scene"]
