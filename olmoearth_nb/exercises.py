"""Exercises that check themselves: an answer is right, wrong for a reason, or not given yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from olmoearth_nb.tokenization import TOKENIZATIONS, Tokenization

Answer = TypeVar("Answer")


def check(number: int, answer: Answer | None, problem: Callable[[Answer], str]) -> bool:
    """Prints how an exercise stands and never raises for a wrong answer.

    Args:
        number: of the exercise.
        answer: what the reader gave; None (or an ellipsis) for nothing yet.
        problem: says what is wrong with an answer, or "" if it is right.

    Returns:
        Whether it is solved.
    """
    if answer is None or answer is ...:
        print(f"Exercise {number}: not answered yet")
        return False
    found = problem(answer)
    print(f"Exercise {number}: {'not yet: ' + found if found else 'solved'}")
    return not found


def two_tokens(answer: Tokenization) -> str:
    """Notebook 02: two groups of Sentinel-2 bands, none left out."""
    if not isinstance(answer, Tokenization):
        return "give a Tokenization"
    groups = answer.groups_of("sentinel2_l2a")
    if len(groups) != 2:
        return f"it makes {len(groups)} tokens of a patch"
    return f"it leaves out {' '.join(answer.left_out())}" if answer.left_out() else ""


def tokens_of_a_year(answer: int) -> str:
    """Notebook 02: tokens that v1 makes of 64 x 64 px, twelve dates, P = 4."""
    if not isinstance(answer, int):
        return "give a whole number"
    right = TOKENIZATIONS["v1"].token_count((64, 64, 12), 4)
    return "" if answer == right else "count H/P x W/P x T x G, with three groups"


def patch_for_equal_tokens(answer: int) -> str:
    """Notebook 02: the largest P at which v1.1 makes at least the tokens that v1 makes at P = 8."""
    if not isinstance(answer, int):
        return "give a whole number"
    if answer not in (1, 2, 4, 8):
        return f"64 px do not divide into patches of {answer} px"
    wanted = TOKENIZATIONS["v1"].token_count((64, 64, 1), 8)
    enough = [p for p in (1, 2, 4, 8) if TOKENIZATIONS["v1.1"].token_count((64, 64, 1), p) >= wanted]
    if answer not in enough:
        return f"v1.1 makes fewer than v1's {wanted} tokens then"
    return "" if answer == max(enough) else "a larger patch does it too"
