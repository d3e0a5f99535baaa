"""Whether the pages of an LMDB file lead to each other and nowhere else: LMDB itself believes what they say.

A page number or a length that points beyond the file would end the process (SIGBUS), a page that leads back to itself
would keep it for ever. What is read here are the pages of keys; values are not touched.
"""

from pathlib import Path
from struct import Struct, error
from typing import BinaryIO

from satsr.errors import SatsrError

HEADER = Struct("<QHHHH")  # page number, padding, kind, end of the offsets, begin of the nodes
META = Struct("<II16xIHHQQQQQIHHQQQQQQQ")  # after the header: format, two databases, last page, transaction
NODE = Struct("<HHHH")  # two halves of a length, flags or a third part of a page number, length of the key
BRANCH, LEAF, OVERFLOW, KINDS = 1, 2, 4, 0x6F
BIG = 1
NOWHERE = (1 << 64) - 1
DEEPEST = 32
"""Levels that LMDB can walk down."""


def check(path: Path) -> None:
    """Walks through all pages that hold keys, each of which is read once.

    Raises:
        SatsrError: the file is cut off, damaged, or uses what no writer of plain keys and values does.
    """
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            page, last, root, depth = _meta(file)
            if (last + 1) * page > size:
                raise SatsrError(f"{path} is cut off after {size} bytes: copy or make it again.")
            _walk(file, page, last, root, depth)
    except (ValueError, error) as problem:
        raise SatsrError(f"{path} cannot be opened ({problem}): copy or make it again.") from None


def _meta(file: BinaryIO) -> tuple[int, int, int, int]:
    """Bytes of a page, number of the last page, the root's and the depth, by the newer of both first pages."""
    newest, pages = (-1, 0, 0, 0, 0), [0]
    for _ in range(2):
        file.seek(pages[-1] + HEADER.size)
        magic, version, page, *_, flags, depth, _, _, _, _, root, last, transaction = META.unpack(file.read(META.size))
        if magic != 0xBEEFC0DE or version != 1 or page not in (1 << power for power in range(9, 17)) or flags:
            raise ValueError("its first pages are not LMDB's")
        pages.append(page)
        if transaction > newest[0]:
            newest = (transaction, page, last, root, depth)
    if pages[1] != pages[2]:
        raise ValueError("its first pages contradict each other")
    return newest[1:]


def _walk(file: BinaryIO, page: int, last: int, root: int, depth: int) -> None:
    """Looks at every page below the root.

    Raises:
        ValueError: one of them says what cannot be.
    """
    if root == NOWHERE:
        return
    if depth > DEEPEST:
        raise ValueError(f"its keys lie {depth} pages deep")
    seen, waiting = set(), [(root, 1)]
    while waiting:
        number, level = waiting.pop()
        if not 1 < number <= last or number in seen or level > depth:
            raise ValueError(f"page {number} cannot be what another one leads to")
        seen.add(number)
        file.seek(number * page)
        content = file.read(page)
        own, _, kind, lower, upper = HEADER.unpack_from(content)
        inner = level < depth
        if own != number or kind & KINDS != (BRANCH if inner else LEAF) or not HEADER.size <= lower <= upper <= page:
            raise ValueError(f"page {number} is not what it should be")
        places = Struct(f"<{(lower - HEADER.size) // 2}H").unpack_from(content, HEADER.size)
        if len(places) < 1 + inner:
            raise ValueError(f"page {number} is empty")
        for place in places:
            low, high, flags, key = NODE.unpack_from(content, place)
            begin = place + NODE.size + key
            if place < upper or begin > page:
                raise ValueError(f"page {number} has a key that is not in it")
            if inner:
                waiting.append((low | high << 16 | flags << 32, level + 1))
            else:
                _value(file, content, begin, low | high << 16, flags, last)


def _value(file: BinaryIO, content: bytes, begin: int, length: int, flags: int, last: int) -> None:
    """Looks whether a value lies in its page, or in pages of its own.

    Raises:
        ValueError: it does not.
    """
    if flags not in (0, BIG):
        raise ValueError("it holds more than keys and values")
    if flags == 0:
        if begin + length > len(content):
            raise ValueError("a value is longer than its page")
        return
    first = int.from_bytes(content[begin : begin + 8], "little")
    if begin + 8 > len(content) or first < 2 or first + (HEADER.size + length - 1) // len(content) > last:
        raise ValueError("a value is longer than the file")
    file.seek(first * len(content))
    if HEADER.unpack(file.read(HEADER.size))[2] & KINDS != OVERFLOW:
        raise ValueError("a value is where there is none")
