"""How much memory this machine has, whether what is announced fits into it, and what becomes of freed memory."""

from __future__ import annotations

import ctypes
import os
import sys

_GUESSED = 8 * 2**30


def machine_memory() -> int:
    """Bytes of this machine's memory, or a guess where the system does not say."""
    if not hasattr(os, "sysconf"):
        return _GUESSED
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's `mallopt`."""

_KEPT = 2**30
"""Bytes; what is smaller than this is taken from memory that was freed before."""


def keep_freed_memory() -> bool:
    """Lets this process use freed memory again; whether the C library can do so.

    Each layer of a model frees blocks of megabytes, and the next one takes as many. glibc hands such blocks back to the
    system, at once in workers of Dask, which say so in the environment. The system then has to clear every page anew,
    which took a fifth of the time of an encoder (docs/results/maps.md). No result depends on it; a process just
    stays as large as it ever was.
    """
    if sys.platform != "linux" or not hasattr(libc := ctypes.CDLL(None), "mallopt"):
        return False
    return all(
        libc.mallopt(name, value) for name, value in ((_TRIM_THRESHOLD, 2 * _KEPT - 1), (_MMAP_THRESHOLD, _KEPT))
    )


def require_memory(name: str, needed: int, advice: str) -> None:
    """Raises a ValueError if what a file announces would not fit into memory.

    Args:
        name: of the file.
        needed: bytes at most while it is read.
        advice: what to do instead.
    """
    memory = machine_memory()
    if needed > memory:
        raise ValueError(
            f"{name} would take about {needed / 1e9:.0f} GB of memory, of which there are {memory / 1e9:.0f} GB; "
            f"{advice}"
        )
