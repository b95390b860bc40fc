"""How much memory this machine has, and whether what is announced fits into it."""

from __future__ import annotations

import os

_GUESSED = 8 * 2**30


def machine_memory() -> int:
    """Bytes of this machine's memory, or a guess where the system does not say."""
    if not hasattr(os, "sysconf"):
        return _GUESSED
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


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
