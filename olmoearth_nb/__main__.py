"""`python -m olmoearth_nb`."""

from olmoearth_nb.cli.app import app

app(prog_name="olmoearth-nb")
