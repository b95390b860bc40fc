"""Label-efficiency curves: the same labels for all models, a row a fit, and a run that goes on where it was killed."""

import numpy as np
import pytest
from labelled import bright

SCRIPT = "label_efficiency"


@pytest.fixture(scope="module")
def made(script, tmp_path_factory):
    """The whole of it on 48 chips with one model, four steps a fit; the script, its folder, and its arguments."""
    out = tmp_path_factory.mktemp("efficiency")
    script.STEPS, script.FOLDS, script.COUNTS, script.MODELS = 4, 3, (6, 30, 1000), script.MODELS[1:2]
    script.RANDOM = tuple(f"random {name}" for name in script.MODELS)
    models = {"trained": script.MODELS, "random": script.RANDOM}
    script.CURVES = {
        "image statistics": (("image statistics",), "frozen"),
        **{f"pretrained, {way}": (models["trained"], way) for way in ("frozen", "layer decay")},
        **{f"random, {way}": (models["random"], way) for way in ("layer decay", "one rate")},
    }
    script.ASKED = {name: pair for name, pair in script.ASKED.items() if set(pair) <= set(script.CURVES)}
    script.PAGE, script.PUBLISHED = out / "page.md", out / "published.csv"
    script.PAGE.write_text(f"before\n{script.MARK}old\n")
    script.opened = lambda path: script.Cropped(bright(), 8, np.arange(48))
    return script, out


def run(script, out, monkeypatch, *words):
    monkeypatch.setattr("sys.argv", [SCRIPT, *map(str, words), "--out", str(out)])
    script.main()


def test_a_row_a_fit_and_going_on(made, monkeypatch, capsys):
    script, out = made
    words = ("run", out, "--name", "chips", "--seeds", 1, "--counts", *script.COUNTS)
    run(script, out, monkeypatch, *words)
    path = out / script.ROWS
    whole = path.read_text()
    rows = script.read_csv(path)
    # two baselines and two encoders by regression, three ways of the trained one and two of the random one
    assert len(rows) == 3 * 2 * (4 + 3 + 2)
    assert sum(int(row["tested"]) for row in rows) == 48 * 2 * 9
    assert {row["epochs"] for row in rows if row["way"] == "lora"} == {"4", "1"}
    assert all(int(row["right"]) == bin(int(row["answers"], 16)).count("1") for row in rows)
    lines = whole.splitlines(keepends=True)
    path.write_text("".join(lines[:-3]) + lines[-3][:20])  # killed while it wrote
    run(script, out, monkeypatch, *words)
    without_time = [[value for name, value in row.items() if name != "seconds"] for row in rows]
    again = [[value for name, value in row.items() if name != "seconds"] for row in script.read_csv(path)]
    assert again == without_time
    run(script, out, monkeypatch, "publish")
    page = script.PAGE.read_text()
    assert page.startswith(f"before\n{script.MARK}")
    assert "old" not in page
    assert "chips, 6 labels, 1 seed: a gain by pretraining is not seen; " in page
    statistics = [row for row in rows if (row["model"], row["count"]) == ("image statistics", "30")]
    by_hand = sum(int(row["right"]) for row in statistics) / 48
    (shown,) = (
        row
        for row in script.read_csv(script.PUBLISHED)
        if (row["kind"], row["curve"], row["count"]) == ("accuracy", "image statistics", "30")
    )
    assert float(shown["value"]) == pytest.approx(by_hand, abs=1e-4)
    assert by_hand > 0.5  # chance is a third


def test_labels_are_nested_and_shared(made):
    script, _ = made
    first, again = (script.turns(script.opened(None), 2) for _ in range(2))
    assert len(first) == 6
    for one, other in zip(first, again, strict=True):
        assert np.array_equal(one.train, other.train)
        assert not set(one.train.tolist()) & set(one.test.tolist())
        answers = bright().answers[one.train]
        assert [len(set(answers[:n].tolist())) for n in (1, 2, 3)] == [1, 2, 3]
    assert not np.array_equal(first[0].train[:6], first[3].train[:6])
