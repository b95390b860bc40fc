"""Where pixels lie: against pyproj and rasterio, through every cut of a sample."""

from dataclasses import replace

import numpy as np
import pyproj
import pytest
import rasterio
from geotiffs import BANDS, numbers, write
from hypothesis import given
from hypothesis import strategies as st

from olmoearth_nb import Sample, fit
from olmoearth_nb.data import load_place, load_sample
from olmoearth_nb.data.geotiff.load import load_geotiff
from olmoearth_nb.georeference import Georeference, check_crs, degrees, transformed

UTM = Georeference("EPSG:32631", (10, 0, 500_000, 0, -10, 800_000))
TURNED = Georeference("EPSG:32631", (8, 6, 500_000, 6, -8, 800_000))
S2 = "sentinel2_l2a"


@pytest.mark.parametrize("grid", [UTM, TURNED, Georeference("EPSG:4326", (9e-5, 0, 1.42, 0, -9e-5, 7.72))])
def test_there_and_back(grid):
    column, row = np.random.default_rng(0).uniform(0, 512, (2, 50))
    back = grid.to_pixels(*grid.to_lonlat(column, row))
    assert np.allclose(back, [column, row], atol=1e-4)


def test_as_pyproj_and_rasterio_say():
    project = pyproj.Transformer.from_crs("EPSG:32631", "EPSG:4326", always_xy=True)
    affine = rasterio.Affine(*TURNED.transform)
    assert np.allclose(TURNED.to_lonlat(7, 3), project.transform(*(affine @ (7, 3))), atol=1e-12)
    assert UTM.to_lonlat(0, 0)[0] == pytest.approx(3.0, abs=1e-9), "the middle of zone 31 is 3 degrees east"


@given(st.integers(-500, 500), st.integers(-500, 500), st.floats(0, 300), st.floats(0, 300))
def test_shifted(rows, columns, column, row):
    lon, lat = TURNED.to_lonlat(column, row)
    assert np.allclose(TURNED.shifted(rows, columns).to_pixels(lon, lat), [column - columns, row - rows], atol=1e-4)


def test_as_people_write_it(scene):
    assert degrees(-23.54678, -46.6651) == "23.5468 S 46.6651 W"
    assert degrees(7.7195, 1.42, 2) == "7.72 N 1.42 E"
    assert repr(scene) == (
        "Sample(a_2020-03-01: sentinel2_l2a 90x70x2x12; 2020-03-01 to 2020-04-01; 7.2334 N 3.0032 E; notes: 1)"
    )
    assert "; in EPSG:1; notes: 1)" in repr(replace(scene, georeference=Georeference("EPSG:1", UTM.transform)))


@pytest.mark.case("8")
@pytest.mark.parametrize(
    ("lon", "text"), [(190.0014, "169.9986 W"), (-190, "170.0000 E"), (180, "180.0000 E"), (550, "170.0000 W")]
)
def test_longitudes_beyond_half_a_turn(lon, text):
    assert degrees(7, lon) == f"7.0000 N {text}"


@pytest.mark.case("words")
@pytest.mark.parametrize(
    ("transform", "shown"), [(np.arange(5.0), r"got \(0\.0, 1\.0, 2\.0, 3\.0, 4\.0\)"), ("north", "got north")]
)
def test_a_transform_in_plain_numbers(transform, shown):
    with pytest.raises(ValueError, match=shown):
        Georeference("EPSG:32631", transform)


def test_beyond_the_coordinate_system():
    assert not np.isfinite(UTM.to_pixels([3.0], [95.0])).any()


WRONG = {
    "no system": (lambda: Georeference("", (1, 0, 0, 0, 1, 0)), "given as text"),
    "a number": (lambda: Georeference(32631, (1, 0, 0, 0, 1, 0)), "given as text, .* got 32631"),
    "five numbers": (lambda: Georeference("EPSG:32631", (1, 0, 0, 0, 1)), "six finite numbers"),
    "not a number": (lambda: Georeference("EPSG:32631", (1, 0, 0, 0, np.nan, 1)), "six finite numbers"),
    "no area": (lambda: Georeference("EPSG:32631", (1, 2, 0, 2, 4, 1)), "on one line"),
    "an unknown system": (lambda: Georeference("EPSG:1", (1, 0, 0, 0, 1, 0)).to_lonlat(0, 0), "no way from .*'EPSG:1'"),
    "no system at all": (
        lambda: transformed("OGC:CRS84", "the moon", 0, 0),
        "'the moon' is no coordinate system: valid",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong(name):
    call, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        call()


SYSTEMS = {
    **{text: text for text in ("EPSG:32631", "epsg:4326", "OGC:CRS84", "ESRI:102001", "EPSG:32631+5773")},
    **{text: text for text in ("urn:ogc:def:crs:OGC:1.3:CRS84", "urn:ogc:def:crs:EPSG::32631")},
    "PROJ": "+proj=utm +zone=31 +datum=WGS84 +units=m +no_defs",
    "no grid": "+proj=merc +a=6378137 +nadgrids=@null +wktext +no_defs",
    "WKT 2": pyproj.CRS.from_epsg(32631).to_wkt(),
    "WKT 1": rasterio.crs.CRS.from_epsg(3857).to_wkt(),
    "WKT of ESRI": pyproj.CRS.from_epsg(2154).to_wkt("WKT1_ESRI"),
    "PROJJSON": pyproj.CRS.from_epsg(3857).to_json(),
}


@pytest.mark.parametrize("name", SYSTEMS)
def test_coordinate_systems_as_they_are_written(name):
    assert check_crs(SYSTEMS[name]) == SYSTEMS[name]
    assert pyproj.CRS(SYSTEMS[name])


NAMING = {
    **{
        text: text
        for text in ("/etc/hostname", "x.prj", "http://127.0.0.1/x", "file" + ":///x", "C:\\x", "/vsicurl/http://x")
    },
    **{text: text for text in ("+init=/etc/hostname:1", "init=epsg:4326", "ESRI::/etc/hostname", "EPSG:1\n/etc")},
    "grids": "+proj=longlat +nadgrids=/etc/hostname",
    "grids beside none": "+proj=longlat +nadgrids=@null,x.gsb",
    "heights": "+proj=longlat +geoidgrids=x.gtx",
    "a pipeline": "+proj=pipeline +step +init=x",
    "grids in WKT": 'PROJCS["x",EXTENSION["PROJ4","+proj=merc +nadgrids=x.gsb"]]',
    "a file in WKT": 'BOUNDCRS[SOURCECRS[x],PARAMETERFILE["shifts","x.gsb"]]',
    "a file in PROJJSON": '{"type": "BoundCRS", "transformation": {"parameters": [{"name": "x", "value": "x.gsb"}]}}',
    "JSON of another kind": '{"type": "Feature"}',
    "deep": '{"a":' * 30_000,
    "long": "EPSG:" + "1" * 100_000,
    "a number": 32631,
    "a flag": True,
}


@pytest.mark.case("H1")
@pytest.mark.parametrize("name", NAMING)
def test_a_coordinate_system_names_no_file(name):
    with pytest.raises(ValueError, match="coordinate system") as caught:
        Georeference(NAMING[name], (1, 0, 0, 0, 1, 0))
    assert len(str(caught.value)) < 300


@pytest.mark.case("8")
def test_a_local_system_is_one_clear_error():
    local = Georeference('LOCAL_CS["engine",UNIT["metre",1]]', (1, 0, 0, 0, -1, 0))
    with pytest.raises(ValueError, match="no way from coordinate system"):
        local.to_lonlat(0, 0)


@pytest.fixture
def scene(tmp_path):
    """Two dates of 90 x 70 px whose first band says where a pixel is."""
    values = numbers(12, 90, 70)
    values[BANDS.index("B02")] = np.arange(90 * 70).reshape(90, 70)
    return load_geotiff([write(tmp_path / f"a_2020-0{m}-01.tif", values, BANDS) for m in (3, 4)])


def test_the_geotiff_door(scene, tmp_path):
    assert scene.georeference == UTM
    degrees = write(tmp_path / "b_2020-01-01.tif", numbers(), BANDS, crs="EPSG:4326", origin=(1, 7), pixel=9e-5)
    assert load_sample(degrees).georeference == Georeference("EPSG:4326", (9e-5, 0, 1, 0, -9e-5, 7))
    nowhere = write(tmp_path / "c_2020-01-01.tif", numbers(), BANDS, crs=None)
    assert load_sample(nowhere).georeference is None
    assert load_sample("fields").georeference is None


CUTS = {
    "times": lambda sample: sample.select_times([1]),
    "window": lambda sample: sample.window(20, 8, 32),
    "oblong": lambda sample: sample.window(20, 8, 16, 40),
    "at the edge": lambda sample: sample.window(80, 60, 32),
    "cropped": lambda sample: fit(sample, 8, crop="center"),
    "cropped from the corner": lambda sample: fit(sample, 8, crop="top-left"),
    "padded": lambda sample: fit(sample, 8, pad=True),
    "twice": lambda sample: fit(sample.window(3, 5, 60), 8, crop="center"),
}


@pytest.mark.parametrize("name", CUTS)
def test_a_place_keeps_its_pixel(scene, name):
    """The value at a place on Earth is the same before and after."""
    cut = CUTS[name](scene)
    height, width = cut.images[S2].shape[:2]
    assert (height, width) != scene.images[S2].shape[:2] or name == "times"
    row, column = min(height, 16) // 2, min(width, 16) // 2
    there = np.floor(scene.georeference.to_pixels(*cut.georeference.to_lonlat(column + 0.5, row + 0.5))).astype(int)
    assert cut.images[S2][row, column, 0, 0] == scene.images[S2][there[1], there[0], 0, 0] == there[1] * 70 + there[0]


def test_the_middle_that_notebooks_show(scene, tmp_path):
    path = write(tmp_path / "one_2020-03-01.tif", scene.images[S2][:, :, 0].transpose(2, 0, 1), BANDS)
    middle = load_place(path)
    assert middle.images[S2].shape[:2] == (64, 64)
    number = int(middle.images[S2][0, 0, 0, 0])
    assert middle.georeference == UTM.shifted(number // 70, number % 70)
    assert any("the middle 64x64 of 88x64 px" in note for note in middle.notes)


def test_a_window_begins_inside(scene):
    for row, column in ((-8, 0), (90, 0), (0, 70)):
        with pytest.raises(ValueError, match="is no pixel of 90x70"):
            scene.window(row, column, 8)


def test_a_sample_without_a_place_stays_so():
    sample = Sample({S2: np.ones((8, 8, 1, 12))}, np.array([[1, 0, 2020]]))
    assert sample.window(0, 0, 4).georeference is None


BEYOND = {
    "degrees": ("EPSG:4326", (0.1, 0, 189.0, 0, -0.1, 10), -170.0, 10.0),
    "degrees, to the west": ("EPSG:4326", (0.1, 0, -191.0, 0, -0.1, 10), 170.0, 10.0),
    "degrees, from east to west": ("EPSG:4326", (-0.1, 0, 191.0, 0, -0.1, 10), -170.0, 10.0),
    "a map of the web": ("EPSG:3857", (1000, 0, 21_150_381, 0, -1000, 1e5), -170.0, 0.0),
    "the whole Earth": ("EPSG:4326", (0.1, 0, -180.0, 0, -0.1, 10), 170.0, 3500.0),
    "left of the grid": ("EPSG:4326", (0.1, 0, 10.0, 0, -0.1, 10), 9.0, -10.0),
    "UTM": ("EPSG:32601", (10, 0, 166_021.4431, 0, -10, 0), -180.0, 0.0),
}


@pytest.mark.case("8")
@pytest.mark.parametrize("name", BEYOND)
def test_places_beyond_180_degrees(name):
    crs, transform, lon, column = BEYOND[name]
    found, _ = Georeference(crs, transform).to_pixels([lon], [0.0])
    assert float(found[0]) == pytest.approx(column, abs=0.5)
