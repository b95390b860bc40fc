"""The unit of work of a map: a block, made in this process or on Dask, and kept until the map is whole."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from threading import Lock

import numpy as np

from olmoearth_nb.errors import PlainError
from olmoearth_nb.io.cluster import cluster
from olmoearth_nb.io.durable import read_array, write_array
from olmoearth_nb.io.json_file import parse_json
from olmoearth_nb.io.memory import keep_freed_memory
from olmoearth_nb.maps.plan import Plan
from olmoearth_nb.maps.sources import Opened, Sources
from olmoearth_nb.maps.threads import one_thread
from olmoearth_nb.maps.windows import Block, blended
from olmoearth_nb.model.precision import in_precision
from olmoearth_nb.weights.trained import weights_hash

PLAN = "plan.json"
"""What is written beside the blocks, and what workers read."""

Done = Callable[[Block], None]
"""Is told of each block that is done."""


class MapError(PlainError):
    """A block could not be made; those that are done are kept."""


def path_of(folder: Path, block: Block) -> Path:
    """Where a block lies when it is done."""
    return folder / "blocks" / f"{'-'.join(map(str, block))}.npy"


def _make(folder: Path, opened: Opened, plan: Plan, block: Block) -> None:
    """Makes one block and writes it."""
    reading, edge = plan.reading(opened.encoder, opened.head), plan.tiling.window
    values = blended(
        plan.tiling, lambda row, column: reading.window(opened.scene, row, column, edge), block, reading.depth
    )
    write_array(path_of(folder, block), plan.coding.encode(values))


def here(folder: Path, opened: Opened, plan: Plan, blocks: list[Block], done: Done) -> None:
    """Makes blocks in this process."""
    with one_thread(), in_precision(plan.settings.precision, opened.encoder):
        for block in blocks:
            _make(folder, opened, plan, block)
            done(block)


def on_workers(folder: Path, blocks: list[Block], workers: int, scheduler: str, done: Done) -> None:
    """Makes blocks on Dask, as many at once as there are workers.

    Raises:
        MapError: if one fails; the others that are done are kept.
    """
    from distributed import as_completed

    if not blocks:
        return
    text = (folder / PLAN).read_text(encoding="utf8")
    with cluster(workers, scheduler) as client:
        futures = {
            client.submit(_on_worker, str(folder), text, block, pure=False, priority=-number): block
            for number, block in enumerate(blocks)
        }
        for future in as_completed(futures):
            if future.status != "finished":
                error, block = future.exception(), futures[future]
                client.cancel(list(futures))
                raise MapError(
                    f"the block at row {block[0]}, column {block[1]} of the map could not be made "
                    f"({type(error).__name__}: {error}); what is done is kept, the same call goes on with it"
                ) from error
            done(futures[future])


_TURN = Lock()
"""A worker with several threads makes one block at a time: a scene keeps what it read last."""


def _on_worker(folder: str, plan: str, block: Block) -> None:
    """Makes one block on a worker, unless it is done."""
    with _TURN, one_thread():
        opened, known = _opened(plan)
        if not path_of(Path(folder), block).is_file():
            with in_precision(known.settings.precision, opened.encoder):
                _make(Path(folder), opened, known, block)


@lru_cache(maxsize=1)
def _opened(text: str) -> tuple[Opened, Plan]:
    """What a plan's text names, opened once for all blocks of a worker.

    Raises:
        ValueError: if this worker finds another model than the plan has.
    """
    keep_freed_memory()
    given = parse_json(text, PLAN)
    plan = Plan.from_dict(given["plan"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # what a loader warns of was heard where the plan was made
        opened = Sources(**given["sources"]).open()
    if weights_hash(opened.encoder) != plan.about["encoder"] or list(opened.scene.shape) != plan.about["shape"]:
        raise ValueError(f"this worker finds another model or scene than the plan under {given['sources']}")
    return opened, plan


def any_observed(blocks: Mapping[Block, Path], plan: Plan) -> bool:
    """Whether any cell of any block has a number; a damaged block is removed, so that it is made again.

    Raises:
        MapError: if blocks were damaged since they were written.
    """
    found, damaged = False, []
    for path in blocks.values():
        stored = read_array(path)
        if stored is None:
            damaged.append(path)
            path.unlink()
            continue
        found = found or bool(np.any(stored != plan.coding.nodata))
    if damaged:
        raise MapError(
            f"{len(damaged)} of {len(blocks)} blocks were damaged on the disk; the same call makes them again"
        )
    return found
