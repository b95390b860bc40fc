"""`Scene`: a place of any size that is read window by window; a `Sample` is one that lies in memory whole."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from olmoearth_nb.georeference import Georeference
from olmoearth_nb.sample import Sample


@runtime_checkable
class Scene(Protocol):
    """What `embed_place` and `embed_features` read: they ask for windows, one after the other, and keep none.

    A raster that does not fit into memory is such a scene if it reads a window when it is asked for.
    """

    @property
    def title(self) -> str:
        """What to call it."""
        ...

    @property
    def provenance(self) -> str:
        """Where it comes from, in words."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What the loader had to assume or change, one sentence each."""
        ...

    @property
    def georeference(self) -> Georeference | None:
        """Where the pixels lie on Earth, if that is known."""
        ...

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities that a window has."""
        ...

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        ...

    def window(self, row: int, column: int, height: int, width: int | None = None) -> Sample:
        """The rectangle whose upper left corner is given, by default a square; it ends where the scene ends.

        All windows have the same modalities and dates; one of which nothing was observed is `bands.MISSING`.

        Raises:
            ValueError: if the corner lies outside, or the window has no pixel.
        """
        ...
