"""The directories of a TIFF, read from what GDAL wrote and written again around other offsets.

A directory is a table of numbered entries (TIFF 6.0, section 2; BigTIFF has wider ones). GDAL knows how to fill them,
with the CRS and all, but not how to put those of a file together whose tiles are there already.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SUBFILE, WIDTH, LENGTH, METADATA, NODATA = 254, 256, 257, 42112, 42113
OFFSETS, COUNTS = 324, 325
OVERVIEW = (258, 259, 262, 277, 284, 317, 322, 323, 338, 339, NODATA)
"""Entries of a raster that its overviews share: type, compression, colours, bands, predictor, tiles, nodata."""
LONG, LONG8 = 4, 16
FORMATS = {1: "B", 2: "B", 3: "H", 4: "I", 5: "2I", 6: "b", 7: "B", 8: "h", 9: "i", 10: "2i", 11: "f", 12: "d", 16: "Q"}
GHOST = (
    "LAYOUT=IFDS_BEFORE_DATA\nBLOCK_ORDER=ROW_MAJOR\nBLOCK_LEADER=SIZE_AS_UINT4\n"
    "BLOCK_TRAILER=LAST_4_BYTES_REPEATED\nKNOWN_INCOMPATIBLE_EDITION=NO\n "
)
"""What GDAL's COG driver says about the order of things (docs of the driver, "Header ghost area")."""


@dataclass(frozen=True)
class Entry:
    """The type, the number and the bytes of the values of an entry."""

    kind: int
    count: int
    data: bytes

    @classmethod
    def of(cls, kind: int, *values: int) -> "Entry":
        """From whole numbers."""
        return cls(kind, len(values), struct.pack(f"<{len(values)}{FORMATS[kind]}", *values))

    @property
    def numbers(self) -> tuple[int, ...]:
        """The values."""
        return struct.unpack(f"<{self.count}{FORMATS[self.kind]}", self.data)


Directory = Mapping[int, Entry]


def read(content: memoryview) -> dict[int, Entry]:
    """The first directory of a little-endian TIFF or BigTIFF."""
    big = struct.unpack_from("<H", content, 2)[0] == 43
    (begin,) = struct.unpack_from("<Q" if big else "<I", content, 8 if big else 4)
    (count,) = struct.unpack_from("<Q" if big else "<H", content, begin)
    layout, room = ("<HHQQ", 8) if big else ("<HHII", 4)
    step, first = struct.calcsize(layout), begin + (8 if big else 2)
    found = {}
    for place in range(first, first + count * step, step):
        tag, kind, number, where = struct.unpack_from(layout, content, place)
        size = number * struct.calcsize(f"<{FORMATS[kind]}")
        where = where if size > room else place + step - room
        found[tag] = Entry(kind, number, bytes(content[where : where + size]))
    return found


def head(directories: Sequence[Directory], big: bool) -> bytes:
    """The beginning of a Cloud-Optimised GeoTIFF up to its tiles: GDAL's note on the layout, then all directories."""
    ghost = f"GDAL_STRUCTURAL_METADATA_SIZE={len(GHOST):06} bytes\n{GHOST}".encode()
    begin = (16 if big else 8) + len(ghost)
    begin += begin % 2
    start = struct.pack("<2sHHHQ", b"II", 43, 8, 0, begin) if big else struct.pack("<2sHI", b"II", 42, begin)
    found = bytearray((start + ghost).ljust(begin, b"\0"))
    for place, directory in enumerate(directories):
        found += _packed(directory, len(found), big, last=place == len(directories) - 1)
    return bytes(found)


def _packed(directory: Directory, begin: int, big: bool, last: bool) -> bytes:
    """A directory and the values that find no room in it, for a place in the file; even, as the next one wants it."""
    room, number, entry, link = (8, "<Q", "<HHQ", "<Q") if big else (4, "<H", "<HHI", "<I")
    table = bytearray(struct.pack(number, len(directory)))
    values, behind = bytearray(), begin + struct.calcsize(number) + len(directory) * (4 + 2 * room) + room
    for tag in sorted(directory):
        item = directory[tag]
        table += struct.pack(entry, tag, item.kind, item.count)
        if len(item.data) <= room:
            table += item.data.ljust(room, b"\0")
        else:
            table += struct.pack(link, behind + len(values))
            values += item.data + b"\0" * (len(item.data) % 2)
    values += b"\0" * ((behind + len(values)) % 2)
    return bytes(table + struct.pack(link, 0 if last else behind + len(values)) + values)
