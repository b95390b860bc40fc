"""What a Sentinel-2 product says of itself in `MTD_MSIL2A.xml` or `MTD_MSIL1C.xml`, read without following anything.

Elements by the Sentinel-2 Products Specification Document; the names of Level 2A before 2018 begin with ``L2A_``.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from olmoearth_nb.data.offset import Declared, read_offset
from olmoearth_nb.data.safe.find import metadata_of
from olmoearth_nb.io.paths import inside
from olmoearth_nb.io.xml_file import read_xml

_BAND_IDS = "B01 B02 B03 B04 B05 B06 B07 B08 B8A B09 B10 B11 B12".split()
"""Band of each `band_id`, 0 to 12."""

_QUANTIFICATION = 10_000


@dataclass(frozen=True)
class Metadata:
    """A product's own words.

    Attributes:
        level: "L2A" or "L1C".
        sensed: when the instrument began to look.
        baseline: processing baseline, such as "05.09".
        offsets: what is said of the offset of each band.
    """

    level: str
    sensed: dt.datetime
    baseline: str
    offsets: dict[str, Declared]


def read_metadata(folder: Path) -> Metadata:
    """Reads the metadata of a .SAFE folder.

    Raises:
        ValueError: if there are none or they are damaged, declare entities, or lack what is needed.
    """
    found = metadata_of(folder)
    if len(found) != 1:
        raise ValueError(f"{folder.name} must hold one of MTD_MSIL2A.xml and MTD_MSIL1C.xml, it holds {len(found)}")
    ((level, path),) = found.items()
    root = read_xml(inside(folder, path.name))
    texts = {_local(element): (element.text or "").strip() for element in root.iter()}
    prefix = "BOA_" if level == "L2A" else ""
    scale = _first(texts, f"{prefix}QUANTIFICATION_VALUE", f"L2A_{prefix}QUANTIFICATION_VALUE")
    if scale is None or not scale.replace(".", "", 1).isdigit() or float(scale) != _QUANTIFICATION:
        raise ValueError(f"{folder.name}: reflectance must be stored times {_QUANTIFICATION}, its metadata say {scale}")
    began = _first(texts, "DATATAKE_SENSING_START", "PRODUCT_START_TIME")
    try:
        sensed = dt.datetime.fromisoformat(began or "").replace(tzinfo=dt.UTC)
    except ValueError as error:
        raise ValueError(f"{folder.name}: its metadata have no time of sensing, but {began!r}") from error
    baseline = texts.get("PROCESSING_BASELINE", "")
    return Metadata(level, sensed, baseline, _offsets(root, folder.name, baseline))


def _local(element: Any) -> str:
    """Name of an element without its namespace."""
    return str(element.tag).rpartition("}")[2]


def _first(texts: dict[str, str], *names: str) -> str | None:
    """Text of the first element that is there."""
    return next((texts[name] for name in names if texts.get(name)), None)


def _offsets(root: Any, title: str, baseline: str) -> dict[str, Declared]:
    """What is said of each band's offset, by its own element or by the baseline."""
    offsets: dict[str, Declared] = {}
    for element in root.iter():
        name, number = _local(element), element.get("band_id")
        if name not in ("BOA_ADD_OFFSET", "RADIO_ADD_OFFSET"):
            continue
        if number is None or not number.isdigit() or int(number) >= len(_BAND_IDS):
            raise ValueError(f"{title}: {name} has the band_id {number!r}; valid are 0 to {len(_BAND_IDS) - 1}")
        try:
            offsets[_BAND_IDS[int(number)]] = read_offset({name: (element.text or "").strip()})
        except ValueError as error:
            raise ValueError(f"{title}: {error}") from error
    declared = read_offset({"PROCESSING_BASELINE": baseline}) if baseline else Declared()
    if declared.offset or offsets:  # such a product names the offset of every band: where it does not, nothing is known
        declared = Declared(None, f"{title} of processing baseline {baseline} does not name the offset of every band")
    return {band: offsets.get(band, declared) for band in _BAND_IDS}
