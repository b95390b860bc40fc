"""The command line's `finetune`: an encoder is fitted to a labelled set, and scored on places that it never saw."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from olmoearth_nb.cli.embed import named_as
from olmoearth_nb.cli.errors import in_options, keeping
from olmoearth_nb.cli.evaluate import places as labelled_places
from olmoearth_nb.cli.labelled import pixels
from olmoearth_nb.cli.loading import PRECISION, listed, loading, takes

if TYPE_CHECKING:
    from olmoearth_nb.data.sets import Labelled
    from olmoearth_nb.evaluation.folds import Folds
    from olmoearth_nb.finetune.places import Places
    from olmoearth_nb.finetune.rounds import Rounds
    from olmoearth_nb.finetune.ways import Settings

SCORES = ("way", "metric", "value", "low", "high", "labels", "learnt", "seconds")
"""Columns of `scores.csv`; labels and seconds are those of one fit, learnt is how many numbers it learns."""


def fitting(
    epochs: Annotated[int | None, typer.Option(min=1, help="passes over the places that train; 50 by default")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="places a step; 32 by default")] = None,
    rate: Annotated[float | None, typer.Option(help="learning rate of the head; by default that of the way")] = None,
    patience: Annotated[
        int | None, typer.Option(min=0, help="epochs without a better validation after which a fit ends; 0 for never")
    ] = None,
    balanced: Annotated[
        bool, typer.Option("--balanced", help="classes count the same in sum, however rare they are")
    ] = False,
    decay: Annotated[
        float | None, typer.Option(help="of layer-decay: a block's rate in parts of the next one's; .65 by default")
    ] = None,
    rank: Annotated[int | None, typer.Option(help="of lora; 8 by default")] = None,
    layers: Annotated[str | None, typer.Option(help="of lora: qv (queries and values, the default) or all")] = None,
) -> dict[str, Any]:
    """How encoders are fitted, as `Settings` take it; what was not given is left out."""
    given: dict[str, Any] = {
        "epochs": epochs,
        "batch": batch,
        "rate": rate,
        "patience": patience,
        "balanced": balanced or None,
    }
    given |= {"decay": decay, "rank": rank, "layers": layers}
    return {name: value for name, value in given.items() if value is not None}


@takes(about=labelled_places, fitted=fitting, reading=pixels, options=loading)
def finetune(
    model: Annotated[str, typer.Argument(help="name, folder or encoder.safetensors")],
    data: Annotated[
        Path,
        typer.Option(
            help="EuroSAT, m-eurosat, m-brick-kiln, similar-but-different or a simulated world (folders; of a world "
            "--label cover asks each pixel), a folder with images/ and labels/ (rasters of the same names), or a table "
            "of pixels"
        ),
    ],
    about: dict[str, Any],
    fitted: dict[str, Any],
    reading: dict[str, Any],
    options: dict[str, Any],
    way: Annotated[
        str, typer.Option(help="frozen, full, layer-decay, lora; several with commas between them")
    ] = "layer-decay",
    count: Annotated[int, typer.Option(min=0, help="labelled places of a fit; 0 for all that may train")] = 0,
    seeds: Annotated[int, typer.Option(min=1, help="how often everything is fitted, each time with another seed")] = 1,
    folds: Annotated[int, typer.Option(help="folds that divide no group, where there is no published split")] = 5,
    ignore_split: Annotated[bool, typer.Option("--ignore-split", help="folds in place of the published split")] = False,
    modalities: Annotated[str, typer.Option(help="sensors that the encoder sees")] = "sentinel2_l2a",
    patch_size: Annotated[int, typer.Option(help="edge of a patch in pixels; 0: 4, or 1 for single pixels")] = 0,
    precision: Annotated[str, typer.Option(help=PRECISION)] = "32-true",
    out: Annotated[Path, typer.Option(help="folder of the fits and their scores")] = Path("finetuned"),
) -> None:
    """Fit an encoder to labels and score it on places it never saw; each fit keeps its own folder."""
    from olmoearth_nb.evaluation.arms import default_patch_size
    from olmoearth_nb.finetune.places import Places
    from olmoearth_nb.finetune.rounds import divide
    from olmoearth_nb.finetune.ways import Settings

    sensors = tuple(listed(modalities) or ())
    given = {**named_as(data, options), **reading, **about}
    ways = [name.replace("-", " ") for name in listed(way) or []]
    with keeping(f"{out} keeps what is done, the same command goes on with it"):
        first = [Settings(name, **fitted) for name in ways]  # before anything is opened
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # what a loader warns of is in the notes of the set
            labelled = _opened(data, given)
            division = divide(labelled, folds, ignore_split)
            size = patch_size or default_patch_size(cast(Any, labelled), sensors)
        chosen = [[replace(one, patch_size=size, seed=seed) for seed in range(seeds)] for one in first]
        typer.echo(f"{labelled.name}: {division.name}", err=True)
        found = _fitted(model, Places(labelled, sensors), division, chosen, count, precision, out)
        _write(model, labelled, found, out)


def _opened(data: Path, given: Mapping[str, Any]) -> Labelled:
    """The labelled set; pixels, of a world with a label or a folder of chips with rasters."""
    from olmoearth_nb.data.labelled.open import open_set
    from olmoearth_nb.data.labelled.rasters import RasterPixels, is_rasters
    from olmoearth_nb.data.labelled.world import WorldPixels

    if (data / "world.json").is_file() and "label" in given:
        return WorldPixels(data, given["label"])
    if is_rasters(data):
        return RasterPixels(data, **given)
    return open_set(data, **given)


def _fitted(
    model: str, places: Places, division: Folds, chosen: list[list[Settings]], count: int, precision: str, out: Path
) -> dict[str, Rounds]:
    """What came of each way, each in a folder of its own."""
    from olmoearth_nb.finetune.engine import launched
    from olmoearth_nb.finetune.rounds import fit_rounds
    from olmoearth_nb.weights.load import open_encoder

    encoder, fabric, found = open_encoder(model), launched(precision), {}
    for settings in chosen:
        way = settings[0].way
        folder = out / way.replace(" ", "-")
        found[way] = fit_rounds(encoder, places, division, settings, folder, model, count, fabric, quiet=False)
    return found


def _write(model: str, labelled: Labelled, found: Mapping[str, Rounds], out: Path) -> None:
    """Writes and shows the table."""
    from olmoearth_nb.evaluation.metrics import bounds
    from olmoearth_nb.io.durable import write, write_csv

    rows = [
        (way, metric, score.interval(0.95, *bounds(metric)), rounds.labels, rounds.learnt, rounds.seconds)
        for way, rounds in found.items()
        for metric, score in rounds.scores.items()
    ]
    shown = [
        (way, metric, *(f"{x:.6f}" for x in (one.value, one.low, one.high)), f"{n:.1f}", learnt, f"{seconds:.1f}")
        for way, metric, one, n, learnt, seconds in rows
    ]
    write_csv(out / "scores.csv", SCORES, [dict(zip(SCORES, row, strict=True)) for row in shown])
    first = next(iter(found.values()))
    groups = next(iter(first.scores.values())).groups
    lines = [f"# {model} fitted to {labelled.name}", ""]
    lines += [f"{len(first.tested)} places are tested, in {groups} groups; fits with {len(first.predicted)} seeds.", ""]
    lines += ["| way | metric | score [95 %] | labels | learnt numbers | seconds a fit |", "|---|---|---|---|---|---|"]
    unit = {"RMSE": f"RMSE, in {labelled.unit}"} if labelled.unit else {}
    lines += [
        f"| {way} | {unit.get(metric, metric)} | {one} | {n:.0f} | {learnt:,} | {seconds:.1f} |"
        for way, metric, one, n, learnt, seconds in rows
    ]
    text = in_options("\n".join([*lines, "", *(f"* {note}" for note in labelled.notes), ""]))
    write(out / "report.md", lambda part: part.write_text(text, encoding="utf8"))
    typer.echo(text)
    typer.echo(f"{out}: scores.csv, report.md, and a folder of each way with one for each fit")
