"""The command line's `embed`: points and polygons in a scene, or the rows of a table of pixel series."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from olmoearth_nb.cli.errors import in_options
from olmoearth_nb.cli.loading import PRECISION, listed, loading, takes
from olmoearth_nb.data.tables import SUFFIXES
from olmoearth_nb.errors import counted, printable

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

    from olmoearth_nb.data.series import PixelSeries
    from olmoearth_nb.model.encoder import Encoder
    from olmoearth_nb.scene import Scene

OF_TABLES = {
    "dates": "dates",
    "level": "level",
    "missing_bands": "missing_bands",
    "modality": "modality_name",
    "scale": "scale",
}
"""The options of loaders that a table has, too, and what `to_samples` calls them."""


def named_as(data: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of files under the names that the data has for them: tables of pixels have some of their own."""
    renamed = OF_TABLES if data.suffix.lower() in SUFFIXES else {}
    return {renamed.get(name, name): value for name, value in options.items()}


def scene(
    points: Annotated[
        Path | None, typer.Option(help="GeoJSON of points or polygons, whose coordinates are longitude, latitude")
    ] = None,
    patch_size: Annotated[int | None, typer.Option(help="edge of a patch in pixels, 1 to 8; 4 by default")] = None,
    window: Annotated[
        int | None, typer.Option(help="edge of what the encoder sees at once, in pixels; 0: 16 patches")
    ] = None,
    outside: Annotated[
        str | None, typer.Option(help="features outside the scene are an error (the default), or skip them")
    ] = None,
) -> dict[str, Any]:
    """What is said of a scene and its features: `points`, and what `embed_features` takes."""
    given = {"points": points, "patch_size": patch_size, "window": window or None, "outside": outside}
    return {name: value for name, value in given.items() if value is not None}


def series(
    columns: Annotated[
        str | None, typer.Option(help="how a table names its bands, such as '{band}_{step}' or 'S2_{band}'")
    ] = None,
    pixel: Annotated[str | None, typer.Option(help="column that says which pixel a row is of, if it has many")] = None,
    labels: Annotated[str | None, typer.Option(help="columns that come along, with commas between them")] = None,
    nodata: Annotated[str | None, typer.Option(help="numbers that mean nothing, with commas between them")] = None,
    decibel: Annotated[
        str | None, typer.Option(help="a,b of a radar whose dB are a log10(stored) + b, such as 20,-83")
    ] = None,
    readout: Annotated[str | None, typer.Option(help="scene: a mean of the dates, or 'patches by date'")] = None,
) -> dict[str, Any]:
    """What is said of a table of pixel series, as `to_samples` and `embed_series` take it.

    Raises:
        ValueError: for what should be numbers and is not.
    """
    given = {
        "columns": columns,
        "pixel": pixel,
        "labels": listed(labels),
        "nodata": _numbers("nodata", nodata),
        "decibel": _numbers("decibel", decibel),
        "readout": readout,
    }
    if given["decibel"] is not None and len(given["decibel"]) != 2:
        raise ValueError(f"--decibel is two numbers, such as 20,-83, got {decibel!r}")
    return {name: value for name, value in given.items() if value}


def _numbers(name: str, text: str | None) -> list[float] | None:
    """The numbers between commas."""
    try:
        return [float(item) for item in text.split(",")] if text else None
    except ValueError as error:
        raise ValueError(f"--{name} is numbers with commas between them, got {text!r}") from error


@takes(place=scene, table=series, options=loading)
def embed(
    model: Annotated[str, typer.Option(help="a model's name or folder, or an encoder.safetensors")],
    data: Annotated[
        str,
        typer.Option(
            help="a scene that knows its place (GeoTIFFs, .SAFE, .npz), or a .parquet or .csv of pixel series"
        ),
    ],
    out: Annotated[Path, typer.Option(help="table to write, .parquet or .csv")],
    place: dict[str, Any],
    table: dict[str, Any],
    options: dict[str, Any],
    seed: Annotated[int | None, typer.Option(help="random weights of this seed in place of the model's")] = None,
    precision: Annotated[str, typer.Option(help=PRECISION)] = "32-true",
) -> None:
    """Embed the points and polygons of a GeoJSON file in a scene, or the pixel series of a table; a row for each."""
    from olmoearth_nb.model.precision import check_precision
    from olmoearth_nb.points.features import check_table_path, embed_features, write_table
    from olmoearth_nb.points.series import embed_series

    check_table_path(out)
    check_precision(precision)  # before anything is opened
    _require_other(out, data, place.get("points"))
    source: Any
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always", UserWarning)
        if Path(data).suffix.lower() in SUFFIXES:
            _require_none(place, f"{data} is a table of pixel series, whose rows are embedded")
            source = _pixels(data, options, table)
            heard.clear()  # what a loader warns of is in the notes of what it opened
            encoder, name = _encoder(model, seed, precision)
            rows = embed_series(encoder, source, table.get("readout", "scene"), model=name, precision=precision)
        else:
            _require_none(table, f"{data} is not a table of pixel series, {' or '.join(SUFFIXES)}")
            source, features = _scene(data, place, options)
            heard.clear()
            encoder, name = _encoder(model, seed, precision)
            said = {key: value for key, value in place.items() if key != "points"}
            rows = embed_features(encoder, source, features, model=name, precision=precision, **said)
        write_table(rows, out)
    _tell([*source.notes, *(str(warning.message) for warning in heard if warning.category is UserWarning)])
    if "inside" in rows and (cut := int((rows["inside"] < 1).sum())):
        _tell([f"{counted(cut, 'feature')} beyond the edge of the scene: embedded by the part in it"])
    what = "feature" if "inside" in rows else "series"
    typer.echo(f"{out}: {counted(len(rows), what)}, embeddings of {encoder.config.width} numbers")


def _require_other(out: Path, *inputs: str | os.PathLike[str] | None) -> None:
    """Raises a ValueError if the result would take the place of what it is made from."""
    for path in inputs:
        if path is not None and out.exists() and Path(path).exists() and out.samefile(path):
            raise ValueError(f"out={str(out)!r} is what is embedded, and would be lost; give another name")


def _tell(notes: list[str]) -> None:
    """Says notes beside the result."""
    for note in notes:
        typer.echo(f"note: {printable(in_options(note))}", err=True)


def _require_none(given: Iterable[str], why: str) -> None:
    """Raises a ValueError if anything was given that does not fit."""
    if names := list(given):
        raise ValueError(f"{why}: leave {_named(names)} out")


def _scene(data: str, place: dict[str, Any], options: dict[str, Any]) -> tuple[Scene, GeoDataFrame]:
    """The scene, and the features that are to be embedded in it.

    Raises:
        ValueError: if there are no features, or the scene does not know its place.
    """
    from olmoearth_nb.data.load import load_scene
    from olmoearth_nb.points.features import read_features, require_place

    if "points" not in place:
        raise ValueError(
            f"say which places of {data} to embed: give points=, a GeoJSON of points or polygons; only the rows of a "
            f"table of pixel series, {' or '.join(SUFFIXES)}, are embedded without"
        )
    features, scene = read_features(place["points"]), load_scene(data, **options)
    require_place(scene)
    return scene, features


def _pixels(data: str, options: dict[str, Any], table: dict[str, Any]) -> PixelSeries:
    """The pixel series of a table.

    Raises:
        ValueError: for options that a table does not have.
    """
    from olmoearth_nb.data.series import to_samples

    wrong = [name for name in options if name not in OF_TABLES]
    _require_none(wrong, f"a table of pixel series has {_named(OF_TABLES)}, no {_named(wrong)}")
    given = {OF_TABLES.get(name, name): value for name, value in {**options, **table}.items() if name != "readout"}
    if "pixel" in table:  # its name comes along, and its dates are a column
        given["labels"] = list(dict.fromkeys([table["pixel"], *table.get("labels", [])]))
        given |= {"dates": ",".join(options["dates"])} if "dates" in options else {}
    return to_samples(data, title=Path(data).stem, **given)


def _named(options: Iterable[str]) -> str:
    """Arguments as messages name them."""
    return ", ".join(f"{name}=" for name in options)


def _encoder(model: str, seed: int | None, precision: str) -> tuple[Encoder, str]:
    """The encoder, and what the table calls it."""
    from olmoearth_nb.model.precision import FULL
    from olmoearth_nb.weights.load import open_encoder, random_encoder

    name = os.fsencode(model).decode("utf8", errors="backslashreplace")  # a path may be no text
    computed = "" if precision == FULL else f", {precision}"
    if seed is None:
        return open_encoder(model), name + computed
    return random_encoder(model, seed), f"{name}, random weights of seed {seed}{computed}"
