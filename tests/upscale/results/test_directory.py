"""Directories of a TIFF come back as they were written."""

import struct

import pytest

from satsr.upscale.results.directory import LONG, LONG8, Entry, head, read


@pytest.mark.parametrize("big", [False, True])
def test_what_is_written_is_read_again(big):
    first = {256: Entry.of(LONG, 700), 270: Entry(2, 9, b"odd text\0"), 324: Entry.of(LONG, *range(40))}
    second = {256: Entry.of(LONG, 350), 324: Entry.of(LONG8 if big else LONG, 12345)}
    content = memoryview(head([first, second], big))
    assert read(content) == first and read(content)[324].numbers == tuple(range(40))
    assert len(content) % 2 == 0 and content[2] == (43 if big else 42)


@pytest.mark.parametrize("big", [False, True])
def test_each_directory_leads_to_the_next_and_the_last_to_none(big):
    content = head([{256: Entry.of(LONG, side)} for side in (700, 350, 175)], big)
    link, table = ("<Q", 8 + 20) if big else ("<I", 2 + 12)
    (place,) = struct.unpack_from(link, content, 8 if big else 4)
    for _ in range(3):
        assert place and place % 2 == 0
        (place,) = struct.unpack_from(link, content, place + table)
    assert place == 0
