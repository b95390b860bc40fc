"""The official subset of the pretraining data, about a thousand tiles in the official format.

The address is that of the public `allenai/olmoearth_pretrain` project. It has not been tried from here: what is
tested is the way from an archive on a server to a folder that `OfficialDataset` opens. The checksum is recorded when
the archive first arrives and enforced from then on.
"""

from __future__ import annotations

import os
from pathlib import Path

from olmoearth_nb.data.official import OfficialDataset, is_tile
from olmoearth_nb.io.addresses import check_address, public
from olmoearth_nb.io.fetch import DownloadError, fetch, sha256
from olmoearth_nb.io.pins import RECORDED, read_pins, require, write_pin
from olmoearth_nb.io.untar import ArchiveError, unpack

URL = (
    "https://storage.googleapis.com/ai2-olmoearth-projects-public-data/pretraining_data/subset_1k/"
    "subset_1k_h5py_data.tar"
)
"""Where the project says that the subset lies; another address with the same content may be given instead."""

_PIN = "archive"


def fetch_subset(out: str | os.PathLike[str], url: str = URL, *, quiet: bool = False) -> OfficialDataset:
    """Downloads and unpacks the official subset; a call that was killed is gone on with by the next.

    Beside the folder lie, while it is being made, the archive (`<out>.tar`) and what is unpacked of it
    (`<out>.unpacking`), and for good `<out>.sha256.json`, which records the archive's checksum. Before the first byte
    the disk must have room for the archive and its content together. An archive that is refused is kept as
    `<out>.tar.refused` and loaded anew by the next call.

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
    from filelock import FileLock

    check_address(url)
    out = Path(out).expanduser().resolve()
    out.parent.mkdir(parents=True, exist_ok=True)
    archive, record = out.with_name(out.name + ".tar"), out.with_name(out.name + ".sha256.json")
    with FileLock(out.with_name(out.name + ".lock")):
        if out.is_dir() and any(out.iterdir()):
            return _finished(out)
        if not archive.is_file():
            fetch(url, archive, room=2.0, quiet=quiet)
        _enforce(archive, record, url, quiet)
        try:
            unpack(archive, out, _accept, quiet=quiet)
        except ArchiveError as error:
            record.unlink(missing_ok=True)
            refused = archive.replace(archive.with_name(archive.name + ".refused"))
            raise ArchiveError(f"{error}; kept as {refused}, the next call loads it anew") from error
        archive.unlink()
    return OfficialDataset(out)


def _finished(out: Path) -> OfficialDataset:
    """The tiles of a folder that an earlier call made."""
    try:
        return OfficialDataset(out)
    except (FileNotFoundError, ValueError) as error:
        raise FileExistsError(
            f"{out} is there and is not a whole subset ({error}); remove it or choose another"
        ) from error


def _enforce(archive: Path, record: Path, url: str, quiet: bool) -> None:
    """Records the archive's checksum, or requires the one that was recorded."""
    found, pinned = sha256(archive, quiet), read_pins(record).get(_PIN)
    if pinned is None:
        write_pin(record, _PIN, {"url": public(url), "bytes": archive.stat().st_size, "sha256": found})
        return
    known = pinned.get("sha256") if isinstance(pinned, dict) else None
    if not isinstance(known, str):
        raise DownloadError(f"{record} records no sha256 of the archive; remove it to record anew")
    require([(archive, found, known)], f"{RECORDED} (remove {record} to accept another version)")


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
