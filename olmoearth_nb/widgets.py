"""A calculator of tokens and cost: live sliders, and a static twin for pages and slow machines."""

from __future__ import annotations

from collections.abc import Sequence

from olmoearth_nb.config import size_config
from olmoearth_nb.cost import encoder_cost
from olmoearth_nb.tokenization import TOKENIZATIONS


def calculate(size: str, edge: int, patch_size: int, timesteps: int) -> str:
    """A table of tokens and giga-MACs of every built-in tokenization.

    Args:
        size: model size.
        edge: edge of the image in pixels of 10 m; cut down to whole patches.
        patch_size: P.
        timesteps: T.

    Returns:
        Lines of text: tokenization, tokens, GMACs, attention's share, cost relative to v1.
    """
    edge -= edge % patch_size
    lines = [f"{size}, {edge} x {edge} px, T={timesteps}, P={patch_size}"]
    lines.append(f"{'':>9} {'tokens':>8} {'GMACs':>9} {'attention':>9} {'v1 = 1':>7}")
    reference = encoder_cost(size_config(size, "v1"), (edge, edge, timesteps), patch_size).macs
    for name in TOKENIZATIONS:
        cost = encoder_cost(size_config(size, name), (edge, edge, timesteps), patch_size)
        share = cost.attention_macs / cost.macs
        row = f"{name:>9} {cost.tokens:>8,} {cost.macs / 1e9:>9.2f} {share:>9.0%} {cost.macs / reference:>7.2f}"
        lines.append(row)
    return "\n".join(lines)


def token_calculator(sizes: Sequence[str] = ("nano", "tiny", "base", "large")) -> None:
    """Shows sliders above the table of `calculate`; without ipywidgets, says so."""
    try:
        import ipywidgets
    except ModuleNotFoundError:
        print("ipywidgets is not installed; the table below is the same calculator without sliders")
        return
    options = {"continuous_update": False}
    ipywidgets.interact(
        lambda size, edge, patch_size, timesteps: print(calculate(size, edge, patch_size, timesteps)),
        size=ipywidgets.Dropdown(options=list(sizes), value="base", description="model"),
        edge=ipywidgets.IntSlider(64, 8, 128, 8, description="edge, px", **options),
        patch_size=ipywidgets.IntSlider(4, 1, 8, description="patch, px", **options),
        timesteps=ipywidgets.IntSlider(1, 1, 12, description="dates", **options),
    )
