"""Files of models and data sets from the Hugging Face hub: downloaded once, verified, pinned.

`huggingface_hub` lists and downloads. The first download is checked against the checksums that the hub lists. The
commit and the sha256 of the files are then recorded in a lock file of yours and enforced from then on, with or
without a network. A connection that breaks is resumed, but a download whose process was killed begins anew, because
huggingface_hub 2.4 does not keep its parts.

The user's token goes to https://huggingface.co alone: a mirror or any other endpoint is asked without one.
"""

from __future__ import annotations

import errno
import hashlib
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from olmoearth_nb.io.addresses import check_address
from olmoearth_nb.io.fetch import ChecksumError, DownloadError, sha256
from olmoearth_nb.io.pins import RECORDED, read_pins, require, write_pin

_PUBLIC = "https://huggingface.co"
_COMMIT = re.compile("[0-9a-f]{40}")
_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Repository:
    """A repository of the hub: "owner/name", and whether it is one of a "model" or a "dataset"."""

    name: str
    kind: Literal["model", "dataset"] = "model"


def default_cache() -> Path:
    """Where verified files are kept: beside huggingface_hub's own cache."""
    from huggingface_hub import constants

    return Path(constants.HF_HOME) / "olmoearth_nb"


def fetch_pinned(
    repository: Repository, files: Sequence[str], name: str, endpoint: str | None, cache: Path, lock: Path
) -> Path:
    """Folder of some files of a repository, verified by the hub's checksums at first and by our record ever after.

    Args:
        repository: where they are.
        files: their paths in it.
        name: folder in the cache, and entry in the lock file.
        endpoint: http or https address of the hub; the public one by default. No other gets the user's token.
        cache: folder of all that is kept.
        lock: where commits and checksums are recorded.

    Returns:
        A folder that holds the files under their paths in the repository.

    Raises:
        ValueError: if the endpoint is no http or https address, or the repository's name is not valid.
        ChecksumError: if a file differs from what the hub lists or from what was recorded; it is removed.
        DownloadError: if the hub does not have them, refuses, or cannot be reached, or the lock file is damaged.
    """
    if endpoint is not None:
        check_address(endpoint)
    pinned = _pinned(lock, name, files)
    if pinned is None:
        commit, listed = _listing(repository, files, None, endpoint)
        folder = _download(repository, files, commit, listed, endpoint, cache / name)
        write_pin(lock, name, {"commit": commit, "sha256": {file: sha256(folder / file) for file in files}})
        return folder
    folder = cache / name / pinned["commit"]
    if not all((folder / file).is_file() for file in files):
        commit, listed = _listing(repository, files, pinned["commit"], endpoint)
        _download(repository, files, commit, listed, endpoint, cache / name)
    require([(folder / file, sha256(folder / file), pinned["sha256"][file]) for file in files], RECORDED)
    return folder


def _pinned(lock: Path, name: str, files: Sequence[str]) -> dict[str, Any] | None:
    """The entry of the lock file, its commit and checksums known to be such; None where there is none yet."""
    entry = read_pins(lock).get(name)
    if entry is None:
        return None
    commit, checksums = (entry.get("commit"), entry.get("sha256")) if isinstance(entry, dict) else (None, None)
    known = checksums if isinstance(checksums, dict) else {}
    if not _matches(_COMMIT, commit) or not all(_matches(_SHA256, known.get(file)) for file in files):
        raise DownloadError(
            f"the lock file {lock} has no commit of 40 hex digits or no sha256 of {' and '.join(files)} for {name}; "
            f"mend its entry, or remove it to record anew"
        )
    return {"commit": commit, "sha256": known}


def _matches(pattern: re.Pattern[str], value: Any) -> bool:
    """Whether a value of any type is a string of that form."""
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _token(endpoint: str | None) -> Literal[False] | None:
    """What huggingface_hub takes as token: None is the user's, False is none."""
    from huggingface_hub import constants

    return None if (endpoint or constants.ENDPOINT).rstrip("/") == _PUBLIC else False


def _listing(
    repository: Repository, files: Sequence[str], commit: str | None, endpoint: str | None
) -> tuple[str, dict[str, Any]]:
    """The commit that the hub lists, by default the newest, and its entry of each of the files."""
    from huggingface_hub import HfApi

    with _plain_errors(repository, files):
        try:
            info: Any = HfApi(endpoint=endpoint, token=_token(endpoint)).repo_info(
                repository.name, repo_type=repository.kind, revision=commit, files_metadata=True
            )
        except (TypeError, KeyError, AttributeError) as error:  # what huggingface_hub makes of odd JSON
            raise DownloadError(f"the hub's listing of {repository.name} cannot be read ({error!r})") from error
    if not isinstance(info.sha, str) or not _matches(_COMMIT, info.sha):  # it becomes the name of a folder
        raise DownloadError(
            f"the hub lists {info.sha!r} as the commit of {repository.name}, which is not 40 hex digits; nothing was "
            "written, check the endpoint"
        )
    if commit is not None and info.sha != commit:
        raise DownloadError(f"the hub lists the commit {info.sha} of {repository.name}, {commit} was recorded")
    listed = {file.rfilename: file for file in info.siblings or []}
    absent = [file for file in files if file not in listed]
    if absent:
        raise DownloadError(f"{repository.name} at {info.sha} has no {absent}")
    return info.sha, {file: listed[file] for file in files}


def _download(
    repository: Repository,
    files: Sequence[str],
    commit: str,
    listed: dict[str, Any],
    endpoint: str | None,
    cache: Path,
) -> Path:
    """Folder of the files of a commit, which are those that the hub lists."""
    from filelock import FileLock
    from huggingface_hub import hf_hub_download

    folder = cache / commit
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / f"{commit}.lock"):
        for part in (folder / ".cache").rglob("*.incomplete"):  # of a process that was killed: never used again
            part.unlink()
        _require_space(folder, listed)
        for file in files:
            with _plain_errors(repository, files):
                hf_hub_download(
                    repository.name,
                    file,
                    repo_type=repository.kind,
                    revision=commit,
                    local_dir=folder,
                    endpoint=endpoint,
                    token=_token(endpoint),
                )
        require([(folder / file, *_checksums(folder / file, listed[file])) for file in files], "listed by the hub")
    return folder


def _require_space(folder: Path, listed: dict[str, Any]) -> None:
    """Raises a DownloadError unless the files that are not there yet fit on the disk."""
    sizes = [entry.size for file, entry in listed.items() if not (folder / file).is_file()]
    need, free = sum(size for size in sizes if isinstance(size, int)), shutil.disk_usage(folder).free
    if need > free:
        raise DownloadError(
            f"{' and '.join(listed)} needs {need / 1e9:.2f} GB more and {folder} has {free / 1e9:.2f} GB free"
        )


def _checksums(path: Path, listed: Any) -> tuple[str, str]:
    """A file's checksum and the one that the hub lists: sha256 of large files, git's name of small ones."""
    if listed.lfs is not None:
        return sha256(path), str(listed.lfs.sha256)
    if listed.blob_id is not None:
        return _git_blob(path), str(listed.blob_id)
    raise ChecksumError(f"the hub lists no checksum for {listed.rfilename}, so it cannot be verified")


def _git_blob(path: Path) -> str:
    """The name that git, and so the hub, gives to a small file's content."""
    data = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


@contextmanager
def _plain_errors(repository: Repository, files: Sequence[str]) -> Iterator[None]:
    """Turns what huggingface_hub raises into a DownloadError that says what to do.

    Errors of the disk that name a file, such as a folder that may not be written to, stay as they are.
    """
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    # the error of a broken connection, whichever HTTP library huggingface_hub is built on
    transport: type[Exception] = next(kind for kind in HfHubHTTPError.__mro__ if kind.__name__ == "HTTPError")
    try:
        yield
    except DownloadError:
        raise
    except (transport, OSError, RuntimeError) as error:  # not all errors of hf_xet are OSErrors
        if getattr(error, "filename", None) is not None:
            raise
        # what huggingface_hub raises where it looked into its cache in vain has the true reason as its cause
        cause = error.__cause__ if isinstance(error, LocalEntryNotFoundError) and error.__cause__ else error
        raise DownloadError(_explanation(repository.name, files, cause)) from error


def _explanation(name: str, files: Sequence[str], error: BaseException) -> str:
    """What went wrong and what to do, without the addresses of files, which may be signed."""
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

    if isinstance(error, (RepositoryNotFoundError, RevisionNotFoundError)):
        missing = "no commit of this name" if isinstance(error, RevisionNotFoundError) else "none that you may read"
        return f"the hub has no {name} ({missing}); check the name, or log in where it is private or gated"
    if isinstance(error, HfHubHTTPError):
        status, reason = error.response.status_code, error.response.reason_phrase
        passing = status == 429 or status >= 500
        remedy = "try again later" if passing else "check the name, and that you may read it"
        return f"the hub refused {name}: {status} {reason}; {remedy}"
    if getattr(error, "errno", None) == errno.ENOSPC:
        return f"the disk is full, so {name} could not be kept; make room and try again"
    reason = re.sub(r"\S*(://|\(…\))\S*", "...", str(error))
    return (
        f"{name} is not in the cache and the hub cannot be had ({reason}); try again, or load a folder that holds "
        f"{' and '.join(files)}"
    )
