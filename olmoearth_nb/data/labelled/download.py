"""Labelled sets from the web.

Both addresses are those that the publishers and other projects name. They have not been tried from here: what is tested
is the way from an archive on a server to a folder that `open_set` opens. The checksum is recorded when an archive first
arrives and enforced from then on.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from olmoearth_nb.io.unpacked import fetch_unpacked, unpack_checked

if TYPE_CHECKING:
    from olmoearth_nb.data.eurosat import EuroSAT
    from olmoearth_nb.data.geobench.dataset import GeoBench

EUROSAT = "https://zenodo.org/records/7711810/files/EuroSAT_MS.zip"
"""Where EuroSAT's authors have published the version with all bands."""

EUROSAT_SIZE = "27,000 chips, some 2.1 GB to load and 2.9 GB unpacked"

MEUROSAT = "https://huggingface.co/datasets/recursix/geo-bench-1.0/resolve/main/classification_v1.0/m-eurosat.zip"
"""Where GeoBench's own downloader finds m-eurosat."""

MEUROSAT_SIZE = "4,000 chips, some 0.5 GB unpacked"

Data = TypeVar("Data")


def fetch_eurosat(out: str | os.PathLike[str], url: str = EUROSAT, *, quiet: bool = False) -> EuroSAT:
    """Downloads and unpacks EuroSAT with all bands; one chip of each class is read before it counts as whole.

    Args:
        out: the folder to make; see `io.unpacked.fetch_unpacked`, which says what is raised, too.
        url: address of the `.zip`.
        quiet: whether to leave out progress bars.
    """
    from olmoearth_nb.data.eurosat import EuroSAT

    def read(chips: EuroSAT) -> None:
        for label in set(chips.labels.tolist()):
            chips[int((chips.labels == label).argmax())]

    return _fetched(out, url, EuroSAT, read, "EuroSAT", 2.5, quiet)


def fetch_meurosat(out: str | os.PathLike[str], url: str = MEUROSAT, *, quiet: bool = False) -> GeoBench:
    """Downloads and unpacks m-eurosat; one chip of each split is read before it counts as whole.

    Args:
        out: the folder to make; see `io.unpacked.fetch_unpacked`, which says what is raised, too.
        url: address of the `.zip`.
        quiet: whether to leave out progress bars.
    """
    from olmoearth_nb.data.geobench.dataset import GeoBench

    def read(data: GeoBench) -> None:
        for split, chips in data.splits.items():
            if chips:
                data.samples(split)[0]

    return _fetched(out, url, GeoBench, read, "m-eurosat", 3.0, quiet)


def _fetched(
    out: str | os.PathLike[str],
    url: str,
    opened: Callable[[Path], Data],
    read: Callable[[Data], object],
    what: str,
    room: float,
    quiet: bool,
) -> Data:
    """The data set in a folder; where it is not there yet, from its archive, after a look at some chips."""

    def accept(folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is odd about the chips is told when they are used
            read(opened(folder))

    return fetch_unpacked(
        out,
        url,
        opened,
        lambda archive, folder: unpack_checked(archive, folder, accept),
        what=what,
        suffix=".zip",
        room=room,
        quiet=quiet,
    )
