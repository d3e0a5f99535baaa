import struct
from collections.abc import Callable
from pathlib import Path

import lmdb
import pytest

from satsr.errors import SatsrError
from satsr.store.lmdb_map import open_map
from satsr.store.lmdb_pages import BRANCH, HEADER, KINDS, LEAF, check

PAGE = 4096
BEYOND = 1 << 40


def written(folder: Path, entries: int = 400, size: int = 20) -> Path:
    """An LMDB of so many values, every tenth of which has pages of its own; two levels of keys."""
    with lmdb.open(str(folder), map_size=1 << 26) as env, env.begin(write=True) as transaction:
        for place in range(entries):
            transaction.put(b"clip/%08d" % place, bytes(size if place % 10 else 3 * PAGE))
    return folder / "data.mdb"


def pages(content: bytes, kind: int) -> list[int]:
    """Where the pages of a kind begin, among those of the file's only transaction."""
    places = range(2 * PAGE, len(content), PAGE)
    kinds = [(HEADER.unpack_from(content, place), place) for place in places]
    return [place for header, place in kinds if header[2] & KINDS == kind and header[0] == place // PAGE]


def node(content: bytes, page: int, number: int) -> int:
    return page + int(struct.unpack_from("<H", content, page + HEADER.size + 2 * number)[0])


def roots(content: bytearray, number: int) -> None:
    for meta in (0, PAGE):
        struct.pack_into("<Q", content, meta + HEADER.size + 24 + 48 + 40, number)


def child(content: bytearray, number: int) -> None:
    """The root's second child."""
    (root,) = pages(content, BRANCH)
    struct.pack_into("<HHH", content, node(content, root, 1), number & 0xFFFF, number >> 16 & 0xFFFF, number >> 32)


def long_value(content: bytearray) -> None:
    struct.pack_into("<HH", content, node(content, pages(content, LEAF)[0], 1), 0xFFFF, 0)


def large_value(content: bytearray) -> None:
    struct.pack_into("<HH", content, node(content, pages(content, LEAF)[0], 0), 0, 0xFFFF)


def value_elsewhere(content: bytearray) -> None:
    place = node(content, pages(content, LEAF)[0], 0)
    struct.pack_into("<Q", content, place + 8 + len(b"clip/00000000"), BEYOND)


def key_elsewhere(content: bytearray) -> None:
    struct.pack_into("<H", content, pages(content, LEAF)[0] + HEADER.size, PAGE - 4)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: roots(content, BEYOND),
        lambda content: child(content, BEYOND),
        lambda content: child(content, pages(content, BRANCH)[0] // PAGE),
        lambda content: child(content, pages(content, LEAF)[0] // PAGE),
        long_value,
        large_value,
        value_elsewhere,
        key_elsewhere,
    ],
    ids=["root beyond", "page beyond", "a circle", "a page twice", "long", "large", "value beyond", "key beyond"],
)
def test_pages_that_lead_elsewhere_are_refused_before_they_are_mapped(
    tmp_path: Path, damage: Callable[[bytearray], None]
) -> None:
    path = written(tmp_path / "a")
    content = bytearray(path.read_bytes())
    damage(content)
    path.write_bytes(content)
    with pytest.raises(SatsrError, match=r"data\.mdb cannot be opened \(.*\): copy or make it again"):
        open_map(path.parent)


@pytest.mark.parametrize(("entries", "size"), [(0, 0), (1, 5), (1, 1 << 20), (400, 20), (3000, 1000)])
def test_what_lmdb_writes_is_opened(tmp_path: Path, entries: int, size: int) -> None:
    check(written(tmp_path / "a", entries, size))
    found = open_map(tmp_path / "a")
    assert entries == 0 or len(found.get(b"clip/%08d" % (entries - 1))) in (size, 3 * PAGE)


def test_what_was_written_deleted_and_written_again_is_opened(tmp_path: Path) -> None:
    path = written(tmp_path / "a", 3000, 100)
    with lmdb.open(str(path.parent), map_size=1 << 26) as env:
        for share in (2, 3, 5):
            with env.begin(write=True) as transaction:
                for place in range(0, 3000, share):
                    transaction.delete(b"clip/%08d" % place)
                transaction.put(b"x" * share, bytes(50_000))
    check(path)
    assert len(open_map(path.parent).get(b"xx")) == 50_000
