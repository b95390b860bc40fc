"""Maps of small scenes: against windows encoded by hand, by any number of workers, killed, and of hostile places."""

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from functools import partial

import numpy as np
import psutil
import pytest
import rasterio
from geotiffs import BANDS, write
from rasterio.transform import Affine
from rio_cogeo import cog_validate
from scenes_to_map import CLOUD, HEIGHT, WIDTH, pixels
from terminal import invoke

from olmoearth_nb import Sample, size_config
from olmoearth_nb.bands import MISSING, MODALITIES
from olmoearth_nb.data.load import load_scene
from olmoearth_nb.evaluation.embed import embed_window
from olmoearth_nb.georeference import Georeference
from olmoearth_nb.io.durable import DiskFullError
from olmoearth_nb.maps import blocks, cog
from olmoearth_nb.maps.area import confusion, estimated_areas, mapped_areas
from olmoearth_nb.maps.blocks import MapError
from olmoearth_nb.maps.coding import Coding, colours, of_embeddings
from olmoearth_nb.maps.make import make_map
from olmoearth_nb.maps.probe import fit_probe, load_probe, save_probe
from olmoearth_nb.maps.seams import read_map
from olmoearth_nb.points.features import read_features
from olmoearth_nb.weights.load import open_encoder, random_encoder

ROWS, COLUMNS = HEIGHT // 4, WIDTH // 4
WINDOWS = {"window": 32, "stride": 16}


@pytest.fixture(scope="module")
def quick(files):
    """`make_map` of the scene, without a bar."""
    return partial(make_map, files / "encoder.safetensors", files / "scene", quiet=True, **WINDOWS)


@pytest.fixture(scope="module")
def whole(quick, tmp_path_factory):
    """Embeddings, in one block."""
    return quick(tmp_path_factory.mktemp("whole") / "map.tif")


@pytest.fixture(scope="module")
def classes(files, tmp_path_factory):
    """A class map from points, by one command."""
    out = tmp_path_factory.mktemp("classes") / "map.tif"
    done = invoke("map", *command(files, out), "--points", files / "points.geojson", "--label", "class")
    assert done.exit_code == 0, done.output
    return out, done.output


def command(files, out, block=24):
    given = {"model": files / "encoder.safetensors", "data": files / "scene", "out": out, "block": block, **WINDOWS}
    return [word for name, value in given.items() for word in (f"--{name}", value)]


def test_the_file_is_what_it_says(whole):
    with rasterio.open(whole) as file:
        assert (file.height, file.width, file.count, file.dtypes[0]) == (ROWS, COLUMNS, 64, "int8")
        assert file.crs.to_epsg() == 32631
        assert tuple(file.transform)[:6] == (40, 0, 500_000, 0, -40, 800_000)
        assert file.descriptions[:2] == ("e000", "e001")
        assert file.nodata == -128
        assert min(file.scales) > 0
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert file.profile["tiled"]
        assert file.profile["compress"] == "deflate"
        tags = file.tags()
        cloud = file.read(1)[CLOUD[0].start // 4 : 13, CLOUD[1].start // 4 : 18]
    assert {name: tags[name] for name in ("OUTPUT", "PATCH_SIZE", "WINDOW", "STRIDE", "BLENDING")} == {
        "OUTPUT": "embeddings",
        "PATCH_SIZE": "4",
        "WINDOW": "32",
        "STRIDE": "16",
        "BLENDING": "cosine",
    }
    assert json.loads(tags["DATES"]) == ["2020-06-01", "2020-07-01"]
    assert (cloud == -128).all()
    assert os.listdir(whole.parent) == ["map.tif"]
    assert cog_validate(str(whole), strict=True) == (True, [], [])


@pytest.mark.filterwarnings("ignore:this processor has no products in bfloat16")
def test_half_precision_is_nearly_the_same_map_and_says_so(quick, whole, tmp_path, monkeypatch):
    """It is a map of its own: a run that was begun in another precision does not go on; workers change no byte."""
    out = tmp_path / "half.tif"
    monkeypatch.setattr(blocks, "blended", lambda *given: pytest.fail("stopped"))
    with pytest.raises(pytest.fail.Exception, match="stopped"):
        quick(out)
    monkeypatch.undo()
    with pytest.raises(FileExistsError, match="begun with another precision"):
        quick(out, precision="bf16-mixed")
    quick(tmp_path / "a.tif", precision="bf16-mixed")
    quick(tmp_path / "b.tif", precision="bf16-mixed", workers=2)
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()
    (half, _), (full, _) = read_map(tmp_path / "a.tif"), read_map(whole)
    apart = np.nanmean(np.abs(half - full)) / np.nanstd(full)
    assert 1e-4 < apart < 0.05
    for path, precision in ((tmp_path / "a.tif", "bf16-mixed"), (whole, "32-true")):
        with rasterio.open(path) as file:
            assert file.tags()["PRECISION"] == precision
    with pytest.raises(ValueError, match=r"precision must be one of 32-true, bf16-mixed, got 'half'"):
        quick(tmp_path / "c.tif", precision="half")


def test_windows_side_by_side_are_what_the_encoder_makes_of_each(files, tmp_path):
    """Pixels of the map are embeddings to half a step of int8; a stride as long as the window leaves borders."""
    made = make_map(
        files / "encoder.safetensors", files / "scene", tmp_path / "a.tif", window=32, stride=32, quiet=True
    )
    values, tiling = read_map(made)
    encoder, scene = open_encoder(files / "encoder.safetensors"), load_scene(files / "scene")
    for row, column in ((0, 0), (0, 32), (32, 32)):
        by_hand = embed_window(encoder, scene, row, column, 32, 4)
        part = values[row // 4 : row // 4 + 5, column // 4 : column // 4 + 8]
        with rasterio.open(made) as file:
            step = np.array(file.scales)
        assert np.isnan(part).tolist() == np.isnan(by_hand[:5]).tolist()
        assert (np.nan_to_num(np.abs(part - by_hand[:5])) <= 0.501 * step).all()
    assert tiling.borders(0).tolist() == [8, 13, 16]


def test_blocks_and_workers_change_no_byte_even_if_one_is_killed(quick, whole, tmp_path):
    """A worker dies after the first block; Dask starts another one, and the file is the same."""
    out, killed = tmp_path / "map.tif", []

    def kill():
        while not list(tmp_path.glob("map.tif.work/blocks/*.npy")):
            time.sleep(0.02)
        for process in psutil.Process().children(recursive=True):
            if any("spawn_main" in word for word in process.cmdline()) and not killed:
                process.kill()
                killed.append(process.pid)

    watch = threading.Thread(target=kill, daemon=True)
    watch.start()
    quick(out, workers=2, block=20)
    watch.join(5)
    assert killed
    assert out.read_bytes() == whole.read_bytes()


def test_a_killed_command_goes_on(files, quick, whole, tmp_path):
    out, work = tmp_path / "map.tif", tmp_path / "map.tif.work"
    words = [sys.executable, "-m", "olmoearth_nb", "map", *map(str, command(files, out))]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    while process.poll() is None and len(list(work.glob("blocks/*.npy"))) < 2:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    said = process.communicate()[0].decode()
    kept = {path: path.stat().st_mtime_ns for path in work.glob("blocks/*.npy")}
    assert 2 <= len(kept) < 20, said
    assert not out.exists()
    (work / "blocks" / "half.npy.0.part").write_bytes(b"half")
    with pytest.raises(FileExistsError, match="begun with another stride"):
        quick(out, block=24, stride=32)
    quick(out, block=24)
    assert out.read_bytes() == whole.read_bytes()
    assert os.listdir(tmp_path) == ["map.tif"]


def test_an_interrupted_map_keeps_its_blocks(quick, whole, tmp_path, monkeypatch):
    real, made = blocks.blended, []

    def stop(*given):
        made.append(given)
        if len(made) == 3:
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setattr(blocks, "blended", stop)
    with pytest.raises(KeyboardInterrupt):
        quick(tmp_path / "map.tif", block=48)
    done = sorted((tmp_path / "map.tif.work" / "blocks").iterdir())
    assert len(done) == 2
    done[0].write_bytes(done[0].read_bytes()[:-1])
    with pytest.warns(UserWarning, match="not as it was written"), pytest.raises(MapError, match="1 of 6 blocks were"):
        quick(tmp_path / "map.tif", block=48)
    quick(tmp_path / "map.tif", block=48)
    assert len(made) == 3 + 4 + 1
    assert (tmp_path / "map.tif").read_bytes() == whole.read_bytes()


def test_points_become_classes_in_one_command(files, classes):
    out, said = classes
    assert "a probe of bright, dark, fitted to 24 points; 100% of each fourth one are right, which flatters" in said
    assert f"{out}: classes, 21 x 25 px, uint8" in said
    with rasterio.open(out) as file:
        stored, table, tags = file.read(1), file.colormap(1), file.tags()
    assert json.loads(tags["CLASSES"]) == ["bright", "dark"]
    assert [table[i][:3] for i in range(2)] == colours(["bright", "dark"])
    truth = np.repeat([1, 0], [12, 13])[None].repeat(21, 0)
    truth[10:13, 15:18] = 255
    apart = np.abs(np.arange(25) - 12) > 1
    assert (stored == truth)[:, apart].mean() > 0.98
    assert ((stored == 255) == (truth == 255)).all()
    probe = load_probe(out.with_suffix(".head.safetensors"))
    again = save_probe(probe, out.with_name("again.safetensors"))
    assert again.read_bytes() == out.with_suffix(".head.safetensors").read_bytes()


def test_probabilities_tell_the_same_classes(files, quick, classes, tmp_path):
    made = quick(tmp_path / "map.tif", classes[0].with_suffix(".head.safetensors"), output="probabilities")
    values, _ = read_map(made)
    with rasterio.open(made) as file, rasterio.open(classes[0]) as other:
        assert file.descriptions == ("bright", "dark")
        likeliest, told = file.read().argmax(0), other.read(1)
    seen = told != 255
    assert np.isnan(values[~seen]).all()
    np.testing.assert_allclose(values[seen].sum(1), 1, atol=0.005)
    sure = seen & (np.abs(values[..., 0] - values[..., 1]) > 0.01)
    assert (likeliest == told)[sure].all()


def test_areas_of_a_map_and_of_its_points(files, classes):
    out, features = classes[0], read_features(files / "points.geojson")
    mapped = mapped_areas(out)
    with rasterio.open(out) as file:
        counts = np.bincount(file.read(1).ravel())[:2]
    np.testing.assert_allclose(list(mapped.values()), counts * 40 * 40 / 1e6, rtol=2e-3)  # UTM's scale is 0.9996 there
    matrix, names, lost = confusion(out, features, "class")
    assert names == ("bright", "dark")
    assert matrix.sum() + lost == 24
    found = estimated_areas(matrix, list(mapped.values()), names)
    assert found.areas.sum() == pytest.approx(sum(mapped.values()))
    spelt = features.assign(**{"class": features["class"].replace("dark", "Dark")})
    with pytest.warns(UserWarning, match="has no class Dark, it has bright, dark; points of others count as mistakes"):
        assert confusion(out, spelt, "class")[1] == ("bright", "dark", "Dark")


GRIDS = {
    "degrees": ("EPSG:4326", Affine(9e-5, 0, 1.42, 0, -9e-5, 7.72)),
    "turned": ("EPSG:32631", Affine(8, 6, 500_000, 6, -8, 800_000)),
    "south up": ("EPSG:32735", Affine(10, 0, 500_000, 0, 10, 7_000_000)),
}


@pytest.mark.parametrize("grid", GRIDS)
def test_places_of_all_kinds_keep_their_place(files, tmp_path, grid):
    crs, transform = GRIDS[grid]
    path = write(tmp_path / "scene.tif", pixels(0, 40, 36), BANDS, {"DATE": "2020-06-01"}, nodata=0)
    with rasterio.open(path, "r+") as file:
        file.crs, file.transform = crs, transform
    made = make_map(files / "encoder.safetensors", path, tmp_path / "map.tif", output="pca", quiet=True, **WINDOWS)
    with rasterio.open(made) as file, rasterio.open(path) as source:
        assert file.crs == source.crs
        assert file.transform.almost_equals(source.transform * Affine.scale(4))
        assert (file.nodata, file.count) == (0, 3)
        assert file.colorinterp == (rasterio.enums.ColorInterp.red, *file.colorinterp[1:])
        assert (file.read() == 0).all(0).sum() == 0
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"


def test_sensors_and_dates_of_any_mix(tmp_path):
    """Two sensors and three dates, of which one sensor lacks one; by objects, in this process."""
    rng = np.random.default_rng(1)
    images = {
        "sentinel2_l2a": rng.integers(500, 3000, (24, 40, 3, 12)).astype(np.float32),
        "sentinel1": rng.uniform(-20, -5, (24, 40, 3, 2)).astype(np.float32),
    }
    images["sentinel1"][:, :, 1] = MISSING
    images["sentinel2_l2a"][:8, :8] = MISSING
    images["sentinel1"][:4, :8] = MISSING
    place = Georeference("EPSG:32631", (10, 0, 500_000, 0, -10, 800_000))
    sample = Sample(images, [[1, month, 2020] for month in range(3)], "mix", georeference=place)
    encoder = random_encoder(size_config("mini", "v1.1", pixel_hidden=8, modalities=tuple(MODALITIES)))
    values, _ = read_map(make_map(encoder, sample, tmp_path / "map.tif", quiet=True, **WINDOWS))
    assert np.isnan(values[..., 0]).nonzero()[0].tolist() == [0, 0], "only where neither saw anything"
    with rasterio.open(tmp_path / "map.tif") as file:
        assert json.loads(file.tags()["MODALITIES"]) == ["sentinel1", "sentinel2_l2a"]
    with pytest.raises(ValueError, match="several workers open model, data and head by their paths"):
        make_map(encoder, sample, tmp_path / "other.tif", workers=2)


def test_a_map_that_is_there_stays_until_the_new_one_is_whole(files, quick, whole, tmp_path):
    out = tmp_path / "map.tif"
    out.write_text("mine")
    done = invoke("map", *command(files, out))
    assert (done.exit_code, "say --overwrite" in done.output, out.read_text()) == (2, True, "mine")
    quick(out, overwrite=True)
    assert out.read_bytes() == whole.read_bytes()


def test_a_full_disk_leaves_no_half_file(quick, whole, tmp_path, monkeypatch):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    try:
        with pytest.raises(DiskFullError, match="could not be written"):
            quick(tmp_path / "map.tif")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert os.listdir(tmp_path) == ["map.tif.work"]
    with monkeypatch.context() as patched:
        patched.setattr("shutil.disk_usage", lambda path: _Disk())
        with pytest.raises(DiskFullError, match=r"GB are free; give another disk"):
            quick(tmp_path / "map.tif")
    quick(tmp_path / "map.tif")
    assert (tmp_path / "map.tif").read_bytes() == whole.read_bytes()


class _Disk:
    free = 1000


def test_a_file_that_does_not_hold_its_blocks_is_no_map(tmp_path):
    """As where a library does not tell that the disk refused a part."""
    stored = np.zeros((1, 4, 4), dtype=np.uint8)
    np.save(tmp_path / "a.npy", stored)
    place = Georeference("EPSG:32631", (10, 0, 500_000, 0, -10, 800_000))
    coding = Coding("classes", "uint8", 255, 0, 254, ("class",), (1.0,), (0.0,))
    made = cog.write_cog(tmp_path, (4, 4), coding, place, {"CLASSES": '["a", "b"]'}, {(0, 0, 4, 4): tmp_path / "a.npy"})
    np.save(tmp_path / "b.npy", stored + 1)
    with pytest.raises(OSError, match="does not hold what was written"):
        cog._require_same(made, {(0, 0, 4, 4): tmp_path / "b.npy"})


def scene(**changes):
    place = Georeference("EPSG:32631", (10, 0, 500_000, 0, -10, 800_000))
    image = np.full((16, 16, 1, 12), 1000, dtype=np.float32)
    return replace(Sample({"sentinel2_l2a": image}, [[1, 5, 2020]], "scene", georeference=place), **changes)


WRONG = {
    "no place": (scene(georeference=None), {}, "does not say where on Earth"),
    "an unknown system": (
        scene(georeference=Georeference("EPSG:9", (1, 0, 0, 0, -1, 0))),
        {},
        "no way from coordinate system|EPSG:9",
    ),
    "smaller than a patch": (scene().window(0, 0, 3, 3), {}, "less than a patch"),
    "all cloud": (scene(images={"sentinel2_l2a": np.full((16, 16, 1, 12), MISSING)}), {}, "nothing whole was observed"),
    "no sensor": (scene(images={"srtm": np.ones((16, 16, 1, 1))}), {}, "has no sensor to encode"),
    "bands of another sensor": (scene(images={"landsat": np.ones((16, 16, 1, 11))}), {}, "no weights for"),
    "no head": (scene(), {"output": "classes"}, "classes need a head: give head="),
    "a window of parts": (scene(), {"window": 30}, "got window=30"),
    "gaps between windows": (scene(), {"window": 16, "stride": 20}, "got stride=20"),
    "no GeoTIFF": (scene(), {"name": "map.png"}, "a map is a GeoTIFF"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_mapped_is_said_before_a_file_is_there(case, tmp_path):
    given, options, message = WRONG[case]
    encoder = random_encoder(size_config("mini", "v1.1", pixel_hidden=8, modalities=("sentinel2_l2a", "srtm")))
    options = {"quiet": True, **options}
    with pytest.raises(ValueError, match=message):
        make_map(encoder, given, tmp_path / options.pop("name", "map.tif"), **options)
    assert not list(tmp_path.iterdir())


def test_a_head_reads_what_it_was_fitted_to(files, classes, quick, tmp_path):
    head = classes[0].with_suffix(".head.safetensors")
    other = random_encoder(size_config("mini", "v1.1", pixel_hidden=8), 3)
    with pytest.raises(ValueError, match="embeddings of another model"):
        make_map(other, files / "scene", tmp_path / "map.tif", head)
    with pytest.raises(ValueError, match="say patch_size=4"):
        quick(tmp_path / "map.tif", head, patch_size=8)
    with pytest.raises(ValueError, match="a head of classes shows classes or prob"):
        quick(tmp_path / "map.tif", head, output="pca")
    with pytest.raises(ValueError, match="holds no probe"):
        quick(tmp_path / "map.tif", files / "encoder.safetensors")


def test_points_that_are_too_few_or_elsewhere(files):
    encoder, scene = open_encoder(files / "encoder.safetensors"), load_scene(files / "scene")
    features = read_features(files / "points.geojson")
    with pytest.raises(ValueError, match="no column 'crop'; there are class"):
        fit_probe(encoder, scene, features, "crop")
    with pytest.raises(ValueError, match=r"4 observed features of each class, there are fewer of dark \(1\)"):
        fit_probe(encoder, scene, features.iloc[[0, 1, 3, 5, 7]], "class")
    with pytest.raises(ValueError, match="tells 2 to 255 classes"):
        fit_probe(encoder, scene, features.iloc[::2], "class")
    with pytest.raises(ValueError, match="outside the scene"):
        fit_probe(encoder, scene, features.set_geometry(features.translate(20)), "class")


def test_int8_reaches_beyond_its_sample():
    rng = np.random.default_rng(0)
    sample = rng.normal(size=(50, 3)).astype(np.float32)
    coding = of_embeddings(sample)
    values = np.concatenate([sample, sample * 1.2, sample * 100])[None]
    stored = np.moveaxis(coding.encode(values), 0, 2)
    back = stored * np.array(coding.scales)
    assert np.abs(back - values)[:, :100].max() <= 0.5001 * max(coding.scales)
    assert np.abs(stored.astype(int)).max() == 127
