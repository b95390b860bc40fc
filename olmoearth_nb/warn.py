"""Warnings that point at the caller's own line."""

from __future__ import annotations

import inspect
import warnings
from pathlib import Path

_PACKAGE = Path(__file__).parent


def warn(message: str) -> None:
    """Warns of the first line on the way here that is not this package's."""
    frame, level = inspect.currentframe(), 1
    while frame is not None and Path(frame.f_code.co_filename).is_relative_to(_PACKAGE):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, UserWarning, stacklevel=level)
