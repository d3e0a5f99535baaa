"""Absolute paths that MLflow and ZenML keep, brought along when a checkout was moved or copied.

Both write where their files lie into their databases, from the root of the disk. What points into the checkout's former
place, where the same file lies in the present one, is made to point here. Artifacts that somebody keeps elsewhere are
left alone.
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

WAIT_SECONDS = 30.0
CONFIG = Path(".zenml/config.yaml")


@dataclass(frozen=True)
class Database:
    """A database in the checkout.

    Attributes:
        file: relative to the root.
        inside: the folder of the checkout to which the paths lead.
        columns: table and column of each path, or address that begins with ``file://``.
    """

    file: Path
    inside: str
    columns: tuple[tuple[str, str], ...]


DATABASES = (
    Database(
        Path("mlflow.db"),
        "mlruns",
        (
            ("experiments", "artifact_location"),
            ("runs", "artifact_uri"),
            ("logged_models", "artifact_location"),
            ("model_versions", "storage_location"),
            ("model_versions", "source"),
        ),
    ),
    Database(
        Path(".zenml/local_stores/default_zen_store/zenml.db"),
        ".zenml",
        (("artifact_version", "uri"), ("artifact_visualization", "uri"), ("logs", "uri")),
    ),
)


def former(root: Path) -> list[str]:
    """The roots, other than ``root``, from which its databases and ZenML's configuration still name files."""
    found = {place for database in DATABASES for place in _named(root, database)}
    found |= _configured(root)
    return sorted(place for place in found if place != str(root) and _left(Path(place), root))


def bring(root: Path) -> list[str]:
    """Makes these paths lead into ``root``; the former roots.

    Raises:
        OSError: a file cannot be written.
        sqlite3.Error: a database cannot be written.
    """
    places = former(root)
    for place in places:
        for database in DATABASES:
            _rewrite(root, database, place)
        for path in (root / CONFIG, *sorted(root.glob("mlruns/*/models/*/artifacts/MLmodel"))):
            text = _plain(_text(path)) if path == root / CONFIG else _text(path)
            if place in text:
                path.write_text(re.sub(rf"{re.escape(place)}(?=/(?:\.zenml|mlruns)\b)", str(root), text), "utf-8")
    return places


def _configured(root: Path) -> set[str]:
    """The root that ZenML's configuration names."""
    return set(re.findall(r"sqlite:///(/.*)/\.zenml/local_stores/", _plain(_text(root / CONFIG))))


def _plain(text: str) -> str:
    """YAML whose quoted strings are neither folded nor escaped, as ZenML writes paths with spaces and umlauts."""
    unfolded = re.sub(r"\\\n\s*\\?", "", text)
    return re.sub(r"\\(?:x([0-9A-F]{2})|u([0-9A-F]{4}))", lambda found: chr(int(found[1] or found[2], 16)), unfolded)


def _left(place: Path, root: Path) -> bool:
    """Whether the checkout was moved from there, or is a copy of the one there."""
    try:
        return not place.exists() or (place / "dvc.yaml").is_file()
    except OSError:  # a folder of another user
        return True


def _named(root: Path, database: Database) -> Iterator[str]:
    """The roots in the paths of a database, of paths that are found below ``root`` now."""
    mark = f"/{database.inside}/"
    looked = {str(root)}
    with closing(_open(root / database.file, "ro")) as connection:
        for table, column in _existing(connection, database):
            asked = f"SELECT DISTINCT {column} FROM {table} WHERE instr({column}, ?)"  # noqa: S608  # our own names
            for (address,) in connection.execute(asked, (mark,)):
                place, _, rest = unquote(address.removeprefix("file://")).partition(mark)
                if place.startswith("/") and place not in looked and (root / database.inside / rest).exists():
                    looked.add(place)
                    yield place


def _rewrite(root: Path, database: Database, place: str) -> None:
    with closing(_open(root / database.file, "rw")) as connection, connection:
        for table, column in _existing(connection, database):
            for old, new in ((place, str(root)), (f"file://{quote(place)}", f"file://{quote(str(root))}")):
                begin = f"{old}/{database.inside}/"
                changed = f"{column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?"
                values = (new, len(old) + 1, len(begin), begin)
                connection.execute(f"UPDATE {table} SET {changed}", values)  # noqa: S608  # our own names


def _existing(connection: sqlite3.Connection, database: Database) -> list[tuple[str, str]]:
    """The columns that this version of the tool has; the names are of :data:`DATABASES` alone."""
    asked = "SELECT 1 FROM pragma_table_info(?) WHERE name = ?"
    return [pair for pair in database.columns if connection.execute(asked, pair).fetchone()]


def _open(path: Path, mode: str) -> sqlite3.Connection:
    if not path.is_file():
        return sqlite3.connect(":memory:")
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode={mode}", uri=True, timeout=WAIT_SECONDS)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
