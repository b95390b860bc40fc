"""The figure of a run, from its logs."""

import json

import pytest

from olmoearth_nb.plots.training import plot_run


def write_run(folder, recipe, rank=24.0):
    """A trunk that was looked at twice, and a branch."""
    looked = {"chance": 2.6, "best": 1.2, "rank": rank}
    trunk = [{"step": n, "samples": 4 * n, "patches": 3.0 - n / 10} | (looked if n % 2 else {}) for n in range(1, 5)]
    legs = {"trunk": trunk, "budget-24": [{"step": n, "samples": 4 * n, "patches": 2.5} for n in (5, 6)]}
    for name, lines in legs.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "log.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    (folder / "plan.json").write_text(json.dumps({"recipe": recipe, "size": "mini"}))
    return folder


@pytest.mark.parametrize(("recipe", "colour"), [("naive", "#009E73"), ("mine", "black")])
def test_a_run_its_branch_and_its_yardsticks(figures, tmp_path, recipe, colour):
    losses, ranks = plot_run(write_run(tmp_path, recipe)).axes
    named = {line.get_label(): line for line in losses.lines}
    assert sorted(named) == ["budget-24", "chance", "perfect predictor", "trunk"]
    assert named["trunk"].get_xdata().tolist() == [4, 8, 12, 16]
    assert named["budget-24"].get_color() == named["trunk"].get_color() == colour
    assert named["chance"].get_xydata().tolist() == [[4, 2.6], [12, 2.6]]
    low, high = ranks.get_ylim()
    assert low == 0
    assert high > 24 > 0.8 * high, "a rank that stays shows as a line, not as noise"
