"""The one place where a file of tensors that somebody else wrote is read, by torch or safetensors.

A file of a megabyte can stand for terabytes: a deflated archive, a view that repeats one number, a header that lies.
So archives must be stored without compression, a tensor must be as large as what is stored of it, and what a model does
not have is not read.
"""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor


class UnsafeFileError(ValueError):
    """A weights file that would run code when it is read."""


def read_torch(path: Path) -> Any:
    """What `torch.save` wrote: tensors and plain values in dictionaries and lists, read without running anything.

    Raises:
        UnsafeFileError: if it holds more than that.
        ValueError: if it is not whole, is compressed, or a tensor is larger than what is stored of it.
    """
    with path.open("rb") as file:
        start = file.read(20)
    if start.startswith(b"\x80"):
        raise UnsafeFileError(
            f"{path} was refused: it is a bare pickle, which torch wrote before 1.6, and reading it would run code; "
            "if you trust it, load it with torch and save it again"
        )
    if not start.startswith(b"PK\x03\x04"):
        raise ValueError(f"{path} is not a weights file: it starts with {start!r} (a failed or partial download?)")
    _require_stored(path)
    try:
        value = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UnsafeFileError(
            f"{path} was refused: it holds more than tensors, and reading it would run code"
        ) from error
    except Exception as error:  # a damaged pickle raises whatever its last step does
        raise _not_whole(path, error) from error
    _require_plain(path, value)
    return value


def _require_stored(path: Path) -> None:
    """Raises unless an archive is uncompressed and no larger than its file, as torch writes it."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
        raise _not_whole(path, error) from error
    packed = [e.filename for e in entries if e.compress_type != zipfile.ZIP_STORED or e.compress_size != e.file_size]
    if packed:
        raise ValueError(f"{path} was refused: torch stores tensors uncompressed, here {packed[:3]} are compressed")
    announced, size = sum(entry.file_size for entry in entries), path.stat().st_size
    if announced > size:
        raise ValueError(f"{path} was refused: it announces {announced:,} bytes and has {size:,}")


def _require_plain(path: Path, value: Any) -> None:
    """Raises unless all tensors are dense, in memory, and as large as what is stored of them."""
    waiting, known = [("", value)], set()
    while waiting:
        name, value = waiting.pop()
        if id(value) in known:  # a list may hold itself
            continue
        known.add(id(value))
        if isinstance(value, Mapping):
            waiting += [(f"{name}.{key}".lstrip("."), inner) for key, inner in value.items()]
        elif isinstance(value, (list, tuple)):
            waiting += [(f"{name}.{place}".lstrip("."), inner) for place, inner in enumerate(value)]
        elif isinstance(value, Tensor):
            if value.layout != torch.strided or value.device.type != "cpu" or value.is_quantized:
                raise ValueError(f"{path}: {name} is not a dense tensor")
            if value.nbytes > value.untyped_storage().nbytes():
                raise ValueError(f"{path}: {name} has {value.nbytes:,} bytes, of which fewer are stored")


def _not_whole(path: Path, error: Exception) -> ValueError:
    """The error of a file that torch cannot read."""
    return ValueError(f"{path} cannot be read as a weights file; is it whole? ({str(error) or type(error).__name__})")


def safetensors_header(path: Path) -> dict[str, str]:
    """The texts in the header of a safetensors file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not whole.
    """
    with _safetensors(path) as file:
        return dict(file.metadata() or {})


def read_safetensors(path: Path, wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a safetensors file as float32, read after their names and shapes are those of a model.

    Args:
        path: of the file.
        wanted: name -> tensor of that shape, on the meta device.

    Raises:
        FileNotFoundError: if there is no such file.
        MisfitError: if names or shapes are others.
        ValueError: if it is not whole, or a tensor holds no floats, or NaN.
    """
    with _safetensors(path) as file:
        parts = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
        require_fit(path, {name: tuple(part.get_shape()) for name, part in parts.items()}, wanted)
        odd = [f"{name} {part.get_dtype()}" for name, part in parts.items() if part.get_dtype() not in _FLOATS]
        if odd:
            raise ValueError(f"{path}: weights are floats of {', '.join(_FLOATS)}; not so {odd[:3]}")
        return {name: as_weight(path, name, file.get_tensor(name)) for name in parts}


_FLOATS = ("F16", "BF16", "F32", "F64")


class MisfitError(ValueError):
    """Weights of another model."""


def require_fit(path: Path, given: Mapping[str, tuple[int, ...]], wanted: Mapping[str, Tensor]) -> None:
    """Raises a MisfitError unless weights have the names and shapes of a model's.

    Args:
        path: where they lie.
        given: name -> shape.
        wanted: name -> tensor of that shape.
    """
    wrong = sorted(f"{key} {given[key]}" for key in wanted.keys() & given if given[key] != tuple(wanted[key].shape))
    missing, surplus = sorted(wanted.keys() - given), sorted(given.keys() - wanted)
    if wrong or missing or surplus:
        raise MisfitError(
            f"{path} does not fit its configuration: {len(missing)} missing {missing[:3]}, "
            f"{len(surplus)} unknown {surplus[:3]}, {len(wrong)} of another shape {wrong[:3]}"
        )


def as_weight(path: Path, name: str, value: Tensor) -> Tensor:
    """A weight as a contiguous float32 tensor that shares its memory with no other.

    Raises:
        ValueError: if it holds something else than finite floats.
    """
    if not value.is_floating_point():
        raise ValueError(f"{path}: {name} is not a dense tensor of floats, it has {value.dtype}")
    weight = value.to(torch.float32, copy=True, memory_format=torch.contiguous_format)
    if not weight.isfinite().all():
        raise ValueError(f"{path}: {name} holds NaN or infinite values")
    return weight


@contextmanager
def _safetensors(path: Path) -> Iterator[Any]:
    """An open safetensors file; the library itself checks that its header fits its size."""
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except SafetensorError as error:
        raise ValueError(f"{path} is not a whole safetensors file ({error})") from error
