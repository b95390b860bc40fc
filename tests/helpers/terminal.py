"""The command line, called in this process."""

from typer.testing import CliRunner

from olmoearth_nb.cli.app import app


def invoke(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])
