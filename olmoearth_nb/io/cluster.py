"""Workers on Dask: a local cluster by default, or the scheduler of any other one."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distributed import Client

START = 300.0
"""Seconds that a local worker has to start."""


@contextmanager
def cluster(workers: int, scheduler: str = "") -> Iterator[Client]:
    """A client of a scheduler, or of one in this process, whose workers end when this process does.

    Local workers are commands (`dask spec`), not children of `multiprocessing`, which would run the caller's script
    again wherever it has no `if __name__ == "__main__"`.

    Args:
        workers: processes of the local cluster.
        scheduler: address of a Dask scheduler instead, such as "tcp://host:8786".

    Raises:
        ModuleNotFoundError: if Dask is not installed, saying how to.
    """
    try:
        from distributed import Client, Scheduler, SpecCluster
        from distributed.deploy.subprocess import SubprocessWorker
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f'{error}; pip install "olmoearth_nb[scale]" brings it') from error
    if scheduler:
        with Client(scheduler) as client:
            yield client
        return
    quiet = {"host": "127.0.0.1", "silence_logs": logging.CRITICAL}
    options: dict[str, Any] = {"worker_kwargs": quiet | {"nthreads": 1, "memory_limit": 0}}
    worker = {"cls": SubprocessWorker, "options": options}  # a nanny, which replaces its worker when that dies
    here = {
        "cls": Scheduler,
        "options": {"host": "127.0.0.1", "port": 0, "dashboard": False, "dashboard_address": "127.0.0.1:0"},
    }
    named = dict.fromkeys(range(workers), worker)
    with SpecCluster(named, here, silence_logs=logging.CRITICAL) as local, Client(local) as client:
        client.wait_for_workers(1, timeout=START)
        yield client
