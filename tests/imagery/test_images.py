import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from satsr.errors import SatsrError
from satsr.imagery.gdal import reading
from satsr.imagery.images import decode, decode_rgb, encode_png, read_header, read_image, read_rgb, write_png

RGB = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def encoded(kind: str, image: np.ndarray) -> bytes:
    """By OpenCV, which wants BGR."""
    if image.ndim == 3:
        image = image[..., [2, 1, 0, 3][: image.shape[2]]]
    done, data = cv2.imencode(kind, np.ascontiguousarray(image))
    assert done
    return data.tobytes()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, colour: int, *more: bytes, pixels: bytes = b"") -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(more) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")


PALETTE = png(2, 1, 3, chunk(b"PLTE", bytes(range(9))), pixels=b"\0\0\1")
CMYK = (
    b"\xff\xd8\xff\xc0" + struct.pack(">HBHHB", 20, 8, 4, 4, 4) + bytes(12) + b"\xff\xd9"
)  # the header is all that is looked at


@pytest.mark.parametrize("kind", [".png", ".tif"])
@pytest.mark.parametrize(
    "image",
    [RGB, RGB[..., 0], RGB.astype(np.uint16) * 257, RGB[..., 1].astype(np.uint16) * 200],
    ids=["RGB", "gray", "RGB 16", "gray 16"],
)
def test_lossless_files_come_back_as_they_were(tmp_path: Path, kind: str, image: np.ndarray) -> None:
    path = tmp_path / f"a{kind}"
    path.write_bytes(encoded(kind, image))
    found = read_image(path)
    assert found.dtype == image.dtype
    np.testing.assert_array_equal(found, image)


def test_paths_may_hold_spaces_and_any_letters(tmp_path: Path) -> None:
    path = tmp_path / "Käse brot 日本" / "bild 1.png"
    write_png(path, RGB)
    np.testing.assert_array_equal(read_rgb(path), RGB)
    assert [file.name for file in path.parent.iterdir()] == ["bild 1.png"]


def test_a_jpeg_is_read_in_rgb_order(tmp_path: Path) -> None:
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 200
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded(".jpg", red))
    assert abs(read_rgb(path).astype(int) - red).max() < 6


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (encoded(".png", RGB[..., 0]), "8-bit gray"),
        (encoded(".png", RGB.astype(np.uint16)), "16-bit RGB"),
        (encoded(".png", np.dstack([RGB, RGB[..., :1]])), "8-bit RGB with alpha"),
        (png(2, 1, 2, chunk(b"tRNS", bytes(6)), pixels=bytes(7)), "8-bit RGB with alpha"),
        (PALETTE, "8-bit palette"),
        (CMYK, "8-bit CMYK"),
        (encoded(".tif", RGB.astype(np.uint16)), "16-bit RGB"),
        (encoded(".jpg", RGB[..., 0]), "8-bit gray"),
    ],
    ids=["gray", "16 bits", "alpha", "transparent colour", "palette", "CMYK", "16-bit TIFF", "gray JPEG"],
)
def test_what_is_not_8_bit_rgb_is_named(tmp_path: Path, data: bytes, kind: str) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(data)
    with pytest.raises(SatsrError, match=rf"a.png is {kind}, but 8-bit RGB is expected"):
        read_rgb(path)


@pytest.mark.parametrize("kind", [".png", ".jpg", ".tif"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.99])
def test_a_cut_off_file_is_a_sentence(tmp_path: Path, kind: str, share: float) -> None:
    data = encoded(kind, RGB)
    path = tmp_path / f"a{kind}"
    path.write_bytes(data[: max(9, int(len(data) * share))])
    with pytest.raises(SatsrError, match=r"a\.\w+ (is cut off|has a cut off|is corrupt)"):
        read_image(path)


def test_one_wrong_bit_in_a_png_is_found(capfd: pytest.CaptureFixture[str]) -> None:
    data = bytearray(encoded(".png", RGB))
    data[len(data) // 2] ^= 1
    with pytest.raises(SatsrError, match=r"b.png is corrupt \(wrong checksum"):
        decode(bytes(data), "b.png")
    assert capfd.readouterr() == ("", "")


def test_a_jpeg_that_cannot_be_decoded_in_the_middle_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    image = cv2.resize(RGB, (320, 300))
    whole = encoded(".jpg", image)
    for data in (whole, encoded(".jpg", image[..., 0])):
        assert decode(data, "a.jpg").shape[:2] == (300, 320)
        middle = len(data) // 2
        (tmp_path / "a.jpg").write_bytes(data[:middle] + bytes(1000) + data[middle + 1000 :])
        with pytest.raises(SatsrError, match=r"a\.jpg is corrupt"):
            read_image(tmp_path / "a.jpg")
        with pytest.raises(SatsrError, match=r"a\.jpg cannot be read as a raster"), reading(tmp_path / "a.jpg") as of:
            of.read()
    np.testing.assert_array_equal(decode(whole, "a.jpg")[..., ::-1], cv2.imdecode(np.frombuffer(whole, np.uint8), 1))


def test_missing_empty_and_foreign_files_are_sentences(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("hello")
    for name, says in (
        ("none.png", "does not exist"),
        ("empty.png", r"is empty \(0 bytes\)"),
        ("text.png", "is not a PNG, JPEG or TIFF"),
        (".", "cannot be read as an image: Is a directory"),
    ):
        with pytest.raises(SatsrError, match=says):
            read_image(tmp_path / name)


def test_pixels_that_do_not_inflate_are_a_sentence_also_with_right_checksums() -> None:
    data = encoded(".png", RGB)
    bad = png(30, 20, 2, pixels=b"\0" * 100)
    begin = bad.index(b"IDAT")
    body = bad[begin : bad.index(b"IEND") - 12][:-2] + b"oops"
    with pytest.raises(SatsrError, match="x is corrupt"):
        decode_rgb(
            bad[: begin - 4]
            + struct.pack(">I", len(body) - 4)
            + body
            + struct.pack(">I", zlib.crc32(body))
            + data[-12:],
            "x",
        )


def test_a_decompression_bomb_is_refused_by_its_header() -> None:
    with pytest.raises(SatsrError, match="60000 x 60000 pixels, more than the limit of 100000000"):
        decode(png(60000, 60000, 2), "bomb.png")
    with pytest.raises(SatsrError, match="more than the limit of 100:"):
        decode(encoded(".tif", RGB), "small.tif", max_pixels=100)


@pytest.mark.parametrize("rows", [1, 100, 3999])
@pytest.mark.parametrize("height", [4000, 8000])
def test_a_header_that_promises_more_rows_than_there_are_is_refused(height: int, rows: int, tmp_path: Path) -> None:
    data = png(30, height, 2, pixels=bytes(91 * rows))
    for _ in range(3):  # what lay in memory may look like an image, or not
        with pytest.raises(SatsrError, match="corrupt"):
            decode(data, "lies.png")
    (tmp_path / "lies.png").write_bytes(data)
    for _ in range(3):
        with (
            pytest.raises(SatsrError, match=r"lies\.png cannot be read as a raster"),
            reading(tmp_path / "lies.png") as of,
        ):
            of.read()


@pytest.mark.parametrize("missing", [1, 900])
def test_a_strip_of_a_tiff_that_inflates_to_less_than_it_has_is_refused(missing: int, tmp_path: Path) -> None:
    path, image = tmp_path / "a.tif", RGB // 32  # which deflates
    with rasterio.open(path, "w", driver="GTiff", height=20, width=30, count=3, dtype="uint8", photometric="rgb") as to:
        to.write(image.transpose(2, 0, 1))
    data, raw = path.read_bytes(), image.tobytes()
    np.testing.assert_array_equal(decode(data, "a.tif"), image)
    strip = zlib.compress(raw[:-missing]).ljust(len(raw), b"\0")  # as long as before, so that no offset moves
    compression = struct.pack("<HHII", 259, 3, 1, 1)
    assert data.count(raw) == data.count(compression) == 1 and len(strip) == len(raw)
    short = data.replace(raw, strip).replace(compression, struct.pack("<HHII", 259, 3, 1, 8))
    with pytest.raises(SatsrError, match=r"a\.tif is corrupt"):
        decode(short, "a.tif")


def test_wrong_bits_in_a_deflated_tiff_are_found(tmp_path: Path) -> None:
    path, rng = tmp_path / "a.tif", np.random.default_rng(0)
    profile = {"driver": "GTiff", "height": 200, "width": 300, "count": 3, "dtype": "uint8", "photometric": "rgb"}
    image = rng.integers(0, 40, (3, 200, 300), dtype=np.uint8)
    with rasterio.open(path, "w", **profile, compress="deflate") as target:
        target.write(image)
    data, found = path.read_bytes(), 0
    np.testing.assert_array_equal(decode(data, "a.tif"), image.transpose(1, 2, 0))
    for position in rng.integers(2000, len(data) - 2000, 40):  # of the strips, not of what describes them
        damaged = bytearray(data)
        damaged[position] ^= 1
        try:
            decode(bytes(damaged), "a.tif")
        except SatsrError as error:
            assert "a.tif is corrupt" in str(error)
            found += 1
    assert found >= 36  # libtiff takes a strip that inflates to more than it has


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"photometric": "miniswhite"}, "8-bit inverted gray"),
        ({"nbits": 1}, "1-bit gray"),
        ({"dtype": "float32"}, "32-bit gray"),
        ({"count": 4, "photometric": "cmyk"}, "8-bit CMYK"),
    ],
)
def test_a_tiff_that_is_no_plain_picture_says_what_it_is(tmp_path: Path, options: dict, says: str) -> None:
    path = tmp_path / "a.tif"
    profile = {"driver": "GTiff", "height": 9, "width": 9, "count": 1, "dtype": "uint8"} | options
    with rasterio.open(path, "w", **profile) as target:
        target.write(np.zeros((profile["count"], 9, 9), profile["dtype"]))
    with pytest.raises(SatsrError, match=f"a.tif is {says}: a picture in TIFF has 8 or 16 bits, gray or RGB"):
        read_image(path)


@pytest.mark.parametrize("more", [{}, {"bigtiff": "yes"}], ids=["classic", "big"])
def test_pages_of_a_tiff_are_not_dropped_silently_and_its_overviews_are_no_pages(tmp_path, more) -> None:
    path = tmp_path / "a.tif"
    options = {"driver": "GTiff", "height": 96, "width": 64, "count": 3, "dtype": "uint8", "photometric": "RGB", **more}
    with rasterio.open(path, "w", **options, transform=from_origin(0, 0, 1, 1)) as target:
        target.write(np.full((3, 96, 64), 7, np.uint8))
        target.build_overviews([2, 4])
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
            target.write_mask(np.ones((96, 64), bool))
    assert (read_image(path)[..., :3] == 7).all()
    with rasterio.open(path, "w", **options, append_subdataset=True, transform=from_origin(0, 0, 1, 1)) as target:
        target.write(np.full((3, 96, 64), 8, np.uint8))
    with pytest.raises(SatsrError, match=r"a\.tif has several pages where one image is expected: make a file of each"):
        read_image(path)


def test_bands_of_a_geotiff_are_not_dropped_silently(samples) -> None:
    with pytest.raises(SatsrError, match="4-band TIFF"):
        read_image(samples("s2/l1b_bgrn/00.tif"))


def test_real_images_have_the_headers_they_decode_to(samples) -> None:
    for name in (
        "hr/OSBS_029.tif",
        "hr/SOAP_031.png",
        "hr/spacenet6_rotterdam/pan1_0.5m.tif",
        "hr/landsat7_RGB.byte.tif",
    ):
        path = samples(name)
        header, image = read_header(path.read_bytes(), name), read_image(path)
        assert image.shape[:2] == (header.height, header.width)
        assert image.dtype.itemsize * 8 == header.bits


@pytest.mark.parametrize("image", [RGB.astype(np.float32), np.zeros((2, 2, 4), np.uint8)])
def test_only_8_and_16_bit_gray_and_rgb_are_written(image: np.ndarray) -> None:
    with pytest.raises(SatsrError, match="a PNG holds uint8 or uint16"):
        encode_png(image)
