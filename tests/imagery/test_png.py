"""Large RGB PNGs come out as OpenCV decodes them, and bad ones are refused in the words of small ones."""

import struct
import zlib

import cv2
import numpy as np
import pytest

from satsr.errors import SatsrError
from satsr.imagery import png
from satsr.imagery.images import decode, decode_rgb

SIDES = (256, 300)
RGB = np.random.default_rng(0).integers(0, 256, (*SIDES, 3), dtype=np.uint8)
DATA = cv2.imencode(".png", RGB[..., ::-1])[1].tobytes()


def test_a_large_png_is_read_by_gdal_to_the_pixels_that_were_written() -> None:
    np.testing.assert_array_equal(png.rgb(DATA, *SIDES), RGB)
    found = decode_rgb(DATA, "x")
    np.testing.assert_array_equal(found, RGB)
    assert found.flags.c_contiguous and found.flags.writeable


def test_a_small_png_is_left_to_opencv() -> None:
    assert png.rgb(cv2.imencode(".png", RGB[:8, :8])[1].tobytes(), 8, 8) is None


def test_gray_alpha_and_16_bits_are_as_they_were_written() -> None:
    wide = RGB.astype(np.uint16) * 257
    for image in (RGB[..., 0], np.dstack([RGB, RGB[..., :1]]), wide):
        order = [2, 1, 0, 3][: image.shape[2]] if image.ndim == 3 else slice(None)
        data = cv2.imencode(".png", np.ascontiguousarray(image[..., order]))[1].tobytes()
        np.testing.assert_array_equal(decode(data, "x"), image)


def test_pixels_that_do_not_inflate_are_a_sentence_also_with_right_checksums() -> None:
    begin = DATA.index(b"IDAT") - 4
    body = b"IDAT" + zlib.compress(b"\0" * 100)[:-4] + b"oops"
    bad = DATA[:begin] + struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)) + DATA[-12:]
    with pytest.raises(SatsrError, match="x is corrupt"):
        decode_rgb(bad, "x")


def test_a_large_png_that_is_cut_off_or_altered_is_a_sentence() -> None:
    with pytest.raises(SatsrError, match="is cut off"):
        decode_rgb(DATA[:-1000], "x")
    altered = bytearray(DATA)
    altered[len(DATA) // 2] ^= 1
    with pytest.raises(SatsrError, match="wrong checksum"):
        decode_rgb(bytes(altered), "x")
