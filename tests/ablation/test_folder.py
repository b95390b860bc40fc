import pytest
import typer

from olmoearth_nb.ablation.folder import Job
from olmoearth_nb.cli.errors import explained
from olmoearth_nb.io.durable import DiskFullError


@pytest.mark.parametrize(
    ("key", "job"),
    [
        ("floors", Job("floors")),
        ("timing my own arm", Job("timing", "my own arm")),
        ("chosen naive", Job("chosen", "naive")),
        ("rate naive 1e-05", Job("rate", "naive", "1e-05")),
        ("cell my arm 2 11", Job("cell", "my arm 2", "11")),
    ],
)
def test_keys(key, job):
    assert Job.parse(key) == job
    assert str(job) == f"{job}" == key


@pytest.mark.parametrize("key", ["", "sell naive 0", "floors naive", "timing", "cell naive", "cell", "rate "])
def test_what_is_no_job(key):
    with pytest.raises(ValueError, match=f"no job '{key}'; there are floors, timing ARM, rate ARM RATE, cell ARM SEED"):
        Job.parse(key)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ValueError("patch size 9"), 2, "error: patch size 9\n"),
        (DiskFullError("full"), 2, "error: full\n"),
        (FileNotFoundError("none"), 2, "error: none\n"),
        (KeyboardInterrupt(), 130, "interrupted; all is kept\n"),
    ],
)
def test_the_command_line_explains(capsys, error, code, said):
    with pytest.raises(typer.Exit) as raised, explained("all is kept"):
        raise error
    assert raised.value.exit_code == code
    assert capsys.readouterr().err == said


def test_faults_of_the_code_keep_their_traceback():
    with pytest.raises(RuntimeError, match="a fault"), explained():
        raise RuntimeError("a fault")
