"""Whether pixels are about as large as those that the models were trained on, 10 m."""

from __future__ import annotations

from olmoearth_nb.georeference import Georeference


def size_notes(georeference: Georeference | None, shape: tuple[int, int], name: str, resolution: str) -> list[str]:
    """Notes on pixels that are not of about 10 m.

    Args:
        georeference: where they lie; None where nobody knows, which gives no notes.
        shape: height and width in pixels.
        name: what errors call the file.
        resolution: "10 m" refuses pixels that are not 5 to 15 m on the ground; "as is" takes all.

    Raises:
        ValueError: if they are far from 10 m and must not be, or lie nowhere on Earth.
    """
    if resolution not in ("10 m", "as is"):
        raise ValueError(f"resolution must be '10 m' or 'as is', got {resolution!r}")
    if georeference is None:
        return []
    size = georeference.pixel_size(*shape)
    note = f"pixels of {round(size[0], 1):g} x {round(size[1], 1):g} m; the models read 10 m"
    if resolution == "10 m" and not all(5 <= edge <= 15 for edge in size):
        raise ValueError(f"{name} has {note}: resample, or say resolution='as is'")
    return [] if all(9 <= edge <= 11 for edge in size) else [note]
