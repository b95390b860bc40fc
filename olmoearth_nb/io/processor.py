"""What the system says of this machine's processor."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path


@cache
def processor_says(field: str) -> str:
    """A field of /proc/cpuinfo, such as "model name" or "vendor_id"; elsewhere all that Python knows of a processor."""
    path = Path("/proc/cpuinfo")
    if path.exists():
        with path.open(encoding="utf8", errors="replace") as file:
            for line in file:
                name, _, value = line.partition(":")
                if name.strip() == field:
                    return value.strip()
    return platform.processor()
