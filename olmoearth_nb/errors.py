"""What errors and warnings of this package have in common."""

from __future__ import annotations

import inspect
import re
import warnings
from pathlib import Path

_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Control characters of both kinds, ESC among them, and those of the direction of letters."""

_PACKAGE = Path(__file__).parent


class PlainError(RuntimeError):
    """An error whose message says what went wrong and what to do; the command line shows that, and no traceback."""


def letters(text: str) -> str:
    """A text in which a path may stand, as letters that can be written and drawn.

    Under an ASCII locale, Python reads the bytes of a path that are no ASCII as surrogates, which neither UTF-8 nor a
    font knows. Names of files are UTF-8 almost everywhere; what is not becomes a replacement character.
    """
    known = re.sub("[\ud800-\udc7f\udd00-\udfff]", "\ufffd", text)  # surrogates that stand for no byte
    return known.encode("utf8", "surrogateescape").decode("utf8", "replace")


def printable(text: str) -> str:
    """A text that somebody else wrote, as `letters` without what a terminal obeys instead of showing.

    Each sign that moves the cursor, changes colours or the title, or turns the direction of letters becomes a
    replacement character; ends of lines and tabs stay.
    """
    return _OBEYED.sub("\ufffd", letters(text))


def counted(number: int, noun: str) -> str:
    """A number with its noun, as in 1 item, 2 items, 1 series, 2 series.

    Args:
        number: how many.
        noun: of one, with a regular plural, or "series".
    """
    return f"{number} {noun}{'' if number == 1 or noun.endswith('series') else 's'}"


def warn(message: str) -> None:
    """Warns of the first line on the way here that is not this package's: the caller's own."""
    frame, level = inspect.currentframe(), 1
    while frame is not None and Path(frame.f_code.co_filename).is_relative_to(_PACKAGE):
        frame, level = frame.f_back, level + 1
    warnings.warn(printable(message), UserWarning, stacklevel=level)
