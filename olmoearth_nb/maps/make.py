"""`make_map`: a scene of any size to a map, block by block.

A block is the unit of work: it reads the windows that touch it, and nothing else. So memory does not grow with the
scene, and neither the size of blocks nor their order, nor the number of workers, nor a kill in between changes a pixel.
Blocks that are done lie beside the map until it is whole.
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from olmoearth_nb.io.durable import alone, sync, write_json
from olmoearth_nb.io.json_file import read_json
from olmoearth_nb.maps.blocks import PLAN, Done, any_observed, here, on_workers, path_of
from olmoearth_nb.maps.cog import free_for, sizes, write_cog
from olmoearth_nb.maps.plan import Plan, Settings, described, nothing_observed, planned, settings
from olmoearth_nb.maps.probe import Head
from olmoearth_nb.maps.sources import Opened, Sources, named
from olmoearth_nb.maps.sources import opened as open_all
from olmoearth_nb.maps.threads import one_thread
from olmoearth_nb.maps.windows import Block
from olmoearth_nb.model.encoder import Encoder
from olmoearth_nb.model.precision import FULL
from olmoearth_nb.scene import Scene

BLOCK = 512
"""Default edge of a block in pixels of the scene."""

_PARTS = 3
"""How often the map's numbers lie on the disk at once: as blocks, as a plain file and as the map."""


def make_map(
    model: str | os.PathLike[str] | Encoder | None,
    data: str | os.PathLike[str] | Scene,
    out: str | os.PathLike[str],
    head: str | os.PathLike[str] | Head | None = None,
    *,
    output: str = "",
    patch_size: int | None = None,
    window: int | None = None,
    stride: int | None = None,
    blending: str = "cosine",
    precision: str = FULL,
    block: int = BLOCK,
    workers: int = 1,
    scheduler: str = "",
    overwrite: bool = False,
    quiet: bool = False,
    **options: Any,
) -> Path:
    """Makes a map of a scene as a cloud-optimised GeoTIFF, which appears whole or not at all.

    The file says in its tags what it was made of. Killed, the same call goes on with the blocks that are not done.

    Args:
        model: see `open_encoder`; or an encoder, for this process alone; None for that of a head of `finetune`.
        data: see `load_scene`; or a scene, for this process alone.
        out: the file.
        head: a folder of `finetune`, or what `save_probe` wrote; or a head, for this process alone; None for none.
        output: with a head "classes", "probabilities" or "values", by what it tells; without one "embeddings" (int8
            with a scale for each number) or "pca" (their three principal components as red, green and blue).
        patch_size: P; the head's, else 4. A pixel of the map is a patch, or a pixel of the scene where a head tells
            each pixel.
        window: edge of what the encoder sees at once, in pixels; by default 16 patches.
        stride: from one window to the next; by default half a window. As long as the window, none overlap.
        blending: "cosine" (a weighted mean of overlapping windows) or "margin" (the one whose border is farthest).
        precision: of the encoder's products, one of `model.precision.PRECISIONS`; "bf16-mixed" takes less time on a
            processor that multiplies bfloat16, and changes the second or third digit of an embedding.
        block: edge of the unit of work in pixels of the scene; changes no pixel.
        workers: processes of a local Dask cluster; 1 for this process. Changes no pixel.
        scheduler: address of a Dask scheduler instead, such as "tcp://host:8786".
        overwrite: whether a map that is there already is replaced, once the new one is whole.
        quiet: whether to leave out the progress bar.
        options: of the scene's loader.

    Returns:
        The path of the map.

    Raises:
        FileExistsError: if the map is there already, another process makes it, or a map of something else was begun.
        ValueError: for a scene without a place or any observed patch, a head of other embeddings, and settings that
            cannot be.
        MapError: if a block could not be made.
        DiskFullError: if the disk is full.
    """
    out = Path(out).absolute()
    check_out(out, overwrite)
    if block < 1 or workers < 1:
        raise ValueError(f"a block has a pixel and there is a worker at least, got block={block}, workers={workers}")
    if named(model, data, head, options) is None and (workers > 1 or scheduler):
        raise ValueError("several workers open model, data and head by their paths; give paths, or say workers=1")
    folder = out.with_name(f"{out.name}.work")
    with alone(folder):
        tiles = {"patch_size": patch_size, "window": window, "stride": stride, "blending": blending}
        opened, plan = begin(folder, model, data, head, options, output=output, precision=precision, **tiles)
        edge = max(1, block // plan.settings.patch_size) * plan.about["cells"]
        blocks = {one: path_of(folder, one) for one in plan.tiling.blocks(edge)}
        left = [one for one, path in blocks.items() if not path.is_file()]
        free_for(folder, _PARTS * sizes(blocks, plan.coding) - sizes(blocks.keys() - left, plan.coding), out.name)
        with _progress(plan, blocks, left, quiet) as done:
            if workers > 1 or scheduler:
                on_workers(folder, left, workers, scheduler, done)
            else:
                here(folder, opened, plan, left, done)
        if not any_observed(blocks, plan):
            shutil.rmtree(folder)
            raise nothing_observed(opened.scene.title)
        made = write_cog(folder, plan.tiling.shape, plan.coding, plan.georeference, plan.tags(), blocks)
        made.replace(out)
        sync(out.parent)
    shutil.rmtree(folder)
    return out


def check_out(out: Path, overwrite: bool = False) -> None:
    """Raises unless a map can be written there.

    Args:
        out: the file.
        overwrite: whether one that is there already may be replaced.

    Raises:
        FileExistsError: if it is there already.
        ValueError: for another ending, or a folder.
    """
    if out.suffix.lower() not in (".tif", ".tiff"):
        raise ValueError(f"a map is a GeoTIFF, .tif, got out={out.name!r}")
    if out.is_dir():
        raise ValueError(f"{out} is a folder; give the name of a file in it")
    if out.exists() and not overwrite:
        raise FileExistsError(f"{out} is there already; say overwrite=True, or give another name")


def begin(
    folder: Path, model: Any, data: Any, head: Any, options: Mapping[str, Any], **chosen: Any
) -> tuple[Opened, Plan]:
    """Opens what a map is made of, and its plan: the one that lies in its folder, or a new one, written there.

    Args:
        folder: of the blocks; it is removed if there is nothing to go on with.
        model: see `make_map`.
        data: likewise.
        head: likewise.
        options: of the scene's loader.
        chosen: see `plan.settings`.

    Raises:
        FileExistsError: if a map of something else was begun there.
        ValueError: see `make_map`.
    """
    path = folder / PLAN
    try:
        with one_thread():
            opened = open_all(model, data, head, options)
            wanted = settings(opened.head, **chosen)
            sources = named(model, data, head, options)
            about = described(_title(sources), opened.encoder, opened.scene, opened.head, wanted)
            if path.is_file():
                plan = _same(Plan.from_dict(read_json(path)["plan"]), about, wanted, folder)
            else:
                plan = planned(opened.encoder, opened.scene, opened.head, wanted, about)
        write_json(path, {"plan": plan.to_dict(), "sources": sources and vars(sources)})
    except BaseException:
        if not path.is_file():
            shutil.rmtree(folder)
        raise
    return opened, plan


def _title(sources: Sources | None) -> str:
    """What a map calls its model."""
    given = "" if sources is None else sources.model or sources.head
    return "/".join(Path(given).parts[-2:]) if given else "an encoder"


def _same(written: Plan, about: Mapping[str, Any], wanted: Settings, folder: Path) -> Plan:
    """The plan that was written, if it is of the same map.

    Raises:
        FileExistsError: if it is of another one.
    """
    differs = [key for key in about if written.about.get(key) != about[key]]
    differs += [key for key, value in vars(wanted).items() if getattr(written.settings, key) != value]
    if differs:
        raise FileExistsError(
            f"{folder} holds a map that was begun with another {', '.join(differs)}; remove that folder, or give "
            "another name"
        )
    return written


@contextmanager
def _progress(plan: Plan, blocks: Mapping[Block, Path], left: list[Block], quiet: bool) -> Iterator[Done]:
    """A bar over the map's area, with its speed in square kilometres a second."""
    from rich.progress import (
        BarColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Speed(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text("" if task.speed is None else f"{task.speed:.3g} km2/s")

    area = math.prod(plan.georeference.pixel_size(*plan.tiling.shape)) / 1e6
    columns = (TextColumn("{task.description}"), BarColumn(), Speed(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, transient=True, disable=quiet, speed_estimate_period=600) as bar:
        total = sum(height * width for _, _, height, width in blocks) * area
        task = bar.add_task("", total=total)
        ready = len(blocks) - len(left)

        def done(block: Block | None) -> None:
            nonlocal ready
            ready += block is not None
            size = 0 if block is None else block[2] * block[3]
            bar.update(task, advance=size * area, description=f"{ready} of {len(blocks)} blocks")

        bar.update(task, completed=total - sum(height * width for _, _, height, width in left) * area)
        done(None)
        yield done
