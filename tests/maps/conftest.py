import json

import numpy as np
import pytest
import torch
from geotiffs import BANDS, write
from scenes_to_map import pixels

from olmoearth_nb import Encoder, size_config
from olmoearth_nb.georeference import Georeference
from olmoearth_nb.weights.encoder_file import save_encoder


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """An encoder, a scene of two dates, and points of two classes in it."""
    folder = tmp_path_factory.mktemp("maps")
    torch.manual_seed(0)
    save_encoder(Encoder(size_config("mini", "v1.1", pixel_hidden=8)), folder / "encoder.safetensors")
    (folder / "scene").mkdir()
    for number, date in enumerate(("2020-06-01", "2020-07-01")):
        write(folder / "scene" / f"{date}.tif", pixels(number), BANDS, {"DATE": date}, nodata=0)
    place = Georeference("EPSG:32631", (10, 0, 500_000, 0, -10, 800_000))
    rng, features = np.random.default_rng(5), []
    for number in range(24):
        east = number % 2
        column, row = rng.uniform(52, 99) if east else rng.uniform(1, 48), rng.uniform(1, 38)
        lon, lat = map(float, place.to_lonlat(column, row))
        kind = {"class": "bright" if east else "dark"}
        point = {"type": "Point", "coordinates": [lon, lat]}
        features.append({"type": "Feature", "geometry": point, "properties": kind})
    (folder / "points.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return folder
