"""Sentinel-2 .SAFE folders: a twin of the archive's layout comes back equal, and what is broken is refused."""

import os
import shutil

import numpy as np
import pytest
from safe_twin import EDGE, RESOLUTIONS, can_write_jp2, digital_numbers, metadata, write_image, write_safe

from olmoearth_nb import SENTINEL2, Batch, Encoder, size_config
from olmoearth_nb.bands import MISSING
from olmoearth_nb.data import load_place, load_sample
from olmoearth_nb.data.offset import offset_done
from olmoearth_nb.data.safe.find import is_safe
from olmoearth_nb.data.safe.load import load_safe

S2 = "sentinel2_l2a"
BANDS = list(SENTINEL2.band_names)


def full(values, band, level="L2A"):
    """A band repeated to 10 m."""
    times = RESOLUTIONS[level][band] // 10
    return values[band].repeat(times, 0).repeat(times, 1).astype(int)


def window(values, corner, size, offset=1000):
    """(size, size, 12) what must come out."""
    inside = slice(corner[0], corner[0] + size), slice(corner[1], corner[1] + size)
    return np.stack([np.maximum(full(values, band)[inside] - offset, 1) for band in BANDS], axis=-1)


def test_the_middle_of_a_product(tmp_path, record_property):
    record_property("twin", "JPEG 2000" if can_write_jp2() else "GeoTIFF under .jp2 names")
    safe, values = write_safe(tmp_path)
    sample = load_safe(safe)
    middle = EDGE // 2 - 32
    assert (sample.images[S2][:, :, 0] == window(values, (middle, middle), 64)).all()
    assert sample.dates == ["2023-05-01"]
    assert sample.notes == ("1000 taken off the digital numbers (BOA_ADD_OFFSET is -1000)",)
    assert offset_done(sample)
    assert "tile T31TEJ, 44.2453 N 3.0110 E" in sample.provenance
    assert Encoder(size_config("nano", "v1.1"))(Batch.from_samples(sample), 8).pool().shape == (1, 128)


@pytest.mark.parametrize(("row", "column", "size"), [(61, 97, 16), (90, 90, 7), (100, 33, 64)])
def test_around_a_place(tmp_path, row, column, size):
    """Windows that begin inside of a 20 or 60 m pixel, too."""
    from rasterio.warp import transform

    safe, values = write_safe(tmp_path)
    (lon,), (lat,) = transform("EPSG:32631", "EPSG:4326", [499_980 + 10 * column + 5], [4_900_020 - 10 * row - 5])
    sample = load_safe(safe, place=(lat, lon), size=size)
    corner = row - size // 2, column - size // 2
    assert (sample.images[S2][:, :, 0] == window(values, corner, size)).all()


def test_at_the_edge_the_window_is_moved_and_that_is_said(tmp_path):
    safe, values = write_safe(tmp_path)
    sample = load_safe(safe, place=(44.2525, 2.9999), size=48)
    assert (sample.images[S2][:, :, 0] == window(values, (0, 0), 48)).all()
    assert any(note.startswith("the window was moved into the tile by ") for note in sample.notes)


def test_through_load_sample_and_as_the_notebooks_show_it(tmp_path):
    safe, _ = write_safe(tmp_path)
    assert (load_sample(safe).images[S2] == load_safe(safe).images[S2]).all()
    assert load_place(f"{safe}/").images[S2].shape == (64, 64, 1, 12)
    write_safe(tmp_path, digital_numbers(seed=1), sensed="2023-04-01T10:56:21.024Z")
    assert load_sample(tmp_path).dates == ["2023-04-01", "2023-05-01"], "a folder of products"
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"neither .SAFE products nor GeoTIFFs of one place; data sets .*GeoBench"):
        load_sample(tmp_path / "empty")


def test_dates_come_in_order_each_with_its_offset(tmp_path):
    new, after = write_safe(tmp_path, digital_numbers(seed=1), sensed="2022-02-01T10:56:21Z", baseline="04.00")
    old, before = write_safe(
        tmp_path, digital_numbers(seed=2), sensed="2021-02-01T10:56:21.5Z", baseline="03.00", offsets=None
    )
    sample = load_safe([new, old], size=32)
    assert sample.dates == ["2021-02-01", "2022-02-01"]
    corner = (EDGE // 2 - 16,) * 2
    assert (sample.images[S2][:, :, 0] == window(before, corner, 32, offset=0)).all()
    assert (sample.images[S2][:, :, 1] == window(after, corner, 32)).all()
    assert sample.notes == ("1000 taken off the digital numbers (BOA_ADD_OFFSET is -1000); so on 2022-02-01",)


def test_each_band_by_its_own_offset(tmp_path):
    offsets = {band: -100 * i for i, band in enumerate(RESOLUTIONS["L1C"])}
    safe, values = write_safe(tmp_path, offsets=offsets)
    image = load_safe(safe, size=16).images[S2][:, :, 0]
    corner = EDGE // 2 - 8
    for i, band in enumerate(BANDS):
        expected = full(values, band)[corner : corner + 16, corner : corner + 16] + offsets[band]
        assert (image[..., i] == np.maximum(expected, 1)).all(), band


def test_no_data_and_saturated(tmp_path):
    values = digital_numbers(low=700)
    values["B02"][80, 80], values["B05"][45, 45], values["B03"][81, 81] = 0, 65535, 1
    image = load_safe(write_safe(tmp_path, values)[0], size=32).images[S2][:, :, 0]
    origin = EDGE // 2 - 16
    assert image[80 - origin, 80 - origin, BANDS.index("B02")] == MISSING
    assert (image[90 - origin : 92 - origin, 90 - origin : 92 - origin, BANDS.index("B05")] == MISSING).all()
    assert image[81 - origin, 81 - origin, BANDS.index("B03")] == 1, "a dark pixel is no missing pixel"
    assert (image == MISSING).sum() == 5


def test_clouds(tmp_path):
    scl = np.full((EDGE // 2, EDGE // 2), 4, np.uint8)
    scl[40:45, 40:44], scl[46, 46] = 9, 6
    sample = load_safe(write_safe(tmp_path, scl=scl)[0], size=40, mask_clouds=True)
    gone = (sample.images[S2] == MISSING).all(-1)[:, :, 0]
    expected = np.zeros((40, 40), bool)
    expected[80 - 70 : 90 - 70, 80 - 70 : 88 - 70] = True
    assert (gone == expected).all()
    assert "5.0% of the pixels are clouds, shadows or defective by the SCL, and left out" in sample.notes


def test_level_1c_warns_and_leaves_cirrus_out(tmp_path):
    safe, values = write_safe(tmp_path, level="L1C", baseline="05.09")
    with pytest.warns(UserWarning, match="top-of-atmosphere"):
        sample = load_safe(safe)
    assert any("RADIO_ADD_OFFSET is -1000" in note for note in sample.notes)
    corner = (EDGE // 2 - 32,) * 2
    assert (sample.images[S2][:, :, 0] == window(values, corner, 64)).all()


def test_what_the_caller_says_of_the_offset(tmp_path):
    safe, values = write_safe(tmp_path)
    assert (load_safe(safe, offset=None).images[S2][0, 0, 0] == window(values, (58, 58), 64, 0)[0, 0]).all()
    with pytest.raises(ValueError, match="offset=500 would be wrong"):
        load_safe(safe, offset=500)
    unsaid, values = write_safe(tmp_path / "other", offsets=None)
    with pytest.raises(ValueError, match=r"baseline 05.09 does not name the offset .* say offset=1000 .*, offset=None"):
        load_safe(unsaid)
    assert (load_safe(unsaid, offset=1000).images[S2][0, 0, 0] == window(values, (58, 58), 64)[0, 0]).all()


def other_case(safe):
    (safe / "MTD_MSIL2A.xml").rename(safe / "MTD_MSIL2a.xml")
    return safe


def nested(safe):
    outer = safe.with_name("outer.SAFE")
    outer.mkdir()
    shutil.move(safe, outer / safe.name)
    return outer


def capitals(safe):
    for path in list(safe.rglob("*.jp2")):
        path.rename(path.with_suffix(".JP2"))
    return safe


WAYS = {
    "another case": other_case,
    "nested": nested,
    "the metadata": lambda safe: safe / "MTD_MSIL2A.xml",
    "all granules": lambda safe: safe / "GRANULE",
    "the granule": lambda safe: next((safe / "GRANULE").iterdir()),
    "the images": lambda safe: next(safe.glob("GRANULE/*/IMG_DATA")),
    "images of 10 m": lambda safe: next(safe.glob("GRANULE/*/IMG_DATA/R10m")),
    "capitals": capitals,
}


@pytest.mark.case("17")
@pytest.mark.parametrize("way", WAYS)
def test_ways_to_a_product(tmp_path, way):
    safe, values = write_safe(tmp_path)
    given = WAYS[way](safe)
    assert is_safe(given)
    sample = load_safe(given, size=32)
    corner = (EDGE // 2 - 16,) * 2
    assert (sample.images[S2][:, :, 0] == window(values, corner, 32)).all()
    assert "S2A_MSIL2A_20230501" in sample.provenance


def packed(folder):
    path = folder / "S2A_MSIL2A_20230501T105621_N0509_R094_T31TEJ_20230501T105621.SAFE.zip"
    path.write_bytes(b"PK")
    return path


def old(folder):
    name = "S2A_OPER_PRD_MSIL1C_PDMC_20151230T223500_R008_V20151230T105153_20151230T105153.SAFE"
    (folder / name / "GRANULE").mkdir(parents=True)
    (folder / name / "S2A_OPER_MTD_SAFL1C_PDMC_20151230T223500_R008_V20151230T105153_20151230T105153.xml").touch()
    return folder / name


def incomplete(folder):
    safe, _ = write_safe(folder, level="L1C")
    next(safe.rglob("*_B07.jp2")).unlink()
    return safe


NOT_WHOLE = {
    "packed": (packed, "is packed; unpack it, and give the .SAFE folder"),
    "old": (old, "of the format before December 2016, which holds several tiles"),
    "the metadata of an old one": (lambda t: next(old(t).glob("*.xml")), "of the format before December 2016"),
    "Level 1C without a band": (incomplete, "one file of B07 at 20 m, it holds 0 ending in _B07.jp2; it is not whole"),
    "another file": (lambda t: (t / "a.txt").write_text("x") and t / "a.txt", "a.txt is no .SAFE product"),
    "an empty folder": (lambda t: t, "must hold one of MTD_MSIL2A.xml and MTD_MSIL1C.xml, it holds 0"),
}


@pytest.mark.case("17")
@pytest.mark.parametrize("name", NOT_WHOLE)
def test_what_is_wrong_with_a_product(tmp_path, name):
    make, message = NOT_WHOLE[name]
    with pytest.raises(ValueError, match=message):
        load_safe(make(tmp_path))


@pytest.mark.case("8")
def test_a_product_of_a_local_system(tmp_path):
    safe, _ = write_safe(tmp_path, crs='LOCAL_CS["field",UNIT["metre",1]]')
    with pytest.raises(ValueError, match=r"B02_10m\.jp2 has no coordinate system in metres"):
        load_safe(safe)


@pytest.mark.case("H1")
@pytest.mark.parametrize("beside", [".aux.xml", ".msk", ".ovr"])
def test_nothing_beside_a_band_is_read(tmp_path, beside):
    safe, values = write_safe(tmp_path)
    path = band(safe, "B02")
    path.with_name(path.name + beside).write_text(
        f'<PAMDataset><GeoTransform>0,1,0,0,0,-1</GeoTransform><Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">'
        f"{band(safe, 'B03')}</MDI></Metadata></PAMDataset>"
    )
    assert (load_safe(safe).images[S2][:, :, 0] == window(values, (EDGE // 2 - 32,) * 2, 64)).all()


def damaged(change):
    """A product after a change of its files."""

    def make(folder):
        safe, _ = write_safe(folder)
        change(safe)
        return safe

    return make


def rewritten(**about):
    return damaged(lambda safe: (safe / "MTD_MSIL2A.xml").write_text(metadata(**about)))


def band(safe, name):
    return next(safe.rglob(f"*_{name}_??m.jp2"))


def cut(safe):
    path = band(safe, "B04")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def linked(safe):
    path, outside = band(safe, "B04"), safe.parent / "outside.jp2"
    shutil.move(path, outside)
    os.symlink(outside, path)


def virtual(safe):
    path = band(safe, "B11")
    source = (
        f"<SimpleSource><SourceFilename>{band(safe, 'B12')}</SourceFilename><SourceBand>1</SourceBand></SimpleSource>"
    )
    head = f'<VRTDataset rasterXSize="{EDGE // 2}" rasterYSize="{EDGE // 2}">'
    path.write_text(f'{head}<VRTRasterBand dataType="UInt16" band="1">{source}</VRTRasterBand></VRTDataset>')


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
OUTSIDE = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:/etc/hostname">]>'
REMOTE = '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">'
ALIEN = np.full((90, 90), 3000, np.uint16)

WRONG = {
    "no metadata": (damaged(lambda s: (s / "MTD_MSIL2A.xml").unlink()), {}, "must hold one of MTD_MSIL2A.xml"),
    "metadata of two levels": (damaged(lambda s: (s / "MTD_MSIL1C.xml").write_text("<a/>")), {}, "it holds 2"),
    "metadata cut off": (
        damaged(lambda s: (s / "MTD_MSIL2A.xml").write_text(metadata()[:500])),
        {},
        "is not whole XML",
    ),
    "metadata in no encoding": (
        damaged(lambda s: (s / "MTD_MSIL2A.xml").write_text(metadata().replace("UTF-8", "UTD-8"))),
        {},
        "is not whole XML",
    ),
    "a bomb of entities": (rewritten(extra=BOMB), {}, "declares a document type or entities"),
    "an entity that reads a file": (rewritten(extra=OUTSIDE), {}, "declares a document type or entities"),
    "a document type from the web": (rewritten(extra=REMOTE), {}, "declares a document type or entities"),
    "no time of sensing": (rewritten(sensed="yesterday"), {}, "no time of sensing, but 'yesterday'"),
    "another quantification": (rewritten(quantification=1000), {}, "stored times 10000, its metadata say 1000"),
    "an offset that is no number": (rewritten(offsets={"B02": "x"}), {}, "BOA_ADD_OFFSET must be a number, got 'x'"),
    "an offset that cannot be": (rewritten(offsets={"B02": -9000}), {}, "valid are 0 to 2000"),
    "an offset for some bands": (rewritten(offsets={"B02": -1000}), {}, "does not name the offset of every band"),
    "an offset of no band": (
        damaged(lambda s: (s / "MTD_MSIL2A.xml").write_text(metadata().replace('band_id="12"', 'band_id="13"'))),
        {},
        "has the band_id '13'; valid are 0 to 12",
    ),
    "a baseline that is none": (rewritten(baseline="new", offsets=None), {}, "must be like 04.00"),
    "a band missing": (damaged(lambda s: band(s, "B07").unlink()), {}, "one file of B07 at 20 m, it holds 0"),
    "a band twice": (
        damaged(lambda s: shutil.copy(band(s, "B07"), band(s, "B07").with_name("X_B07_20m.jp2"))),
        {},
        "one file of B07 at 20 m, it holds 2",
    ),
    "a band cut off": (damaged(cut), {}, "B04_10m.jp2 is not a whole"),
    "a band of text": (damaged(lambda s: band(s, "B04").write_text("hello")), {}, "is not a whole file of JP2OpenJPEG"),
    "a band that is a link out of the folder": (damaged(linked), {}, "is a link that leaves the folder"),
    "a band that names other files": (
        damaged(virtual),
        {},
        "B11_20m.jp2 is not a whole file of JP2OpenJPEG or JP2KAK or GTiff",
    ),
    "a band of other pixels": (
        damaged(lambda s: write_image(band(s, "B05"), ALIEN[:45, :45], 40)),
        {},
        "must lie on the tile's grid",
    ),
    "a band of another system": (
        damaged(lambda s: write_image(band(s, "B05"), ALIEN, 20, crs="EPSG:32632")),
        {},
        "must lie on the tile's grid",
    ),
    "a band of signed numbers": (
        damaged(lambda s: write_image(band(s, "B05"), ALIEN.astype(np.int16), 20)),
        {},
        r"must hold digital numbers \(uint16\), it holds int16",
    ),
    "a band without a place": (
        damaged(lambda s: write_image(band(s, "B02"), digital_numbers()["B02"], 10, crs=None)),
        {},
        "B02_10m.jp2 has no coordinate system",
    ),
    "two granules": (
        damaged(lambda s: shutil.copytree(next((s / "GRANULE").iterdir()), s / "GRANULE" / "other")),
        {},
        "one granule with IMG_DATA",
    ),
    "nothing observed": (
        lambda t: write_safe(t, {b: v * 0 for b, v in digital_numbers().items()})[0],
        {},
        "no observed value",
    ),
    "a place elsewhere": (damaged(lambda s: None), {"place": (3.0, 44.2)}, r"outside of the tile.*latitude, then"),
    "a place that is none": (damaged(lambda s: None), {"place": (144.2, 3.0)}, "in degrees, got"),
    "a window larger than the tile": (damaged(lambda s: None), {"size": 999}, "1 to 180, got 999"),
    "a window of half pixels": (damaged(lambda s: None), {"size": 6.5}, "1 to 180, got 6.5"),
    "clouds without a classification": (damaged(lambda s: None), {"mask_clouds": True}, "one file of SCL at 20 m"),
    "clouds of Level 1C": (lambda t: write_safe(t, level="L1C")[0], {"mask_clouds": True}, "needs Level 2A"),
    "no product": (lambda t: [], {}, "1 to 12 .SAFE folders, .* got 0"),
    "thirteen products": (lambda t: [t] * 13, {}, "1 to 12 .SAFE folders, .* got 13"),
    "another tile": (
        lambda t: [write_safe(t)[0], write_safe(t, sensed="2023-06-01T10:00:00Z", origin=(600_000, 4_900_020))[0]],
        {},
        "must be of one tile",
    ),
    "another system at another date": (
        lambda t: [write_safe(t)[0], write_safe(t, sensed="2023-06-01T10:00:00Z", crs="EPSG:32632")[0]],
        {},
        "must be of one tile: .*32631.*32632",
    ),
    "another level": (
        lambda t: [write_safe(t)[0], write_safe(t, level="L1C", sensed="2023-06-01T10:00:00Z")[0]],
        {},
        "another level",
    ),
    "one moment twice": (
        lambda t: [write_safe(t)[0], write_safe(t, baseline="05.10")[0]],
        {},
        "show the same moment .*; keep one",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_products(tmp_path, name):
    make, options, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        load_safe(make(tmp_path), **options)


def test_no_such_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"X\.SAFE; a \.SAFE product is a folder, unpack it"):
        load_safe(tmp_path / "X.SAFE")


def test_a_twin_of_geotiffs_where_jpeg_2000_cannot_be_written(tmp_path, monkeypatch):
    monkeypatch.setattr("safe_twin.can_write_jp2", lambda: False)
    safe, values = write_safe(tmp_path)
    assert band(safe, "B02").read_bytes()[:2] == b"II"
    assert (load_safe(safe).images[S2][:, :, 0] == window(values, (EDGE // 2 - 32,) * 2, 64)).all()
