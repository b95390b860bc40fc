"""A foreign raster is opened by the drivers that are meant, and nothing that it names is opened."""

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from rasterio.transform import from_origin

from olmoearth_nb.io.raster import InMemory, RasterError, open_raster

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

SECRET = 99


def write(path, value=7, size=64, dtype=np.uint16, **options):
    """A GeoTIFF of one value."""
    options = {"crs": "EPSG:32631", "transform": from_origin(500_000, 4_800_000, 10, 10)} | options
    with rasterio.open(path, "w", driver="GTiff", width=size, height=size, count=1, dtype=dtype, **options) as file:
        file.write(np.full((size, size), value, dtype), 1)
    return path


@pytest.fixture
def secret(tmp_path):
    return write(tmp_path / "secret.tif", SECRET)


def half(path):
    """What a reader sees at half the resolution, which overviews are there for."""
    with open_raster(path) as file:
        return file.read(1, out_shape=(32, 32))


def test_a_whole_file(tmp_path):
    with open_raster(write(tmp_path / "a.tif")) as file:
        assert (file.read(1) == 7).all()
        assert file.crs.to_epsg() == 32631
    assert (half(str(tmp_path / "a.tif")) == 7).all(), "a path may be text"


VRT = """<VRTDataset rasterXSize="64" rasterYSize="64"><VRTRasterBand dataType="UInt16" band="1"><SimpleSource>
<SourceFilename>{secret}</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"""
WMS = """<GDAL_WMS><Service name="TMS"><ServerUrl>http://127.0.0.1:9/${{z}}/${{x}}/${{y}}.png</ServerUrl></Service>
<DataWindow><UpperLeftX>-20037508</UpperLeftX><UpperLeftY>20037508</UpperLeftY><LowerRightX>20037508</LowerRightX>
<LowerRightY>-20037508</LowerRightY><TileLevel>18</TileLevel></DataWindow><BandsCount>1</BandsCount></GDAL_WMS>"""
GTI = (
    "<GDALTileIndexDataset><IndexDataset>{secret}</IndexDataset><LocationField>x</LocationField></GDALTileIndexDataset>"
)


@pytest.mark.case("H1")
@pytest.mark.parametrize("text", [VRT, WMS, GTI, "<html>sorry</html>", "P2 1 1 255 7", ""])
def test_what_only_calls_itself_a_geotiff(tmp_path, secret, text):
    (tmp_path / "a.tif").write_text(text.format(secret=secret))
    with pytest.raises(RasterError, match=r"a\.tif is not a whole file of GTiff"), open_raster(tmp_path / "a.tif"):
        pass


@pytest.mark.case("H1")
@pytest.mark.parametrize("overviews", ["secret.tif", "secret.vrt", "/vsicurl/http://127.0.0.1:9/x.tif"])
def test_overviews_that_a_tag_names(tmp_path, secret, overviews):
    """GDAL follows this tag whatever its settings are, and opens what it names by any driver."""
    (tmp_path / "secret.vrt").write_text(VRT.format(secret=secret))
    path = write(tmp_path / "a.tif")
    with rasterio.open(path, "r+") as file:
        named = overviews if overviews.startswith("/") else str(tmp_path / overviews)
        file.update_tags(ns="OVERVIEWS", OVERVIEW_FILE=named)
    with pytest.raises(RasterError, match=r"a\.tif names another file as its overviews"):
        half(path)


@pytest.mark.case("H1")
def test_overviews_that_a_jpeg_2000_names(tmp_path, secret):
    """A box of the file holds what a tag of a GeoTIFF does."""
    path = write(tmp_path / "a.tif", size=128)
    with rasterio.open(path, "r+") as file:
        file.update_tags(ns="OVERVIEWS", OVERVIEW_FILE=str(secret))
    rasterio.shutil.copy(path, tmp_path / "a.jp2", driver="JP2OpenJPEG", REVERSIBLE="YES", WRITE_METADATA="YES")
    drivers = ("JP2OpenJPEG", "GTiff")
    with pytest.raises(RasterError, match=r"a\.jp2 names another file"), open_raster(tmp_path / "a.jp2", drivers):
        pass
    rasterio.shutil.copy(path, tmp_path / "b.jp2", driver="JP2OpenJPEG", QUALITY="100", REVERSIBLE="YES")
    with open_raster(tmp_path / "b.jp2", drivers) as file:
        assert (file.driver, file.overviews(1)) == ("JP2OpenJPEG", [])
        assert (file.read(1) == 7).all()
    with pytest.raises(RasterError, match=r"b\.jp2 is not a whole file of GTiff"), open_raster(tmp_path / "b.jp2"):
        pass


@pytest.mark.case("8")
def test_a_system_that_is_none_of_the_earth(tmp_path):
    from rasterio.warp import transform_bounds

    path = write(tmp_path / "a.tif", crs='LOCAL_CS["engine",UNIT["metre",1]]')
    with pytest.raises(RasterError, match=r"a\.tif cannot be read .*coordinate"), open_raster(path) as file:
        transform_bounds(file.crs, "EPSG:4326", *file.bounds)


@pytest.mark.case("H1")
@pytest.mark.parametrize("name", ["a.tif.ovr", "a.tif.msk", "a.tif.aux.xml", "a.tfw"])
def test_what_lies_beside_it_is_not_read(tmp_path, name):
    path = write(tmp_path / "a.tif", crs=None, transform=None)
    if name.endswith(("ovr", "msk")):
        write(tmp_path / "beside.tif", 0, size=32 if name.endswith("ovr") else 64, dtype=np.uint8)
        (tmp_path / "beside.tif").rename(tmp_path / name)
    elif name.endswith("xml"):
        told = "<SRS>EPSG:32631</SRS><Metadata><MDI key='X'>x</MDI></Metadata>"
        (tmp_path / name).write_text(
            f"<PAMDataset>{told}<PAMRasterBand band='1'><NoDataValue>7</NoDataValue></PAMRasterBand></PAMDataset>"
        )
    else:
        (tmp_path / name).write_text("10\n0\n0\n-10\n5\n5\n")
    assert (half(path) == 7).all()
    with open_raster(path) as file:
        assert (file.crs, file.nodata, file.transform.is_identity, file.tags().get("X")) == (None, None, True, None)
        assert file.read_masks(1).all()
        assert file.files == [str(path)]


@pytest.mark.case("H1")
@pytest.mark.parametrize("name", ["/vsicurl/http://127.0.0.1:9/a.tif", "http://127.0.0.1:9/a.tif", "GTIFF_DIR:1:a.tif"])
def test_only_local_files(name):
    with pytest.raises(FileNotFoundError, match="no file"), open_raster(name):
        pass


def test_a_file_that_ends_too_early(tmp_path):
    path = write(tmp_path / "a.tif")
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(RasterError, match=r"a\.tif is not a whole file of GTiff"), open_raster(path) as file:
        file.read(1)


@pytest.mark.case("H1")
def test_bytes_in_memory(tmp_path, secret):
    """They are opened as a file is: by the drivers that are meant, whole, and nothing that they name."""
    whole = write(tmp_path / "a.tif").read_bytes()
    with open_raster(InMemory("cell 3", whole)) as file:
        assert (file.read(1) == 7).all()
        assert file.crs.to_epsg() == 32631
    for data in (VRT.format(secret=secret).encode(), b"hello", b"", whole[:100]):
        with (
            pytest.raises(RasterError, match="cell 3 is not a whole file of GTiff"),
            open_raster(InMemory("cell 3", data)),
        ):
            pass
    with (
        pytest.raises(RasterError, match="cell 3 is not a whole"),
        open_raster(InMemory("cell 3", whole[:-3000])) as file,
    ):
        file.read(1)
    with rasterio.open(tmp_path / "a.tif", "r+") as file:
        file.update_tags(ns="OVERVIEWS", OVERVIEW_FILE=str(secret))
    with (
        pytest.raises(RasterError, match="cell 3 names another file"),
        open_raster(InMemory("cell 3", (tmp_path / "a.tif").read_bytes())),
    ):
        pass
