"""How the command line says what went wrong: one line and an exit code, no traceback.

Messages are written for Python and advise arguments, ``say scale='reflectance'``. The running command knows its options
and turns those that it has into them: ``say --scale reflectance``. What it does not have stays as it is.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import typer
from typer.core import TyperCommand

from olmoearth_nb.errors import PlainError, printable

MENDABLE = (MemoryError, ModuleNotFoundError, OSError, PlainError, ValueError)
"""Errors that a user can mend. Other errors are bugs, whose traceback is shown."""

FOREIGN = (
    "pyarrow.ArrowException",
    "pyproj.ProjError",
    "rasterio.CPLE_BaseError",
    "rasterio.RasterioError",
    "safetensors.SafetensorError",
    "yaml.YAMLError",
    "zipfile.BadZipFile",
    "zlib.error",
)
"""Errors by which libraries refuse a file or a coordinate system; by name, so that the libraries are not loaded."""

_ARGUMENT = re.compile(
    r"""(?<![^\s(,;:])(?P<name>[a-z]\w*)=(?P<value>'[^'\n]*'|"[^"\n]*"|\[[^]\n]*\]|\([^)\n]*\)|-?\d[\d_]*(?:\.\d+)?|True|False|None|)"""
    r"(?=[\s,;:.)]|$)"
)
"""An argument of Python as messages advise it; not a part of a path."""

_LISTED = re.compile(r"(?<=it has )[a-z]\w*=(?:, [a-z]\w*=)*")
"""All arguments of a loader, of which a command may have some."""

_options: ContextVar[Mapping[str, tuple[str, bool]]] = ContextVar("options")
"""Options of the running command: argument -> its option, and whether that is a flag."""


class Command(TyperCommand):
    """A command that explains errors, and names its options in them."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the command; ends it with exit code 2 and a line for errors that a user can mend, 130 for Ctrl-C."""
        before = _options.set(
            {
                parameter.name: (max(parameter.opts, key=len), getattr(parameter, "is_flag", False))
                for parameter in self.params
                if parameter.name and parameter.param_type_name == "option"
            }
        )
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            typer.echo("; ".join(["interrupted", *error.args]), err=True)
            raise typer.Exit(130) from error
        except Exception as error:
            message = explained(error)
            if message is None:
                raise
            typer.echo(f"error: {printable(message)}", err=True)
            raise typer.Exit(2) from error
        finally:
            _options.reset(before)


@contextmanager
def keeping(kept: str) -> Iterator[None]:
    """Within it, Ctrl-C says what the interrupted command keeps, and how to go on."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(kept) from error


def explained(error: Exception) -> str | None:
    """What to say of an error that a user can mend, in the words of the command line; None for a bug."""
    kinds = {f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in type(error).__mro__}
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):  # the second of torch
        return (
            f"there is not enough memory: give a smaller image, or fewer at once ({str(error) or type(error).__name__})"
        )
    if not isinstance(error, MENDABLE) and not kinds.intersection(FOREIGN):
        return None
    return in_options(str(error)) or type(error).__name__


def in_options(message: str) -> str:
    """A message in whose advice the arguments that the running command has as options are written as such.

    Args:
        message: such as ``say offset=1000, or offset=None``, which becomes ``say --offset 1000, or --offset none``.
    """
    known = _options.get({})
    if known:
        message = _LISTED.sub(lambda found: _known(found.group(), known), message)
    return _ARGUMENT.sub(_as_option, message)


def _known(listed: str, known: Mapping[str, Any]) -> str:
    """Those of the listed arguments that the running command has as options."""
    return ", ".join(name for name in listed.split(", ") if name[:-1] in known) or "no option"


def _as_option(match: re.Match[str]) -> str:
    """An argument as the running command's option, if it has it."""
    option, is_flag = _options.get({}).get(match["name"], ("", False))
    if not option:
        return match.group()
    return option if is_flag or not match["value"] else f"{option} {_word(match['value'])}"


def _word(value: str) -> str:
    """A value of Python as a word of a command line: lists with commas, None as none."""
    if value.startswith("("):  # names stand in it for numbers, as in (a, b)
        return shlex.quote(value.strip("()").replace(" ", ""))
    try:
        given = ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return shlex.quote(value)
    if isinstance(given, list):
        return shlex.quote(",".join("..." if item is ... else str(item) for item in given))
    return "none" if given is None else shlex.quote(str(given))
