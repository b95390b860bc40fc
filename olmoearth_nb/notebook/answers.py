"""What an answer means, in whatever form it was written: a number, a yes or no, a name, a month."""

from __future__ import annotations

import calendar
import math
from collections.abc import Sequence
from decimal import Decimal
from numbers import Real

import numpy as np
from torch import Tensor


def _plain(answer: object) -> object:
    """The Python value of a numpy or torch scalar, or of an array or tensor of one element; else the answer itself."""
    if isinstance(answer, Tensor):
        return answer.detach().item() if answer.numel() == 1 else answer
    if isinstance(answer, np.generic | np.ndarray):
        return answer.item() if answer.size == 1 else answer
    return answer


def number(answer: object) -> float | None:
    """The number of an answer; None if it is none.

    Args:
        answer: of Python, numpy or torch; an array or a tensor counts if it has one element. True and False are no
            numbers, nor are texts and lists.
    """
    value = _plain(answer)
    return float(value) if isinstance(value, Real | Decimal) and not isinstance(value, bool) else None


def whole(answer: object) -> int | None:
    """The whole number of an answer, such as `64 / 4 * 12`, which Python writes as 192.0; None if it is none."""
    value = number(answer)
    if value is None or not math.isfinite(value):
        return None
    nearest = round(value)
    return nearest if math.isclose(value, nearest, rel_tol=1e-7) else None


def truth(answer: object) -> bool | None:
    """Whether an answer is yes or no: True, False, or a number 1 or 0; None if it is neither."""
    value = _plain(answer)
    return bool(value) if isinstance(value, bool | Real) and value in (0, 1) else None


def name(answer: object, valid: Sequence[str]) -> str | None:
    """Which of the valid names an answer means, whatever its case, spaces and dashes; None if it is none of them.

    Args:
        answer: a text, or a thing that has a name, such as a `Recipe` or a band.
        valid: the names to choose from.
    """
    given = _letters(getattr(answer, "name", answer))
    return next((choice for choice in valid if given and _letters(choice) == given), None)


def _letters(text: object) -> str:
    """Letters and digits of a text in lower case; nothing of what is no text."""
    return "".join(filter(str.isalnum, text)).casefold() if isinstance(text, str) else ""


def band(answer: object, valid: Sequence[str]) -> str | None:
    """Like `name` for bands, which are also written without their zero, or with one more: B4, b8a, B08A."""
    spelled = {_letters(choice).replace("b0", "b"): choice for choice in valid}
    return spelled.get(_letters(getattr(answer, "name", answer)).replace("b0", "b"))


def month(answer: object) -> int | None:
    """The month of an answer, 1 to 12: its name, the first three letters or more, or its number; None if it is none.

    Args:
        answer: such as "July", "jul.", "7" or 7.
    """
    counted = whole(int(answer) if isinstance(answer, str) and answer.strip().isdecimal() else answer)
    if counted is not None:
        return counted if 1 <= counted <= 12 else None
    given = _letters(answer)
    names = [_letters(text) for text in calendar.month_name]
    return next((i for i in range(1, 13) if len(given) >= 3 and names[i].startswith(given)), None)
