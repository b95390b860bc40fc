"""What comes with the package: embedded chips, small pretrained models, tables; in a clone or an installed wheel."""

from __future__ import annotations

import csv
from pathlib import Path


def data_dir() -> Path:
    """The folder of the embedded data: in the repository, or inside the installed package."""
    here = Path(__file__).resolve()
    for folder in (here.parents[1] / "_data", here.parents[2] / "data"):
        if (folder / "chips").is_dir():
            return folder
    raise FileNotFoundError("the embedded data are not installed; install olmoearth_nb from its wheel or a clone")


def pretrained_names() -> list[str]:
    """Names of the models that were trained for this project and come with it."""
    return sorted(path.parent.name for path in (data_dir() / "pretrained").glob("*/encoder.safetensors"))


def pretrained_dir(name: str) -> Path:
    """The folder of such a model: `encoder.safetensors`, `predictor.safetensors`, `run.json`, `log.csv`.

    Raises:
        ValueError: for an unknown name, listing the valid ones.
    """
    names = pretrained_names()
    if name not in names:
        raise ValueError(f"there is no pretrained model {name!r}; there are {', '.join(names) or 'none'}")
    return data_dir() / "pretrained" / name


def published(name: str) -> list[dict[str, str]]:
    """The rows of a table of measurements, each as column -> text.

    Args:
        name: of the table, without `.csv`.

    Raises:
        ValueError: for an unknown table, listing the valid ones.
    """
    folder = data_dir() / "published"
    names = sorted(path.stem for path in folder.glob("*.csv"))
    if name not in names:
        raise ValueError(f"there is no table {name!r}; there are {', '.join(names) or 'none'}")
    with (folder / f"{name}.csv").open(encoding="utf8", newline="") as file:
        return list(csv.DictReader(file))
