"""How the command line says what went wrong: one line and an exit code, no traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from olmoearth_nb.errors import PlainError


@contextmanager
def explained(kept: str = "") -> Iterator[None]:
    """Ends the command with exit code 2 and a line for errors that a user can mend, with 130 for Ctrl-C.

    Args:
        kept: what an interrupted command keeps, and how to go on.
    """
    try:
        yield
    except (ModuleNotFoundError, OSError, PlainError, ValueError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    except KeyboardInterrupt as error:
        typer.echo(f"interrupted; {kept}" if kept else "interrupted", err=True)
        raise typer.Exit(130) from error
