"""The curve of a run: which lines it is made of, how many rows, and what is refused."""

import json

import numpy as np
import pytest

from olmoearth_nb.pretrain.curves import COLUMNS, CURVE, read_curve, share_of_the_way, write_curve


def line(step, looked=True, **changes):
    """A line of a log; at every other one the run looked closer."""
    closer = {"chance": 3.0, "best": 1.0, "rank": float(step)} if looked else {}
    return {"step": step, "samples": 8 * step, "patches": 3 - step / 100, "rate": 1e-3} | closer | changes


def write_run(run, trunk, branch, steps=12, falls=8):
    for leg, lines in (("trunk", trunk), (f"budget-{8 * steps}", branch)):
        (run / leg).mkdir(parents=True)
        (run / leg / "log.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    about = {"steps": steps, "falls": falls}
    (run / f"budget-{8 * steps}" / "run.json").write_text(json.dumps(about))
    return run


@pytest.fixture
def run(tmp_path):
    """A trunk that goes on beyond where the branch leaves it."""
    trunk = [line(step, looked=step % 2 == 1) for step in range(1, 15)]
    return write_run(tmp_path / "run", trunk, [line(step, step % 2 == 1, patches=2.0) for step in range(9, 13)])


def test_trunk_up_to_the_branch_then_the_branch(run, tmp_path):
    assert write_curve(run, "budget-96", tmp_path) == tmp_path / CURVE
    curve = read_curve(tmp_path)
    assert tuple(curve) == COLUMNS
    assert curve["samples"].tolist() == [8, 24, 40, 56, 72, 88]
    assert curve["patches"].tolist() == [2.99, 2.97, 2.95, 2.93, 2.0, 2.0]
    assert np.allclose(share_of_the_way([curve]), [0.005, 0.015, 0.025, 0.035, 0.5, 0.5])


def test_shares_are_of_sums():
    """Steps and seeds that are worth more count more."""
    one = {"chance": np.array([3.0, 9.0]), "patches": np.array([2.0, 9.0]), "best": np.array([1.0, 1.0])}
    other = {"chance": np.array([3.0, 3.0]), "patches": np.array([3.0, 1.0]), "best": np.array([2.0, 1.0])}
    assert np.allclose(share_of_the_way([one, other]), [1 / 3, 2 / 10])
    assert share_of_the_way([one], over=2) == pytest.approx([1 / 2, (1 + 0) / (2 + 8)])


def test_neighbours_are_averaged_into_fewer_rows(run, tmp_path):
    write_curve(run, "budget-96", tmp_path, rows=2)
    curve = read_curve(tmp_path)
    assert curve["samples"].tolist() == [24, 72]
    assert curve["rank"].tolist() == [3, 9]
    assert np.allclose(curve["patches"], [2.97, (2.93 + 2 + 2) / 3])
    assert len((tmp_path / CURVE).read_text().splitlines()) == 3


def test_a_rank_that_was_not_measured_is_nan(tmp_path):
    lines = [line(1), line(3), line(5)]
    del lines[0]["rank"]
    run = write_run(tmp_path / "run", lines, [line(9)])
    write_curve(run, "budget-96", tmp_path)
    assert np.isnan(read_curve(tmp_path)["rank"]).tolist() == [True, False, False, False]
    write_curve(run, "budget-96", tmp_path, rows=2)
    assert read_curve(tmp_path)["rank"].tolist() == [3, 7]


def test_a_run_without_decay_is_its_trunk(tmp_path):
    run = write_run(tmp_path / "run", [line(step) for step in range(1, 9)], [], steps=8, falls=8)
    write_curve(run, "budget-64", tmp_path)
    assert read_curve(tmp_path)["samples"].tolist() == [8 * step for step in range(1, 9)]


def test_what_is_refused(run, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"budget-8192.run\.json"):
        write_curve(run, "budget-8192", tmp_path)
    with pytest.raises(ValueError, match="at least one row, got 0"):
        write_curve(run, "budget-96", tmp_path, rows=0)
    blind = write_run(tmp_path / "blind", [line(1, looked=False)], [line(9, looked=False)])
    with pytest.raises(ValueError, match="so there is no curve"):
        write_curve(blind, "budget-96", tmp_path)
    assert not (tmp_path / CURVE).exists()
    with pytest.raises(FileNotFoundError):
        read_curve(tmp_path)
    (tmp_path / CURVE).write_text("samples,patches,rank\n8,3,1\n")
    with pytest.raises(ValueError, match="no column chance, best, rate; a curve has samples, patches"):
        read_curve(tmp_path)
    (tmp_path / CURVE).write_text(",".join(COLUMNS) + "\n")
    with pytest.raises(ValueError, match="no column samples"):
        read_curve(tmp_path)
