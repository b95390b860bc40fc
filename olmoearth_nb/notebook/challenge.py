"""The design challenge of notebook 02: as many tokens as a budget of compute leaves room for."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from olmoearth_nb.bands import SENTINEL2
from olmoearth_nb.model.config import size_config
from olmoearth_nb.model.cost import Cost, encoder_cost
from olmoearth_nb.tokenization import Tokenization

SIZE, SHAPE, PATCH = "base", (64, 64, 1), 4
"""The encoder, the image (H, W, T) and the patch size that designs compete on."""


def cost_of(design: Tokenization) -> Cost:
    """What a design costs on the image of the challenge."""
    return encoder_cost(size_config(SIZE, design), SHAPE, PATCH)


def most_groups(limit: float) -> int:
    """The most groups of all twelve bands that stay below a limit.

    Args:
        limit: giga-MACs.

    Returns:
        Between 0, if not even one token fits, and the number of bands.
    """
    names = [band.name for band in SENTINEL2.bands]
    # groups of one band each, and one of all that are left
    fits = [count for count in range(1, len(names) + 1) if _gmacs(_split(names, count)) < limit]
    return max(fits, default=0)


def _split(names: list[str], count: int) -> Tokenization:
    """All bands in so many groups."""
    groups = [*names[: count - 1], " ".join(names[count - 1 :])]
    return Tokenization(f"{count} groups", {SENTINEL2.name: groups}, "as many groups as are asked for")


def _gmacs(design: Tokenization) -> float:
    return cost_of(design).macs / 1e9


def design_below(limit: float) -> Callable[[object], str]:
    """What is wrong with a design that should have the most groups below a limit, leaving out no band.

    Args:
        limit: giga-MACs.
    """

    def problem(answer: object) -> str:
        if not isinstance(answer, Tokenization):
            return "give a Tokenization"
        if answer.left_out():
            return f"it leaves out {' '.join(answer.left_out())}"
        if _gmacs(answer) >= limit:
            return f"it costs {_gmacs(answer):.0f} GMACs, and {limit:.0f} is the limit"
        groups, most = len(answer.groups_of(SENTINEL2.name)), most_groups(limit)
        return "" if groups == most else f"it has {groups} groups, and below the limit there is room for more"

    return problem


def leaderboard(designs: Iterable[Tokenization], limit: float) -> str:
    """Designs of all bands that stay below a limit, those with the most tokens first; then the others, without a rank.

    Args:
        designs: any tokenizations.
        limit: giga-MACs.

    Returns:
        Lines of text: rank, name, tokens, giga-MACs, bands that are not read.
    """
    rated = sorted(((design, cost_of(design)) for design in designs), key=lambda one: (-one[1].tokens, one[1].macs))
    ranked = [one for one in rated if one[1].macs / 1e9 < limit and not one[0].left_out()]
    places = [f"{place}." for place in range(1, len(ranked) + 1)] + ["-"] * (len(rated) - len(ranked))
    lines = [f"{'':16} {'tokens':>7} {'GMACs':>7}   below {limit:.0f} GMACs ({SIZE}, {SHAPE[0]} px, P = {PATCH})"]
    for place, (design, cost) in zip(places, [*ranked, *(one for one in rated if one not in ranked)], strict=True):
        lost = f"   leaves out {' '.join(design.left_out())}" if design.left_out() else ""
        lines.append(f"{place:>3} {design.name:12} {cost.tokens:>7,} {cost.macs / 1e9:>7.1f}{lost}")
    return "\n".join(lines)
