"""Archives unpacked with suspicion: every entry is judged before a byte of any is written."""

import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from satsr.download.card import Limits
from satsr.errors import SatsrError
from satsr.files import disk_errors, replacing, require_space
from satsr.progress import Bar

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
UNSUPPORTED = (".7z", ".rar", ".tar.zst", ".z01", ".001")
BLOCK = 1 << 20
LISTED = 10
DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    IndexError,  # a name without a letter in a zip
    struct.error,
)


@dataclass(frozen=True)
class _Entry:
    """One plain file of an archive: its path below the target, its size, and what opens it."""

    path: str
    size: int
    member: Any


def is_archive(name: str) -> bool:
    """Whether a file of this name is unpacked.

    Raises:
        SatsrError: it is an archive of a kind that cannot be unpacked here.
    """
    lower = name.lower()
    if lower.endswith(UNSUPPORTED):
        raise SatsrError(
            f"{name} is an archive of a kind that is not unpacked here: unpack it yourself and name the folder as data "
            f"(supported: {', '.join(SUFFIXES)})."
        )
    return lower.endswith(SUFFIXES)


def extract(archive: Path, target: Path, limits: Limits | None = None) -> list[Path]:
    """Unpacks a zip or tar archive into the new folder ``target``, completely or not at all.

    Only plain files and folders are taken; permissions and owners are not. An archive with an absolute path, a ``..``,
    a link, a device, a set-user-id file, an encrypted file, a name twice, or more than ``limits`` allow is refused as a
    whole, before anything is written.

    Returns:
        The files, sorted.

    Raises:
        SatsrError: the archive is refused, damaged, of an unsupported kind, or the disk is too small.
    """
    limits = limits or Limits()
    if not is_archive(archive.name):
        raise SatsrError(f"{archive} is not an archive (supported: {', '.join(SUFFIXES)}).")
    try:
        with _opened(archive) as opened:
            entries = _judged(opened, archive, limits)
            total = sum(entry.size for entry in entries)
            require_space(target.parent, total, f"unpacking {archive.name}")
            with disk_errors(f"unpacking {archive.name}"), replacing(target) as folder:
                folder.mkdir()
                with Bar(f"unpacking {archive.name}", len(entries)) as bar:
                    for entry in entries:
                        _write(opened, entry, folder / entry.path)
                        bar.advance()
    except (*DAMAGED, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the file system; the decompressors raise it without a number
        raise SatsrError(f"{archive} is damaged ({error}): download it again; nothing was unpacked.") from None
    return sorted(target / entry.path for entry in entries)


def _opened(archive: Path) -> zipfile.ZipFile | tarfile.TarFile:
    if archive.name.lower().endswith(".zip"):
        return zipfile.ZipFile(archive)
    if archive.name.lower().endswith(".tar"):
        with archive.open("rb") as handle:
            handle.seek(-min(512, archive.stat().st_size), 2)
            if any(handle.read()):  # cut between two entries, which tarfile takes for the end
                raise tarfile.ReadError("its end is missing")
    return tarfile.open(archive, "r:*")


def _judged(opened: zipfile.ZipFile | tarfile.TarFile, archive: Path, limits: Limits) -> list[_Entry]:
    """The plain files, if there is nothing wrong with any entry."""
    packed = archive.stat().st_size
    files: dict[str, _Entry] = {}
    folders: set[str] = set()
    problems: list[str] = []
    total = 0
    for count, (name, size, kind, member) in enumerate(_members(opened), start=1):
        total += size
        # The limits are looked at while listing: a bomb is not even listed to its end.
        for what, found, allowed in (
            ("entries", count, limits.max_files),
            ("bytes", total, limits.max_bytes),
            ("times its own size", total / max(packed, 1), limits.max_ratio),
        ):
            if found > allowed:
                raise SatsrError(
                    f"{archive} holds more than {allowed:g} {what}, the limit of its card: nothing was unpacked. "
                    "If that is right for this dataset, raise it under limits in the card."
                )
        path = PurePosixPath(name)
        clean = path.as_posix()
        if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or name[1:2] == ":":
            problems.append(f"{name!r} leads out of the target folder")
        elif kind not in ("file", "folder") or (kind == "file" and clean == "."):
            problems.append(f"{name!r} is {kind}")
        elif kind == "folder":
            folders.add(clean)
        elif clean in files:
            problems.append(f"{name!r} occurs twice")
        else:
            files[clean] = _Entry(clean, size, member)
        folders.update(parent.as_posix() for parent in path.parents)
    problems += [f"{name!r} is both a file and a folder" for name in sorted(folders & set(files))]
    if problems:
        more = f" and {len(problems) - LISTED} more" if len(problems) > LISTED else ""
        raise SatsrError(f"{archive} is refused, nothing was unpacked: {'; '.join(problems[:LISTED])}{more}.")
    return list(files.values())


def _members(opened: zipfile.ZipFile | tarfile.TarFile) -> Iterator[tuple[str, int, str, Any]]:
    """Name, size, kind ("file", "folder" or what is wrong) and the entry itself."""
    if isinstance(opened, zipfile.ZipFile):
        for info in opened.infolist():
            yield info.orig_filename, info.file_size, _zip_kind(info), info
        return
    for member in opened:
        if member.isdir():
            kind = "folder"
        elif not member.isreg() or member.issparse():
            kind = "a link, a device or another special file"
        else:
            kind = "a set-user-id file" if member.mode & (stat.S_ISUID | stat.S_ISGID) else "file"
        yield member.name, member.size, kind, member


def _zip_kind(info: zipfile.ZipInfo) -> str:
    mode = info.external_attr >> 16
    if info.flag_bits & 1:
        return "encrypted"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "a link, a device or another special file"
    if info.is_dir():
        return "folder"
    return "a set-user-id file" if mode & (stat.S_ISUID | stat.S_ISGID) else "file"


def _write(opened: zipfile.ZipFile | tarfile.TarFile, entry: _Entry, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    source: IO[bytes] | None
    source = opened.open(entry.member) if isinstance(opened, zipfile.ZipFile) else opened.extractfile(entry.member)
    if source is None:
        raise ValueError(f"{entry.path} has no content")
    left = entry.size
    with source, path.open("wb") as handle:
        while block := source.read(min(BLOCK, left) or 1):
            left -= len(block)
            if left < 0:
                raise ValueError(f"{entry.path} is longer than the archive says")
            handle.write(block)
    if left:
        raise ValueError(f"{entry.path} is shorter than the archive says")
