"""Which files are mutated, and how each kind is opened."""

import json
import shutil
from pathlib import Path

import numpy as np
from chips import write_chip, write_npz
from fuzz import Format, in_place
from geotiffs import BANDS, numbers, write
from safe_twin import write_safe

from olmoearth_nb import size_config
from olmoearth_nb.data import data_dir, load_sample, pretrained_dir
from olmoearth_nb.data.geobench.chip import read_metadata
from olmoearth_nb.data.official import read_tile
from olmoearth_nb.data.stac.item import StacItem
from olmoearth_nb.io.json_file import parse_json
from olmoearth_nb.io.pins import read_pins
from olmoearth_nb.model.olmoearth import OlmoEarth
from olmoearth_nb.points.features import read_features
from olmoearth_nb.weights.encoder_file import load_encoder
from olmoearth_nb.weights.load import load_model
from olmoearth_nb.weights.official import save_model

SQUARE = [[[11.0, 52.0], [11.01, 52.0], [11.01, 52.01], [11.0, 52.0]]]
FEATURES = {
    "type": "FeatureCollection",
    "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}},
    "features": [
        {"type": "Feature", "id": 1, "properties": {"a": 1}, "geometry": {"type": "Point", "coordinates": [11, 52, 3]}},
        {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": SQUARE}},
        {"type": "Feature", "properties": None, "geometry": {"type": "MultiPolygon", "coordinates": [SQUARE]}},
    ],
}
KEYS = "coastal blue green red rededge1 rededge2 rededge3 nir nir08 nir09 swir16 swir22 scl".split()
ITEM = {
    "type": "Feature",
    "id": "S2A_31TEJ_20230501",
    "bbox": [2.0, 43.0, 3.0, 44.0],
    "geometry": {"type": "Polygon", "coordinates": SQUARE},
    "properties": {"datetime": "2023-05-01T10:56:21Z", "eo:cloud_cover": 3.5, "s2:processing_baseline": "05.09"}
    | {"proj:code": "EPSG:32631", "earthsearch:boa_offset_applied": False},
    "assets": {
        key: {"href": f"https://example.org/{key}.tif", "raster:bands": [{"scale": 1e-4, "offset": -0.1}]}
        for key in KEYS
    },
}


def formats(folder, real):
    """All of them; seeds are small and right."""
    return [
        *_rasters(folder, real),
        *_hdf5(folder, real),
        *_weights(folder),
        Format("npz", [write_npz(folder / "a.npz")], load_sample),
        Format("geojson", [_json(folder / "a.geojson", FEATURES)], read_features, text=True),
        Format("stac item", [_json(folder / "item.json", ITEM)], _item, text=True),
        Format(
            "lock file",
            [_json(folder / "models.lock.json", {"m": {"commit": "a" * 40, "sha256": {"x": "b" * 64}}})],
            read_pins,
            text=True,
        ),
    ]


def _rasters(folder, real):
    """GeoTIFFs, JPEG 2000 and metadata of products."""
    plain = write(folder / "2023-05-01.tif", numbers(), BANDS, {"BOA_OFFSET_APPLIED": "True"})
    float_ = write(folder / "2023-05-02.tif", (numbers() + 0.5).astype(np.float32), BANDS, nodata=-9999)
    tifs = [plain, float_, *(sorted(real.glob("*.tif")) if real else [])]
    product, _ = write_safe(folder / "S2A_MSIL2A_20230501T105621_N0509_R094_T31TEJ_20230501T170000.SAFE")
    band = next(product.rglob("*_B02_10m.jp2"))
    chips = sorted(real.glob("eurosat_ms/*/*_1*.tif"))[:20] if real else []
    return [
        Format("geotiff", tifs, lambda path: load_sample(path, dates=["2023-05-01"] if "2023" in path.name else None)),
        *([Format("eurosat", chips, load_sample)] if chips else []),
        Format("jp2", [band], in_place(product, lambda twin: load_sample_safe(twin, product.name))),
        Format(
            "safe metadata",
            [product / "MTD_MSIL2A.xml"],
            in_place(product, lambda twin: load_sample_safe(twin, product.name)),
        ),
    ]


def load_sample_safe(twin, name):
    """Opens a copy of a product under the product's name."""
    product = twin.with_name(name)
    shutil.rmtree(product, ignore_errors=True)
    twin.rename(product)
    return load_sample(product, size=16)


def _hdf5(folder, real):
    """Official tiles and m-eurosat chips."""
    tile = sorted((data_dir() / "world").rglob("sample_*.h5"))[0]
    chips = [write_chip(folder / "id_1.hdf5"), *(sorted(real.glob("*.hdf5")) if real else [])]
    return [
        Format("tile", [tile], lambda path: read_tile(path, rows=slice(0, 32), columns=slice(0, 32))),
        Format("m-eurosat chip", chips, load_sample),
        Format(
            "pickled metadata", [_metadata(chips[-1], folder)], lambda path: read_metadata(path.read_text("latin1"))
        ),
    ]


def _metadata(chip, folder):
    """The metadata of a chip as a file of its own."""
    import h5py

    with h5py.File(chip) as file:
        text = str(file.attrs["pickle"]) if "pickle" in file.attrs else repr(b"\x80\x04}.")
    path = folder / "metadata.txt"
    path.write_text(text, "latin1")
    return path


def _weights(folder):
    """Models in both layouts."""
    official = save_model(OlmoEarth(size_config("mini", "v1.1")), folder / "official")
    trained = folder / "trained"
    shutil.copytree(pretrained_dir("mini-v1-long"), trained)
    return [
        Format("config.json", [official / "config.json"], in_place(official, load_model), text=True),
        Format("weights.pth", [official / "weights.pth"], in_place(official, load_model)),
        Format("encoder.safetensors", [trained / "encoder.safetensors"], load_encoder),
        Format("run.json", [trained / "run.json"], in_place(trained, load_model), text=True),
    ]


def _item(path):
    """An item as the catalogue's answer brings it, and its offsets."""
    item = StacItem.from_dict(parse_json(path.read_bytes(), path.name))
    item.offsets()
    return item


def _json(path, document):
    Path(path).write_text(json.dumps(document), encoding="utf8")
    return path
