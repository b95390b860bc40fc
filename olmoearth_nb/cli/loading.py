"""The options of loaders, one definition for every command that opens a reader's own data."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import typer

from olmoearth_nb.cli.errors import Command

PRECISION = "32-true, or bf16-mixed: coarser products, less time where a processor has them"
"""Help of the option of commands that run an encoder."""


def loading(
    level: Annotated[str | None, typer.Option(help="of Sentinel-2: L2A, or L1C (which B10 says by itself)")] = None,
    scale: Annotated[
        str | None, typer.Option(help="native, reflectance (0 to 1), or linear (power of a radar)")
    ] = None,
    sentinel1: Annotated[
        str | None, typer.Option(help="scale of the radar where a file holds Sentinel-2 as well: native or linear")
    ] = None,
    dates: Annotated[
        str | None,
        typer.Option(help="one ISO date for each timestep, with commas between them; of a long table, their column"),
    ] = None,
    offset: Annotated[
        str | None, typer.Option(help="of Sentinel-2 since baseline 04.00: a number to take off, auto, or none")
    ] = None,
    missing_bands: Annotated[
        str | None, typer.Option(help="error, zero (for v1.1 and later), or nearest (for v1)")
    ] = None,
    names: Annotated[str | None, typer.Option(help="of an m-eurosat chip's bands: by content, or as published")] = None,
    bands: Annotated[
        str | None, typer.Option(help="names of one date's bands in the order of the file, with commas between them")
    ] = None,
    modality: Annotated[str | None, typer.Option(help="whose bands they are, such as landsat")] = None,
    resolution: Annotated[str | None, typer.Option(help="'10 m', or 'as is' for pixels of another size")] = None,
    mask_clouds: Annotated[
        bool, typer.Option("--mask-clouds", help="of a .SAFE: what its classes call cloud or shadow is not observed")
    ] = False,
) -> dict[str, Any]:
    """The keyword options of `load_sample`, those alone that were given on the command line and are not empty.

    Words are passed on as they are: the loaders know which are valid, and say so.

    Raises:
        ValueError: for an offset that is neither a number nor a word for one.
    """
    given: dict[str, Any] = {
        "level": level,
        "scale": scale,
        "sentinel1": sentinel1,
        "dates": listed(dates),
        "missing_bands": missing_bands,
        "names": names,
        "bands": listed(bands),
        "modality": modality,
        "resolution": resolution,
        "mask_clouds": mask_clouds,
    }
    given = {name: value for name, value in given.items() if value}
    return {**given, "offset": _offset(offset)} if offset else given


def listed(text: str | None) -> list[str] | None:
    """What stands between commas; None where there is nothing."""
    return [item.strip() for item in text.split(",")] if text else None


def _offset(text: str) -> int | str | None:
    """An offset as loaders take it, who know `None` as the word none."""
    word = text.strip().lower()
    if word in ("auto", "none"):
        return "auto" if word == "auto" else None
    try:
        return int(word)
    except ValueError as error:
        raise ValueError(f"--offset is a whole number, auto or none, got {text!r}") from error


def takes(**groups: Callable[..., dict[str, Any]]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command groups of options that several commands share.

    Args:
        groups: argument of the command -> the function whose arguments are the options, and whose result the command
            gets, such as ``options=loading``.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command, eval_str=True).parameters
        shared = {group: inspect.signature(read, eval_str=True).parameters for group, read in groups.items()}

        @wraps(command)
        def with_options(**given: Any) -> None:
            read = {group: groups[group](**{name: given.pop(name) for name in shared[group]}) for group in groups}
            command(**given, **read)

        every = [value for name, value in own.items() if name not in groups]
        every += [value for parameters in shared.values() for value in parameters.values()]
        with_options.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [value.replace(kind=inspect.Parameter.KEYWORD_ONLY) for value in every]
        )
        return with_options

    return decorate


class WordsCommand(Command):
    """A command that takes arguments as the words of one text, too: ``--options="--level L1C --offset none"``.

    So make can pass them on. The text is split as a shell would split it, and nothing in it is executed or expanded.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parses the arguments, those in texts among them."""
        return super().parse_args(ctx, [word for argument in args for word in _words(argument)])


def _words(argument: str) -> list[str]:
    """The words of an argument ``--options=TEXT``; any other argument as it is.

    Raises:
        typer.BadParameter: if a quotation mark is never closed.
    """
    if not argument.startswith("--options="):
        return [argument]
    text = argument.removeprefix("--options=")
    try:
        return shlex.split(text)
    except ValueError as error:
        raise typer.BadParameter(f"--options {text!r} cannot be split into words: {error}") from error
