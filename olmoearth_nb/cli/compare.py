"""The command line's `compare`: should you switch from one model to another?"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from olmoearth_nb.cli.errors import in_options, keeping
from olmoearth_nb.cli.labelled import labels, open_labelled, pixels
from olmoearth_nb.cli.loading import listed, loading, takes
from olmoearth_nb.cli.models import asked, bar, opened

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from olmoearth_nb.comparison.compare import Compared
    from olmoearth_nb.comparison.scene_map import SceneMap


def how(
    folds: Annotated[int, typer.Option(help="folds that divide no group")] = 5,
    repeats: Annotated[int, typer.Option(help="how often the folds are drawn")] = 5,
    ignore_split: Annotated[
        bool, typer.Option("--ignore-split", help="folds even where a published split divides no group")
    ] = False,
    probes: Annotated[
        str, typer.Option(help="kNN-5,linear of classes (and kNN-20), ridge of real values; advice rests on the last")
    ] = "",
    modalities: Annotated[str, typer.Option(help="sensors that encoders see")] = "sentinel2_l2a",
    patch_size: Annotated[int, typer.Option(help="edge of a patch in pixels; 0: 4, or 1 for single pixels")] = 0,
    margin: Annotated[float, typer.Option(help="loss of accuracy, or R2, that you may ignore for the cost")] = 0.05,
) -> dict[str, Any]:
    """How two models are compared, as `Way` takes it."""
    return {
        "folds": folds,
        "repeats": repeats,
        "ignore_split": ignore_split,
        "probes": tuple(listed(probes) or ()),
        "modalities": tuple(listed(modalities) or ()),
        "patch_size": patch_size,
        "margin": margin,
    }


@takes(about=labels, way=how, table=pixels, options=loading)
def compare(
    models: Annotated[
        tuple[str, str],
        typer.Option(help="the model that you use, and the one that might take its place: names, folders or files"),
    ],
    data: Annotated[
        Path,
        typer.Option(help="class folders of chips, any labelled set of 'evaluate', or a scene with --labels"),
    ],
    about: dict[str, Any],
    way: dict[str, Any],
    table: dict[str, Any],
    options: dict[str, Any],
    seeds: Annotated[int, typer.Option(min=1, help="random twins of each model")] = 3,
    out: Annotated[Path, typer.Option(help="folder of tables and figures; what is computed is kept there")] = Path(
        "comparison"
    ),
) -> None:
    """Compare two models on your labelled data: accuracy, single classes, cost; and say whether to switch.

    NAME=A,B,C are seeds of one model.
    """
    from olmoearth_nb.comparison.compare import Way
    from olmoearth_nb.comparison.compare import compare as compared_on
    from olmoearth_nb.comparison.scene_map import scene_map
    from olmoearth_nb.points.labelled import PlaceSet

    rows = asked(list(models), every=False)
    with keeping(f"{out} keeps what is done, the same command goes on with it"):
        places = open_labelled(data, about, table, options)
        contenders = opened(rows, seeds)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # what a loader warns of is in the notes of the set
            compared = compared_on(contenders, places, Way(**way), out, bar)
            mapped = None
            if isinstance(places, PlaceSet) and places.classes:
                mapped = scene_map(compared, contenders, places, Way(**way).modalities, out)
        _write(compared, mapped, out)


def _write(compared: Compared, mapped: SceneMap | None, out: Path) -> None:
    """Writes tables, figures and page, and shows where they are."""
    from olmoearth_nb.comparison import report
    from olmoearth_nb.comparison.compare import NAMES
    from olmoearth_nb.comparison.scene_map import COLUMNS
    from olmoearth_nb.evaluation.evaluate import ROWS, score_rows
    from olmoearth_nb.evaluation.summary import DIFFERENCES, INTERVALS, difference_rows, interval_rows
    from olmoearth_nb.io.durable import write, write_csv
    from olmoearth_nb.plots.style import write_figure

    names = (NAMES, compared.evaluation)
    tables = {
        "scores.csv": (ROWS, score_rows(*names)),
        "intervals.csv": (INTERVALS, interval_rows(*names)),
        "differences.csv": (DIFFERENCES, difference_rows(compared.differences)),
        "classes.csv": (report.CLASSES, report.class_rows(compared)),
        "splits.csv": (report.SPLITS, report.split_rows(compared)),
        "agreement.csv": (report.AGREEMENT, report.agreement_rows(compared)),
        "cost.csv": (report.COST, report.cost_rows(compared)),
        **({"map.csv": (COLUMNS, mapped.rows())} if mapped is not None else {}),
    }
    for name, (columns, rows) in tables.items():
        write_csv(out / name, columns, rows)
    figures = _drawn(compared, mapped)
    for name, drawing in figures.items():
        write_figure(out / name, drawing)
    text = in_options("\n".join([*report.markdown(compared, list(figures)), ""]))
    write(out / "report.md", lambda part: part.write_text(text, encoding="utf8"))
    typer.echo(text)
    typer.echo(f"{out}: {', '.join([*tables, *figures, 'report.md'])}")


def _drawn(compared: Compared, mapped: SceneMap | None) -> dict[str, Figure]:
    """The figures by the names of their files."""
    from matplotlib import pyplot as plt

    from olmoearth_nb.plots.comparison import plot_agreement, plot_classes, plot_comparison, plot_map
    from olmoearth_nb.plots.style import use_style

    names = {"current": compared.current, "candidate": compared.candidate}
    with plt.style.context("default"):
        use_style()
        figures = {"scores.png": plot_comparison(compared), "agreement.png": plot_agreement(compared.agreement, names)}
        if compared.classes:
            figures["classes.png"] = plot_classes(compared.deciding)
        if mapped is not None:
            figures["map.png"] = plot_map(mapped.current, mapped.candidate, mapped.classes, names)
    return figures
