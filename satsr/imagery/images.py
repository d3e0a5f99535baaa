"""One image file at a time, read with suspicion and written whole: RGB order, native type.

The size, depth and colour type are read from the file's header before anything is decoded, so that a small file cannot
claim gigabytes; PNG checksums and the end of JPEG files are checked here because OpenCV says nothing but ``None``.
TIFFs are GDAL's: OpenCV takes what does not inflate for an image.
"""

import struct
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from satsr.errors import SatsrError
from satsr.files import replacing
from satsr.imagery import pictures

PICTURES = (".png", ".jpg", ".jpeg")
SUFFIXES = (*PICTURES, ".tif", ".tiff")
MAX_PIXELS = 100_000_000
MAX_BYTES = 1 << 31
HEADER_BYTES = 1 << 16
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
JPEG_MAGIC, JPEG_END = b"\xff\xd8", b"\xff\xd9"
TIFF_MAGICS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
NO_PAGE = 1 | 4
"""Bits of a TIFF directory's NewSubfileType: a smaller copy, a mask."""
PNG_COLOURS = {0: "gray", 2: "RGB", 3: "palette", 4: "gray with alpha", 6: "RGB with alpha"}
JPEG_COLOURS = {1: "gray", 3: "RGB", 4: "CMYK"}
TIFF_COLOURS = {0: "inverted gray", 1: "gray", 2: "RGB", 3: "palette", 5: "CMYK", 6: "RGB", 8: "CIELab"}
# Type number -> struct letter, for the TIFF types that a header's numbers have (short, long, and BigTIFF's long8).
TIFF_TYPES = {3: "H", 4: "I", 16: "Q"}

# What OpenCV would write to the terminal is said by the errors below; GeoTIFF tags are no news.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


@dataclass(frozen=True)
class Header:
    """What a file says about its image before it is decoded.

    Attributes:
        height: rows.
        width: columns.
        bits: per sample.
        colour: "RGB", "gray", "palette", "RGB with alpha", "CMYK"...
    """

    height: int
    width: int
    bits: int
    colour: str


def read_image(path: Path, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """A PNG, TIFF or JPEG file as uint8 or uint16, (H, W) if gray, else (H, W, 3) RGB or (H, W, 4) RGBA.

    Raises:
        SatsrError: the file is missing, empty, cut off, corrupt, too large or of a kind that is not supported.
    """
    return decode(read_bytes(path), str(path), max_pixels=max_pixels)


def read_rgb(path: Path, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """An 8-bit RGB image file as uint8 (H, W, 3).

    Raises:
        SatsrError: as :func:`read_image`, or the image is gray, has a palette, alpha, CMYK, or more than 8 bits.
    """
    return decode_rgb(read_bytes(path), str(path), max_pixels=max_pixels)


def read_size(path: Path) -> tuple[int, int]:
    """(height, width) of a PNG, JPEG or TIFF file from its first bytes: GDAL takes minutes to open some 100,000 files.

    Raises:
        SatsrError: the file is missing, or is none of these.
    """
    try:
        with path.open("rb") as handle:
            data = handle.read(HEADER_BYTES)
            try:
                header = read_header(data, str(path))
            except SatsrError:
                # The directory of a TIFF may lie at its end.
                header = read_header(data + handle.read(), str(path))
    except OSError as error:
        raise SatsrError(f"{path} cannot be read: {error.strerror}.") from None
    return header.height, header.width


def read_bytes(path: Path) -> bytes:
    """The bytes of an image file.

    Raises:
        SatsrError: the file is missing, is a folder, is empty, too large, or may not be read.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise SatsrError(f"{path} has {size} bytes: an image file has less than {MAX_BYTES}.")
        return path.read_bytes()
    except FileNotFoundError:
        raise SatsrError(f"{path} does not exist.") from None
    except OSError as error:
        raise SatsrError(f"{path} cannot be read as an image: {error.strerror}.") from None


def decode_rgb(data: bytes, name: str, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """As :func:`read_rgb`, from the bytes of a file; ``name`` stands in messages."""
    header = read_header(data, name)
    if header.colour != "RGB" or header.bits != 8:
        raise SatsrError(f"{name} is {header.bits}-bit {header.colour}, but 8-bit RGB is expected: convert it.")
    return decode(data, name, max_pixels=max_pixels)


def decode(data: bytes, name: str, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """As :func:`read_image`, from the bytes of a file; ``name`` stands in messages."""
    header = read_header(data, name)
    if header.height * header.width > max_pixels:
        raise SatsrError(
            f"{name} says it has {header.width} x {header.height} pixels, more than the limit of {max_pixels}: "
            "it was not opened. Cut it into smaller images."
        )
    if not header.height or not header.width:
        raise SatsrError(f"{name} says it has {header.width} x {header.height} pixels: it is not a usable image.")
    if header.colour.endswith("band"):
        # OpenCV would return the first band, or none, without a word.
        raise SatsrError(
            f"{name} is a {header.colour} TIFF: images here are gray or RGB; it needs a layout of GeoTIFFs."
        )
    if data.startswith(PNG_MAGIC):
        _check_png(data, name)
    elif data.startswith(TIFF_MAGICS):
        _require_one_page(data, name)
    elif data.startswith(JPEG_MAGIC) and JPEG_END not in data[-1024:]:
        raise SatsrError(f"{name} is cut off (a JPEG without its end): copy or make it again.")
    image = _tiff(data, header, name) if data.startswith(TIFF_MAGICS) else _opencv(data)
    if image is None or (data.startswith(JPEG_MAGIC) and not pictures.sound_jpeg(data)):
        raise SatsrError(f"{name} is corrupt or of an unsupported kind ({header.bits}-bit {header.colour}).")
    if image.shape[:2] != (header.height, header.width) or image.dtype not in (np.uint8, np.uint16):
        raise SatsrError(f"{name} decodes to {image.dtype} {image.shape}, not to what its header says ({header}).")
    return image


def _opencv(data: bytes) -> np.ndarray | None:
    """The image of a PNG or JPEG file, None if it is corrupt."""
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    if image is not None and image.ndim == 3:
        cv2.cvtColor(image, cv2.COLOR_BGR2RGB if image.shape[2] == 3 else cv2.COLOR_BGRA2RGBA, dst=image)
    return image


def _tiff(data: bytes, header: Header, name: str) -> np.ndarray | None:
    """The image of a TIFF file, None if it is corrupt."""
    bands = pictures.BANDS.get(header.colour)
    if bands is None or header.bits not in (8, 16):
        raise SatsrError(
            f"{name} is {header.bits}-bit {header.colour}: a picture in TIFF has 8 or 16 bits, gray or RGB; convert it."
        )
    image = pictures.pixels(data)
    return image if image is not None and image.shape[2:] == ((bands,) if bands > 1 else ()) else None


def encode_png(image: np.ndarray) -> bytes:
    """PNG bytes of a uint8 or uint16 image, (H, W) gray or (H, W, 3) RGB.

    Raises:
        SatsrError: another type or shape.
    """
    if (
        image.dtype not in (np.uint8, np.uint16)
        or image.ndim not in (2, 3)
        or (image.ndim == 3 and image.shape[2] != 3)
    ):
        raise SatsrError(f"a PNG holds uint8 or uint16, (H, W) or (H, W, 3), found {image.dtype} {image.shape}.")
    # Level 1: a third of the time of the default level for a tenth more bytes.
    written, data = cv2.imencode(
        ".png", image[..., ::-1] if image.ndim == 3 else image, [cv2.IMWRITE_PNG_COMPRESSION, 1]
    )
    if not written:
        raise SatsrError(f"OpenCV could not encode an image of {image.dtype} {image.shape} as PNG.")
    return data.tobytes()


def write_png(path: Path, image: np.ndarray) -> None:
    """Writes a PNG, atomically."""
    data = encode_png(image)
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def read_header(data: bytes, name: str) -> Header:
    """Size, depth and colour from the first bytes of a PNG, JPEG or TIFF file.

    Raises:
        SatsrError: the data are empty, cut off or of another kind.
    """
    if not data:
        raise SatsrError(f"{name} is empty (0 bytes): copy or make it again.")
    try:
        if data.startswith(PNG_MAGIC):
            return _png_header(data)
        if data.startswith(JPEG_MAGIC):
            return _jpeg_header(data)
        if data.startswith(TIFF_MAGICS):
            return _tiff_header(data)
    except (struct.error, IndexError, KeyError):
        raise SatsrError(f"{name} has a cut off or corrupt header: copy or make it again.") from None
    raise SatsrError(f"{name} is not a PNG, JPEG or TIFF image (it begins with {data[:8]!r}).")


def _png_header(data: bytes) -> Header:
    width, height, bits, colour = struct.unpack_from(">IIBB", data, 16)
    name = PNG_COLOURS[colour]
    # A tRNS chunk before the image data makes OpenCV add an alpha channel.
    if colour in (0, 2) and b"tRNS" in data[33 : max(data.find(b"IDAT"), 33)]:
        name += " with alpha"
    return Header(height, width, bits, name)


def _check_png(data: bytes, name: str) -> None:
    """Walks the chunks: lengths, checksums and the end."""
    position = len(PNG_MAGIC)
    while position + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if end > len(data):
            break
        if zlib.crc32(memoryview(data)[position + 4 : end - 4]) != struct.unpack_from(">I", data, end - 4)[0]:
            raise SatsrError(f"{name} is corrupt (wrong checksum of its chunk {kind!r}): copy or make it again.")
        if kind == b"IEND":
            return
        position = end
    raise SatsrError(f"{name} is cut off after {len(data)} bytes: copy or make it again.")


def _jpeg_header(data: bytes) -> Header:
    position = 2
    while True:
        while data[position] == 0xFF and data[position + 1] == 0xFF:
            position += 1  # padding
        marker, length = data[position + 1], struct.unpack_from(">H", data, position + 2)[0]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # the frame headers
            bits, height, width, components = struct.unpack_from(">BHHB", data, position + 4)
            return Header(height, width, bits, JPEG_COLOURS[components])
        if data[position] != 0xFF or length < 2:
            raise IndexError
        position += 2 + length


def _require_one_page(data: bytes, name: str) -> None:
    """Refuses a TIFF of several pages, of which OpenCV gives the first without a word."""
    pages, seen, offset = 0, set[int](), 8 if data[2:4] in (b"+\0", b"\0+") else 4
    with suppress(struct.error):  # what else is wrong with the file, its decoder says
        while pages < 2:
            tags, offset = _tiff_directory(data, offset)
            if offset in seen:
                return
            seen.add(offset)
            pages += not tags.get(254, 0) & NO_PAGE
        raise SatsrError(f"{name} has several pages where one image is expected: make a file of each page.")


def _tiff_directory(data: bytes, offset: int) -> tuple[dict[int, int], int]:
    """First values of a directory's tags, and where the offset of the next directory stands.

    Args:
        data: of the file.
        offset: where the directory's own offset stands.

    Raises:
        struct.error: there is none, or it is cut off.
    """
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    start = struct.unpack_from(order + ("Q" if big else "I"), data, offset)[0]
    if not start:
        raise struct.error("the last directory")
    count = struct.unpack_from(order + ("Q" if big else "H"), data, start)[0]
    first, size, inline = (start + 8, 20, 12) if big else (start + 2, 12, 8)
    end = first + min(count, 4096) * size
    tags: dict[int, int] = {}
    for entry in range(first, end, size):
        tag, kind, number = struct.unpack_from(order + ("HHQ" if big else "HHI"), data, entry)
        if tag in (254, 256, 257, 258, 262, 277, 338) and kind in TIFF_TYPES:
            letter = order + TIFF_TYPES[kind]
            fits = struct.calcsize(letter) * number <= (8 if big else 4)
            where = entry + inline
            if not fits:
                where = struct.unpack_from(order + ("Q" if big else "I"), data, where)[0]
            tags[tag] = struct.unpack_from(letter, data, where)[0]
    return tags, end


def _tiff_header(data: bytes) -> Header:
    tags, _ = _tiff_directory(data, 8 if data[2:4] in (b"+\0", b"\0+") else 4)
    samples = tags.get(277, 1)
    colour = TIFF_COLOURS.get(tags.get(262, 1), "unknown colours")
    plain = {"gray": 1, "RGB": 3, "CMYK": 4}.get(colour, 1)
    if samples > plain:
        colour = f"{colour} with alpha" if 338 in tags and samples == plain + 1 else f"{samples}-band"
    return Header(tags[257], tags[256], tags.get(258, 1), colour)
