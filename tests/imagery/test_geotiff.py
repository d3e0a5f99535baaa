import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp

from satsr.convert.layouts.sentinel2 import sentinel2
from satsr.errors import SatsrError
from satsr.imagery import geotiff
from satsr.imagery.gdal import opened
from satsr.imagery.images import read_image
from satsr.imagery.raster import Layer, Raster
from tests.convert.layouts.test_series import write_tiff
from tests.products import band

IMAGE = np.random.default_rng(0).integers(0, 9000, (90, 70, 4), dtype=np.uint16)
PLACE = rasterio.Affine(10, 0, 6e5, 0, -10, 5e6)
VRT = """<VRTDataset rasterXSize="70" rasterYSize="90"><VRTRasterBand dataType="UInt16" band="1"><SimpleSource>
<SourceFilename>{path}</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"""
WMS = """<GDAL_WMS><Service name="TMS"><ServerUrl>http://127.0.0.1:9/${z}/${x}/${y}.png</ServerUrl></Service><DataWindow>
<SizeX>70</SizeX><SizeY>90</SizeY></DataWindow><BandsCount>3</BandsCount></GDAL_WMS>"""


def test_parts_and_bands_of_a_raster_are_read_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    write_tiff(path, IMAGE, ("B02", "B03", "B04", "B08"))
    np.testing.assert_array_equal(geotiff.read(path), IMAGE)
    np.testing.assert_array_equal(geotiff.read(path, ("B04", "B02"), (10, 20, 30, 40)), IMAGE[10:40, 20:60, [2, 0]])
    assert geotiff.size(path) == (90, 70)
    assert geotiff.band_names(path) == ("B02", "B03", "B04", "B08")
    small, nodata = geotiff.thumbnail(path, (9, 7))
    assert small.shape == (9, 7) and nodata is None


def test_of_several_pages_none_is_taken_for_the_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    options = {"driver": "GTiff", "height": 8, "width": 9, "count": 1, "dtype": "uint16"}
    for page in (1, 2, 3):
        with rasterio.open(path, "w", **options, append_subdataset=page > 1) as target:
            target.write(np.full((1, 8, 9), page, np.uint16))
    with pytest.raises(SatsrError, match=r"a\.tif has 3 pages where one image is expected: make a file of each page"):
        geotiff.read(path)
    assert (geotiff.read(f"GTIFF_DIR:2:{path}") == 2).all()


@pytest.mark.parametrize("text", [VRT, WMS], ids=["VRT", "WMS"])
def test_descriptions_of_other_files_and_services_are_refused(tmp_path: Path, text: str) -> None:
    write_tiff(tmp_path / "real" / "a.tif", IMAGE)
    path = tmp_path / "data" / "a.tif"
    path.parent.mkdir()
    path.write_text(text.format(path=tmp_path / "real/a.tif", z="z", x="x", y="y"))
    for use in (opened, geotiff.read, geotiff.band_names, partial(geotiff.raster, wanted=(), count=3)):
        with pytest.raises(SatsrError, match=r"a.tif cannot be read.*expected GeoTIFF.*found a text in XML.*VRT, WMS"):
            use(path)
    with pytest.raises(SatsrError, match=r"a.tif is not a PNG, JPEG or TIFF image"):
        sentinel2(path)


@pytest.mark.parametrize("suffix", [".tif", ".jp2"])
@pytest.mark.parametrize("beside", [False, True], ids=["inside", "beside"])
def test_overviews_that_metadata_place_elsewhere_are_not_looked_for(
    tmp_path: Path, suffix: str, beside: bool, listener: socket.socket
) -> None:
    path = tmp_path / f"a{suffix}"
    address = f"/vsicurl/http://127.0.0.1:{listener.getsockname()[1]}/o.tif"
    options = {} if suffix == ".tif" else {"WRITE_METADATA": True}
    drivers = {".tif": "GTiff", ".jp2": "JP2OpenJPEG"}
    shape = {"count": 4, "height": 90, "width": 70, "dtype": "uint16", "crs": "EPSG:32632"}
    with rasterio.open(path, "w", driver=drivers[suffix], **shape, **options, transform=PLACE) as target:
        target.write(np.moveaxis(IMAGE, 2, 0))
        if not beside:
            target.update_tags(ns="OVERVIEWS", OVERVIEW_FILE=address)
    pam = f'<PAMDataset><Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">{address}</MDI></Metadata></PAMDataset>'
    Path(f"{path}.aux.xml").unlink(missing_ok=True)
    if beside:
        Path(f"{path}.aux.xml").write_text(pam)
    for use in (opened, geotiff.read, lambda path: geotiff.thumbnail(path, (9, 7)), partial(opened, overview_level=0)):
        with pytest.raises(
            SatsrError, match=rf"a{suffix} says in its metadata, or in .* overviews of it lie elsewhere"
        ):
            use(path)
    with pytest.raises(BlockingIOError):  # nobody has called
        listener.accept()


@pytest.mark.parametrize("use", ["scene", "raster", "picture"])
def test_a_jpeg_in_a_geotiff_that_cannot_be_decoded_in_the_middle_is_refused(
    use: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.tif"
    values = np.random.default_rng(0).integers(0, 255, (3, 256, 256)).astype(np.uint8)
    shape = {"count": 3, "height": 256, "width": 256, "dtype": "uint8", "photometric": "RGB", "interleave": "pixel"}
    with rasterio.open(
        path, "w", driver="GTiff", compress="JPEG", crs="EPSG:32632", transform=PLACE, **shape
    ) as target:
        target.write(values)

    def read() -> object:
        if use == "picture":
            return read_image(path)
        if use == "scene":
            return geotiff.read(path)
        with Raster([Layer(str(path), 1, None, ColorInterp.undefined)]) as scene:
            return scene.read(0, 256)

    read()
    data = path.read_bytes()
    middle = len(data) // 2
    path.write_bytes(data[:middle] + bytes(100) + data[middle + 100 :])
    with pytest.raises(SatsrError, match=r"a\.tif (is corrupt|cannot be read)"):
        read()
    assert "JPEGLib" not in capfd.readouterr().err


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A port of this computer at which a call would be seen."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


@pytest.mark.parametrize("suffix", ["ovr", "OVR", "msk"])
def test_overviews_and_masks_beside_an_image_are_not_read(tmp_path: Path, suffix: str) -> None:
    path, other = tmp_path / "a.tif", tmp_path / "real" / "a.tif"
    write_tiff(path, IMAGE)
    write_tiff(other, IMAGE[::2, ::2])
    Path(f"{path}.{suffix}").write_text(VRT.format(path=other))
    with opened(path) as found:
        assert found.overviews(1) == [] and found.files == [str(path)] and (found.dataset_mask() == 255).all()
    np.testing.assert_array_equal(geotiff.read(path), IMAGE)


def test_a_world_file_and_a_reference_system_beside_an_image_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    place = {"crs": "EPSG:32632", "transform": PLACE}
    with rasterio.open(path, "w", driver="PNG", count=3, height=9, width=8, dtype="uint8", **place) as target:
        target.write(np.zeros((3, 9, 8), np.uint8))
    assert cv2.imwrite(str(tmp_path / "b.tif"), IMAGE[..., :3])
    (tmp_path / "b.tfw").write_text("10\n0\n0\n-10\n600005\n4999995\n")
    with opened(path) as first, opened(tmp_path / "b.tif") as second:
        assert first.crs.to_epsg() == 32632 and first.transform == second.transform == place["transform"]


def test_jpeg_2000_is_read_and_a_new_file_of_the_same_name_too(tmp_path: Path) -> None:
    path = tmp_path / "B04.jp2"
    for seed in (0, 1):
        path.unlink(missing_ok=True)
        values = band(path, seed, size=64 + 4 * seed)
        assert geotiff.size(path) == values.shape
        np.testing.assert_array_equal(geotiff.read(path, window=(5, 6, 20, 30))[..., 0], values[5:25, 6:36])


def test_what_is_damaged_or_missing_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.jp2"
    band(path, 0)
    path.write_bytes(path.read_bytes()[:2000])
    for file in (path, tmp_path / "none.jp2", tmp_path / "none.tif"):
        with pytest.raises(SatsrError, match=rf"{file.name} cannot be read"):
            geotiff.read(file)
