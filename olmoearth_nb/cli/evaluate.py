"""The command line's `evaluate`: models on a set of places with an answer each."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from olmoearth_nb.cli.embed import named_as, series
from olmoearth_nb.cli.errors import in_options, keeping
from olmoearth_nb.cli.loading import listed, loading, takes
from olmoearth_nb.cli.models import Every, Models, asked, bar, opened

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from olmoearth_nb.data.sets import LabelledSet
    from olmoearth_nb.evaluation.arms import Arm
    from olmoearth_nb.evaluation.contenders import Contender
    from olmoearth_nb.evaluation.evaluate import Evaluation
    from olmoearth_nb.evaluation.summary import Difference

WRITTEN = ("scores.csv", "intervals.csv", "differences.csv", "scores.png", "report.md")


def places(
    label: Annotated[str | None, typer.Option(help="column of a table that holds the answers")] = None,
    unit: Annotated[str | None, typer.Option(help="of real answers of a table; without it they are classes")] = None,
    groups: Annotated[str | None, typer.Option(help="column of a table whose rows must not be divided")] = None,
    split: Annotated[str | None, typer.Option(help="column of a table that says train, valid or test")] = None,
    apart: Annotated[float | None, typer.Option(help="kilometres from which two chips are independent")] = None,
    part: Annotated[str | None, typer.Option(help="some of the places: 1/5 a fifth by groups, 2-5/5 the rest")] = None,
) -> dict[str, Any]:
    """What is said of a labelled set, as `open_set` takes it."""
    given = {"label": label, "unit": unit, "groups": groups, "split": split, "apart": apart, "part": part}
    return {name: value for name, value in given.items() if value is not None}


def dividing(
    folds: Annotated[int, typer.Option(help="stratified folds, where there is no published split")] = 5,
    repeats: Annotated[int, typer.Option(help="how often the folds are drawn")] = 10,
    knn_in_folds: Annotated[
        bool, typer.Option("--knn-in-folds", help="nearest neighbours in folds, too; by default one group is left out")
    ] = False,
    ignore_split: Annotated[bool, typer.Option("--ignore-split", help="folds in place of the published split")] = False,
) -> dict[str, Any]:
    """How the places are divided."""
    return {"count": folds, "repeats": repeats, "knn_in_folds": knn_in_folds, "ignore_split": ignore_split}


@takes(about=places, division=dividing, table=series, options=loading)
def evaluate(
    data: Annotated[
        Path,
        typer.Option(
            help="class folders of chips (EuroSAT or any other), m-eurosat, m-brick-kiln, similar-but-different or a "
            "simulated world, or a table of pixels"
        ),
    ],
    about: dict[str, Any],
    division: dict[str, Any],
    table: dict[str, Any],
    options: dict[str, Any],
    models: Models = None,
    every: Every = False,
    against: Annotated[str, typer.Option(help="model that others are compared with; the first by default")] = "",
    probes: Annotated[
        str, typer.Option(help="kNN-5,kNN-20,linear of classes, ridge of real values; all by default")
    ] = "",
    modalities: Annotated[str, typer.Option(help="sensors that encoders see")] = "sentinel2_l2a",
    patch_size: Annotated[int, typer.Option(help="edge of a patch in pixels; 0: 4, or 1 for single pixels")] = 0,
    out: Annotated[Path, typer.Option(help="folder of tables and a figure; what is computed is kept there")] = Path(
        "evaluation"
    ),
) -> None:
    """Score models on a labelled set beside baselines and random twins.

    --names content,published reads the bands of EuroSAT and GeoBench by both and compares.
    """
    from olmoearth_nb.evaluation.summary import differences

    rows = asked(models or [], every)
    ways = listed(options.pop("names", "content")) or []
    given = {**named_as(data, options), **table, **about}
    sensors = tuple(listed(modalities) or ())
    with keeping(f"{out} keeps what is done, the same command goes on with it"):
        encoders = opened(rows)
        found = {
            names: _evaluated(data, names, given, encoders, division, sensors, patch_size, listed(probes) or [], out)
            for names in ways
        }
        _write(found, differences(found, against), out)


def _evaluated(
    data: Path,
    names: str,
    given: Mapping[str, Any],
    encoders: Sequence[Contender],
    division: Mapping[str, Any],
    sensors: tuple[str, ...],
    patch_size: int,
    probes: Sequence[str],
    out: Path,
) -> Evaluation:
    """The set under one way to name its bands, and the scores of all rows."""
    from olmoearth_nb.data.labelled.open import open_set
    from olmoearth_nb.evaluation.arms import default_patch_size
    from olmoearth_nb.evaluation.evaluate import default_probes
    from olmoearth_nb.evaluation.evaluate import evaluate as score
    from olmoearth_nb.evaluation.folds import divide

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # what a loader warns of is in the notes of the set
        labelled = open_set(data, names=cast(Any, names), **given)
        folds, neighbours = divide(labelled, **division)
        arms = _arms(labelled, encoders, sensors, patch_size or default_patch_size(labelled, sensors), out, names)
    with bar(f"probes, {names} names", len(arms) * len(probes or default_probes(labelled))) as done:
        return score(arms, labelled, folds, neighbours, probes, cache=out / "predictions", done=done)


def _arms(
    labelled: LabelledSet,
    encoders: Sequence[Contender],
    sensors: tuple[str, ...],
    patch_size: int,
    out: Path,
    names: str,
) -> list[Arm]:
    """The features of all rows; embeddings are kept."""
    from olmoearth_nb.evaluation.arms import BATCH, baselines, of_encoders

    arms, cache = [], out / "embeddings"
    silent = len(labelled) >= 20 * BATCH  # then each encoder has a bar of its own, and two at once do not go
    total = sum(len(own) for _, own, *_ in encoders)
    with bar(f"embeddings, {names} names", total, silent) as done:
        for name, own, kind, of in encoders:
            arms.append(of_encoders(name, own, labelled, sensors, patch_size, cache, kind, of, done))
    return [*arms, *baselines(labelled, sensors)]


def _write(found: Mapping[str, Evaluation], compared: Sequence[Difference], out: Path) -> None:
    """Writes tables, figure and page, and shows where they are."""
    from olmoearth_nb.evaluation.evaluate import ROWS, score_rows
    from olmoearth_nb.evaluation.summary import DIFFERENCES, INTERVALS, difference_rows, interval_rows, markdown
    from olmoearth_nb.io.durable import write, write_csv
    from olmoearth_nb.plots.style import write_figure

    write_csv(out / "scores.csv", ROWS, chain.from_iterable(score_rows(*item) for item in found.items()))
    write_csv(out / "intervals.csv", INTERVALS, chain.from_iterable(interval_rows(*item) for item in found.items()))
    write_csv(out / "differences.csv", DIFFERENCES, difference_rows(compared))
    write_figure(out / "scores.png", _drawn(found))
    text = in_options("\n".join([*markdown(found, compared), f"![{next(iter(found.values())).data}](scores.png)", ""]))
    write(out / "report.md", lambda part: part.write_text(text, encoding="utf8"))
    typer.echo(text)
    typer.echo(f"{out}: {', '.join(WRITTEN)}")


def _drawn(found: Mapping[str, Evaluation]) -> Figure:
    """The figure of the first metric."""
    from matplotlib import pyplot as plt

    from olmoearth_nb.evaluation.summary import intervals
    from olmoearth_nb.plots.scores import plot_scores
    from olmoearth_nb.plots.style import use_style

    first = next(iter(found.values()))
    panels = {}
    for names, one in found.items():
        shown = intervals(one)
        for probe in one.probes:
            panels[names, probe] = {arm.name: shown[arm.name, probe, one.metrics[0]] for arm in one.arms}
    kinds = {kind: [arm.name for arm in first.arms if arm.kind == kind] for kind in ("random", "baseline")}
    with plt.style.context("default"):
        use_style()
        return plot_scores(panels, kinds["random"], kinds["baseline"], f"{first.metrics[0]}, {first.data}")
