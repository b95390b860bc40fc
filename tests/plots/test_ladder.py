"""Figures of the ladder say what its rows say."""

from olmoearth_nb.comparison.ladder import Measured, final_budget, ladder, one
from olmoearth_nb.data.labelled.changed import HELD
from olmoearth_nb.evaluation.intervals import Interval
from olmoearth_nb.plots import ladder as plots

SIZES = {"nano": 3.0, "tiny": 3.0, "base": 3.0}


def row(value, p):
    return Measured(
        "r1", "difference", "a - b", "s", "", "8 samples", 5, Interval(value, value - 0.1, value + 0.1), p, 0.1
    )


def test_findings_are_filled_and_wrong_names_hollow(figures):
    saved = {"tokens": SIZES, "MACs": {"base": 3.2}}
    plots.show_answer(saved, {"found": row(0.2, 0.01), "not found": row(0.2, 0.2)}, {"names": row(0.1, 1)})
    saved, here, elsewhere = figures[0].axes
    assert [label.get_text() for label in saved.get_yticklabels()] == ["tokens", "MACs"]
    assert len(saved.collections) == 4
    marks = [line for line in here.lines if line.get_marker() == "o"]
    assert [line.get_markerfacecolor() for line in marks] == ["black", "white", "white"]
    assert [float(line.get_xdata()[0]) for line in marks] == [20, 20, 10]
    labels = [label.get_text() for label in elsewhere.get_yticklabels()]
    assert [label for label in labels if "wrong band names" in label] == labels[:1]
    hollow = [not len(marks.get_facecolor()) for marks in elsewhere.collections]
    assert hollow == [True] * 3 + [False] * (len(hollow) - 3)


def test_tasks_stand_once_and_each_panel_has_its_own_differences(figures):
    plots.show_by_task(
        {
            "merging": {"scene": row(0.1, 0.01), "time": row(0.2, 1)},
            "recipe": {"scene": row(0, 1), "time": row(-0.1, 1)},
        }
    )
    first, second = figures[0].axes
    assert [ax.get_title() for ax in (first, second)] == ["merging", "recipe"]
    assert [label.get_text() for label in first.get_yticklabels()] == ["scene", "time"]
    at = [[float(line.get_xdata()[0]) for line in ax.lines if line.get_marker() == "o"] for ax in (first, second)]
    assert at == [[10, 20], [0, -10]]


def test_learning_begins_untrained_and_has_every_budget(figures):
    rows = ladder(part="r1", kind="score", score="EuroSAT, kNN-20", names="content")
    plots.show_learning({"kNN-20": rows})
    curves = {line.get_label(): line.get_ydata() for line in figures[0].axes[0].lines}
    assert set(curves) == {"v1", "naive", "v1.1", "v1 tokens", "image statistics"}
    untrained, trained = (
        one(part="r1", kind="score", what="v1", score="EuroSAT, kNN-20", names="content", budget=budget).interval.value
        for budget in ("untrained", final_budget("r1"))
    )
    assert (curves["v1"][0], curves["v1"][-1], len(curves["v1"])) == (untrained, trained, 5)


def test_the_schematic_counts_what_is_wrong_in_each_token(figures):
    plots.show_permutation(HELD | {"B09": "B10"})
    texts = [text.get_text() for text in figures[0].axes[0].texts]
    assert [text for text in texts if "wrong" in text or text == "untouched"] == [
        "untouched", "3 of 6 wrong", "1 of 2 wrong", "4 of 12 wrong",
    ]  # fmt: skip
    assert texts.count("is B10") == 2


def test_costs_and_lost_bands_have_a_mark_for_each_arm(figures):
    costs = [row for row in ladder(part="r1", kind="cost", budget=final_budget("r1")) if " - " not in row.what]
    plots.show_costs(costs)
    assert len([line for line in figures[0].axes[0].lines if line.get_marker() == "o"]) == len(costs) == 12
    plots.show_lost({"v1": {"right": 0.5, "lost": 0.4}, "naive": {"right": 0.6, "lost": 0.2}})
    assert [bar.get_height() for bar in figures[1].axes[0].patches] == [0.5, 0.4, 0.6, 0.2]


def test_wrongly_labelled_sets_come_first_and_are_named():
    assert list(plots.elsewhere())[:2] == ["m-eurosat\n(wrong band names)", "benv2"]
