"""The download stage: whatever a card's source is, it ends as a folder with ``raw.json``, or not at all.

``raw.json`` says where the files lie, and every file's size and SHA-256; files of the user's own are listed there, not
copied.
"""

import fnmatch
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from satsr.download.archive import extract, is_archive
from satsr.download.card import Card, Embedded, Manual, RemoteFile, Zenodo
from satsr.download.drawn import probav, series, video
from satsr.download.fetch import Patience, fetch
from satsr.errors import SatsrError
from satsr.files import disk_errors, read_json, replacing, sha256, write_json
from satsr.locks import locked
from satsr.progress import track
from satsr.store.raw import RAW, Raw, read_raw, walked

ZENODO = "https://zenodo.org/api/records"
SCENES: dict[str, Callable[[Path, Embedded], None]] = {
    "video": video.write_scenes,
    "series": series.write_scenes,
    "probav": probav.write_scenes,
}
"""Kind of embedded scenes -> what writes their files."""


def download(
    card: Card, raw: Path, *, base: Path | None = None, patience: Patience | None = None, zenodo: str = ZENODO
) -> Raw:
    """Makes the folder ``raw`` from a card: scenes drawn, files fetched and unpacked, or the user's files listed.

    The folder is complete or as it was before. Half-fetched files wait beside it and are continued the next time; what
    was fetched for the same card and still has its checksums is kept.

    Args:
        card: the dataset.
        raw: the folder to make.
        base: what the card's relative paths count from (the project's root); the working directory by default.
        patience: attempts and pauses of downloads.
        zenodo: address of the Zenodo API.

    Returns:
        What ``raw.json`` says.

    Raises:
        SatsrError: a source that is missing, refused, damaged or empty.
    """
    source = card.source
    base = base or Path()
    with disk_errors(f"downloading {card.name}"), locked(raw):
        if (source.urls or source.zenodo) and (kept := _kept(card, raw)):
            return kept
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
                _draw(folder, source.embedded)
            elif files:
                _unpack(files, waiting, folder, card)
            else:
                root = source.files.path if source.files is not None else _manual(source.manual, base)
            found = folder if root == "." else base / Path(root).expanduser()
            result = Raw(root, card.plain(), card.sha256, _listing(found))
            write_json(folder / RAW, asdict(result))
        for file in files:
            (waiting / file.name).unlink(missing_ok=True)
        if waiting.is_dir() and not any(waiting.iterdir()):
            waiting.rmdir()
    return result


def _kept(card: Card, raw: Path) -> Raw | None:
    """What is there already, if it was fetched for this card and nothing of it was changed since."""
    if not (raw / RAW).is_file():
        return None
    content = read_raw(raw)
    return content if content.card_sha256 == card.sha256 and content.files == _listing(raw) else None


def zenodo_files(source: Zenodo, folder: Path, patience: Patience | None, api: str = ZENODO) -> tuple[RemoteFile, ...]:
    """The files of a Zenodo record with the sizes and checksums that Zenodo states.

    Raises:
        SatsrError: Zenodo cannot be reached, or the record has no such files.
    """
    answer = folder / f"zenodo-{source.record}.json"
    answer.unlink(missing_ok=True)
    content = read_json(fetch([f"{api}/{source.record}"], answer, patience=patience))
    answer.unlink()
    look = f"look at https://zenodo.org/records/{source.record}."
    try:
        listed = {str(entry["key"]): entry for entry in content.get("files") or []}
        wanted = [name for name in listed if any(fnmatch.fnmatch(name, pattern) for pattern in source.files)]
        chosen = tuple(_listed(listed[name]) for name in wanted)
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # pydantic's errors are ValueErrors
        reason = " ".join(str(error).split())[:200]
        raise SatsrError(
            f"what Zenodo says of record {source.record} is not understood ({type(error).__name__}: {reason}): {look}"
        ) from None
    if not chosen:
        names = ", ".join(listed) or "no open files"
        raise SatsrError(
            f"Zenodo record {source.record} has no file that matches {', '.join(source.files)} (it lists {names}): "
            f"{look}"
        )
    return chosen


def _listed(entry: dict[str, Any]) -> RemoteFile:
    """A file as Zenodo lists it."""
    checksum = entry["checksum"] if ":" in entry["checksum"] else f"md5:{entry['checksum']}"
    return RemoteFile(name=entry["key"], urls=(entry["links"]["self"],), checksum=checksum, size=entry["size"])


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


def _draw(folder: Path, source: Embedded) -> None:
    if source.kind not in SCENES:
        raise SatsrError(f"no embedded scenes are called {source.kind!r}: there are {', '.join(sorted(SCENES))}.")
    SCENES[source.kind](folder, source)


def _listing(root: Path) -> list[dict[str, Any]]:
    if not root.exists():
        raise SatsrError(f"the data folder {root} does not exist: look at the path in params.yaml or in the card.")
    files = walked(root)
    if not files:
        raise SatsrError(f"the data folder {root} is empty: put frames or videos into it, or name another one.")
    return [
        {"path": path, "bytes": size, "sha256": sha256(file)}
        for path, size, file in track(files, "hashing files", len(files))
    ]
