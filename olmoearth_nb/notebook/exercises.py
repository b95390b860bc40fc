"""Exercises that check themselves: an answer is right, wrong for a reason, or not given yet."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from olmoearth_nb.bands import SENTINEL2
from olmoearth_nb.grid import Role, TokenGrid
from olmoearth_nb.pretrain.losses import TEMPERATURE, patch_discrimination
from olmoearth_nb.pretrain.recipes import Recipe, differences, two_cores
from olmoearth_nb.sample import Sample
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


def patch_weights(answer: int) -> str:
    """Notebook 03: weights and biases of v1's projection of B02 B03 B04 B08 in the nano model."""
    if not isinstance(answer, int):
        return "give a whole number"
    right = 8 * 8 * 4 * 128 + 128
    return "" if answer == right else "8 x 8 pixels, 4 bands, 128 outputs, and a bias for each output"


def quarter_that_tells_dates_apart(answer: str) -> str:
    """Notebook 03: which quarter differs between two dates of one month."""
    quarters = ("group", "slot", "month", "place")
    if answer not in quarters:
        return f"give one of {', '.join(map(repr, quarters))}"
    return "" if answer == "slot" else "that quarter is the same for both"


def years_change_the_embedding(answer: dict[str, bool]) -> str:
    """Notebook 03: whether moving all dates by two years changes v1.1's and v1.2's embeddings."""
    if not isinstance(answer, dict) or set(answer) != {"v1.1", "v1.2"}:
        return "give True or False for 'v1.1' and 'v1.2'"
    wrong = [version for version, changes in answer.items() if changes]
    return f"look at what {wrong[0]} is told of a date" if wrong else ""


def chance_of_24(answer: float) -> str:
    """Notebook 04: patch discrimination of a predictor that says nothing of 24 hidden tokens."""
    if isinstance(answer, bool) or not isinstance(answer, int | float):
        return "give a number"
    right = 2 * TEMPERATURE * math.log(24)
    return "" if abs(answer - right) < 0.005 else "every target gets the same share, and there is a factor"


def beats_the_targets(answer: Tensor, targets: Tensor) -> str:
    """Notebook 04: predictions with a lower loss than the targets themselves.

    Args:
        answer: what the reader predicts.
        targets: (n, D) targets of n tokens of Sentinel-2.
    """
    if not isinstance(answer, Tensor) or answer.shape != targets.shape:
        return f"give a tensor of shape {tuple(targets.shape)}"
    grid = TokenGrid.build({SENTINEL2.name: (8, 8 * len(targets), 1)}, TOKENIZATIONS["v1.1"], 8)
    asked = torch.full((1, len(targets)), int(Role.DECODER))
    mine, theirs = (float(patch_discrimination(guess[None], targets[None], asked, grid)) for guess in (answer, targets))
    return "" if mine < theirs else f"its loss is {mine:.4f}, that of the targets {theirs:.4f}"


def predicts_between_bands(answer: str) -> str:
    """Notebook 04: the recipe under which one token of Sentinel-2 answers for another of the same patch and day."""
    if answer not in ("v1", "naive", "v1.1"):
        return "give 'v1', 'naive' or 'v1.1'"
    return "" if answer == "v1" else "how many Sentinel-2 tokens does that recipe make of one patch and day?"


def chance_of_a_false_finding(answer: float) -> str:
    """Notebook 05: that one of twelve independent comparisons without a difference has p < 0.05."""
    if isinstance(answer, bool) or not isinstance(answer, int | float):
        return "give a number"
    right = 1 - 0.95**12
    return "" if abs(answer - right) < 0.005 else "ask for the chance that none has it, and what is left"


def seeds_to_see(answer: int, smallest: float = 0.05) -> str:
    """Notebook 05: the fewest seeds with which the planted design can detect a difference on 120 tiles."""
    from olmoearth_nb.ablation.planted import Design, behaviour

    if isinstance(answer, bool) or not isinstance(answer, int) or not 2 <= answer <= 30:
        return "give a whole number from 2 to 30"
    seen = behaviour(Design(seeds=answer), 4).detectable
    if seen > smallest:
        return f"with {answer} seeds {seen:.3f} can be seen"
    fewer = answer > 2 and behaviour(Design(seeds=answer - 1), 4).detectable <= smallest
    return "fewer seeds do it, too" if fewer else ""


def one_step(answer: Recipe) -> str:
    """Notebook 05: `naive` with exactly one ingredient of v1.1, other than its masking."""
    if not isinstance(answer, Recipe):
        return "give a Recipe, such as `replace` returns it"
    changed, whole = differences(two_cores("naive"), answer), differences(two_cores("naive"), two_cores("v1.1"))
    if len(changed) != 1:
        return f"it differs from naive in {', '.join(changed) or 'nothing'}"
    if "masking" in changed:
        return "that arm is there already"
    (name,) = changed
    return "" if changed[name] == whole.get(name) else f"v1.1 has no such {name}"


def month_of_index(answer: str) -> str:
    """Notebook 01: the month that the models' number 6 stands for."""
    if not isinstance(answer, str):
        return "give the name of a month"
    return "" if answer.strip().lower() == "july" else "months count from 0, and 0 is January"


def native_pixels(answer: int) -> str:
    """Notebook 01: independent values of B01 in an image of 60 x 60 px of 10 m."""
    if not isinstance(answer, int):
        return "give a whole number"
    return "" if answer == 100 else "one pixel of 60 m covers 6 x 6 pixels of 10 m"


def band_that_tells_snow_from_cloud(answer: str) -> str:
    """Notebook 01: a band in which snow and cloud differ at least twofold."""
    from olmoearth_nb.data.simulate.library import library, surface_spectra

    if answer not in SENTINEL2.band_names:
        return f"give one of {', '.join(map(repr, SENTINEL2.band_names))}"
    spectra, channel = surface_spectra(library("train")), SENTINEL2.indices([answer])[0]
    snow, cloud = (float(spectra[name][channel]) for name in ("snow", "cloud"))
    if max(snow, cloud) >= 2 * min(snow, cloud):
        return ""
    return f"in {answer} snow reflects {snow:.0%} and cloud {cloud:.0%}; another band tells them apart more clearly"


def equal_to(sample: Sample) -> Callable[[Sample], str]:
    """Notebook 01: whether an answer holds the Sentinel-2 values of a sample, to half a digital number."""

    def problem(answer: Sample) -> str:
        if not isinstance(answer, Sample):
            return "give a Sample, as to_sample returns it"
        given, right = answer.images["sentinel2_l2a"], sample.images["sentinel2_l2a"]
        if given.shape != right.shape:
            return f"its image is {given.shape}, not {right.shape}"
        far = int((np.abs(given - right) > 0.5).sum())
        return f"{far:,} values differ from those of the sample" if far else ""

    return problem
