"""The STAC door where servers are busy, slow, break off or lie, where it is killed, and where it is asked wrongly."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from stac_server import CORNER, add, field, images, load, middle, write_cog

from olmoearth_nb.io.fetch import DownloadError

pytestmark = pytest.mark.filterwarnings("ignore:The 'shapely.ops.transform:DeprecationWarning")

S2 = "sentinel2_l2a"
ROOT = Path(__file__).parents[2]


# Servers that are busy, slow, or break off


@pytest.mark.case("H15")
@pytest.mark.parametrize(("part", "status"), [("/", 503), ("/search", 429), ("SCL", 504), ("B11", 429), ("B12", 500)])
def test_asked_again(catalogue, part, status):
    add(catalogue, "item_20230501", field())
    catalogue.refusals = {part: [status] * 3}
    catalogue.retry_after = "7"
    np.testing.assert_array_equal(images(load(catalogue))[0], field())
    assert catalogue.sleeps.count(7) >= 2, "as long as the server wants"


def test_refused_in_the_middle_of_a_file(catalogue):
    add(catalogue, "item_20230501", field())
    catalogue.refusals = {"B02": [None, 503, None, 429, None, None, 500]}
    np.testing.assert_array_equal(images(load(catalogue))[0], field())


def test_connections_that_break_off_or_fall_silent(catalogue, monkeypatch):
    monkeypatch.setattr("olmoearth_nb.io.fetch.TIMEOUT", 1.0)
    add(catalogue, "item_20230501", field())
    catalogue.breaks = {"B03": 2}
    catalogue.stall = {"B04": 100}
    np.testing.assert_array_equal(images(load(catalogue))[0], field())


def test_a_catalogue_that_falls_silent(catalogue, monkeypatch):
    monkeypatch.setattr("olmoearth_nb.io.fetch.TIMEOUT", 0.3)
    add(catalogue, "item_20230501", field())
    catalogue.stall = {"search": 10}
    np.testing.assert_array_equal(images(load(catalogue))[0], field())


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_file_that_is_refused(catalogue, status):
    add(catalogue, "item_20230501", field())
    catalogue.refusals = {"B11": [status] * 2}
    with pytest.raises(DownloadError, match=f"the server refused B11 of item_20230501: {status} .*B11.tif"):
        load(catalogue)
    assert len(catalogue.asked("B11")) == 1


@pytest.mark.parametrize("status", [429, 500])
def test_a_file_that_is_never_given(catalogue, status):
    add(catalogue, "item_20230501", field())
    catalogue.refusals = {"SCL": [status] * 99}
    with pytest.raises(DownloadError, match=f"the server refused SCL of item_20230501: {status} "):
        load(catalogue)
    assert len(catalogue.asked("SCL")) == 6, "once, then five times again"


def test_failed_items_may_be_left_out(catalogue):
    add(catalogue, "good_20230501", field())
    add(catalogue, "bad_20230505", field(1))
    (catalogue.folder / "bad_20230505_B8A.tif").unlink()
    with pytest.raises(DownloadError, match=r"refused B8A of bad_20230505: 404 .*; what was read is kept, skip_failed"):
        load(catalogue)
    catalogue.requests.clear()
    back = load(catalogue, skip_failed=True)
    np.testing.assert_array_equal(images(back)[0], field())
    assert "left out, because unreadable: bad_20230505" in back.notes
    assert not catalogue.asked("/files/good"), "it was kept"


@pytest.mark.case("H10")
def test_signed_addresses(catalogue):
    add(catalogue, "item_20230501", field())
    catalogue.secret = "sig=abc"
    with pytest.raises(DownloadError, match="the server refused SCL of item_20230501: 403"):
        load(catalogue)

    def sign(answer):
        for item in answer["features"]:
            for asset in item["assets"].values():
                asset["href"] += f"?sig=abc&at={time.monotonic_ns()}"

    for _ in range(2):
        np.testing.assert_array_equal(images(load(catalogue, modifier=sign))[0], field())
    assert len(catalogue.asked("B02")) <= 4, "kept although the address is signed anew"


# What is kept


def test_what_is_kept_is_not_fetched_again(catalogue):
    for month in (5, 6):
        add(catalogue, f"item_20230{month}01", field(month))
    first = load(catalogue)
    catalogue.requests.clear()
    again = load(catalogue)
    np.testing.assert_array_equal(first.images[S2], again.images[S2])
    assert not catalogue.asked("/files/")
    kept = set(catalogue.cache.iterdir())
    assert load(catalogue, size=8).images[S2].shape[:2] == (8, 8)
    assert len(set(catalogue.cache.iterdir()) - kept) == 2, "another window is another thing"


def test_a_damaged_file_is_fetched_again(catalogue):
    add(catalogue, "item_20230501", field())
    load(catalogue)
    (kept,) = catalogue.cache.iterdir()
    whole = kept.read_bytes()
    for damage in (whole[: len(whole) // 2], whole[:-2000] + bytes(2000)):
        kept.write_bytes(damage)
        np.testing.assert_array_equal(images(load(catalogue))[0], field())
        assert kept.read_bytes()[:4] == b"PK\x03\x04"


def test_a_full_disk(catalogue, monkeypatch):
    add(catalogue, "item_20230501", field())

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DownloadError, match=r"item_20230501_\w+\.npz cannot be kept in .*is full"):
        load(catalogue)
    assert list(catalogue.cache.iterdir()) == []


def test_killed_and_resumed(catalogue):
    for month in range(1, 7):
        add(catalogue, f"item_20230{month}01", field(month))
    catalogue.delay = 0.05
    code = "import sys, json; from olmoearth_nb.data.stac.load import load_stac; load_stac(**json.loads(sys.argv[1]))"
    options = {"place": middle(CORNER, 16), "start": "2023-01-01", "end": "2023-12-31", "size": 16}
    options |= {"catalogue": catalogue.url, "cache": str(catalogue.cache)}
    process = subprocess.Popen([sys.executable, "-c", code, json.dumps(options)], cwd=ROOT, stdout=subprocess.PIPE)
    kept = []
    while len(kept) < 2:
        assert process.poll() is None, "it ended before it was killed"
        catalogue.closing.wait(0.02)
        kept = sorted(path.name[:13] for path in catalogue.cache.glob("*.npz")) if catalogue.cache.exists() else []
    process.kill()
    said = process.communicate()[0].decode()
    assert "6 items of 6 dates in 6 of 12 months, 0 already kept in" in said
    assert "2023-01: 01; 2023-02: 01;" in said
    catalogue.delay = 0
    catalogue.requests.clear()
    kept = sorted(path.name[:13] for path in catalogue.cache.glob("*.npz"))
    assert 2 <= len(kept) < 6
    back = load(catalogue)
    for month, image in enumerate(images(back), 1):
        np.testing.assert_array_equal(image, field(month))
    asked = {path.split("/")[2][:13] for _, path, _ in catalogue.asked("/files/")}
    assert asked == {f"item_20230{month}01" for month in range(1, 7)} - set(kept)


# Mistakes and lies

WRONG = {
    "latitude": ({"place": (91, 0)}, r"place is \(latitude -90 to 90, longitude -180 to 180\) .* got \(91, 0\)"),
    "swapped": ({"place": (144.2, 43.6)}, "latitude -90 to 90"),
    "not a number": ({"place": (float("nan"), 0)}, "latitude -90 to 90"),
    "the pole": ({"place": (86, 0)}, "from 80 S to 84 N"),
    "start after end": (
        {"start": "2023-05-02", "end": "2023-05-01"},
        "start is later than end: 2023-05-02, 2023-05-01",
    ),
    "not a date": ({"start": "May"}, "'May' is not a date"),
    "before the launch": ({"start": "2014-05-01", "end": "2014-06-01"}, "2015-01-01 to today"),
    "13 months": ({"start": "2022-06-15", "end": "2023-06-14"}, "touches 13 .* shorten it, .* end on 2023-05-31"),
    "size 7": ({"size": 7}, "8 to 1024, got 7"),
    "size 1025": ({"size": 1025}, "8 to 1024, got 1025"),
    "size 16.5": ({"size": 16.5}, "8 to 1024, got 16.5"),
    "no cloud allowed": ({"max_cloud": 0}, "in percent, above 0 to 100, got 0"),
    "one number": ({"place": (43.6,)}, r"got \(43.6,\)"),
    "an odd offset": ({"offset": -1000}, "'auto' or what to take off the digital numbers, 0 to 2000, got -1000"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_ask_nothing(catalogue, name):
    options, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        load(catalogue, **options)
    assert not catalogue.requests


def test_nothing_there(catalogue):
    add(catalogue, "item_20230501", field(), np.full((16, 16), 9))
    with pytest.raises(ValueError, match=r"no item from 2023-01-01 .* free of clouds .* a longer time"):
        load(catalogue)
    with pytest.raises(
        ValueError, match=r"no item of sentinel-2-l2a at 43\.\d+ N 3\.\d+ E from 2022-01-01 to 2022-02-01 "
    ):
        load(catalogue, start="2022-01-01", end="2022-02-01")
    with pytest.raises(
        ValueError, match=r"no item of nothing .* with less than 60 % clouds; a longer time or a larger"
    ):
        load(catalogue, collection="nothing")


def test_nobody_there(catalogue):
    catalogue.stop()
    with pytest.raises(DownloadError, match=r"the catalogue http://127.0.0.1:\d+ cannot be had .* are you online"):
        load(catalogue)


@pytest.mark.parametrize("status", [400, 403, 404, 429, 500, 503])
@pytest.mark.parametrize("part", ["/", "/search"])
def test_a_catalogue_that_refuses(catalogue, part, status):
    catalogue.refusals = {part: [status] * 20}
    with pytest.raises(DownloadError, match=f"the catalogue {catalogue.url} refused: {status} busy"):
        load(catalogue)
    assert len(catalogue.requests) <= 8


CATALOGUE_LIES = {
    "no JSON": ("/", b"<html>hello</html>", "does not answer as a STAC API with item search"),
    "JSON that is not STAC": ("/", b'{"hello": 1}', "does not answer as a STAC API"),
    "a list": ("/", b"[]", "does not answer as a STAC API"),
    "a catalogue without search": (
        "/",
        b'{"type": "Catalog", "id": "x", "stac_version": "1.0.0", "description": "x", "links": []}',
        "does not answer as a STAC API with item search",
    ),
    "a search that is no JSON": ("/search", b"<html>", "does not answer as a STAC API"),
    "a search that is a list": ("/search", b"[1]", "does not answer as a STAC API"),
    "features that are no items": (
        "/search",
        b'{"features": [{"id": 1}]}',
        r"no item of .* can be used: an item cannot be used .*its id is 1",
    ),
    "cut JSON": ("/search", lambda data: data[:-20], "does not answer as a STAC API"),
    "another year": (
        "/search",
        lambda data: data.replace(b"2023-05-01T", b"2019-05-01T"),
        "of 2019-05-01, but 2023-01",
    ),
    "a file of this machine": (
        "/search",
        lambda data: data.replace(b"http://127", b"/vsizip/127"),
        "item_20230501 cannot be used .an address begins with http:// or https://, got '/vsizip/127",
    ),
    "odd bands": ("/search", lambda data: data.replace(b'"B11": {', b'"x": {"bands": {"a": 1}, '), "cannot be used"),
    "clouds in words": ("/search", lambda data: data.replace(b"5.0", b'"few"'), "'few' in the place of a number"),
    "no such zone": ("/search", lambda data: data.replace(b"32631", b"99999"), "SCL of item_20230501 cannot be right"),
    "no geometry": (
        "/search",
        lambda data: data.replace(b'"Polygon"', b'"Poly"'),
        "item_20230501 cannot be used .it is a 'Feature' of a 'Poly'",
    ),
    "no such band": ("/search", lambda data: data.replace(b'"B11"', b'"B10"'), "no assets for B11; its assets are B02"),
    "an unreadable baseline": (
        "/search",
        lambda data: data.replace(b'"properties": {', b'"properties": {"s2:processing_baseline": "new", '),
        "says of its offset cannot be read .* give offset=",
    ),
}


@pytest.mark.case("H22")
@pytest.mark.parametrize("lie", CATALOGUE_LIES)
def test_catalogues_that_lie(catalogue, lie):
    part, other, message = CATALOGUE_LIES[lie]
    add(catalogue, "item_20230501", field())
    catalogue.lies = {part: other}
    with pytest.raises(DownloadError, match=message):
        load(catalogue)


@pytest.mark.case("H6")
def test_a_catalogue_without_end(catalogue, monkeypatch):
    """The next page is always the same page."""
    monkeypatch.setattr("olmoearth_nb.data.stac.search.MOST_ITEMS", 20)
    add(catalogue, "item_20230501", field())
    link = [{"rel": "next", "href": f"{catalogue.url}/search", "method": "POST", "body": {}, "merge": True}]

    def endless(data):
        return json.dumps(json.loads(data) | {"links": link}).encode()

    catalogue.lies = {"/search": endless}
    with pytest.raises(DownloadError, match="goes on after 20 items for one place"):
        load(catalogue)


def altered(**options):
    """Another file in the place of band B03."""

    def alter(catalogue):
        values = options.pop("values", np.full((16, 16), 1500, np.uint16))
        given = {"corner": CORNER, "crs": "EPSG:32631", "resolution": 10} | options
        write_cog(catalogue.folder / "item_20230501_B03.tif", values, **given)

    return alter


def without_crs(catalogue):
    write_cog(catalogue.folder / "item_20230501_B03.tif", np.full((16, 16), 9, np.uint16), (0, 16), None, 1)


def content(data):
    """Other bytes in the place of band B03."""

    def alter(catalogue):
        path = catalogue.folder / "item_20230501_B03.tif"
        path.write_bytes(data(path.read_bytes()) if callable(data) else data)

    return alter


SCL_OF_NOISE = np.full((8, 8), 77, np.uint8)
FILE_LIES = {
    "a web page": (
        content(b"<html>sorry</html>"),
        {},
        "B03 of item_20230501 is not a GeoTIFF, it begins with b'<html>",
    ),
    "nothing": (content(b""), {}, "B03 of item_20230501 is not a GeoTIFF, it begins with b''"),
    "half a file": (content(lambda data: data[: len(data) // 2]), {}, "B03 of item_20230501 is not a whole file"),
    "damaged pixels": (content(lambda data: data[:-600] + bytes(600)), {}, "B03 of item_20230501 is not a whole file"),
    "another zone": (altered(crs="EPSG:32632"), {}, "B03 of item_20230501 is in EPSG:32632, but .* says EPSG:32631"),
    "another size": (
        altered(values=np.full((12, 16), 1500, np.uint16)),
        {"proj:shape": [16, 16]},
        r"B03 of item_20230501 has \(12, 16\) px, but the catalogue says \(16, 16\)",
    ),
    "another pixel size": (
        altered(resolution=20),
        {"proj:transform": [10, 0, CORNER[0], 0, -10, CORNER[1]]},
        r"B03 of item_20230501 has the transform \(20.0, .* but the catalogue says \[10, 0",
    ),
    "another place": (
        altered(corner=(300_000, 1_000_000)),
        {},
        "B03 of item_20230501 lies at .* but the catalogue says",
    ),
    "no coordinates": (without_crs, {}, "B03 of item_20230501 has no coordinate system"),
    "floats": (
        altered(values=np.full((16, 16), 0.5, np.float32)),
        {},
        "B03 of item_20230501 must be one band of unsigned integers, it is 1 of float32",
    ),
}


@pytest.mark.case("H1")
@pytest.mark.parametrize("lie", FILE_LIES)
def test_files_that_lie(catalogue, lie):
    alter, fields, message = FILE_LIES[lie]
    item = add(catalogue, "item_20230501", field())
    item["assets"]["B03"] |= fields
    alter(catalogue)
    with pytest.raises(DownloadError, match=message):
        load(catalogue)
    assert list(catalogue.cache.glob("*")) == [], "nothing of it is kept"


def test_classes_that_there_are_not(catalogue):
    add(catalogue, "item_20230501", field(), np.full((16, 16), 77))
    with pytest.raises(
        DownloadError, match="item_20230501: the scene classification holds 77; its classes are 0 to 11"
    ):
        load(catalogue)


@pytest.mark.case("H6")
def test_a_length_that_is_a_lie(catalogue):
    """More bytes are promised than come, again and again."""
    add(catalogue, "item_20230501", field())
    catalogue.breaks = {"B05": 10**6}
    with pytest.raises(DownloadError, match=r"B05 of item_20230501 cannot be had"):
        load(catalogue)


def test_names_of_items_lead_nowhere_else(catalogue):
    item = add(catalogue, "item_20230501", field())
    item["id"] = "../../outside"
    load(catalogue)
    assert [path.parent for path in catalogue.cache.parent.rglob("*outside*")] == [catalogue.cache]
