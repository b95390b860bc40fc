"""Files of models and data sets from the Hugging Face hub: downloaded once, verified, pinned.

`huggingface_hub` asks and downloads, within the sizes that the hub lists. The first download is checked against the
checksums that the hub lists. The commit and the sha256 of the files are then recorded in a lock file of yours and
enforced from then on, with or without a network. A connection that breaks is resumed, but a download whose process was
killed begins anew, because huggingface_hub 2.4 does not keep its parts.

The user's token goes to https://huggingface.co alone: a mirror or any other endpoint is asked without one.
"""

from __future__ import annotations

import errno
import hashlib
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from olmoearth_nb.io.addresses import check_address, plain
from olmoearth_nb.io.fetch import TIMEOUT, ChecksumError, DownloadError, sha256
from olmoearth_nb.io.json_file import LARGEST, parse_json
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


def list_files(repository: Repository, wanted: str, commit: str, endpoint: str | None) -> dict[str, int]:
    """Bytes of the files of a commit whose paths match an expression, as the hub lists them.

    Args:
        repository: where they are.
        wanted: regular expression of a whole path, which must not let paths leave a folder.
        commit: its 40 hex digits.
        endpoint: see `fetch_pinned`.

    Raises:
        ValueError: if the endpoint is no http or https address, or the repository's name is not valid.
        DownloadError: if the hub does not have the commit or any such file, refuses, or cannot be reached.
    """
    if endpoint is not None:
        check_address(endpoint)
    entries = _entries(repository, [wanted], commit, endpoint)[1]
    with _readable(repository):
        sizes = {file: _Listed.of(entry).size for file, entry in entries.items() if re.fullmatch(wanted, file)}
    if not sizes:
        raise DownloadError(f"{repository.name} at {commit} has no file {wanted}")
    return sizes


def recorded_files(lock: Path, name: str) -> list[str]:
    """Files that a lock file records under a name, none before they were downloaded.

    Raises:
        DownloadError: if the lock file is damaged.
    """
    entry = read_pins(lock).get(name)
    checksums = entry.get("sha256") if isinstance(entry, dict) else None
    return list(checksums) if isinstance(checksums, dict) else []


def fetch_pinned(
    repository: Repository,
    files: Sequence[str],
    name: str,
    endpoint: str | None,
    cache: Path,
    lock: Path,
    commit: str | None = None,
) -> Path:
    """Folder of some files of a repository, verified by the hub's checksums at first and by our record ever after.

    Args:
        repository: where they are.
        files: their paths in it.
        name: folder in the cache, and entry in the lock file.
        endpoint: http or https address of the hub; the public one by default. No other gets the user's token.
        cache: folder of all that is kept.
        lock: where commits and checksums are recorded.
        commit: which to take at first; by default the newest.

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
        commit, listed = _listing(repository, files, commit, endpoint)
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


@dataclass(frozen=True)
class _Listed:
    """What the hub lists of a file.

    Attributes:
        size: in bytes.
        sha256: of a large file.
        blob: git's name of the content of a small one.
    """

    size: int
    sha256: str | None
    blob: str | None

    @classmethod
    def of(cls, entry: Any) -> _Listed:
        """Reads an entry of a listing.

        Raises:
            TypeError, AttributeError, ValueError: if it is of another form.
        """
        size, large = entry["size"], entry.get("lfs")
        if isinstance(size, bool) or not isinstance(size, int) or size < 0:
            raise ValueError(f"a size of {plain(repr(size))}")
        checksum = None if large is None else str(large["sha256"])
        return cls(size, checksum, None if entry.get("blobId") is None else str(entry["blobId"]))


def _listing(
    repository: Repository, files: Sequence[str], commit: str | None, endpoint: str | None
) -> tuple[str, dict[str, _Listed]]:
    """The commit that the hub lists, by default the newest, and its entry of each of the files."""
    sha, entries = _entries(repository, files, commit, endpoint)
    absent = [file for file in files if file not in entries]
    if absent:
        raise DownloadError(f"{repository.name} at {sha} has no {absent}")
    with _readable(repository):
        return sha, {file: _Listed.of(entries[file]) for file in files}


def _entries(
    repository: Repository, files: Sequence[str], commit: str | None, endpoint: str | None
) -> tuple[str, dict[str, Any]]:
    """The commit that the hub lists, by default the newest, and its entries by the paths of files, as they come."""
    with _plain_errors(repository, files):
        text = _asked(repository, commit, endpoint)
    with _readable(repository):
        listing = parse_json(text, "it")
        entries = {str(entry["rfilename"]): entry for entry in listing.get("siblings") or []}
    sha = listing.get("sha")
    if not isinstance(sha, str) or not _matches(_COMMIT, sha):  # it becomes the name of a folder
        raise DownloadError(
            f"the hub lists {plain(repr(sha))} as the commit of {repository.name}, which is not 40 hex digits; nothing "
            "was written, check the endpoint"
        )
    if commit is not None and sha != commit:
        raise DownloadError(f"the hub lists the commit {sha} of {repository.name}, {commit} was asked for")
    return sha, entries


@contextmanager
def _readable(repository: Repository) -> Iterator[None]:
    """A listing of another form than the hub's becomes a DownloadError."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DownloadError(
            f"the hub's listing of {repository.name} cannot be read ({type(error).__name__}: {plain(error)})"
        ) from error


def _asked(repository: Repository, commit: str | None, endpoint: str | None) -> bytes:
    """The hub's listing, which `HfApi.repo_info` would read however long it is.

    Raises:
        DownloadError: if it is longer than any listing.
    """
    from huggingface_hub import constants
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status, validate_repo_id

    validate_repo_id(repository.name)
    url = f"{(endpoint or constants.ENDPOINT).rstrip('/')}/api/{repository.kind}s/{repository.name}"
    options: dict[str, Any] = {
        "params": {"blobs": True},
        "headers": build_hf_headers(token=_token(endpoint)),
        "timeout": TIMEOUT,
    }
    body, until = bytearray(), time.monotonic() + 20 * TIMEOUT
    with get_session().stream("GET", f"{url}/revision/{commit}" if commit else url, **options) as answer:
        hf_raise_for_status(answer)
        for block in answer.iter_bytes():
            body += block
            if len(body) > LARGEST or time.monotonic() > until:
                raise DownloadError(f"the hub's listing of {repository.name} does not end; nothing was written")
    return bytes(body)


def _download(
    repository: Repository,
    files: Sequence[str],
    commit: str,
    listed: dict[str, _Listed],
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
                    tqdm_class=_bounded_bar(file, listed[file].size),
                )
        require([(folder / file, *_checksums(folder / file, listed[file])) for file in files], "listed by the hub")
    return folder


def _bounded_bar(name: str, most: int) -> Any:
    """A progress bar that ends the download of more bytes than are listed: huggingface_hub counts at the end only."""
    from huggingface_hub.utils import tqdm

    class Bounded(tqdm):
        came = 0

        def update(self, n: float | None = 1) -> bool | None:
            self.came += int(n or 0)
            if self.came > most:
                raise DownloadError(f"the hub sends more than the {most:,} bytes that it lists of {name}; given up")
            return super().update(n)

    return Bounded


def _require_space(folder: Path, listed: dict[str, _Listed]) -> None:
    """Raises a DownloadError unless the files that are not there yet fit on the disk."""
    need = sum(entry.size for file, entry in listed.items() if not (folder / file).is_file())
    free = shutil.disk_usage(folder).free
    if need > free:
        raise DownloadError(
            f"{' and '.join(listed)} needs {need / 1e9:.2f} GB more and {folder} has {free / 1e9:.2f} GB free"
        )


def _checksums(path: Path, listed: _Listed) -> tuple[str, str]:
    """A file's checksum and the one that the hub lists: sha256 of large files, git's name of small ones."""
    if listed.sha256 is not None:
        return sha256(path), listed.sha256
    if listed.blob is not None:
        return _git_blob(path), listed.blob
    raise ChecksumError(f"the hub lists no checksum for {path.name}, so it cannot be verified")


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
        # without the error itself, whose message holds whole addresses
        raise DownloadError(_explanation(repository.name, files, cause)) from None


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
