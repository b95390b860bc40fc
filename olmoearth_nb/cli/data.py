"""The command line's ways to data: `olmoearth-nb data simulate` and its neighbours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from olmoearth_nb.cli.errors import Command, in_options
from olmoearth_nb.data.labelled.download import (
    EUROSAT,
    EUROSAT_SIZE,
    MEUROSAT,
    MEUROSAT_SIZE,
    SIMILAR,
    SIMILAR_COMMIT,
    SIMILAR_SIZE,
)
from olmoearth_nb.data.stac.search import EARTH_SEARCH
from olmoearth_nb.data.subset import URL
from olmoearth_nb.errors import counted

data_app = typer.Typer(help="Make and fetch data.", no_args_is_help=True)


@data_app.callback()
def data() -> None:
    """Make and fetch data."""


@data_app.command(cls=Command)
def simulate(
    out: Annotated[Path, typer.Option(help="folder to make")],
    scenes: Annotated[int, typer.Option(help="how many scenes")] = 2000,
    size: Annotated[int, typer.Option(help="edge of a scene in pixels of 10 m, 8 to 128")] = 32,
    dates: Annotated[int, typer.Option(help="months that a scene shows, 1 to 12")] = 6,
    seed: Annotated[int, typer.Option(help="seed of the world")] = 0,
    workers: Annotated[int, typer.Option(help="processes")] = 2,
    world: Annotated[int, typer.Option(help="version of the world: 1, which models were trained in, or 2")] = 1,
    level: Annotated[str, typer.Option(help="of Sentinel-2: L2A, or L1C, the top of the atmosphere")] = "L2A",
) -> None:
    """Simulate scenes and write them in the official pretraining format."""
    from olmoearth_nb.data.simulate.generate import simulate as make

    made = make(out, scenes, size, dates, seed, workers, version=world, level=level)
    size_on_disk = sum(path.stat().st_size for path in made.rglob("*") if path.is_file())
    what = f"{counted(scenes, 'scene')} of {size} x {size} px x {counted(dates, 'date')}"
    typer.echo(f"{made}: {what}, {size_on_disk / 1e6:.0f} MB")


@data_app.command(
    cls=Command, help=f"Fetch Sentinel-2 of a place as monthly composites from a STAC catalogue ({EARTH_SEARCH})."
)
def stac(
    lat: Annotated[float, typer.Option(help="latitude in degrees, south negative")],
    lon: Annotated[float, typer.Option(help="longitude in degrees, west negative")],
    start: Annotated[str, typer.Option(help="first day, such as 2023-01-01")],
    end: Annotated[str, typer.Option(help="last day, included; at most twelve calendar months from --start")],
    out: Annotated[Path, typer.Option(help="the .npz file to write")],
    size: Annotated[int, typer.Option(help="edge in pixels of 10 m, 8 to 1024")] = 64,
    max_cloud: Annotated[
        float, typer.Option(help="clouds, in percent of the whole 110 km tile, from which it is left out")
    ] = 60,
    catalogue: Annotated[str, typer.Option(help="address of a STAC API", show_default=False)] = EARTH_SEARCH,
    collection: Annotated[str, typer.Option(help="name of Sentinel-2 L2A there")] = "sentinel-2-l2a",
    cache: Annotated[Path | None, typer.Option(help="folder that keeps what was read")] = None,
    offset: Annotated[int | None, typer.Option(help="taken off all digital numbers; by default as declared")] = None,
    skip_failed: Annotated[bool, typer.Option(help="go on without what stays unreadable")] = False,
) -> None:
    """Fetch Sentinel-2 of a place from a STAC catalogue."""
    from olmoearth_nb.data.npz import save_npz
    from olmoearth_nb.data.stac.load import load_stac

    if out.suffix.lower() != ".npz":
        raise ValueError(f"--out must be named *.npz, got {out}")
    sample = load_stac(
        (lat, lon),
        start,
        end,
        size=size,
        max_cloud=max_cloud,
        catalogue=catalogue,
        collection=collection,
        cache=cache,
        offset="auto" if offset is None else offset,
        skip_failed=skip_failed,
    )
    save_npz(sample, out)
    months = [date[:7] for date in sample.dates]
    typer.echo(f"{out}: {size} x {size} px, {counted(len(months), 'month')}: {' '.join(months)}")
    typer.echo("\n".join([sample.provenance, *(f"* {in_options(note)}" for note in sample.notes)]))


@data_app.command(
    cls=Command,
    help="Download the official subset of the pretraining data; the same call goes on after a break. The server says "
    "how large the archive is, and the disk must hold it twice; the first download records its sha256, which a later "
    f"one must have, too. By default from {URL}",
)
def subset(
    out: Annotated[Path, typer.Option(help="folder to make")],
    url: Annotated[str, typer.Option(help="address of the tar", show_default=False)] = URL,
) -> None:
    """Download the official subset of the pretraining data."""
    from olmoearth_nb.data.subset import fetch_subset

    tiles = fetch_subset(out, url)
    what = counted(len(tiles), "tile")
    typer.echo(f"{tiles.folder}: {what}, to be opened by olmoearth_nb.data.official.OfficialDataset")


@data_app.command(
    cls=Command,
    help=f"Download EuroSAT with all bands ({EUROSAT_SIZE}); the same call goes on after a break. The first download "
    f"records the archive's sha256, which a later one must have, too. By default from {EUROSAT}",
)
def eurosat(
    out: Annotated[Path, typer.Option(help="folder to make")],
    url: Annotated[str, typer.Option(help="address of the zip", show_default=False)] = EUROSAT,
) -> None:
    """Download EuroSAT with all bands."""
    from olmoearth_nb.data.labelled.download import fetch_eurosat

    typer.echo(f"EuroSAT: {EUROSAT_SIZE}")
    chips = fetch_eurosat(out, url)
    typer.echo(f"{chips.folder}: {len(chips)} chips, open them by olmoearth_nb.data.labelled.open.open_set")


@data_app.command(
    cls=Command,
    help=f"Download GeoBench's m-eurosat ({MEUROSAT_SIZE}); the same call goes on after a break. The first download "
    f"records the archive's sha256, which a later one must have, too. By default from {MEUROSAT}",
)
def meurosat(
    out: Annotated[Path, typer.Option(help="folder to make")],
    url: Annotated[str, typer.Option(help="address of the zip", show_default=False)] = MEUROSAT,
) -> None:
    """Download GeoBench's m-eurosat."""
    from olmoearth_nb.data.labelled.download import fetch_meurosat

    typer.echo(f"m-eurosat: {MEUROSAT_SIZE}")
    data = fetch_meurosat(out, url)
    chips = ", ".join(f"{len(names)} {split}" for split, names in data.splits.items())
    typer.echo(f"{data.folder}: {chips} chips, open them by olmoearth_nb.data.labelled.open.open_set")


@data_app.command(
    cls=Command,
    help=f"Download similar-but-different ({SIMILAR_SIZE}); the same call goes on after a break. The files are those "
    f"of {SIMILAR} at the commit {SIMILAR_COMMIT[:12]} on the Hugging Face hub. The first download is checked against "
    "the checksums there and records their sha256, which a later one must have, too",
)
def sbd(
    out: Annotated[Path, typer.Option(help="folder to make")],
    endpoint: Annotated[str | None, typer.Option(help="address of another hub than the public one")] = None,
) -> None:
    """Download similar-but-different."""
    from olmoearth_nb.data.labelled.download import fetch_similar

    typer.echo(f"similar-but-different: {SIMILAR_SIZE}")
    patches = fetch_similar(out, endpoint, say=typer.echo)
    typer.echo(f"{out}: {len(patches)} patches, open them by olmoearth_nb.data.labelled.open.open_set")
