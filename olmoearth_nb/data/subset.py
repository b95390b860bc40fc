"""The official subset of the pretraining data, about a thousand tiles in the official format.

The address is that of the public `allenai/olmoearth_pretrain` project. It has not been tried from here: what is
tested is the way from an archive on a server to a folder that `OfficialDataset` opens. The checksum is recorded when
the archive first arrives and enforced from then on.
"""

from __future__ import annotations

import os
from pathlib import Path

from olmoearth_nb.data.official import OfficialDataset, is_tile
from olmoearth_nb.io.unpacked import fetch_unpacked
from olmoearth_nb.io.untar import ArchiveError, unpack

URL = (
    "https://storage.googleapis.com/ai2-olmoearth-projects-public-data/pretraining_data/subset_1k/"
    "subset_1k_h5py_data.tar"
)
"""Where the project says that the subset lies; another address with the same content may be given instead."""


def fetch_subset(out: str | os.PathLike[str], url: str = URL, *, quiet: bool = False) -> OfficialDataset:
    """Downloads and unpacks the official subset, as `io.unpacked.fetch_unpacked` does.

    Args:
        out: the folder to make. A finished one is opened as it is, without the network.
        url: address of the tar.
        quiet: whether to leave out progress bars.

    Returns:
        The tiles.

    Raises:
        ValueError: if the address is not http or https.
        DownloadError: if the archive cannot be had, or the disk is too small for it and its content.
        ChecksumError: if the archive is not the one that was recorded.
        ArchiveError: if it is not whole, not safe to unpack, or not the official data.
        FileExistsError: if `out` holds something else.
        OSError: if the disk fills up meanwhile.
    """
    return fetch_unpacked(
        out,
        url,
        OfficialDataset,
        lambda archive, folder: unpack(archive, folder, _accept, quiet=quiet),
        what="subset",
        suffix=".tar",
        quiet=quiet,
    )


def _accept(folder: Path) -> None:
    """Raises an ArchiveError unless the folder holds whole tiles of the official format."""
    try:
        tiles = OfficialDataset(folder)
        strange = [i for i in range(len(tiles)) if not is_tile(tiles.path(i))]
        if strange or not len(tiles):
            raise ValueError(f"{len(strange)} of {len(tiles)} tiles are not HDF5 files of this format: {strange[:5]}")
        tiles[0]
    except (OSError, ValueError) as error:
        raise ArchiveError(f"the archive does not hold the official data: {error}") from error
