"""Published models, and data sets, from the hub: downloaded once, verified, pinned.

The first download is checked against the hub's own checksums. The commit and the sha256 of the files are
then recorded in a lock file of yours and enforced from then on, with or without a network. The listing is
asked through `huggingface_hub`; the files come by `fetch`, which goes on with what has arrived even after the
process was killed (`huggingface_hub` 2 begins such a file again).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from olmoearth_nb.io.fetch import ChecksumError, DownloadError, fetch, sha256
from olmoearth_nb.io.pins import RECORDED, read_pins, require, write_pin
from olmoearth_nb.model.config import PUBLISHED
from olmoearth_nb.weights.official import CONFIG, WEIGHTS

ORGANISATION = "allenai"

MODELS: dict[str, str] = {
    f"OlmoEarth-{version.replace('.', '_')}-{size.capitalize()}": f"{ORGANISATION}/"
    f"OlmoEarth-{version.replace('.', '_')}-{size.capitalize()}"
    for version, sizes in PUBLISHED.items()
    for size in sizes
}
"""Name of every published model that we load -> its repository."""


def default_cache() -> Path:
    """Where published models are kept: beside huggingface_hub's own cache."""
    from huggingface_hub import constants

    return Path(constants.HF_HOME) / "olmoearth_nb"


def download(
    name: str,
    *,
    endpoint: str | None = None,
    cache_dir: str | Path | None = None,
    lock_file: str | Path | None = None,
) -> Path:
    """Folder of a published model, from the cache or the hub.

    Args:
        name: such as ``"OlmoEarth-v1_1-Nano"``.
        endpoint: address of the hub; the public one by default.
        cache_dir: where files are kept, ``~/.cache/huggingface/olmoearth_nb`` by default.
        lock_file: where commits and checksums are recorded; `models.lock.json` in the cache by default.

    Returns:
        A folder with `config.json` and `weights.pth`, both verified.

    Raises:
        ValueError: for a name that is not a published model, listing those that are.
        ChecksumError: if a file differs from what the hub lists or from what was recorded.
        DownloadError: if the hub has no such model, refuses, or cannot be reached.
    """
    if name not in MODELS:
        hint = "v1.3 is out of scope; " if "v1_3" in name else ""
        raise ValueError(f"{name!r} is no folder and no published model; {hint}models are {', '.join(MODELS)}")
    cache = Path(cache_dir) if cache_dir else default_cache()
    lock = Path(lock_file) if lock_file else cache / "models.lock.json"
    return fetch_pinned(Repository(MODELS[name]), (CONFIG, WEIGHTS), name, endpoint, cache, lock)


@dataclass(frozen=True)
class Repository:
    """A repository of the hub: "owner/name", and whether it is one of a "model" or a "dataset"."""

    name: str
    kind: Literal["model", "dataset"] = "model"


def fetch_pinned(
    repository: Repository, files: Sequence[str], name: str, endpoint: str | None, cache: Path, lock: Path
) -> Path:
    """Folder of some files of a repository, verified by the hub's checksums at first and by our record ever after.

    Args:
        repository: where they are.
        files: their paths in it.
        name: folder in the cache, and entry in the lock file.
        endpoint: address of the hub; the public one by default.
        cache: folder of all that is kept.
        lock: where commits and checksums are recorded.

    Raises:
        ChecksumError: if a file differs from what the hub lists or from what was recorded.
        DownloadError: if the hub does not have them, refuses, or cannot be reached.
    """
    pinned = read_pins(lock).get(name)
    if pinned is not None and all((cache / name / pinned["commit"] / file).is_file() for file in pinned["sha256"]):
        return _verified(cache / name / pinned["commit"], pinned)
    pinned = _fetch(repository, files, pinned, endpoint, cache / name)
    write_pin(lock, name, pinned)
    return cache / name / pinned["commit"]


def _git_blob(path: Path) -> str:
    """The name that git, and so the hub, gives to a small file's content."""
    data = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _verified(folder: Path, pinned: dict[str, Any]) -> Path:
    """The folder, if its files are the recorded ones."""
    require([(folder / file, sha256(folder / file), wanted) for file, wanted in pinned["sha256"].items()], RECORDED)
    return folder


def _fetch(
    repository: Repository, files: Sequence[str], pinned: dict[str, Any] | None, endpoint: str | None, cache: Path
) -> dict[str, Any]:
    """Downloads the files of one commit into a folder of that name and verifies them; returns what to record."""
    from huggingface_hub import hf_hub_url

    info = _listing(repository, files, pinned, endpoint)
    listed = {file.rfilename: file for file in info.siblings or []}
    absent = [file for file in files if file not in listed]
    if absent:
        raise DownloadError(f"{repository.name} at {info.sha} has no {absent}")
    folder = cache / info.sha
    for file in files:
        if not (folder / file).is_file():
            url = hf_hub_url(repository.name, file, repo_type=repository.kind, revision=info.sha, endpoint=endpoint)
            fetch(url, folder / file)
    paths = {file: folder / file for file in files}
    require([(path, *_listed_checksum(listed[file], path)) for file, path in paths.items()], "listed by the hub")
    found = {"commit": info.sha, "sha256": {file: sha256(path) for file, path in paths.items()}}
    if pinned:
        _verified(folder, pinned)
    return found


def _listing(repository: Repository, files: Sequence[str], pinned: dict[str, Any] | None, endpoint: str | None) -> Any:
    """What the hub says of a repository: its commit and files with checksums."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

    name = repository.name
    try:
        return HfApi(endpoint=endpoint).repo_info(
            name, repo_type=repository.kind, revision=pinned["commit"] if pinned else None, files_metadata=True
        )
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise DownloadError(f"the hub has no {name}{' at the recorded commit' if pinned else ''}") from error
    except HfHubHTTPError as error:
        raise DownloadError(f"the hub refused {name}: {error}; try again later") from error
    except (_transport_error(), OSError) as error:
        raise DownloadError(
            f"{name} is not in the cache and the hub cannot be had ({error}); try again, or load a folder that holds "
            f"{' and '.join(files)}"
        ) from error


def _transport_error() -> type[Exception]:
    """The error of a broken connection, whichever HTTP library this huggingface_hub is built on."""
    from huggingface_hub.errors import HfHubHTTPError

    return next((kind for kind in HfHubHTTPError.__mro__ if kind.__name__ == "HTTPError"), HfHubHTTPError)


def _listed_checksum(listed: Any, path: Path) -> tuple[str, str]:
    """A file's checksum and the one that the hub lists: sha256 of large files, git's name of small ones."""
    if listed.lfs is not None:
        return sha256(path), listed.lfs.sha256
    if listed.blob_id is not None:
        return _git_blob(path), listed.blob_id
    raise ChecksumError(f"the hub lists no checksum for {listed.rfilename}, so it cannot be verified")
