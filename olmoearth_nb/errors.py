"""What errors and warnings of this package have in common."""

from __future__ import annotations

import inspect
import warnings
from pathlib import Path

_PACKAGE = Path(__file__).parent


class PlainError(RuntimeError):
    """An error whose message says what went wrong and what to do; the command line shows that, and no traceback."""


def warn(message: str) -> None:
    """Warns of the first line on the way here that is not this package's: the caller's own."""
    frame, level = inspect.currentframe(), 1
    while frame is not None and Path(frame.f_code.co_filename).is_relative_to(_PACKAGE):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, UserWarning, stacklevel=level)
