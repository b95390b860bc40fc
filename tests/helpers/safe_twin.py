"""A synthetic twin of a Sentinel-2 .SAFE folder: the real layout and metadata, small pictures of known numbers."""

import numpy as np
import rasterio
from rasterio.transform import from_origin

RESOLUTIONS = {
    "L2A": dict.fromkeys("B02 B03 B04 B08".split(), 10) | dict.fromkeys("B05 B06 B07 B8A B11 B12".split(), 20)
}
RESOLUTIONS["L2A"] |= {"B01": 60, "B09": 60}
RESOLUTIONS["L1C"] = RESOLUTIONS["L2A"] | {"B10": 60}
IDS = "B01 B02 B03 B04 B05 B06 B07 B08 B8A B09 B10 B11 B12".split()
EDGE = 180
ORIGIN = (499_980, 4_900_020)


def can_write_jp2():
    """Whether this GDAL writes JPEG 2000; where it does not, the twin holds GeoTIFFs under .jp2 names."""
    with rasterio.Env() as env:
        return "JP2OpenJPEG" in env.drivers()


def digital_numbers(edge=EDGE, seed=0, low=1001, high=6000, level="L2A"):
    """Band -> numbers at its own resolution."""
    rng = np.random.default_rng(seed)
    shapes = {band: (edge * 10 // metres,) * 2 for band, metres in RESOLUTIONS[level].items()}
    return {band: rng.integers(low, high, shape).astype(np.uint16) for band, shape in shapes.items()}


def write_image(path, values, metres, crs="EPSG:32631", origin=ORIGIN):
    """One band, lossless."""
    options = (
        {"driver": "JP2OpenJPEG", "REVERSIBLE": "YES", "QUALITY": "100"} if can_write_jp2() else {"driver": "GTiff"}
    )
    height, width = values.shape
    options |= {"height": height, "width": width, "count": 1, "dtype": values.dtype, "crs": crs}
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(path, "w", transform=from_origin(*origin, metres, metres), **options) as file:
        file.write(values, 1)


def metadata(
    level="L2A", sensed="2023-05-01T10:56:21.024Z", baseline="05.09", offsets=-1000, quantification=10000, extra=""
):
    """Text of MTD_MSIL2A.xml or MTD_MSIL1C.xml, shortened to what matters."""
    number, key = level[1:], "BOA_ADD_OFFSET" if level == "L2A" else "RADIO_ADD_OFFSET"
    if not isinstance(offsets, dict):
        offsets = {} if offsets is None else dict.fromkeys(IDS, offsets)
    added = "".join(f'<{key} band_id="{IDS.index(band)}">{value}</{key}>' for band, value in offsets.items())
    added = f"<{key}_VALUES_LIST>{added}</{key}_VALUES_LIST>" if added else ""
    scale = "BOA_QUANTIFICATION_VALUE" if level == "L2A" else "QUANTIFICATION_VALUE"
    return f"""<?xml version="1.0" encoding="UTF-8" standalone="no"?>{extra}
<n1:Level-{number}_User_Product xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/User_Product_Level-{number}.xsd">
<n1:General_Info><Product_Info>
<PRODUCT_START_TIME>{sensed}</PRODUCT_START_TIME><PROCESSING_BASELINE>{baseline}</PROCESSING_BASELINE>
<Datatake><SPACECRAFT_NAME>Sentinel-2A</SPACECRAFT_NAME><DATATAKE_SENSING_START>{sensed}</DATATAKE_SENSING_START></Datatake>
</Product_Info><Product_Image_Characteristics>
<Special_Values><SPECIAL_VALUE_TEXT>NODATA</SPECIAL_VALUE_TEXT><SPECIAL_VALUE_INDEX>0</SPECIAL_VALUE_INDEX></Special_Values>
<{scale} unit="none">{quantification}</{scale}>{added}
</Product_Image_Characteristics></n1:General_Info></n1:Level-{number}_User_Product>
"""


def write_safe(folder, values=None, level="L2A", scl=None, crs="EPSG:32631", origin=ORIGIN, tile="T31TEJ", **about):
    """Writes a .SAFE folder below `folder`; returns its path and the numbers in it.

    Args:
        folder: where it goes.
        values: band -> numbers at its own resolution.
        level: "L2A" or "L1C".
        scl: scene classification at 20 m.
        crs: coordinate system.
        origin: upper left corner.
        tile: name of the tile.
        about: see `metadata`.
    """
    values = values or digital_numbers(level=level)
    sensed = about.setdefault("sensed", "2023-05-01T10:56:21.024Z")
    baseline = about.get("baseline", "05.09").replace(".", "")
    stamp = sensed[:19].replace("-", "").replace(":", "")
    safe = folder / f"S2A_MSI{level}_{stamp}_N{baseline}_R094_{tile}_{stamp}.SAFE"
    images = safe / "GRANULE" / f"{level}_{tile}_A041038_{stamp}" / "IMG_DATA"
    for band, numbers in values.items():
        metres = RESOLUTIONS[level][band]
        name = f"R{metres}m/{tile}_{stamp}_{band}_{metres}m.jp2" if level == "L2A" else f"{tile}_{stamp}_{band}.jp2"
        write_image(images / name, numbers, metres, crs, origin)
    if scl is not None:
        write_image(images / f"R20m/{tile}_{stamp}_SCL_20m.jp2", scl, 20, crs, origin)
    (safe / f"MTD_MSI{level}.xml").write_text(metadata(level, **about), encoding="utf8")
    return safe, values
