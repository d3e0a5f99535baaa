"""``raw.json``: what the download stage hands to the conversion. Which files there are, and where they lie."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from satsr.errors import SatsrError, listed
from satsr.files import files_below, read_json, sha256

RAW = "raw.json"
CARD = "card.yaml"
"""The dataset card that lies among the files that it describes."""
IGNORED = ("lock.mdb", "Thumbs.db", "desktop.ini", CARD, RAW)


@dataclass(frozen=True)
class Raw:
    """What ``raw.json`` says.

    Attributes:
        root: "." for files inside the folder itself, else the user's path as given.
        card: the dataset card as plain values.
        card_sha256: its digest.
        files: path (relative to the root), bytes and sha256 of each file, sorted.
    """

    root: str
    card: dict[str, Any]
    card_sha256: str
    files: list[dict[str, Any]]

    @property
    def bytes(self) -> int:
        """Total size of the files."""
        return sum(entry["bytes"] for entry in self.files)


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
    """Where the files of a download lie, after a look whether they are all there and are those that were listed.

    Files that were saved since the listing are hashed; of the others their size is enough.

    Raises:
        SatsrError: files were removed, added or changed since the download; the message names them.
    """
    root = raw if content.root == "." else (base or Path()) / Path(content.root).expanduser()
    since = (raw / RAW).stat().st_mtime_ns
    now = {path: (size, file) for path, size, file in walked(root)} if root.exists() else {}
    listed = {entry["path"]: entry for entry in content.files}
    changed = [path for path in now.keys() & listed.keys() if _altered(*now[path], listed[path], since)]
    changed = sorted([*changed, *(now.keys() ^ listed.keys())])
    if changed:
        raise SatsrError(
            f"{len(changed)} files in {root} were added, removed or changed since the download stage, for instance "
            f"{', '.join(changed[:5])}: run it again."
        )
    return root


def _altered(size: int, file: Path, entry: dict[str, Any], since: int) -> bool:
    """Whether a file has another size than is listed, or was saved since and has other bytes."""
    return size != entry["bytes"] or (file.stat().st_mtime_ns >= since and sha256(file) != entry["sha256"])


def walked(root: Path) -> list[tuple[str, int, Path]]:
    """Path relative to the root, size and the file itself, sorted.

    Raises:
        SatsrError: links that lead nowhere; all are listed.
    """
    if root.is_file():
        return [(root.name, root.stat().st_size, root)]
    files = [file for file in files_below(root) if file.name not in IGNORED]
    dangling = [f"{file} -> {file.readlink()}" for file in sorted(files) if not file.exists()]
    if dangling:
        raise SatsrError(listed(f"links in {root} lead nowhere: mend or remove them", dangling))
    return sorted((file.relative_to(root).as_posix(), file.stat().st_size, file) for file in files)
