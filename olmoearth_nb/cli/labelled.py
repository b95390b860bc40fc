"""Labelled places as commands take them: any labelled set, or a scene with labelled points and polygons."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from olmoearth_nb.cli.embed import named_as, series

if TYPE_CHECKING:
    from olmoearth_nb.data.sets import LabelledSet


def labels(
    labels: Annotated[
        Path | None,
        typer.Option(help="of a scene: GeoJSON of points and polygons, or a table of points with columns lon and lat"),
    ] = None,
    label: Annotated[
        str | None, typer.Option(help="column of the answers, of labels (by default 'label') or of a table of pixels")
    ] = None,
    unit: Annotated[str | None, typer.Option(help="of real answers; without it they are classes")] = None,
    groups: Annotated[
        str | None, typer.Option(help="column whose places must not be divided; of a scene, blocks by default")
    ] = None,
    split: Annotated[str | None, typer.Option(help="column of a table that says train, valid or test")] = None,
    apart: Annotated[
        float | None, typer.Option(help="kilometres from which two chips are independent; of a scene, edge of a block")
    ] = None,
    part: Annotated[str | None, typer.Option(help="some of the places: 1/5 a fifth by groups, 2-5/5 the rest")] = None,
    date: Annotated[str | None, typer.Option(help="column of the dates of labels; by default 'date', if any")] = None,
    days: Annotated[
        int | None, typer.Option(help="how far the date of a label may be from all dates of the scene; 183 by default")
    ] = None,
    edge: Annotated[
        int | None, typer.Option(help="edge of a labelled place of a scene in pixels; 8 by default")
    ] = None,
) -> dict[str, Any]:
    """What is said of labelled places."""
    given = {
        "labels": labels,
        "label": label,
        "unit": unit,
        "groups": groups,
        "split": split,
        "apart": apart,
        "part": part,
        "date": date,
        "days": days,
        "edge": edge,
    }
    return {name: value for name, value in given.items() if value is not None}


def pixels(**given: Any) -> dict[str, Any]:
    """What is said of a table of pixel series, but for what comes along in a table of embeddings."""
    return series(labels=None, readout=None, **given)


pixels.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
    [
        option
        for name, option in inspect.signature(series, eval_str=True).parameters.items()
        if name not in ("labels", "readout")
    ]
)

_OF_SCENES = ("label", "unit", "groups", "apart", "date", "days", "edge")


def open_labelled(
    data: Path, about: Mapping[str, Any], table: Mapping[str, Any], options: Mapping[str, Any]
) -> LabelledSet:
    """Opens labelled places; what a loader warns of is in their notes.

    Args:
        data: a labelled set, or a scene.
        about: what is said of the places (`labels`).
        table: what is said of a table of pixel series.
        options: of loaders.

    Raises:
        FileNotFoundError: if there is nothing at a path.
        ValueError: for what is no labelled set, or for options that it has not.
    """
    from olmoearth_nb.data.labelled.open import open_set
    from olmoearth_nb.data.labelled.part import Part, PartSet
    from olmoearth_nb.points.labelled import Labels, open_places

    about = dict(about)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        if "labels" not in about:
            _require_labels(data)
            return open_set(data, **named_as(data, options), **table, **about)
        points, part = about.pop("labels"), about.pop("part", "")
        wrong = [name for name in [*about, *table] if name not in _OF_SCENES]
        if wrong:
            raise ValueError(f"labels of a scene have no {', '.join(f'{name}=' for name in wrong)}; leave it out")
        places = open_places(data, points, Labels(**about), **options)
        return PartSet(places, Part.parse(part)) if part else places


def _require_labels(data: Path) -> None:
    """Raises a ValueError for a scene, which has no answers."""
    from olmoearth_nb.data.safe.find import is_safe

    scene = data.is_file() and data.suffix.lower() in (".tif", ".tiff", ".npz", ".h5", ".hdf5")
    if scene or (data.is_dir() and is_safe(data)):
        raise ValueError(
            f"{data.name} is a scene and has no answers: say labels=, GeoJSON of points or polygons, or a table of "
            "points with columns lon and lat"
        )
