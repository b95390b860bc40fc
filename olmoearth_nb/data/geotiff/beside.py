"""What programs write beside a GeoTIFF instead of into it: ``x.tif.aux.xml``, ``x.tif.msk`` and ``x.tfw``.

GDAL would follow what such files name (`io.raster` keeps it from them), so they are read here: numbers and texts of the
XML, six numbers of the world file, and the mask as a GeoTIFF by itself. As in GDAL, the XML goes before the file; only
names of bands do not, because programs write "Band 1" there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from olmoearth_nb.errors import counted
from olmoearth_nb.georeference import check_crs
from olmoearth_nb.io.xml_file import read_xml

_WORLD = (".tfw", ".TFW", ".tifw", ".tiffw", ".wld")
_LARGEST_WORLD = 10_000
_FIELDS = {
    "NoDataValue": "nodata values",
    "Scale": "scales",
    "Offset": "offsets",
    "Description": "names of bands without one",
}
_SHOWN = 3


@dataclass(frozen=True, eq=False)
class Beside:
    """What lies beside one GeoTIFF.

    Attributes:
        crs: coordinate system (`rasterio.crs.CRS`), or None.
        transform: of the pixel grid, or None.
        world: the same by a world file, for a GeoTIFF that has none.
        tags: of the file.
        fields: `NoDataValue`, `Scale`, `Offset` and `Description` of bands, counted from 0.
        band_tags: tags of bands.
        mask: a file of 0 where nothing was observed, or None.
        read: kinds of what was read, by the name of the file.
    """

    crs: Any = None
    transform: Any = None
    world: Any = None
    tags: dict[str, str] = field(default_factory=dict)
    fields: dict[int, dict[str, str]] = field(default_factory=dict)
    band_tags: dict[int, dict[str, str]] = field(default_factory=dict)
    mask: Path | None = None
    read: dict[str, list[str]] = field(default_factory=dict)

    def number(self, band: int, name: str, default: float) -> float:
        """`Scale` or `Offset` of a band."""
        return _numbers(self.fields[band][name], 1, name)[0] if name in self.fields.get(band, {}) else default


def names_beside(path: Path) -> list[str]:
    """Names of files that may belong to a GeoTIFF."""
    return [f"{path.name}.aux.xml", f"{path.name}.msk", f"{path.name}.MSK", *(path.stem + end for end in _WORLD)]


def read_beside(path: Path) -> Beside:
    """Reads what lies beside a GeoTIFF.

    Raises:
        ValueError: if such a file cannot be read, or is a link.
    """
    there = [path.with_name(name) for name in names_beside(path) if path.with_name(name).is_file()]
    links = [file.name for file in there if file.is_symlink()]
    if links and not path.is_symlink():
        raise ValueError(f"{links[0]}, beside {path.name}, is a link to another file; put a copy in its place")
    beside = Beside()
    for file in there:
        if file.suffix == ".xml":
            beside = _of_xml(file)
        elif file.suffix in _WORLD and beside.world is None:
            read = {**beside.read, file.name: ["the place, if the file has none"]}
            beside = replace(beside, world=_of_world(file), read=read)
        elif beside.mask is None:
            beside = replace(beside, mask=file, read={**beside.read, file.name: ["a mask"]})
    return beside


def beside_notes(besides: Sequence[Beside]) -> list[str]:
    """What was read beside files, one note for all files of the same content."""
    names: dict[str, list[str]] = {}
    for beside in besides:
        for name, kinds in beside.read.items():
            names.setdefault(", ".join(kinds), []).append(name)
    return [
        f"read from {', '.join(files[:_SHOWN])}{' and more' * (len(files) > _SHOWN)}: "
        f"{kinds or 'nothing of numbers or place'}"
        for kinds, files in names.items()
    ]


def _of_xml(path: Path) -> Beside:
    """What GDAL's own side-car file says; what else may be in it (statistics, colours) is left aside."""
    root = read_xml(path)
    try:
        crs = _crs(root.findtext("SRS"))
        transform = _transform(root.findtext("GeoTransform"))
        fields, band_tags = {}, {}
        for element in root.iterfind("PAMRasterBand"):
            if not (number := element.get("band") or "").isdecimal():
                raise ValueError(f"the number of a band is {number[:100]!r}")
            band = int(number[:9]) - 1
            texts = {name: (element.findtext(name) or "").strip() for name in _FIELDS}
            fields[band] = {name: text for name, text in texts.items() if text}
            band_tags[band] = _tags(element)
            for name in ("NoDataValue", "Scale", "Offset"):
                if name in fields[band]:
                    _numbers(fields[band][name], 1, name)
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from error
    tags = _tags(root)
    kinds = [words for name, words in _FIELDS.items() if any(name in one for one in fields.values())]
    kinds += ["the coordinate system"] * (crs is not None) + ["the place"] * (transform is not None)
    kinds += ["tags"] * bool(tags or any(band_tags.values()))
    return Beside(crs, transform, None, tags, fields, band_tags, None, {path.name: kinds})


def _tags(element: Any) -> dict[str, str]:
    """Tags of a file or band, without statistics."""
    return {
        item.get("key", ""): (item.text or "").strip()
        for metadata in element.iterfind("Metadata")
        if not metadata.get("domain") and not metadata.get("format")
        for item in metadata.iterfind("MDI")
        if not item.get("key", "").startswith("STATISTICS_")
    }


def _crs(text: str | None) -> Any:
    """A coordinate system that names no file and no address."""
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    if text is None or not text.strip():
        return None
    try:
        return CRS.from_user_input(check_crs(text.strip()))
    except CRSError as error:
        raise ValueError(f"its coordinate system cannot be read ({error})") from error


def _transform(text: str | None) -> Any:
    """Origin and pixel size in GDAL's order."""
    from rasterio.transform import Affine

    return None if text is None or not text.strip() else Affine.from_gdal(*_numbers(text, 6, "GeoTransform"))


def _of_world(path: Path) -> Any:
    """Origin and pixel size by a world file, which gives the centre of the first pixel."""
    from rasterio.transform import Affine

    if path.stat().st_size > _LARGEST_WORLD:
        raise ValueError(f"{path.name} has {path.stat().st_size:,} bytes; a world file holds six numbers")
    try:
        text = ",".join(path.read_text(encoding="utf8").split())
        a, d, b, e, c, f = _numbers(text, 6, "a world file")
    except ValueError as error:  # also of bytes that are no text
        raise ValueError(f"{path.name}: {error}") from error
    return Affine(a, b, c - (a + b) / 2, d, e, f - (d + e) / 2)


def _numbers(text: str, count: int, name: str) -> list[float]:
    """So many numbers, parted by commas."""
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise ValueError(f"{name} must be {counted(count, 'number')}, got {text[:100]!r}") from error
    if len(numbers) != count:
        raise ValueError(f"{name} must be {counted(count, 'number')}, got {len(numbers)}")
    return numbers
