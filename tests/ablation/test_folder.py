import pytest

from olmoearth_nb.ablation.folder import Job


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
