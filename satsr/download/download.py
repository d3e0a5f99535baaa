"""The download stage: whatever a card's source is, it ends as a folder with ``raw.json``, or not at all.

``raw.json`` says which reader the files are for, where they lie, and every file's size and SHA-256; files of the
user's own are listed there, not copied.
"""

import fnmatch
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from satsr.convert.guess import guess
from satsr.convert.layouts.frames import files_below
from satsr.download.archive import extract, is_archive
from satsr.download.card import Card, Embedded, Manual, RemoteFile, Zenodo
from satsr.download.fetch import Patience, fetch
from satsr.errors import SatsrError
from satsr.files import disk_errors, read_json, replacing, sha256, write_json
from satsr.locks import locked, remove_stale
from satsr.progress import track

RAW = "raw.json"
ZENODO = "https://zenodo.org/api/records"
IGNORED = ("lock.mdb", "Thumbs.db", "desktop.ini", RAW)
# kind of embedded scenes -> "module:function"; function(folder, source) writes the files
SCENES = {
    "video": "satsr.download.drawn.video:write_scenes",
    "series": "satsr.download.drawn.series:write_scenes",
    "probav": "satsr.download.drawn.probav:write_scenes",
}
Painter = Callable[[Path, Embedded], None]


@dataclass(frozen=True)
class Raw:
    """What ``raw.json`` says.

    Attributes:
        reader: the layout, a key of :data:`satsr.convert.layouts.frames.LAYOUTS`.
        root: "." for files inside the folder itself, else the user's path as given.
        card: the dataset card as plain values.
        card_sha256: its digest.
        files: path (relative to the root), bytes and sha256 of each file, sorted.
    """

    reader: str
    root: str
    card: dict[str, Any]
    card_sha256: str
    files: list[dict[str, Any]]

    @property
    def bytes(self) -> int:
        """Total size of the files."""
        return sum(entry["bytes"] for entry in self.files)


def download(
    card: Card, raw: Path, *, base: Path | None = None, patience: Patience | None = None, zenodo: str = ZENODO
) -> Raw:
    """Makes the folder ``raw`` from a card: scenes drawn, files fetched and unpacked, or the user's files listed.

    The folder is complete or as it was before. Half-fetched files wait beside it and are continued the next time.

    Args:
        card: the dataset.
        raw: the folder to make.
        base: what the card's relative paths count from (the project's root); the working directory by default.
        patience: attempts and pauses of downloads.
        zenodo: address of the Zenodo API.

    Returns:
        What ``raw.json`` says.

    Raises:
        SatsrError: a source that is missing, refused, damaged or empty, or files that no reader understands.
    """
    source = card.source
    base = base or Path()
    with disk_errors(f"downloading {card.name}"), locked(raw):
        remove_stale(raw)
        waiting = raw.parent / f".{raw.name}.parts"
        files = source.urls or ()
        if source.zenodo is not None:
            files = zenodo_files(source.zenodo, waiting, patience, zenodo)
        for file in files:
            is_archive(file.name)  # refuses what cannot be unpacked before it is downloaded
            fetch(file.urls, waiting / file.name, checksum=file.checksum, size=file.size, patience=patience)
        with replacing(raw) as folder:
            folder.mkdir()
            root = "."
            if source.embedded is not None:
                _painter(source.embedded.kind)(folder, source.embedded)
            elif files:
                _unpack(files, waiting, folder, card)
            else:
                root = source.files.path if source.files is not None else _manual(source.manual, base)
            found = folder if root == "." else base / Path(root).expanduser()
            layout = guess(found) if card.layout == "auto" else card.layout
            result = Raw(layout, root, card.plain(), card.sha256, _listing(found))
            write_json(folder / RAW, asdict(result))
        for file in files:
            (waiting / file.name).unlink(missing_ok=True)
        if waiting.is_dir() and not any(waiting.iterdir()):
            waiting.rmdir()
    return result


def read_raw(raw: Path) -> Raw:
    """What ``raw.json`` of a finished download says.

    Raises:
        SatsrError: the folder is missing or incomplete.
    """
    if not (raw / RAW).is_file():
        raise SatsrError(f"{raw} holds no finished download (no {RAW}): run the download stage.")
    content = read_json(raw / RAW)
    try:
        return Raw(**content)
    except TypeError:
        raise SatsrError(f"{raw / RAW} was written by another version: run the download stage again.") from None


def raw_root(raw: Path, content: Raw, base: Path | None = None) -> Path:
    """Where the files of a download lie, after a look whether they are all there with the sizes listed.

    Raises:
        SatsrError: files were removed, added or changed since the download; the message names them.
    """
    root = raw if content.root == "." else (base or Path()) / Path(content.root).expanduser()
    now = {path: size for path, size, _ in _walk(root)} if root.exists() else {}
    listed = {entry["path"]: entry["bytes"] for entry in content.files}
    changed = sorted(path for path in now.keys() | listed.keys() if now.get(path) != listed.get(path))
    if changed:
        raise SatsrError(
            f"{len(changed)} files in {root} were added, removed or changed since the download stage, for instance "
            f"{', '.join(changed[:5])}: run it again."
        )
    return root


def zenodo_files(source: Zenodo, folder: Path, patience: Patience | None, api: str = ZENODO) -> tuple[RemoteFile, ...]:
    """The files of a Zenodo record with the sizes and checksums that Zenodo states.

    Raises:
        SatsrError: Zenodo cannot be reached, or the record has no such files.
    """
    answer = folder / f"zenodo-{source.record}.json"
    answer.unlink(missing_ok=True)
    content = read_json(fetch([f"{api}/{source.record}"], answer, patience=patience))
    answer.unlink()
    listed = content.get("files") if isinstance(content, dict) else None
    chosen = []
    for entry in listed or []:
        if any(fnmatch.fnmatch(entry["key"], pattern) for pattern in source.files):
            checksum = entry["checksum"] if ":" in entry["checksum"] else f"md5:{entry['checksum']}"
            chosen.append(
                RemoteFile(name=entry["key"], urls=(entry["links"]["self"],), checksum=checksum, size=entry["size"])
            )
    if not chosen:
        names = ", ".join(entry["key"] for entry in listed or []) or "no open files"
        raise SatsrError(
            f"Zenodo record {source.record} has no file that matches {', '.join(source.files)} (it lists {names}): "
            f"look at https://zenodo.org/records/{source.record}."
        )
    return tuple(chosen)


def _unpack(files: tuple[RemoteFile, ...], waiting: Path, folder: Path, card: Card) -> None:
    for file in files:
        if is_archive(file.name):
            inside = folder if len(files) == 1 else folder / file.name.split(".")[0]
            if inside == folder:
                folder.rmdir()
            extract(waiting / file.name, inside, card.limits)
        else:
            (waiting / file.name).replace(folder / file.name)


def _manual(source: Manual | None, base: Path) -> str:
    assert source is not None  # a source is exactly one of its five kinds
    folder = base / Path(source.where).expanduser()
    if not folder.is_dir() or not any(folder.iterdir()):
        raise SatsrError(
            f"these data must be fetched by hand: {source.how} Put them into {folder} ({source.size}), so that it "
            f"holds {source.expected}; then run the download stage again."
        )
    return source.where


def _painter(kind: str) -> Painter:
    if kind not in SCENES:
        raise SatsrError(f"no embedded scenes are called {kind!r}: there are {', '.join(sorted(SCENES))}.")
    module, name = SCENES[kind].split(":")
    painter: Painter = getattr(import_module(module), name)
    return painter


def _listing(root: Path) -> list[dict[str, Any]]:
    if not root.exists():
        raise SatsrError(f"the data folder {root} does not exist: look at the path in params.yaml or in the card.")
    files = _walk(root)
    if not files:
        raise SatsrError(f"the data folder {root} is empty: put frames or videos into it, or name another one.")
    return [
        {"path": path, "bytes": size, "sha256": sha256(file)}
        for path, size, file in track(files, "hashing files", len(files))
    ]


def _walk(root: Path) -> list[tuple[str, int, Path]]:
    """Path relative to the root, size and the file itself, sorted."""
    if root.is_file():
        return [(root.name, root.stat().st_size, root)]
    files = [file for file in files_below(root) if file.name not in IGNORED]
    return sorted((file.relative_to(root).as_posix(), file.stat().st_size, file) for file in files)
