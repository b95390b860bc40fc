"""GeoTIFFs as people and programs have them: names, dates, places, folders, number types; and as an enemy has them."""

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner
from geotiffs import BANDS, numbers, write
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.rio.main import main_group as rio
from rasterio.transform import Affine

from olmoearth_nb.data.eurosat import load_eurosat_chip
from olmoearth_nb.data.geotiff.folder import holds_tifs, tifs_of
from olmoearth_nb.data.geotiff.load import load_geotiff

S2 = "sentinel2_l2a"
SHORT = [name.replace("B0", "B") for name in BANDS]

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

SPELLINGS = {
    "short": SHORT,
    "long": [name.replace("8A", "08A") for name in BANDS],
    "a small letter": [name.replace("8A", "8a") for name in BANDS],
    "small": [name.lower() for name in BANDS],
    "numbers": [name[1:] for name in BANDS],
}


@pytest.mark.case("12")
@pytest.mark.parametrize("name", SPELLINGS)
def test_spellings_are_read_and_noted_once(tmp_path, name):
    names = SPELLINGS[name]
    values = numbers(24)
    path = write(tmp_path / "a_2020-01-01_2020-03-01.tif", values, [*names, *(f"{n}_1" for n in names)])
    sample = load_geotiff(path)
    assert (sample.images[S2][:, :, 0] == values[:12].transpose(1, 2, 0)).all()
    assert (sample.images[S2][:, :, 1] == values[12:].transpose(1, 2, 0)).all()
    (note,) = [note for note in sample.notes if "names of bands were read as ours" in note]
    changed = [f"{old} as {new}" for old, new in zip(names, BANDS, strict=True) if old != new]
    assert all(note.count(change) == 1 for change in changed)


@pytest.mark.case("12")
@pytest.mark.parametrize("pattern", ["{}_{}", "{}_{:.4}-{:.2}", "{1}_{0}", "{1}T105031_{1}T105626_T31TCJ_{0}"])
def test_dates_at_the_bands(tmp_path, pattern):
    days = ("20200701", "20200805")
    if "{:.4}" in pattern:
        names = [f"{band}_{day[:4]}-{day[4:6]}-{day[6:]}" for day in days for band in BANDS]
    else:
        names = [pattern.format(band, day) for day in days for band in BANDS]
    sample = load_geotiff(write(tmp_path / "a.tif", numbers(24), names))
    assert sample.dates == ["2020-07-01", "2020-08-05"]
    assert (sample.images[S2][:, :, 1] == numbers(24)[12:].transpose(1, 2, 0)).all()


@pytest.mark.case("12")
def test_radar_in_capitals_and_what_looks_like_a_band(tmp_path):
    values = np.full((4, 16, 16), -12.0, np.float32)
    sample = load_geotiff(write(tmp_path / "a_2020-07-01.tif", values, ["VV", "VH", "HH", "angle"]))
    assert "names of bands were read as ours: VV as vv, VH as vh" in sample.notes
    assert "left out, being no bands of Sentinel-1: HH" in sample.notes
    both = write(tmp_path / "b_2020-07-01.tif", numbers(14), [*BANDS, "B13", "elevation"])
    (note,) = [note for note in load_geotiff(both).notes if "left out" in note]
    assert note == "left out, being no bands of Sentinel-2 L2A: B13"


@pytest.mark.case("12")
def test_radar_of_one_polarisation(tmp_path):
    path = write(tmp_path / "a_2020-07-01.tif", np.concatenate([numbers(), numbers(1)]), [*BANDS, "VV"])
    with pytest.raises(ValueError, match=r"has \['VV'\] of Sentinel-1.*modality='sentinel2_l2a'"):
        load_geotiff(path)
    assert list(load_geotiff(path, modality=S2).images) == [S2]


def test_names_that_are_no_bands_advise_bands(tmp_path):
    path = write(tmp_path / "a_2020-07-01.tif", numbers(), [f"layer {i}" for i in range(12)])
    with pytest.raises(ValueError, match=r"no band of Sentinel-2 or Sentinel-1; .*; give bands=\[\.\.\.\]"):
        load_geotiff(path)
    assert (load_geotiff(path, bands=BANDS).images[S2][:, :, 0] == numbers().transpose(1, 2, 0)).all()


@pytest.mark.parametrize(
    "tag", ["2021-07-04", "20210704", "2021:07:04 10:20:30", "2021-07-04T10:20:30.024Z", "2021-07-04T10:20+02:00"]
)
def test_dates_of_tags(tmp_path, tag):
    assert load_geotiff(write(tmp_path / "a.tif", numbers(), BANDS, {"DATE": tag})).dates == ["2021-07-04"]


@pytest.mark.parametrize("tag", ["2021-07-04/2021-08-04", "2021-07-04garbage", "2021-07-045", "2021-07-04 and later"])
def test_what_is_not_one_date(tmp_path, tag):
    with pytest.raises(ValueError, match=r"the tag DATE is .* not a date; give dates=\[\.\.\.\], one ISO date"):
        load_geotiff(write(tmp_path / "a.tif", numbers(), BANDS, {"DATE": tag}))


@pytest.mark.parametrize("name", ["a_2021-07-04garbage", "a_20210704x", "a_2021-07-045"])
def test_names_of_files_that_hold_no_date(tmp_path, name):
    with pytest.raises(ValueError, match="does not say when its timestep is"):
        load_geotiff(write(tmp_path / f"{name}.tif", numbers(), BANDS))


SYSTEMS = {
    "local": ('LOCAL_CS["field",UNIT["metre",1]]', "leads to no place on Earth"),
    "engineering": (
        'ENGCRS["site",EDATUM["d"],CS[Cartesian,2],AXIS["e",east],AXIS["n",north],LENGTHUNIT["metre",1]]',
        "leads to no place on Earth",
    ),
    "of another planet": ('GEOGCS["Mars",DATUM["Mars",SPHEROID["Mars",3396190,169.8]],PRIMEM["a",0],'
    'UNIT["degree",0.0174532925199433]]', "leads to no place on Earth"),
}  # fmt: skip


@pytest.mark.case("8")
@pytest.mark.parametrize("name", SYSTEMS)
def test_a_system_that_leads_nowhere(tmp_path, name):
    wkt, note = SYSTEMS[name]
    values = np.concatenate([numbers(), numbers(1)])
    path = write(tmp_path / "a_2020-07-01.tif", values[:12], BANDS, crs=CRS.from_wkt(wkt))
    sample = load_geotiff(path)
    assert sample.georeference is None
    assert "place unknown" in sample.provenance
    assert any(note in text for text in sample.notes)


@pytest.mark.case("8")
def test_no_system_or_no_transform(tmp_path):
    sample = load_geotiff(write(tmp_path / "a_2020-07-01.tif", numbers(), BANDS, crs=None))
    assert sample.georeference is None
    assert "place unknown (no coordinate system)" in sample.provenance
    path = tmp_path / "b_2020-07-01.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=16, height=16, count=12, dtype="uint16", crs="EPSG:32631"
    ) as file:
        file.write(numbers())
        file.descriptions = BANDS
    sample = load_geotiff(path)
    assert sample.georeference is None
    assert any("not where the pixels lie in it" in note for note in sample.notes)


@pytest.mark.case("8")
def test_control_points_alone(tmp_path):
    path = tmp_path / "a_2020-07-01.tif"
    points = [GroundControlPoint(r, c, 500_000 + 10 * c, 800_000 - 10 * r) for r in (0, 16) for c in (0, 16)]
    options = {"driver": "GTiff", "width": 16, "height": 16, "count": 12, "dtype": "uint16"}
    with rasterio.open(path, "w", gcps=points, crs="EPSG:32631", **options) as file:
        file.write(numbers())
        file.descriptions = BANDS
    sample = load_geotiff(path)
    assert sample.georeference is None
    assert any("control points: warp it to a map first" in note for note in sample.notes)


@pytest.mark.case("8")
def test_a_rotated_grid(tmp_path):
    path = tmp_path / "a_2020-07-01.tif"
    transform = Affine.translation(500_000, 800_000) * Affine.rotation(30) * Affine.scale(10, -10)
    options = {"driver": "GTiff", "width": 16, "height": 16, "count": 12, "dtype": "uint16", "crs": "EPSG:32631"}
    with rasterio.open(path, "w", transform=transform, **options) as file:
        file.write(numbers())
        file.descriptions = BANDS
    place = load_geotiff(path).georeference
    lon, lat = place.to_lonlat(3.5, 7.5)
    np.testing.assert_allclose(place.to_pixels(lon, lat), (3.5, 7.5), atol=1e-5)


@pytest.mark.case("8")
def test_a_eurosat_chip_of_a_local_system(tmp_path):
    land = np.array([1357, 1123, 1057, 959, 1227, 2077, 2463, 2390, 762, 12, 1861, 1139, 2700], np.uint16)
    values = np.broadcast_to(land[:, None, None], (13, 64, 64))
    path = write(tmp_path / "Forest_1.tif", values, crs=CRS.from_wkt(SYSTEMS["local"][0]))
    with pytest.warns(UserWarning, match="top-of-atmosphere"):
        sample = load_eurosat_chip(path)
    assert sample.georeference is None
    assert "place unknown" in sample.provenance


BESIDE = [
    "b_2020-07-01.tif.aux.xml",
    "a.ovr",
    "a_2020-07-01.tif:Zone.Identifier",
    "a.tfw",
    "a.prj",
    "Thumbs.db",
    "desktop.ini",
    ".DS_Store",
]
BESIDE += [".DS_Store", "._a_2020-07-01.tif", "readme.txt", "README", "b_2020-07-01.tif.msk"]


@pytest.mark.case("10")
@pytest.mark.parametrize("name", BESIDE)
def test_side_car_files_are_ignored(tmp_path, name):
    for month in (8, 7):
        write(tmp_path / f"a_2020-0{month}-01.tif", numbers(seed=month), BANDS)
    (tmp_path / name).write_bytes(b"<PAMDataset><Metadata><MDI key='DATE'>2019-01-01</MDI></Metadata></PAMDataset>")
    sample = load_geotiff(tmp_path)
    assert sample.dates == ["2020-07-01", "2020-08-01"]
    hidden = name.startswith(".")
    assert (f"ignored beside the GeoTIFFs: {name}" in sample.notes) == (not hidden)


@pytest.mark.case("10")
@pytest.mark.parametrize("name", ["b_2020-08-01.tif.part", "b.jp2", "b.nc", "more/"])
def test_what_is_in_the_way_is_named(tmp_path, name):
    write(tmp_path / "a_2020-07-01.tif", numbers(), BANDS)
    if name.endswith("/"):
        (tmp_path / name).mkdir()
    else:
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match=rf"nothing else; it holds 1 GeoTIFF and '{name.strip('/')}'"):
        tifs_of(tmp_path)
    assert holds_tifs(tmp_path)


@pytest.mark.case("10")
def test_a_folder_without_any(tmp_path):
    (tmp_path / "Thumbs.db").touch()
    assert not holds_tifs(tmp_path)
    with pytest.raises(ValueError, match=r"it holds 0 GeoTIFFs$"):
        load_geotiff(tmp_path)


KINDS = {
    "complex": (np.complex64, "must hold real numbers, it holds complex64"),
    "int8": (np.int8, "int8 numbers up to .* 8-bit picture"),
    "uint8": (np.uint8, "uint8 numbers up to .* 8-bit picture"),
    "uint64": (np.uint64, None),
    "int64": (np.int64, None),
}


@pytest.mark.case("H22")
@pytest.mark.parametrize("name", KINDS)
def test_odd_number_types(tmp_path, name):
    kind, message = KINDS[name]
    path = write(
        tmp_path / "a_2020-07-01.tif", (numbers() % (100 if np.dtype(kind).itemsize == 1 else 9999)).astype(kind), BANDS
    )
    if message is None:
        assert (load_geotiff(path).images[S2][:, :, 0] == numbers().transpose(1, 2, 0)).all()
        return
    with pytest.raises(ValueError, match=message):
        load_geotiff(path)


@pytest.mark.case("H22")
def test_one_bit_and_a_palette(tmp_path):
    path = tmp_path / "a_2020-07-01.tif"
    options = {"driver": "GTiff", "width": 16, "height": 16, "count": 12, "dtype": "uint8", "crs": "EPSG:32631"}
    with rasterio.open(path, "w", nbits=1, transform=Affine(10, 0, 5e5, 0, -10, 8e5), **options) as file:
        file.write((numbers() % 2).astype(np.uint8))
        file.descriptions = BANDS
    with pytest.raises(ValueError, match="uint8 numbers"):
        load_geotiff(path)
    with rasterio.open(path, "w", transform=Affine(10, 0, 5e5, 0, -10, 8e5), **{**options, "count": 1}) as file:
        file.write_colormap(1, {0: (0, 0, 0), 1: (9, 9, 9)})
    with pytest.raises(ValueError, match="does not name its band"):
        load_geotiff(path)


@pytest.mark.case("H22")
@pytest.mark.parametrize("bands", [1, 3])
def test_thousands_of_bands(tmp_path, bands):
    """The header is read, the values are not."""
    path = tmp_path / "a_2020-07-01.tif"
    options = {"driver": "GTiff", "width": 3, "height": 2, "count": 5000 * bands, "dtype": "uint16"}
    with rasterio.open(path, "w", SPARSE_OK=True, interleave="band", **options):
        pass
    with pytest.raises(ValueError, match=rf"does not name its {5000 * bands} bands"):
        load_geotiff(path)


@pytest.mark.case("H22")
@pytest.mark.parametrize("shape", [(1, 2**31 - 1), (2**31 - 1, 1), (60_000, 60_000)])
def test_sizes_that_do_not_fit_into_memory(tmp_path, monkeypatch, shape):
    monkeypatch.setattr("olmoearth_nb.io.memory.machine_memory", lambda: 2**33)
    path = tmp_path / "a_2020-07-01.tif"
    options = {"driver": "GTiff", "height": shape[0], "width": shape[1], "count": 12, "dtype": "uint16", "tiled": True}
    with rasterio.open(
        path, "w", SPARSE_OK=True, BIGTIFF="YES", blockxsize=4096, blockysize=4096, interleave="band", **options
    ) as file:
        file.descriptions = BANDS
    with pytest.raises(ValueError, match=r"would take about \d+ GB of memory, of which there are 9 GB; read windows"):
        load_geotiff(path)


@pytest.mark.case("H22")
def test_a_block_that_is_the_whole_image(tmp_path):
    path = tmp_path / "a_2020-07-01.tif"
    options = {"driver": "GTiff", "height": 40_000, "width": 40_000, "count": 1, "dtype": "uint16", "compress": "lzw"}
    with rasterio.open(path, "w", SPARSE_OK=True, BIGTIFF="YES", blockysize=40_000, **options) as file:
        file.descriptions = ["B02"]
    with pytest.raises(ValueError, match=r"blocks of 40000 x 40000 px x 1 bands, 3.2 GB each.*TILED=YES"):
        load_geotiff(path)


@pytest.mark.case("H22")
def test_a_size_that_lies(tmp_path):
    """Height and width are twice what the file holds."""
    path = write(tmp_path / "a_2020-07-01.tif", numbers(), BANDS)
    content = bytearray(path.read_bytes())
    for tag in (256, 257):
        at = content.rindex(tag.to_bytes(2, "little") + b"\x03\x00\x01\x00\x00\x00")
        content[at + 8 : at + 10] = (4000).to_bytes(2, "little")
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"a_2020-07-01\.tif is not a whole file of GTiff"):
        load_geotiff(path)


@pytest.mark.case("H1")
@pytest.mark.parametrize("beside", ["a_2020-07-01.tif.ovr", "a_2020-07-01.ovr", "a_2020-07-01.aux"])
def test_nothing_beside_a_file_is_read(tmp_path, beside):
    path = write(tmp_path / "a_2020-07-01.tif", numbers(), BANDS)
    mask = write(tmp_path / "mask.tif", np.zeros((1, 16, 16), np.uint8))
    mask.rename(tmp_path / beside)
    assert (load_geotiff(path).images[S2][:, :, 0] == numbers().transpose(1, 2, 0)).all()


@pytest.mark.case("H1")
def test_a_virtual_chip_is_no_chip(tmp_path):
    from olmoearth_nb.data.eurosat import is_eurosat_chip

    path = tmp_path / "Forest_1.tif"
    path.write_text("<VRTDataset rasterXSize='64' rasterYSize='64'></VRTDataset>")
    assert not is_eurosat_chip(path)
    with pytest.raises(ValueError, match="not a whole file of GTiff"):
        load_eurosat_chip(path)


@pytest.mark.case("H25")
@pytest.mark.parametrize("name", ["champ é", "поле", "畑", "a b{x} $y % %s 'q'", "x" * 200])
def test_odd_names_are_read_and_named(tmp_path, name):
    path = write(tmp_path / f"{name}_2020-07-01.tif", numbers(), BANDS)
    assert load_geotiff(path).title == f"{name}_2020-07-01"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ValueError, match="is not a whole file") as error:
        load_geotiff(path)
    assert f"{name}_2020-07-01.tif" in str(error.value)


@pytest.mark.case("H25")
@pytest.mark.parametrize("text", ["B8A", "B02"])
def test_names_of_bands_that_are_no_text(tmp_path, text):
    path = write(tmp_path / "a_2020-07-01.tif", numbers(), BANDS)
    content = path.read_bytes()
    at = content.rindex(text.encode())
    path.write_bytes(content[:at] + b"\xe9" + content[at + 1 :])
    with pytest.raises(ValueError, match=r"a_2020-07-01\.tif has tags or names of bands that are no text in UTF-8"):
        load_geotiff(path)


@pytest.mark.case("names")
def test_names_of_openeo(tmp_path):
    """Times behind dates, in names of files and of bands."""
    for day in ("2023-06-01", "2023-07-01"):
        write(tmp_path / f"openEO_{day}Z.tif", numbers(), BANDS)
    assert load_geotiff(tmp_path).dates == ["2023-06-01", "2023-07-01"]
    for clock in ("T10:00:00", "T10:56:21.024Z", " 10:00:00", "T105621", "Z"):
        names = [f"{band}_{day}{clock}" for day in ("2023-06-01", "2023-07-01") for band in BANDS]
        sample = load_geotiff(write(tmp_path / "a.tif", numbers(24), names))
        assert sample.dates == ["2023-06-01", "2023-07-01"]
        assert (sample.images[S2][:, :, 1] == numbers(24)[12:].transpose(1, 2, 0)).all()


@pytest.mark.case("names")
@pytest.mark.parametrize("name", ["2023-06-01Zx", "2023-06-01ZZ"])
def test_names_that_only_begin_like_openeo(tmp_path, name):
    with pytest.raises(ValueError, match="does not say when its timestep is"):
        load_geotiff(write(tmp_path / f"openEO_{name}.tif", numbers(), BANDS))


@pytest.mark.case("names")
@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("name", ["T31TCJ_20230601T105031_{}_10m", "2023-06-01-00_00_2023-06-01_L2A_{}_(Raw)"])
def test_bands_in_files_of_their_own(tmp_path, name, named):
    """What the message advises works."""
    paths = [write(tmp_path / f"{name.format(band)}.tif", numbers()[i : i + 1]) for i, band in enumerate(BANDS)]
    for given in (paths, tmp_path):
        with pytest.raises(ValueError, match=r"each of the 12 files holds one band \(.*B02.*rio stack .*bands=\["):
            load_geotiff(given, bands=BANDS if named else None)
    stacked = tmp_path / "stacked_2023-06-01.tif"
    assert CliRunner().invoke(rio, ["stack", *map(str, paths), "-o", str(stacked)]).exit_code == 0
    assert (load_geotiff(stacked, bands=BANDS).images[S2][:, :, 0] == numbers().transpose(1, 2, 0)).all()


@pytest.mark.case("12")
@pytest.mark.parametrize("name", ["nir8a", "narrow infrared", "band_8a_refl"])
def test_a_band_under_no_name_of_ours_is_named_before_it_is_replaced(tmp_path, name):
    names = [name if band == "B8A" else band for band in BANDS]
    path = write(tmp_path / "2023-05-01.tif", numbers(), names)
    with pytest.raises(ValueError, match=rf"missing: \['B8A'\], but the files have {name}.*give bands="):
        load_geotiff(path, offset=None)
    filled = load_geotiff(path, offset=None, missing_bands="nearest")
    assert any("left out" in note and name in note for note in filled.notes)
    right = load_geotiff(path, offset=None, bands=BANDS)
    assert np.array_equal(right.images["sentinel2_l2a"][:, :, 0], numbers().transpose(1, 2, 0))


@pytest.mark.case("H28")
@pytest.mark.parametrize("place", ["a band", "a tag"])
def test_what_a_terminal_obeys_comes_in_no_message(tmp_path, place):
    names = ["\x1b]0;\x9btitle\x07", *BANDS[1:]] if place == "a band" else BANDS
    tags = {"DATE": "\x1b\x9b[2J2020"} if place == "a tag" else {}
    path = write(tmp_path / "a.tif", numbers(), names, tags)
    with pytest.raises(ValueError, match="\ufffd") as error:
        load_geotiff(path, **({"dates": ["2020-01-01"]} if place == "a band" else {}))
    assert not set(str(error.value)) & set("\x1b\x9b\x07")


@pytest.mark.case("H1")
def test_a_link_out_of_a_folder_is_refused(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    write(folder / "a_2020-01-01.tif", numbers())
    (folder / "b_2020-02-01.tif").symlink_to(folder / "a_2020-01-01.tif")
    assert len(tifs_of(folder)[0]) == 2, "a link within the folder"
    (folder / "c_2020-03-01.tif").symlink_to(write(tmp_path / "secret.tif", numbers()))
    with pytest.raises(ValueError, match=r"c_2020-03-01\.tif in .* is a link that leaves the folder; put a copy"):
        tifs_of(folder)
    linked = tmp_path / "linked"
    linked.symlink_to(folder)
    (folder / "c_2020-03-01.tif").unlink()
    assert len(tifs_of(linked)[0]) == 2, "a link to the folder itself"
