"""Large GeoTIFFs: windows of them are what the whole file would give, and memory stays small."""

import subprocess
import sys

import numpy as np
import pytest
import rasterio
from geotiffs import BANDS, numbers, write
from rasterio.transform import from_origin
from rasterio.windows import Window

from olmoearth_nb import Sample
from olmoearth_nb.bands import MISSING
from olmoearth_nb.data import paged
from olmoearth_nb.data.geotiff import scene
from olmoearth_nb.data.geotiff.load import load_geotiff
from olmoearth_nb.data.geotiff.scene import open_scene
from olmoearth_nb.scene import Scene

S2 = "sentinel2_l2a"
WINDOWS = [(0, 0, 64, 64), (10, 3, 17, 30), (90, 70, 64, 64), (0, 0, 100, 80), (99, 79, 1, 1), (31, 33, 8, None)]


@pytest.fixture
def large(monkeypatch):
    """No file is small enough to be read whole, and what is read at once is small."""
    monkeypatch.setattr(scene, "WHOLE", 0)
    monkeypatch.setattr(scene, "_PAGE", 20_000)
    monkeypatch.setattr(paged, "_KEPT", 100_000)
    monkeypatch.setattr(scene, "_GROWN", 16)


def picture(count=12, seed=0):
    values = numbers(count, 100, 80, seed)
    values[:, :30] = 0
    values[-1, 50, 50] = 65535
    return values


def tiled(path, values, names, tags=None, **options):
    """As `geotiffs.write`, with blocks of 32 px."""
    plain = write(path.with_suffix(".tiff"), values, names, tags)
    with rasterio.open(plain) as file:
        profile = {**file.profile, "tiled": True, "blockxsize": 32, "blockysize": 32, **options}
        with rasterio.open(path, "w", **profile) as copy:
            copy.write(file.read())
            copy.descriptions = file.descriptions
            copy.update_tags(**file.tags())
            copy.scales, copy.offsets = options.get("scales", file.scales), file.offsets
    return path


def radar(values):
    return np.concatenate([values.astype(np.float32), -5 - values[:2].astype(np.float32) / 500])


CASES = {
    "strips": lambda t: (write(t / "a_2023-07-01.tif", picture(), BANDS), {}),
    "tiles": lambda t: (tiled(t / "a_2023-07-01.tif", picture(), BANDS), {"offset": 1000}),
    "bands apart": lambda t: (tiled(t / "a_2023-07-01.tif", picture(), BANDS, interleave="band"), {}),
    "an offset": lambda t: (write(t / "a_2023-07-01.tif", picture(), BANDS, {"PROCESSING_BASELINE": "05.09"}), {}),
    "nodata": lambda t: (write(t / "a_2023-07-01.tif", picture(), BANDS, nodata=65535), {}),
    "reflectance": lambda t: (
        write(t / "a_2023-07-01.tif", (picture() % 6000 / 1e4).astype(np.float32), BANDS),
        {"scale": "reflectance"},
    ),
    "radar": lambda t: (write(t / "a_2023-07-01.tif", radar(picture() % 9999), [*BANDS, "VV", "VH"]), {}),
    "radar power": lambda t: (
        write(t / "a_2023-07-01.tif", (picture(2) % 9999 / 1e4 + 1e-4).astype(np.float32), ["VV", "VH"]),
        {"scale": "linear"},
    ),
    "cirrus": lambda t: (write(t / "a_2023-07-01.tif", picture(13), [*BANDS, "B10"]), {}),
    "absent bands": lambda t: (write(t / "a_2023-07-01.tif", picture(10), BANDS[:10]), {"missing_bands": "nearest"}),
    "filled bands": lambda t: (write(t / "a_2023-07-01.tif", picture(10), BANDS[:10]), {"missing_bands": "zero"}),
    "Landsat": lambda t: (
        write(t / "a_2023-07-01.tif", picture(11) + 5000, [f"B{i}" for i in range(1, 12)]),
        {"modality": "landsat"},
    ),
    "dates in one file": lambda t: (
        tiled(
            t / "a_2023-01-01_2023-04-01.tif",
            np.concatenate([picture(seed=m) for m in (1, 2, 3)]),
            [f"{band}_{m}" for m in (1, 2, 3) for band in BANDS],
        ),
        {"offset": 1000},
    ),
    "dates": lambda t: (
        [write(t / f"a_2023-0{m}-01.tif", picture(seed=m), BANDS) for m in (3, 5, 8)],
        {"offset": None},
    ),
}


@pytest.mark.case("H5")
@pytest.mark.filterwarnings("ignore:top-of-atmosphere:UserWarning")
@pytest.mark.parametrize("name", CASES)
def test_windows_are_those_of_the_whole(tmp_path, large, name):
    path, options = CASES[name](tmp_path)
    whole = load_geotiff(path, **options)
    opened = open_scene(path, **options)
    assert not isinstance(opened, Sample)
    assert isinstance(opened, Scene)
    assert (opened.shape, opened.modalities) == (whole.shape, whole.modalities)
    assert (opened.title, opened.provenance, opened.georeference) == (whole.title, whole.provenance, whole.georeference)
    for at in WINDOWS:
        got, expected = opened.window(*at), whole.window(*at)
        assert got.dates == expected.dates
        assert got.georeference == expected.georeference
        for sensor, image in expected.images.items():
            np.testing.assert_array_equal(got.images[sensor], image)
    uncounted = [note for note in whole.notes if "%" not in note]
    assert set(uncounted) <= set(opened.notes)
    assert any(note.startswith("read in windows; what was noted") for note in opened.notes)


@pytest.mark.case("H5")
def test_a_small_file_is_a_sample(tmp_path):
    path = write(tmp_path / "a_2023-07-01.tif", picture(), BANDS)
    assert isinstance(open_scene(path), Sample)
    assert open_scene(path, offset=1000).notes == load_geotiff(path, offset=1000).notes


@pytest.mark.case("H5")
def test_a_window_without_any_value_is_missing(tmp_path, large):
    sample = open_scene(write(tmp_path / "a_2023-07-01.tif", picture(), BANDS)).window(0, 0, 16)
    assert (sample.images[S2] == MISSING).all()
    assert sample.images[S2].shape == (16, 16, 1, 12)


@pytest.mark.case("H5")
@pytest.mark.parametrize(
    ("at", "message"),
    [((100, 0, 8), "row 100, column 0 is no pixel of 100x80"), ((0, -1, 8), "no pixel"), ((0, 0, 0), "got 0x0")],
)
def test_windows_that_are_none(tmp_path, large, at, message):
    opened = open_scene(write(tmp_path / "a_2023-07-01.tif", picture(), BANDS))
    with pytest.raises(ValueError, match=message):
        opened.window(*at)


JUDGED = {
    "reflectance": (lambda v: (v / 1e4).astype(np.float32), {}, "say scale='reflectance'"),
    "bytes": (lambda v: (v // 20).astype(np.uint8), {}, "8-bit picture"),
    "nothing observed": (lambda v: v * 0, {}, "holds no observed value"),
    "a wrong option": (lambda v: v, {"scale": "dB"}, "scale must be"),
    "digital numbers": (lambda v: v, {"scale": "reflectance"}, "leave scale out"),
}


@pytest.mark.case("H5")
@pytest.mark.parametrize("name", JUDGED)
def test_what_is_wrong_is_told_when_it_is_opened(tmp_path, large, name):
    change, options, message = JUDGED[name]
    path = write(tmp_path / "a_2023-07-01.tif", change(numbers(12, 100, 80)), BANDS)
    with pytest.raises(ValueError, match=message):
        open_scene(path, **options)


@pytest.mark.case("H5")
def test_one_block_of_a_sparse_file_is_found(tmp_path, large):
    """It is judged by the blocks that are there."""
    path = tmp_path / "a_2023-07-01.tif"
    options = {"driver": "GTiff", "count": 12, "dtype": "uint16", "crs": "EPSG:32631", "SPARSE_OK": True}
    options |= {"transform": from_origin(5e5, 8e5, 10, 10), "tiled": True, "blockxsize": 32, "blockysize": 32}
    with rasterio.open(path, "w", width=6400, height=6400, **options) as file:
        file.descriptions = BANDS
        file.write(numbers(12, 32, 32), window=Window(3200, 320, 32, 32))
    opened = open_scene(path)
    assert (opened.window(0, 0, 64).images[S2] == MISSING).all()
    got = opened.window(320, 3200, 32).images[S2][:, :, 0]
    assert (got == numbers(12, 32, 32).transpose(1, 2, 0)).all()


WRITTEN = """
import sys
import numpy as np, rasterio
from rasterio.transform import from_origin
from rasterio.windows import Window
from olmoearth_nb import SENTINEL2
path, layout = sys.argv[1], dict(part.split("=") for part in sys.argv[2:])
options = dict(driver="GTiff", width=60000, height=60000, count=12, dtype="uint16", crs="EPSG:32631", SPARSE_OK=True)
with rasterio.open(path, "w", BIGTIFF="YES", transform=from_origin(5e5, 8e6, 10, 10), **options, **layout) as file:
    file.descriptions = SENTINEL2.band_names
    file.write(np.full((12, 16, 60000), 2000, np.uint16), window=Window(0, 30000, 60000, 16))
"""
READ = """
import sys
from olmoearth_nb.data.geotiff.scene import open_scene
scene = open_scene(sys.argv[1])
rows = (0, 30000, 59990)
seen = [(scene.window(row, row // 2, 64).images["sentinel2_l2a"] == 2000).any() for row in rows]
assert seen == [False, True, False], seen
lines = open("/proc/self/status").read().splitlines()  # ru_maxrss would count the process that started this one
print(next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM")))
"""


@pytest.mark.case("H5")
@pytest.mark.parametrize(
    "layout", [["tiled=YES", "blockxsize=512", "blockysize=512", "compress=deflate"], ["interleave=pixel"]]
)
def test_memory_of_a_sparse_scene_of_60000_px(tmp_path, layout):
    path = str(tmp_path / "a_2023-07-01.tif")
    subprocess.run([sys.executable, "-c", WRITTEN, path, *layout], check=True, timeout=300)
    done = subprocess.run([sys.executable, "-c", READ, path], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 1000, f"{done.stdout.strip()} MB"


def test_a_window_alone_is_read_alone_and_its_neighbour_by_pages(large, tmp_path, monkeypatch):
    """Ten points read ten windows, a map reads each page once."""
    asked, read = [], scene.Part.read

    def counted(part, window=None, judged=False):
        asked.append(window)
        return read(part, window, judged)

    path = tiled(tmp_path / "a_2023-07-01.tif", picture(), BANDS)
    opened, whole = open_scene(path), load_geotiff(path)
    monkeypatch.setattr(scene.Part, "read", counted)
    for corner in ((3, 40), (70, 40), (5, 43), (3, 40)):
        np.testing.assert_array_equal(opened.window(*corner, 8, 8).images[S2], whole.window(*corner, 8, 8).images[S2])
    assert asked[:2] == [(3, 40, 8, 8), (70, 40, 8, 8)]
    assert len(asked) == 3, "the page of the first window, once"
    assert asked[2][2] * asked[2][3] > 64
