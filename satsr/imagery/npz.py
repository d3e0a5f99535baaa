"""NumPy archives (.npz), read with suspicion: what an array claims to hold is checked before memory is taken for it."""

import lzma
import struct
import zlib
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
import numpy.typing as npt

from satsr.errors import SatsrError

MAX_BYTES = 4 << 30
SUFFIX = ".npy"
DAMAGED = (
    *(BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError),
    *(ValueError, LookupError, OverflowError, TypeError, NotImplementedError, RuntimeError),
)
"""What the readers below raise on bytes that are no archive, or on names that are none."""


def read_arrays(path: Path, known: Sequence[str] = ()) -> dict[str, npt.NDArray[Any]]:
    """The arrays of an archive by name.

    Args:
        path: of the archive.
        known: names that are read alone, if one of them is there; all arrays otherwise.

    Raises:
        SatsrError: the archive is damaged, holds pickled objects, or more than :data:`MAX_BYTES`.
    """
    try:
        with ZipFile(path) as archive:
            names = [member.removesuffix(SUFFIX) for member in archive.namelist() if member.endswith(SUFFIX)]
            names = [name for name in known if name in names] or names
            claimed = sum(_claim(archive, name, path) for name in names)
        if claimed > MAX_BYTES:
            raise SatsrError(
                f"{path} says it holds {claimed / 1e9:.1f} GB of arrays, more than the limit of {MAX_BYTES / 1e9:.1f} "
                "GB: it was not opened. Divide it into several archives."
            )
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in names}
    except DAMAGED as error:
        raise SatsrError(f"{path} cannot be read as a NumPy archive ({error}): copy or make it again.") from None


def _claim(archive: ZipFile, name: str, path: Path) -> int:
    """Bytes that an array says it has, which must be those that are packed.

    Raises:
        SatsrError: they are not.
    """
    info = archive.getinfo(name + SUFFIX)
    with archive.open(info) as member:
        major, _ = np.lib.format.read_magic(member)
        read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
        shape, _, kind = read(member)
        claimed = prod(shape) * kind.itemsize
        if not kind.hasobject and claimed != info.file_size - member.tell():
            raise SatsrError(
                f"{path} is damaged: its array {name} of {kind} {shape} needs {claimed} bytes, but "
                f"{info.file_size - member.tell()} are packed. Copy or make it again."
            )
    return claimed
