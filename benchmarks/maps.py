"""What a map costs, and whether the borders of its windows show.

    python benchmarks/maps.py seams points memory workers tile --out DIR
    python benchmarks/maps.py draw --out docs/results/maps

* seams: mean step across window borders / mean step inside, of simulated tiles, by model, with and without overlap;
* points: how much of a 5,000 px scene is read for the embeddings of 10 points;
* memory: peak memory of a map against the size of its scene;
* workers: seconds against processes; the files must be equal to the last byte;
* tile: blocks from all over a scene of 10,980 px, 12 bands and 12 dates; the rest of the time is extrapolated;
* draw: peak memory of `memory.csv` and `tile.csv` in DIR as a figure, docs/figures/map_memory.png.

Scenes are written to DIR/scenes and kept. Each part runs in a process of its own, whose peak memory is written down.
Numbers go to DIR/NAME.csv.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

MODELS = ("mini-v1-long", "mini-v1.1-long")
DATES = [f"2023-{month:02d}-15" for month in range(1, 13)]
PLACE = ("EPSG:32631", (10.0, 0.0, 300_000.0, 0.0, -10.0, 5_000_000.0))
TILE = 10_980
FIGURE = Path(__file__).parents[1] / "docs" / "figures" / "map_memory.png"

Row = dict[str, object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="+", choices=[*sorted(PARTS), "draw"])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sizes", default="256,512,1024,2048", help="edges of the scenes of memory")
    parser.add_argument("--workers", default="1,2", help="processes of workers")
    parser.add_argument("--edge", type=int, default=512, help="edge of the scene of workers")
    parser.add_argument("--tiles", default="46,47,48", help="simulated tiles of seams")
    parser.add_argument("--model", default=MODELS[1])
    parser.add_argument("--blocks", type=int, default=3, help="of tile")
    parser.add_argument("--one", default="", help=argparse.SUPPRESS)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    if given.one:
        print(json.dumps(ALONE[given.parts[0]](given)))
        return
    for name in given.parts:
        if name == "draw":
            draw(given.out)
            continue
        rows = list(PARTS[name](given))
        write_rows(given.out / f"{name}.csv", rows)
        for row in rows:
            print(name, row, flush=True)


def write_rows(path: Path, rows: list[Row]) -> None:
    from olmoearth_nb.io.durable import write_csv

    write_csv(path, list(dict.fromkeys(key for row in rows for key in row)), rows)


def alone(given: argparse.Namespace, part: str, one: object) -> Row:
    """What a part says of one case, in a process of its own on one thread."""
    words = [sys.executable, __file__, part, "--out", given.out, "--model", given.model, "--one", one]
    words += ["--blocks", given.blocks, "--edge", given.edge]
    done = subprocess.run(
        list(map(str, words)), env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def peak() -> float:
    """Gigabytes of memory that this process had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def scene(given: argparse.Namespace, edge: int, dates: int = 12, observed: int | None = None) -> Path:
    """A folder of one GeoTIFF a date: fields of noise, in tiles of 256 px, compressed as archives do.

    Args:
        given: where scenes go.
        edge: in pixels.
        dates: how many.
        observed: edge of squares in every corner and in the middle that were observed; None for all of it.
    """
    import rasterio
    from rasterio.transform import Affine

    from olmoearth_nb.bands import SENTINEL2

    folder = given.out / "scenes" / f"{edge}px-{dates}dates{'' if observed is None else f'-{observed}'}"
    if folder.is_dir():
        return folder
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    profile = {"driver": "GTiff", "dtype": "uint16", "count": 12, "height": edge, "width": edge, "nodata": 0}
    profile |= {"tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "deflate", "sparse_ok": True}
    profile |= {"crs": PLACE[0], "transform": Affine(*PLACE[1]), "bigtiff": "IF_SAFER", "zlevel": 1}
    for number, date in enumerate(DATES[:dates]):
        with rasterio.open(part / f"{date}.tif", "w", **profile) as file:
            file.descriptions = SENTINEL2.band_names
            file.update_tags(DATE=date)
            for row, column in squares(edge, observed):
                height, width = min(256, edge - row), min(256, edge - column)
                values = noise(row, column, number)[:, :height, :width]
                file.write(values, window=((row, row + height), (column, column + width)))
    return part.rename(folder)


def squares(edge: int, observed: int | None) -> list[tuple[int, int]]:
    """Corners of the blocks of 256 px that were observed."""
    whole = [(row, column) for row in range(0, edge, 256) for column in range(0, edge, 256)]
    if observed is None:
        return whole
    firsts = [(r, c) for r in (0, edge - observed) for c in (0, edge - observed)] + [((edge - observed) // 2,) * 2]
    return [
        (row, column)
        for row, column in whole
        if any(r - 256 < row < r + observed and c - 256 < column < c + observed for r, c in firsts)
    ]


def noise(row: int, column: int, date: int) -> np.ndarray:
    """(12, 256, 256) numbers: patches of 16 px with a colour each, and a little noise."""
    rng = np.random.default_rng((row, column, date))
    coarse = rng.integers(300, 4000, (12, 16, 16)).repeat(16, 1).repeat(16, 2)
    return (coarse + rng.integers(0, 200, (12, 256, 256))).astype(np.uint16)


def of_seams(given: argparse.Namespace) -> Iterable[Row]:
    """Simulated tiles of 128 px in four months; windows of 32 and 64 px."""
    from olmoearth_nb.data.simulate.tile import tile_sample
    from olmoearth_nb.georeference import Georeference
    from olmoearth_nb.maps.make import make_map
    from olmoearth_nb.maps.seams import read_map, seams
    from olmoearth_nb.weights.load import open_encoder

    for model in MODELS:
        encoder = open_encoder(model)
        for number in map(int, given.tiles.split(",")):
            sample = tile_sample(0, number).select_times([3, 5, 7, 9])
            images = {"sentinel2_l2a": sample.images["sentinel2_l2a"]}
            sample = replace(sample, images=images, georeference=Georeference(*PLACE))
            for window in (32, 64):
                for stride, blending in ((window, "cosine"), (window // 2, "cosine"), (window // 2, "margin")):
                    path = given.out / "seams.tif"
                    options = {"window": window, "stride": stride, "blending": blending}
                    found = seams(*read_map(make_map(encoder, sample, path, overwrite=True, quiet=True, **options)))
                    row = {"model": model, "tile": number, **options, "across": found.across, "inside": found.inside}
                    yield row | {"ratio": found.ratio}
                    path.unlink()


def of_points(given: argparse.Namespace) -> Iterable[Row]:
    scene(given, 5000, 1)
    yield alone(given, "points", 5000)


def one_points(given: argparse.Namespace) -> Row:
    """Ten points of a 5,000 px scene: pixels that are asked for, pixels that are unpacked for them, bytes read."""
    import shapely
    from geopandas import GeoDataFrame

    from olmoearth_nb.data.geotiff.part import Part
    from olmoearth_nb.data.load import load_scene
    from olmoearth_nb.georeference import LONLAT
    from olmoearth_nb.points.features import embed_features
    from olmoearth_nb.weights.load import open_encoder

    encoder, edge, read = open_encoder(given.model), int(given.one), Part.read
    asked: list[int] = []

    def counted(part: Part, window: tuple[int, int, int, int], **options: object) -> object:
        asked.append(window[2] * window[3])
        return read(part, window, **options)

    Part.read = counted  # type: ignore[method-assign, assignment]
    folder = scene(given, edge, 1)
    before = bytes_read()
    opened = load_scene(folder)
    judged = bytes_read() - before
    at = np.random.default_rng(0).uniform(0, edge, (10, 2))
    lon, lat = opened.georeference.to_lonlat(*at.T)
    features = GeoDataFrame(geometry=shapely.points(lon, lat), crs=LONLAT)
    start = time.perf_counter()
    embed_features(encoder, opened, features, 4)
    size = sum(path.stat().st_size for path in folder.iterdir())
    return {
        "scene": f"{edge} px, 1 date",
        "windows, part of the pixels": 10 * 64**2 / edge**2,
        "pages read, part of the pixels": sum(asked) / edge**2,
        "opening, part of the bytes": judged / size,
        "all, part of the bytes": (bytes_read() - before) / size,
        "seconds": time.perf_counter() - start,
    }


def bytes_read() -> int:
    """That this process has read from files so far."""
    return int(Path("/proc/self/io").read_text().split()[1])


def of_memory(given: argparse.Namespace) -> Iterable[Row]:
    for edge in map(int, given.sizes.split(",")):
        scene(given, edge)
        yield alone(given, "memory", edge)


def one_memory(given: argparse.Namespace) -> Row:
    """Peak memory of embeddings of a scene, from its files to the map; windows side by side, to be quick."""
    from olmoearth_nb.maps.make import make_map

    edge, out = int(given.one), given.out / f"memory-{given.one}.tif"
    start, before = time.perf_counter(), peak()
    make_map(given.model, scene(given, edge), out, patch_size=8, stride=128, overwrite=True, quiet=True)
    out.unlink()
    return {"edge": edge, "gigabytes": peak(), "of imports": before, "seconds": time.perf_counter() - start}


def of_workers(given: argparse.Namespace) -> Iterable[Row]:
    """The same map by one process and several; every file must be the same."""
    from olmoearth_nb.maps.make import make_map

    folder, first = scene(given, given.edge), b""
    for count in map(int, given.workers.split(",")):
        out = given.out / f"workers-{count}.tif"
        start = time.perf_counter()
        make_map(given.model, folder, out, block=128, workers=count, overwrite=True, quiet=True)
        seconds = time.perf_counter() - start
        first = first or out.read_bytes()
        area = (given.edge * 10 / 1000) ** 2
        yield {"workers": count, "seconds": seconds, "km2/s": area / seconds, "equal": out.read_bytes() == first}
        out.unlink()


def of_tile(given: argparse.Namespace) -> Iterable[Row]:
    scene(given, TILE, 12, 768)
    yield alone(given, "tile", TILE)


def one_tile(given: argparse.Namespace) -> Row:
    """Blocks of 512 px in the corners and the middle of a tile; embeddings, with overlap."""
    from olmoearth_nb.maps.blocks import here
    from olmoearth_nb.maps.make import BLOCK, begin

    start = time.perf_counter()
    work = given.out / "tile.work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    opened, plan = begin(work, given.model, scene(given, TILE, 12, 768), None, {})
    opening = time.perf_counter() - start
    edge = BLOCK // plan.settings.patch_size
    blocks = plan.tiling.blocks(edge)
    side = math.isqrt(len(blocks))
    chosen = [blocks[0], blocks[side // 2 * side + side // 2], blocks[side - 2]][: given.blocks]
    start = time.perf_counter()
    here(work, opened, plan, chosen, lambda block: None)
    seconds = (time.perf_counter() - start) / len(chosen)
    shutil.rmtree(work)
    return {
        "edge": TILE,
        "blocks": len(blocks),
        "done": len(chosen),
        "opening, seconds": opening,
        "seconds a block": seconds,
        "all, hours on one core": seconds * len(blocks) / 3600,
        "gigabytes": peak(),
    }


def draw(folder: Path) -> None:
    """Peak memory over the edge of the scene, beside what the scene itself would take."""
    import matplotlib.pyplot as plt

    from olmoearth_nb.plots.style import use_style, write_figure

    rows = [
        row for name in ("memory", "tile") for row in csv.DictReader((folder / f"{name}.csv").read_text().splitlines())
    ]
    edges, peaks = ([float(row[name]) for row in rows] for name in ("edge", "gigabytes"))
    use_style()
    figure, ax = plt.subplots(figsize=(6.0, 3.2), layout="constrained")
    ax.plot(edges, peaks, "o-", color="black", label="peak of the process")
    whole = [edge**2 * 12 * 12 * 2 / 1e9 for edge in edges]  # 12 bands, 12 dates, two bytes
    ax.plot(edges, whole, "--", color="grey", label="all pixels of the scene")
    ax.set(xscale="log", yscale="log", xlabel="edge of the scene, px", ylabel="GB")
    ax.set_xticks(edges, [f"{edge:,.0f}" for edge in edges])
    ax.minorticks_off()
    ax.legend(frameon=False)
    write_figure(FIGURE, figure, dpi=150)


PARTS = {"seams": of_seams, "points": of_points, "memory": of_memory, "workers": of_workers, "tile": of_tile}
ALONE = {"points": one_points, "memory": one_memory, "tile": one_tile}

if __name__ == "__main__":
    main()
