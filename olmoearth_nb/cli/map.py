"""The command line's `map`: a scene of any size to a map, by a head or as embeddings."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from olmoearth_nb.cli.errors import in_options, keeping
from olmoearth_nb.cli.loading import PRECISION, loading, takes
from olmoearth_nb.errors import counted, printable

if TYPE_CHECKING:
    from olmoearth_nb.maps.probe import Probe


def windows(
    patch_size: Annotated[int | None, typer.Option(help="edge of a patch in pixels; the head's, or 4")] = None,
    window: Annotated[
        int | None, typer.Option(help="edge of what the encoder sees at once, in pixels; 0: 16 patches")
    ] = None,
    stride: Annotated[
        int | None, typer.Option(help="pixels from one window to the next; 0: half a window; a window: no overlap")
    ] = None,
    blending: Annotated[
        str | None,
        typer.Option(
            help="where windows overlap: cosine, their weighted mean; margin, only the window whose border is farthest"
        ),
    ] = None,
    precision: Annotated[str | None, typer.Option(help=PRECISION)] = None,
) -> dict[str, Any]:
    """How the windows of a map lie and are computed, as `make_map` takes it."""
    given = {"patch_size": patch_size, "window": window, "stride": stride, "blending": blending, "precision": precision}
    return {name: value for name, value in given.items() if value}


def working(
    block: Annotated[int, typer.Option(help="edge of the unit of work in pixels; changes no pixel")] = 512,
    workers: Annotated[int, typer.Option(help="processes; changes no pixel")] = 1,
    scheduler: Annotated[str, typer.Option(help="address of a Dask scheduler instead, such as tcp://host:8786")] = "",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace a map that is there already")] = False,
) -> dict[str, Any]:
    """How the work is done, as `make_map` takes it."""
    return {"block": block, "workers": workers, "scheduler": scheduler, "overwrite": overwrite}


@takes(tiles=windows, work=working, options=loading)
def map_(
    data: Annotated[str, typer.Option(help="a scene that knows its place (GeoTIFFs, .SAFE, .npz)")],
    out: Annotated[Path, typer.Option(help="the map to write, .tif")],
    tiles: dict[str, Any],
    work: dict[str, Any],
    options: dict[str, Any],
    model: Annotated[str, typer.Option(help="a model's name or folder, or an encoder.safetensors")] = "",
    head: Annotated[
        Path | None, typer.Option(help="what tells classes: a folder of finetune, or a probe's file")
    ] = None,
    points: Annotated[
        Path | None, typer.Option(help="GeoJSON of points or polygons in the scene, to which a probe is fitted")
    ] = None,
    label: Annotated[str, typer.Option(help="property that names the class of each")] = "label",
    output: Annotated[
        str, typer.Option(help="classes, probabilities or values with a head, embeddings or pca (a picture) without")
    ] = "",
) -> None:
    """Make a map of a scene: classes, probabilities, or embeddings, as one cloud-optimised GeoTIFF."""
    from olmoearth_nb.maps.make import check_out, make_map

    check_out(out, work["overwrite"])
    if head is not None and points is not None:
        raise ValueError("a head is fitted already: give points= without head=, or leave points= out")
    kept = f"{out}.work keeps what is done, the same command goes on with it"
    with warnings.catch_warnings(record=True) as heard, keeping(kept):
        warnings.simplefilter("always", UserWarning)
        if points is not None:
            head = out.with_suffix(".head.safetensors")
            _tell_probe(_fitted(model, data, options, points, label, head, tiles), head)
        path = make_map(model or None, data, out, head, output=output, **tiles, **work, **options)
    title, notes = _said(path)
    for note in [*notes, *dict.fromkeys(str(one.message) for one in heard if one.category is UserWarning)]:
        typer.echo(f"note: {printable(in_options(note))}", err=True)
    typer.echo(f"{path}: {title}")


def _fitted(
    model: str, data: str, options: dict[str, Any], points: Path, label: str, out: Path, tiles: dict[str, Any]
) -> Probe:
    """A probe that is fitted to points, and written."""
    from olmoearth_nb.maps.probe import fit_probe, save_probe
    from olmoearth_nb.maps.sources import opened
    from olmoearth_nb.points.features import read_features

    features, known = read_features(points), opened(model or None, data, None, options)
    given = {name: value for name, value in tiles.items() if name in ("patch_size", "window", "precision")}
    probe = fit_probe(known.encoder, known.scene, features, label, **given)
    save_probe(probe, out)
    return probe


def _tell_probe(probe: Probe, path: Path) -> None:
    """Says what the probe is."""
    typer.echo(
        f"{path}: a probe of {', '.join(probe.classes)}, fitted to {counted(probe.points, 'point')}; "
        f"{probe.accuracy:.0%} of each fourth one are right, which flatters"
    )


def _said(path: Path) -> tuple[str, list[str]]:
    """What a map is, in words, and what was noted of its scene."""
    from olmoearth_nb.io.raster import open_raster

    with open_raster(path) as file:
        bands, tags = f"{file.count} x {file.dtypes[0]}" if file.count > 1 else file.dtypes[0], file.tags()
        return f"{tags['OUTPUT']}, {file.height} x {file.width} px, {bands}", json.loads(tags["NOTES"])
