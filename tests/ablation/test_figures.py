"""Figures of studies: what they show, and that they do not depend on who draws them."""

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.patches import Rectangle

from olmoearth_nb.ablation.figures import plot_detectable, plot_differences
from olmoearth_nb.ablation.findings import Finding
from olmoearth_nb.ablation.planted import BUDGET, Design, draw
from olmoearth_nb.ablation.report import report
from olmoearth_nb.ablation.scores import BASELINES, RUNS, SCORES
from olmoearth_nb.evaluation.intervals import Comparison, Interval
from olmoearth_nb.io.durable import write_csv
from olmoearth_nb.plots.style import use_style


def finding(detectable, p=0.5, value=0.02, task="a task"):
    compared = Comparison(Interval(value, value - 0.01, value + 0.01), p, detectable)
    return Finding("1 samples", task, "arm", "baseline", compared, p)


def write_planted(folder):
    """`scores.csv` of a planted study; untrained models and floors answer as the trained ones do."""
    table, rows = draw(Design((0.0,), tasks=1, seeds=2, tiles=5), np.random.default_rng(0)), []
    models = [(arm, budget, arm) for arm in table.arms for budget in (BUDGET, "untrained")]
    for name, budget, arm in models + [(floor, "floor", table.arms[0]) for floor in BASELINES]:
        for (seed, tile), right in np.ndenumerate(table.right[arm, BUDGET, "task 0"]):
            values = (name, seed, budget, 1, 0.001, "task 0", tile, int(right), int(table.rows["task 0"][tile]), "")
            rows.append(dict(zip(SCORES, values, strict=True)))
    write_csv(folder / "scores.csv", SCORES, rows)
    runs = (table.arms[0], 0, BUDGET, 1, 1, 0.001, False, 1.0, 1.0, 1, "here", "abc")
    write_csv(folder / "runs.csv", RUNS, [dict(zip(RUNS, runs, strict=True))])


def test_the_figures_of_a_report_are_the_same_in_whatever_style(tmp_path):
    write_planted(tmp_path)
    drawn = []
    for style in (dict, use_style, lambda: plt.rcParams.update({"font.size": 20, "lines.markersize": 20})):
        with plt.rc_context():
            style()
            report(tmp_path)
            drawn.append([(tmp_path / name).read_bytes() for name in ("accuracies.png", "differences.png")])
            kept = plt.rcParams["font.size"]
    assert drawn[0] == drawn[1] == drawn[2]
    assert kept == 20, "the caller's style comes back"


def test_a_null_says_what_could_have_been_seen():
    assert finding(0.031).verdict == "not seen; 0.031 would be, with a power of 80%"
    assert finding(2.3).verdict == "not seen; not even the largest possible would be, with a power of 80%"
    of_values = finding(2.3, task="dry, ridge")
    assert of_values.verdict == "not seen; 2.300 would be, with a power of 80%", "R2 has no lower end"
    assert finding(0.031, p=0.01).verdict == "better"
    assert finding(2.3, p=0.01, value=-0.02).verdict == "worse"


def test_no_band_is_wider_than_the_largest_difference():
    (axes,) = plot_differences([finding(0.031), finding(2.3)]).axes
    bands = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert [round(band.get_width(), 6) for band in bands] == [0.062, 2]


def test_detectable_differences_by_seeds_and_tiles():
    (axes,) = plot_detectable({30: {2: 2.4, 5: 0.09}, 120: {2: 2.3, 5: 0.05, 10: 0.03}}).axes
    few, many, largest = axes.lines
    assert few.get_xydata().tolist() == [[2, 2.4], [5, 0.09]]
    assert many.get_xydata().tolist() == [[2, 2.3], [5, 0.05], [10, 0.03]]
    assert set(largest.get_ydata()) == {1}
    assert [text.get_text() for text in axes.get_legend().get_texts()][:2] == ["30 tiles", "120 tiles"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["0.05", "0.1", "0.2", "0.5", "1", "2"]
