"""Exercises that check themselves: an answer is right, wrong for a reason, or not given yet."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from olmoearth_nb.bands import SENTINEL2
from olmoearth_nb.comparison.ladder import final_budget, one
from olmoearth_nb.data.labelled.changed import TOUCHED
from olmoearth_nb.finetune.measured import worth
from olmoearth_nb.grid import Role, TokenGrid
from olmoearth_nb.io.shipped import published
from olmoearth_nb.notebook import answers
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
    wrong = problem(answer)
    print(f"Exercise {number}: {'not yet: ' + wrong if wrong else 'solved'}")
    return not wrong


def two_tokens(answer: Tokenization) -> str:
    """Notebook 02: two groups of Sentinel-2 bands, none left out."""
    if not isinstance(answer, Tokenization):
        return "give a Tokenization"
    groups = answer.groups_of("sentinel2_l2a")
    if len(groups) != 2:
        return f"it makes {len(groups)} tokens of a patch"
    return f"it leaves out {' '.join(answer.left_out())}" if answer.left_out() else ""


def _whole_number(answer: object, right: int, hint: str) -> str:
    """What is wrong with a whole number that should be `right`."""
    given = answers.whole(answer)
    if given is None:
        return "give a whole number"
    return "" if given == right else hint


def _near(answer: object, right: float, hint: str) -> str:
    """What is wrong with a number that should be `right` to two decimals."""
    given = answers.number(answer)
    if given is None:
        return "give a number"
    return "" if abs(given - right) < 0.005 else hint


def _choice(answer: object, right: str, valid: Sequence[str], hint: str) -> str:
    """What is wrong with one of the valid names, `right` being the right one."""
    given = answers.name(answer, valid)
    if given is None:
        return f"give one of {', '.join(map(repr, valid))}"
    return "" if given == right else hint


def tokens_of_a_year(answer: object) -> str:
    """Notebook 02: tokens that v1 makes of 64 x 64 px, twelve dates, P = 4."""
    right = TOKENIZATIONS["v1"].token_count((64, 64, 12), 4)
    return _whole_number(answer, right, "count H/P x W/P x T x G, with three groups")


def patch_for_equal_tokens(answer: object) -> str:
    """Notebook 02: the largest P at which v1.1 makes at least the tokens that v1 makes at P = 8."""
    patch = answers.whole(answer)
    if patch is None:
        return "give a whole number"
    if patch not in (1, 2, 4, 8):
        return f"64 px do not divide into patches of {patch} px"
    wanted = TOKENIZATIONS["v1"].token_count((64, 64, 1), 8)
    enough = [p for p in (1, 2, 4, 8) if TOKENIZATIONS["v1.1"].token_count((64, 64, 1), p) >= wanted]
    if patch not in enough:
        return f"v1.1 makes fewer than v1's {wanted} tokens then"
    return "" if patch == max(enough) else "a larger patch does it too"


def patch_weights(answer: object) -> str:
    """Notebook 03: weights and biases of v1's projection of B02 B03 B04 B08 in the nano model."""
    hint = "8 x 8 pixels, 4 bands, 128 outputs, and a bias for each output"
    return _whole_number(answer, 8 * 8 * 4 * 128 + 128, hint)


def quarter_that_tells_dates_apart(answer: object) -> str:
    """Notebook 03: which quarter differs between two dates of one month."""
    quarters = ("group", "timestep", "month", "position")
    return _choice(answer, "timestep", quarters, "that quarter is the same for both")


def years_change_the_embedding(answer: object) -> str:
    """Notebook 03: whether moving all dates by two years changes v1.1's and v1.2's embeddings."""
    versions = ("v1.1", "v1.2")
    pairs = answer.items() if isinstance(answer, Mapping) else ()
    given = {answers.name(version, versions): answers.truth(changes) for version, changes in pairs}
    if set(given) != set(versions) or None in given.values():
        return "give True or False for 'v1.1' and 'v1.2'"
    wrong = next((version for version in versions if given[version]), None)
    return f"look at what {wrong} is told of a date" if wrong else ""


def chance_of_24(answer: object) -> str:
    """Notebook 04: patch discrimination of a predictor that says nothing of 24 hidden tokens."""
    hint = "every target gets the same probability, and there is a factor"
    return _near(answer, 2 * TEMPERATURE * math.log(24), hint)


def beats_the_targets(answer: object, targets: Tensor) -> str:
    """Notebook 04: predictions with a lower loss than the targets themselves.

    Args:
        answer: what the reader predicts, a tensor or an array.
        targets: (n, D) targets of n tokens of Sentinel-2.
    """
    given = torch.from_numpy(answer) if isinstance(answer, np.ndarray) and answer.dtype.kind in "iuf" else answer
    if not isinstance(given, Tensor) or given.is_complex() or given.shape != targets.shape:
        return f"give a tensor of shape {tuple(targets.shape)}"
    given = given.detach().to(targets)  # of another type or on another device it is as right
    grid = TokenGrid.build({SENTINEL2.name: (8, 8 * len(targets), 1)}, TOKENIZATIONS["v1.1"], 8)
    hidden = torch.full((1, len(targets)), int(Role.DECODER))
    mine, theirs = (float(patch_discrimination(guess[None], targets[None], hidden, grid)) for guess in (given, targets))
    return "" if mine < theirs else f"its loss is {mine:.4f}, that of the targets {theirs:.4f}"


def predicts_between_bands(answer: object) -> str:
    """Notebook 04: the recipe under which one token of Sentinel-2 answers for another of the same patch and day."""
    hint = "how many Sentinel-2 tokens does that recipe make of one patch and day?"
    return _choice(answer, "v1", ("v1", "naive", "v1.1"), hint)


def loss_excluded_on(answer: object) -> str:
    """Notebook 10: which of [-1.5, 3.0] and [-3.0, 1.5] excludes a loss of more than 2 points."""
    return _choice(answer, "A", ("A", "B", "both", "neither"), "does the lower end of its interval lie above -2?")


def read_without_the_own_part(answer: object) -> str:
    """Notebook 12: whether R2 of .75 can come from other bands that predict .70."""
    given = answers.truth(answer)
    if given is None:
        return "give True or False"
    return "what is the most that can be read of a band through all the others?" if given else ""


def gained_most_of_the_own_parts(answer: object) -> str:
    """Notebook 12: the long model that keeps most of the bands' own parts as a multiple of its random twin's."""
    rows = [row for row in published("cards") if row["data"] == "worldcereal_africa_500"]
    kept = {row["model"]: float(row["value"]) for row in rows if row["question"] == "own parts"}
    factor = {
        name: kept[f"mini-{name}-long"] / kept[f"random, as mini-{name}-long"] for name in ("v1", "naive", "v1.1")
    }
    hint = "divide what is read of the trained model by what is read of the random one"
    return _choice(answer, max(factor, key=factor.__getitem__), tuple(factor), hint)


def added_for_neighbours(answer: object) -> str:
    """Notebook 12: what nearest neighbours see too little of in a trained embedding."""
    valid = ("NDVI", "the place", "the month", "nothing")
    return _choice(answer, "the month", valid, "which of them does the embedding hold, but make small?")


def chance_of_a_false_finding(answer: object) -> str:
    """Notebook 11: that one of twelve independent comparisons without a difference has p < 0.05."""
    given = answers.number(answer)
    if given is not None and not 0 <= given <= 1:
        return "give a number from 0 to 1"
    return _near(answer, 1 - 0.95**12, "what is the chance that none has it, and what is left?")


def seeds_to_see(answer: object, smallest: float = 0.05) -> str:
    """Notebook 11: the fewest seeds with which the planted design can detect a difference on 120 tiles."""
    from olmoearth_nb.ablation.planted import Design, behaviour

    seeds = answers.whole(answer)
    if seeds is None or not 2 <= seeds <= 30:
        return "give a whole number from 2 to 30"
    detectable = behaviour(Design(seeds=seeds), 4).detectable
    if detectable > smallest:
        return f"with {seeds} seeds {detectable:.3f} can be seen"
    fewer = seeds > 2 and behaviour(Design(seeds=seeds - 1), 4).detectable <= smallest
    return "fewer seeds do it, too" if fewer else ""


def left_by_holm(answer: object) -> str:
    """Notebook 11: findings among p-values of .013, .020, .030 and .200 after Holm's rule."""
    hint = "begin with the smallest p: how many comparisons is it multiplied by?"
    return _whole_number(answer, 0, hint)


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


def touched_tokens(answer: object) -> str:
    """Notebook 05: tokens of Galileo's grouping that hold a band which m-eurosat names wrongly."""
    groups = TOKENIZATIONS["galileo"].groups_of(SENTINEL2.name)
    right = sum(bool(set(group) & set(TOUCHED)) for group in groups)
    return _whole_number(answer, right, f"{', '.join(TOUCHED)} are read wrongly; B09 is not read by Galileo")


def smallest_seen(answer: object) -> str:
    """Notebook 05: what R1 would have seen of naive - v1, kNN-20 and right names, with a power of 80 %."""
    row = one(part="r1", kind="difference", what="naive - v1", score="EuroSAT, kNN-20", names="content",
              budget=final_budget("r1"))  # fmt: skip
    given = answers.number(answer)
    if given is not None and given > 1:
        return "give it as a difference of accuracies, from 0 to 1"
    return _near(answer, row.detectable, "it is the column *detectable* of that row, no end of its interval")


def month_of_index(answer: object) -> str:
    """Notebook 01: the month that the models' number 6 stands for."""
    given = answers.month(answer)
    if given is None:
        return "give the name of a month"
    return "" if given == 6 + 1 else "months count from 0, and 0 is January"


def native_pixels(answer: object) -> str:
    """Notebook 01: independent values of B01 in an image of 60 x 60 px of 10 m."""
    return _whole_number(answer, 100, "one pixel of 60 m covers 6 x 6 pixels of 10 m")


def band_that_tells_snow_from_cloud(answer: object) -> str:
    """Notebook 01: a band in which snow and cloud differ at least twofold."""
    from olmoearth_nb.data.simulate.library import library, surface_spectra

    band = answers.band(answer, SENTINEL2.band_names)
    if band is None:
        return f"give one of {', '.join(map(repr, SENTINEL2.band_names))}"
    spectra, channel = surface_spectra(library("train")), SENTINEL2.indices([band])[0]
    snow, cloud = (float(spectra[name][channel]) for name in ("snow", "cloud"))
    if max(snow, cloud) >= 2 * min(snow, cloud):
        return ""
    return f"in {band} snow reflects {snow:.0%} and cloud {cloud:.0%}; another band tells them apart more clearly"


def equal_to(sample: Sample) -> Callable[[Sample], str]:
    """Notebook 01: whether an answer holds the Sentinel-2 values of a sample, to half a digital number."""

    def problem(answer: Sample) -> str:
        if not isinstance(answer, Sample):
            return "give a Sample, as to_sample returns it"
        if SENTINEL2.name not in answer.images:
            return "it has no image of Sentinel-2"
        given, right = answer.images[SENTINEL2.name], sample.images[SENTINEL2.name]
        if given.shape != right.shape:
            return f"its image is {given.shape}, not {right.shape}"
        far = int((np.abs(given - right) > 0.5).sum())
        return f"{far:,} values differ from those of the sample" if far else ""

    return problem


def coalitions_of_ten(answer: object) -> str:
    """Notebook 06: passes for the exact Shapley interactions of ten players."""
    return _whole_number(answer, 2**10, "each of the ten players is there or not, in every combination")


def interaction_of_a_sum(answer: object) -> str:
    """Notebook 06: the pair interaction of two players whose functions are added up."""
    return _near(answer, 0.0, "write down f(N) - f(N-i) - f(N-j) + f(N-ij) with g and h")


def where_bands_first_meet(answer: object) -> str:
    """Notebook 06: the first stage at which B02 and B11 of one patch can act together, in v1 and in v1.1."""
    right = {"v1": "attention 1", "v1.1": "tokens"}
    stages = ("tokens", *(f"{part} {block}" for block in (1, 2, 3) for part in ("attention", "MLP")), "norm")
    pairs = answer.items() if isinstance(answer, Mapping) else ()
    given = {answers.name(version, tuple(right)): answers.name(stage, stages) for version, stage in pairs}
    if set(given) != set(right) or None in given.values():
        return f"give a stage for 'v1' and 'v1.1': {', '.join(stages)}"
    wrong = next((version for version, stage in right.items() if given[version] != stage), None)
    hint = {"v1": "B02 and B11 are in different tokens", "v1.1": "look at what the pixel layer does before the token"}
    return hint[wrong] if wrong else ""


def loss_left_open(answer: object) -> str:
    """Notebook 10: the largest loss that 95 % leave open when two models tell the same in all of 40 groups."""
    return _near(answer, 3 / 40, "of n groups without any difference, three divided by n is left open")


def kept_after_a_switch(answer: object) -> str:
    """Notebook 10: what of labels, heads, stored embeddings and splits is still good when the encoder is exchanged."""
    right = {"labels": True, "heads": False, "stored embeddings": False, "splits": True}
    pairs = answer.items() if isinstance(answer, Mapping) else ()
    given = {answers.name(what, tuple(right)): answers.truth(kept) for what, kept in pairs}
    if set(given) != set(right) or None in given.values():
        return f"say True or False for each of {', '.join(right)}"
    wrong = next((what for what, kept in right.items() if given[what] != kept), None)
    return f"think again about {wrong}: does it hold numbers of the old encoder?" if wrong else ""


def windows_over_a_pixel(answer: object) -> str:
    """Notebook 08: windows that hold a pixel in the middle of a map whose windows overlap by half."""
    return _whole_number(answer, 4, "count the windows along a row that hold it, and those along a column")


def cost_of_a_quarter(answer: object) -> str:
    """Notebook 08: how many times as many windows a stride of a quarter takes as windows side by side."""
    return _whole_number(answer, 16, "four times as many along each axis")


def hectares_of_crop(answer: object) -> str:
    """Notebook 08: 30 ha mapped as crop, of which 9 in 10 are, and 70 ha of other, of which 2 in 10 are."""
    return _near(answer, 41.0, "add up the parts of both classes of the map that are really crop")


def attention_as_dear(answer: object) -> str:
    """Notebook 09: the tokens at which attention costs the base model as much as the linear layers of its blocks."""
    return _whole_number(answer, 6 * 768, "set 2 L D N^2 equal to 12 L D^2 N and divide by what both have")


def saving_without_end(answer: object) -> str:
    """Notebook 09: what v1's MACs divided by v1.1's come to for ever larger images."""
    return _near(answer, 9.0, "with many tokens attention is all that counts, and it grows with their square")


def what_does_not_shrink(answer: object) -> str:
    """Notebook 09: the speed-up where 10 of 100 ms stay as they are and the other 90 shrink sixfold."""
    return _near(answer, 100 / (10 + 90 / 6), "add up what stays and a sixth of the rest, and divide 100 by it")


def lora_numbers(answer: object) -> str:
    """Notebook 07: what LoRA of rank 8 learns on queries and values of 12 blocks of width 768."""
    hint = "A is (rank, D), B is (D, rank); two layers of each of the 12 blocks have both"
    return _whole_number(answer, 12 * 2 * (8 * 768 + 768 * 8), hint)


def rate_of_the_first_block(answer: object) -> str:
    """Notebook 07: the rate of the first of four blocks under layer decay .65, in parts of the head's."""
    return _near(answer, 0.65**4, "the last block has .65 of the head's rate, each one before it .65 of the next")


def gain_that_could_be_seen(answer: object) -> str:
    """Notebook 07: whether a gain of .05 over image statistics could have been seen on EuroSAT with 100 labels."""
    points = worth()["EuroSAT-MS"]["frozen, beyond image statistics"]
    (detectable,) = (point.detectable for point in points if point.count == 100)
    right = "yes" if detectable <= 0.05 else "no"
    return _choice(
        answer, right, ("yes", "no"), "compare .05 with the number behind 'not seen' in the line of 100 labels"
    )


def split_for_a_new_region(answer: object) -> str:
    """Notebook 07: which split says how a model does in a region without labels."""
    valid = ("at random", "by place")
    return _choice(answer, "by place", valid, "then neighbours of tested places train, and a new region has none")
