"""`Summary`: attention between kinds of tokens, always beside what uniform attention would give."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

MEAN = "mean of heads"
"""Name of the head that is the mean of all."""


def relative_to(uniform: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Attention relative to uniform attention, which may have fewer axes; NaN where there is nothing to attend to."""
    there = np.broadcast_to(uniform > 0, weight.shape)
    return np.divide(weight, uniform, out=np.full(weight.shape, np.nan), where=there)


@dataclass(frozen=True, eq=False)
class Summary:
    """How much tokens of each kind attend to tokens of each kind.

    Attributes:
        what: what the table tells, in words.
        queries: Q names of the tokens that ask.
        keys: K names of the tokens that are asked.
        layers: L names of the blocks.
        heads: H names of the heads.
        weight: (L, H, Q, K) fraction of its attention that a token of the row gives to all tokens of the column
            together: the mean over the tokens of the row. NaN where no token asks.
        uniform: (1 or L, 1, Q, K) the same if every token gave as much to each token that there is: mostly the fraction
            of tokens that are of this kind.
        note: what the table cannot tell, in words; empty where there is nothing to say.
    """

    what: str
    queries: tuple[str, ...]
    keys: tuple[str, ...]
    layers: tuple[str, ...]
    heads: tuple[str, ...]
    weight: np.ndarray
    uniform: np.ndarray
    note: str = ""

    @property
    def ratio(self) -> np.ndarray:
        """(L, H, Q, K) weight relative to the uniform one: 1 as much as chance; NaN where there is no such token."""
        return relative_to(self.uniform, self.weight)

    def mean_of_heads(self) -> Summary:
        """The same with one head, the mean of all that were recorded."""
        return replace(self, heads=(MEAN,), weight=self.weight.mean(1, keepdims=True))

    def frame(self) -> pd.DataFrame:
        """One row a layer, head, query and key, with weight, uniform and ratio; needs pandas."""
        import pandas as pd

        axes = {"layer": self.layers, "head": self.heads, "query": self.queries, "key": self.keys}
        index = pd.MultiIndex.from_product(axes.values(), names=list(axes))
        uniform = np.broadcast_to(self.uniform, self.weight.shape)
        columns = {"weight": self.weight, "uniform": uniform, "ratio": self.ratio}
        return pd.DataFrame({name: values.ravel() for name, values in columns.items()}, index).reset_index()

    def __repr__(self) -> str:
        """What it tells, its size and its note, in one line."""
        size = f"{len(self.layers)} layers, {len(self.heads)} heads, {len(self.queries)} x {len(self.keys)} kinds"
        return f"Summary({self.what}: {size}{f'; {self.note}' if self.note else ''})"
