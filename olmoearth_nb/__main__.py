"""`python -m olmoearth_nb`."""

from olmoearth_nb.cli import app

app(prog_name="olmoearth-nb")
