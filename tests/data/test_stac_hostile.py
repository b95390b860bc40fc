"""Catalogues whose items are incomplete, and catalogues and files that reach for what is not theirs."""

import datetime as dt
import gzip
import json
import tracemalloc
import types

import numpy as np
import pytest
from stac_server import CORNER, StacServer, add, field, images, load, write_cog

from olmoearth_nb.data.stac.item import ItemError, StacItem
from olmoearth_nb.io.fetch import DownloadError

pytestmark = pytest.mark.filterwarnings("ignore:The 'shapely.ops.transform:DeprecationWarning")

# One item that the catalogue describes wrongly


def without(*names):
    def change(item):
        for name in names:
            del item["assets"][name]

    return change


def put(*path, value):
    """Changes one field of an item."""

    def change(item):
        for key in path[:-1]:
            item = item[key]
        item[path[-1]] = value

    return change


def deep(depth):
    value = 0
    for _ in range(depth):
        value = [value]
    return value


INCOMPLETE = {
    "four assets less": (without("B05", "B06", "B8A", "B12"), "no assets for B05, B06, B8A, B12"),
    "no classification": (without("SCL"), "no assets for SCL"),
    "a broken date": (put("properties", "datetime", value="2023-05-01garbage"), "2023-05-01garbage"),
    "no date": (put("properties", "datetime", value=None), "AttributeError"),
    "a broken box": (put("bbox", value=[3, 4]), "its bbox has 2 numbers"),
    "a box of texts": (put("bbox", value=["3", "43", "4", "44"]), "'3' in the place of a number"),
    "a box of truth": (put("bbox", value=[True, 43, 4, 44]), "True in the place of a number"),
    "a box off the Earth": (put("bbox", value=[3, 43, 4, 400]), "its bbox is"),
    "no geometry": (put("geometry", value=None), "TypeError"),
    "a point": (put("geometry", value={"type": "Point", "coordinates": [0, 0]}), "of a 'Point'"),
    "not over the web": (put("assets", "B04", "href", value="s3://bucket/x.tif"), "begins with http"),
    "an address that is none": (put("assets", "B04", "href", value=7), "AttributeError"),
    "assets in a list": (put("assets", value=[{"href": "x"}]), "AttributeError"),
    "another scale": (put("assets", "B04", "raster:bands", value=[{"scale": 5e-5}]), "5e-05 x number, but 0.0001"),
    "another scale of STAC 1.1": (put("assets", "B08", "bands", value=[{"raster:scale": 0.01}]), "0.01 x number"),
    "an odd offset": (put("properties", "s2:processing_baseline", value="new"), "says of its offset cannot be read"),
    "an endless offset": (put("assets", "B04", "raster:bands", value=[{"offset": 10**400}]), "offset cannot be read"),
    "a deep offset": (put("assets", "B04", "raster:bands", value=[{"offset": deep(400)}]), "offset cannot be read"),
    "a system by address": (put("properties", "proj:code", value="http://127.0.0.1:9/x"), "no coordinate system"),
    "a system by file": (put("assets", "B04", "proj:code", value="+init=/etc/hostname:1"), "no coordinate system"),
    "a system of grids": (put("properties", "proj:code", value="+proj=longlat +nadgrids=/etc/x"), "coordinate system"),
    "a true system": (put("properties", "proj:epsg", value=[1]), "no coordinate system"),
    "clouds in words": (put("properties", "eo:cloud_cover", value="12"), "'12' in the place of a number"),
}


@pytest.mark.case("7")
@pytest.mark.parametrize("skip_failed", [False, True])
@pytest.mark.parametrize("name", INCOMPLETE)
def test_the_other_item_comes_back(catalogue, name, skip_failed):
    change, message = INCOMPLETE[name]
    add(catalogue, "good_20230501", field())
    change(add(catalogue, "bad_20230511", field(1)))
    catalogue.search = lambda asked: {"type": "FeatureCollection", "features": catalogue.items, "links": []}
    back = load(catalogue, skip_failed=skip_failed)
    np.testing.assert_array_equal(images(back)[0], field())
    (note,) = (note for note in back.notes if "bad_20230511" in note)
    assert note.startswith("left out, because of what the catalogue says of them: ")
    assert message in note
    assert len(note) < 500


@pytest.mark.case("7")
def test_a_name_that_is_none(catalogue):
    add(catalogue, "good_20230501", field())
    for i, name in enumerate((7, "", "x" * 1000, "\x1b[2Jx", None)):
        add(catalogue, f"bad_202305{11 + i}", field(1))["id"] = name
    notes = load(catalogue).notes
    assert sum(note.count("an item cannot be used (its id is") for note in notes) == 5
    assert all(note.isprintable() for note in notes)


@pytest.mark.case("7")
@pytest.mark.parametrize("raw", [None, 7, "x", [], {}, {"id": "x"}, {"id": "x", "properties": 1, "geometry": 2}])
def test_what_is_no_item(raw):
    with pytest.raises(ItemError, match="cannot be used"):
        StacItem.from_dict(raw)


def test_a_box_of_three_dimensions_and_a_time_of_another_zone(catalogue):
    item = add(catalogue, "item_20230501", field())
    item["bbox"][2:2] = [0.0]
    item["bbox"].append(9000.0)
    item["properties"]["datetime"] = "2023-05-01T01:00:00+02:00"
    read = StacItem.from_dict(item)
    assert len(read.bbox) == 4
    assert read.day.isoformat() == "2023-04-30"


# Files that are something else


@pytest.mark.case("H1")
@pytest.mark.parametrize("name", ["VRT", "WMS", "GTI", "VRT behind a TIFF"])
def test_a_file_that_would_lead_elsewhere(catalogue, tmp_path, name):
    secret = tmp_path / "secret.tif"
    write_cog(secret, np.full((16, 16), 99, np.uint16), CORNER, "EPSG:32631", 10)
    vrt = f"""<VRTDataset rasterXSize="16" rasterYSize="16"><SRS>EPSG:32631</SRS>
        <GeoTransform>{CORNER[0]},10,0,{CORNER[1]},0,-10</GeoTransform><VRTRasterBand dataType="UInt16" band="1">
        <SimpleSource><SourceFilename>{secret}</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>"""
    texts = {
        "VRT": vrt,
        "WMS": f"<GDAL_WMS><Service name='TMS'><ServerUrl>{catalogue.url}/inside</ServerUrl></Service></GDAL_WMS>",
        "GTI": f"<GDALTileIndexDataset><IndexDataset>{secret}</IndexDataset></GDALTileIndexDataset>",
        "VRT behind a TIFF": f"II*\0{vrt}",
    }
    add(catalogue, "item_20230501", field())
    (catalogue.folder / "item_20230501_B03.tif").write_text(texts[name])
    with pytest.raises(DownloadError, match=r"B03 of item_20230501 is not a (GeoTIFF|whole file of GTiff)"):
        load(catalogue)
    assert not catalogue.asked("/inside")


@pytest.mark.case("H1")
def test_a_file_that_becomes_something_else_once_it_was_looked_at(catalogue):
    numbers = np.random.default_rng(0).integers(1, 60_000, (512, 512, 12))  # more than is read at once
    catalogue.add("item_20230501", numbers)
    catalogue.lies = {"B03": lambda data: data if len(catalogue.asked("B03")) < 2 else b"<VRTDataset>" * 10**5}
    with pytest.raises(DownloadError, match="B03 of item_20230501 changed on its server"):
        load(catalogue)


@pytest.mark.case("H1")
def test_overviews_that_a_tag_names(catalogue, tmp_path):
    import rasterio

    add(catalogue, "item_20230501", field())
    with rasterio.open(catalogue.folder / "item_20230501_B03.tif", "r+", IGNORE_COG_LAYOUT_BREAK="YES") as file:
        file.update_tags(ns="OVERVIEWS", OVERVIEW_FILE=str(tmp_path / "secret.tif"))
    with pytest.raises(DownloadError, match="B03 of item_20230501 names another file"):
        load(catalogue)


@pytest.mark.case("8")
@pytest.mark.parametrize(
    "crs",
    [
        'LOCAL_CS["engine",UNIT["metre",1]]',
        'ENGCRS["x",EDATUM["x"],CS[Cartesian,2],AXIS["x",east],AXIS["y",north],UNIT["m",1]]',
    ],
)
def test_a_file_of_no_place(catalogue, crs):
    add(catalogue, "item_20230501", field())
    write_cog(catalogue.folder / "item_20230501_B03.tif", np.full((16, 16), 9, np.uint16), CORNER, crs, 10)
    with pytest.raises(DownloadError, match="B03 of item_20230501 has no coordinate system of the Earth"):
        load(catalogue)


@pytest.mark.case("8")
def test_a_file_of_the_moon(catalogue):
    moon = 'GEOGCS["Moon",DATUM["Moon",SPHEROID["Moon",1737400,0]],PRIMEM["x",0],UNIT["degree",0.0174532925199433]]'
    item = add(catalogue, "item_20230501", field())
    del item["properties"]["proj:epsg"]
    write_cog(catalogue.folder / "item_20230501_B03.tif", np.full((16, 16), 9, np.uint16), (3, 43), moon, 0.001)
    with pytest.raises(DownloadError, match="B03 of item_20230501 cannot be read"):
        load(catalogue)


# Catalogues that reach for what is not theirs


@pytest.fixture
def inside(monkeypatch, tmp_path):
    """A server whose host counts as one of the network of this machine; that of the catalogue counts as public."""
    (tmp_path / "inside").mkdir()
    server = StacServer(tmp_path / "inside")
    monkeypatch.setattr("olmoearth_nb.io.addresses.internal", lambda address: address != "127.0.0.1")
    yield f"http://127.0.0.2:{server.server.server_port}", server
    server.stop()


@pytest.mark.case("H1")
def test_an_asset_inside(catalogue, inside):
    url, server = inside
    item = add(catalogue, "item_20230501", field())
    item["assets"]["B03"]["href"] = f"{url}/files/x.tif?sig=secret"
    with pytest.raises(DownloadError, match="lies on this machine or in its network") as caught:
        load(catalogue)
    assert "secret" not in str(caught.value)
    assert not server.requests


@pytest.mark.case("H1")
@pytest.mark.parametrize("link", [{"method": "POST", "body": {}}, {"method": "GET"}, {}])
def test_a_next_page_inside(catalogue, inside, link):
    url, server = inside
    add(catalogue, "item_20230501", field())
    links = [{"rel": "next", "href": f"{url}/search"} | link]
    catalogue.lies = {"/search": lambda data: json.dumps(json.loads(data) | {"links": links}).encode()}
    with pytest.raises(DownloadError, match="lies on this machine or in its network"):
        load(catalogue)
    assert not server.requests


@pytest.mark.case("H1")
@pytest.mark.parametrize("href", ["/etc/hostname", "file" + ":///etc/hostname", "hostname"])
def test_a_next_page_that_is_a_file_of_this_machine(catalogue, href):
    add(catalogue, "item_20230501", field())
    links = [{"rel": "next", "href": href}]
    catalogue.lies = {"/search": lambda data: json.dumps(json.loads(data) | {"links": links}).encode()}
    with pytest.raises(DownloadError, match="begins with http"):
        load(catalogue)


@pytest.mark.case("H1")
def test_a_next_page_by_another_method(catalogue):
    add(catalogue, "item_20230501", field())
    links = [{"rel": "next", "href": f"{catalogue.url}/search", "method": "DELETE"}]
    catalogue.lies = {"/search": lambda data: json.dumps(json.loads(data) | {"links": links}).encode()}
    with pytest.raises(DownloadError, match="asked by GET or POST, not 'DELETE'"):
        load(catalogue)


@pytest.mark.case("H1")
def test_a_first_page_that_is_an_item_with_a_collection_elsewhere(catalogue, inside):
    """pystac would ask for the collection by means of its own."""
    url, server = inside
    item = add(catalogue, "item_20230501", field())
    page = item | {"links": [{"rel": "collection", "href": f"{url}/collection"}], "stac_version": "0.9.0"}
    catalogue.lies = {"/": json.dumps(page).encode()}
    with pytest.raises(DownloadError, match=r"does not answer as a STAC API .*found type=Feature"):
        load(catalogue)
    assert not server.requests


# Answers without measure


LARGE = {
    "many spaces": b'{"type": "FeatureCollection", "features": [' + b" " * 50_000_000,
    "many lists": b'{"features": [' + b"[]," * 20_000_000 + b"0]}",
    "deep": b'{"features": ' + b"[" * 1_000_000,
    "a deep link": b'{"features": [{}], "links": ' + b'{"a":' * 100_000,
    "a long number": b'{"features": [' + b"9" * 100_000 + b"]}",
}


@pytest.mark.case("H22")
@pytest.mark.parametrize("name", LARGE)
@pytest.mark.parametrize("part", ["/", "/search"])
def test_pages_without_measure(catalogue, name, part):
    add(catalogue, "item_20230501", field())
    catalogue.lies = {part: LARGE[name]}
    tracemalloc.start()
    with pytest.raises(DownloadError, match=r"more than 16,777,216 bytes|does not answer as a STAC API"):
        load(catalogue)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 250_000_000


@pytest.mark.case("H22")
def test_many_large_pages(catalogue, monkeypatch):
    monkeypatch.setattr("olmoearth_nb.data.stac.search._MOST_PAGES_BYTES", 1_000_000)
    link = [{"rel": "next", "href": f"{catalogue.url}/search", "method": "POST", "body": {}, "merge": True}]
    add(catalogue, "item_20230501", field())
    catalogue.lies = {
        "/search": lambda data: json.dumps(json.loads(data) | {"links": link, "padding": " " * 300_000}).encode()
    }
    with pytest.raises(DownloadError, match=r"answers with more than [\d,]+ bytes"):
        load(catalogue)
    assert len(catalogue.asked("/search")) == 4


@pytest.mark.case("H22")
def test_a_page_that_is_a_bomb(catalogue, monkeypatch):
    add(catalogue, "item_20230501", field())
    bomb, send = gzip.compress(b" " * 100_000_000), catalogue.send

    def packed(request, status, data, headers, name=""):
        if request.path.endswith("/search"):
            return send(request, status, bomb, headers | {"Content-Encoding": "gzip"}, name)
        return send(request, status, data, headers, name)

    monkeypatch.setattr(catalogue, "send", packed)
    with pytest.raises(DownloadError, match="more than 16,777,216 bytes"):
        load(catalogue)


@pytest.mark.case("H22")
@pytest.mark.parametrize(
    "page", [{"features": 7}, {"features": {"a": 1}}, {"features": [[]], "links": 7}, 7, "x", None]
)
def test_pages_of_odd_types(catalogue, page):
    catalogue.lies = {"/search": json.dumps(page).encode()}
    with pytest.raises(DownloadError, match=r"does not answer as a STAC API|can be used"):
        load(catalogue)


@pytest.mark.case("H22")
@pytest.mark.parametrize("value", [{"a": 1}, "x", [1, [2]], True, [[16, 16]], ["16", "16"], deep(400)])
@pytest.mark.parametrize("key", ["proj:shape", "proj:transform"])
def test_odd_types_in_what_is_said_of_a_file(catalogue, key, value):
    item = add(catalogue, "item_20230501", field())
    item["assets"]["B03"][key] = value
    with pytest.raises(DownloadError, match=r"B03 of item_20230501 (cannot be right|has)"):
        load(catalogue)


@pytest.mark.case("H18")
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_blocks_that_would_fill_the_memory(catalogue):
    """A block of 16 Gpx is a few bytes where it is deflated, or absent."""
    import rasterio

    add(catalogue, "item_20230501", field())
    options = {"driver": "GTiff", "dtype": "uint16", "crs": "EPSG:32631", "count": 1, "height": 65536, "width": 65536}
    options |= {"tiled": True, "blockxsize": 32768, "blockysize": 32768, "SPARSE_OK": "TRUE", "compress": "deflate"}
    with rasterio.open(catalogue.folder / "item_20230501_B03.tif", "w", **options) as file:
        file.transform = rasterio.Affine(10, 0, CORNER[0], 0, -10, CORNER[1])
    with pytest.raises(DownloadError, match=r"B03 of item_20230501 is stored in blocks of \(32768, 32768\) px"):
        load(catalogue)


@pytest.mark.case("H15")
@pytest.mark.parametrize("text", ["a:b", "soon", "nan", "-5", "\u00b2"])
@pytest.mark.parametrize("part", ["/search", "B11"])
def test_a_wait_that_cannot_be_read(catalogue, part, text):
    add(catalogue, "item_20230501", field())
    catalogue.refusals, catalogue.retry_after = {part: [503]}, text
    np.testing.assert_array_equal(images(load(catalogue))[0], field())


@pytest.mark.case("H25")
@pytest.mark.parametrize("year", [1970, 2013, 2016])
def test_a_clock_that_is_years_back(catalogue, monkeypatch, year):
    class Past(dt.date):
        @classmethod
        def today(cls):
            return cls(year, 1, 1)

    monkeypatch.setattr("olmoearth_nb.data.arrays.dt", types.SimpleNamespace(**vars(dt) | {"date": Past}))
    add(catalogue, "item_20230501", field())
    assert load(catalogue).dates == ["2023-05-01"]


# Secrets


@pytest.mark.case("H10")
def test_a_password_in_the_catalogues_address(catalogue):
    with pytest.raises(ValueError, match="holds a user name or a password") as caught:
        load(catalogue, catalogue=catalogue.url.replace("//", "//user:secret@"))
    assert "secret" not in str(caught.value)
    assert not catalogue.requests


def causes(error):
    """What a traceback shows of an error."""
    said = []
    while error is not None:
        said.append(str(error))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return said


@pytest.mark.case("H10")
@pytest.mark.parametrize("broken", ["", "B03", "SCL"])
def test_signed_addresses_are_nowhere(catalogue, capsys, broken):
    """Not in errors and their causes, notes, provenance, what is printed, or what is kept."""
    add(catalogue, "item_20230501", field())
    catalogue.secret = "sig=hidden"
    said = []

    def sign(answer):
        for item in answer["features"]:
            for name, asset in item["assets"].items():
                asset["href"] += "?sig=wrong-hidden" if name == broken else "?sig=hidden"

    if broken:
        with pytest.raises(DownloadError, match=f"refused {broken} .* 403") as caught:
            load(catalogue, modifier=sign, quiet=False)
        said += causes(caught.value)
    else:
        back = load(catalogue, modifier=sign, quiet=False)
        said += [*back.notes, back.provenance, back.title, repr(back)]
    said += [str(path) for path in catalogue.cache.rglob("*")]
    assert said
    assert "hidden" not in " ".join([*said, *capsys.readouterr()])
    assert not any(b"hidden" in path.read_bytes() for path in catalogue.cache.rglob("*.npz"))
