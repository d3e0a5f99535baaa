"""The bytes of an ONNX file, checked before anything reads them: one piece, and nothing outside of it.

Only the outline of the protocol buffer is read, without the package onnx: which message lies in which, and whether a
tensor is said to be elsewhere (https://github.com/onnx/onnx, onnx/onnx.proto; https://protobuf.dev, encoding).
"""

from collections.abc import Iterator
from pathlib import Path

from satsr.errors import SatsrError

MAX_BYTES = 1 << 31
MAX_DEPTH = 100
"""Messages inside each other, as protocol buffers are read elsewhere too."""
VARINT, EIGHT, LENGTH, FOUR = 0, 1, 2, 5
INSIDE: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
"""Messages that may hold tensors, by the number of their field."""
EXTERNAL_DATA, DATA_LOCATION = 13, 14
"""Fields of a tensor."""
Field = tuple[int, int | memoryview]


def whole(path: Path) -> bytes:
    """The bytes of a graph that needs no other file.

    Raises:
        SatsrError: the file is missing, damaged or too large, or refers to other files.
    """
    if not path.is_file():
        raise SatsrError(f"there is no model file {path}: name a file, or a registered model such as rasvsr@champion.")
    if path.stat().st_size >= MAX_BYTES:
        raise SatsrError(
            f"{path} has {path.stat().st_size / 1e9:.1f} GB: an ONNX file of one piece has less than 2 GB."
        )
    content = path.read_bytes()
    try:
        elsewhere = _elsewhere(memoryview(content), "model", 0)
    except ValueError as error:
        raise SatsrError(f"{path} is not an ONNX file ({error}): fetch it again.") from None
    if elsewhere:
        raise SatsrError(
            f"{path} keeps its weights in other files, which could be any file of this computer, so it was refused: "
            "export it again as one file (external_data=False)."
        )
    return content


def _elsewhere(message: memoryview, kind: str, depth: int) -> bool:
    """Whether a tensor in a message says that its numbers lie in another file.

    Raises:
        ValueError: the bytes are no such message.
    """
    if depth > MAX_DEPTH:
        raise ValueError(f"more than {MAX_DEPTH} messages lie in each other")
    found = False
    for number, value in _fields(message):
        if kind == "tensor":
            found |= number == EXTERNAL_DATA or (number == DATA_LOCATION and value != 0)
        elif isinstance(value, memoryview) and number in INSIDE[kind]:
            found |= _elsewhere(value, INSIDE[kind][number], depth + 1)
    return found


def _fields(message: memoryview) -> Iterator[Field]:
    """Number and value of each field; nothing is copied."""
    place = 0
    while place < len(message):
        key, place = _number(message, place)
        wire, value = key & 7, 0
        if wire == VARINT:
            value, place = _number(message, place)
        elif wire in (EIGHT, FOUR):
            place += 8 if wire == EIGHT else 4
        elif wire == LENGTH:
            length, place = _number(message, place)
            yield key >> 3, message[place : place + length]
            place += length
        if wire not in (VARINT, EIGHT, LENGTH, FOUR) or key >> 3 == 0 or place > len(message):
            raise ValueError(f"the field {key >> 3} cannot be read")
        if wire != LENGTH:
            yield key >> 3, value


def _number(message: memoryview, place: int) -> tuple[int, int]:
    """A number of seven bits a byte, and the place behind it."""
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(message):
            raise ValueError("it ends in the middle of a number")
        byte, place = message[place], place + 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
    raise ValueError("a number is too long")
