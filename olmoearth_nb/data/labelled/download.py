"""Labelled sets from the web.

All addresses are those that the publishers and other projects name. They have not been tried from here: what is tested
is the way from a server to a folder that `open_set` opens. Checksums are recorded when a set first arrives and enforced
from then on.
"""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from olmoearth_nb.errors import counted
from olmoearth_nb.io.unpacked import fetch_unpacked, unpack_checked

if TYPE_CHECKING:
    from olmoearth_nb.data.eurosat import EuroSAT
    from olmoearth_nb.data.geobench.dataset import GeoBench
    from olmoearth_nb.data.labelled.chips import ChipSet
    from olmoearth_nb.data.labelled.similar import Patch

EUROSAT = "https://zenodo.org/records/7711810/files/EuroSAT_MS.zip"
"""Where EuroSAT's authors have published the version with all bands."""

EUROSAT_SIZE = "27,000 chips, some 2.1 GB to load and 2.9 GB unpacked"

MEUROSAT = "https://huggingface.co/datasets/recursix/geo-bench-1.0/resolve/main/classification_v1.0/m-eurosat.zip"
"""Where GeoBench's own downloader finds m-eurosat."""

MEUROSAT_SIZE = "4,000 chips, some 0.5 GB unpacked"

SIMILAR = "calebrob6/similar-but-different"
"""Repository of data sets on the hub that the OlmoEarth evaluation reads."""

SIMILAR_COMMIT = "6104443755c3fab82ab148f7053f9f05a75677b1"
"""Its commit that the evaluation takes."""

SIMILAR_SIZE = "30,927 patches, 0.8 GB where their GeoTIFFs are not compressed"

_PART = r"[A-Za-z0-9][A-Za-z0-9_.,()&+=\- ]*"
_SIMILAR_FILES = rf"splits\.json|shards/(?:{_PART}/)*{_PART}\.parquet"

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


def fetch_similar(
    out: str | os.PathLike[str], endpoint: str | None = None, *, say: Callable[[str], object] | None = None
) -> ChipSet[Patch]:
    """Downloads similar-but-different from the hub; a call that was killed is gone on with, file by file, by the next.

    Beside the folder lies `<out>.sha256.json`, which records the checksums. They are checked at every call, and a file
    that is gone or damaged is loaded anew.

    Args:
        out: the folder to make.
        endpoint: http or https address of a hub; the public one by default.
        say: is told how large the files are and how much room the disk has, before the first of them.

    Raises:
        ValueError: if the endpoint is no http or https address, or what has come is not the set.
        ChecksumError: if a file differs from what the hub lists or from what was recorded.
        DownloadError: if the hub does not have it, refuses, or cannot be reached, or the disk is too small.
        FileExistsError: if `out` holds something else.
    """
    from olmoearth_nb.data.labelled.similar import similar_set
    from olmoearth_nb.io.hub import Repository, fetch_pinned, list_files, recorded_files

    out = Path(out).expanduser().resolve()
    other = [path.name for path in out.iterdir() if SIMILAR_COMMIT not in path.name] if out.is_dir() else []
    if other:
        raise FileExistsError(f"{out} holds {other[0]}, no download of similar-but-different; choose another folder")
    out.parent.mkdir(parents=True, exist_ok=True)
    repository, record = Repository(SIMILAR, "dataset"), out.with_name(out.name + ".sha256.json")
    files = recorded_files(record, out.name)
    if not files:
        sizes = list_files(repository, _SIMILAR_FILES, SIMILAR_COMMIT, endpoint)
        files = sorted(sizes)
        if say is not None:
            free = shutil.disk_usage(out.parent).free
            say(f"{counted(len(files), 'file')} of {sum(sizes.values()) / 1e9:.2f} GB; {free / 1e9:.1f} GB are free")
    folder = fetch_pinned(repository, files, out.name, endpoint, out.parent, record, SIMILAR_COMMIT)
    return similar_set(folder)


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
