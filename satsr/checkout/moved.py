"""Absolute paths that MLflow and ZenML keep, brought along when a checkout was moved or copied.

Both write where their files lie into their databases, from the root of the disk. What points into the checkout's former
place, where the same file lies in the present one, is made to point here. Artifacts that somebody keeps elsewhere are
left alone.
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from satsr.errors import SatsrError
from satsr.files import write_text
from satsr.locks import held_in

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

    Files come first and the databases after them, so that a former root is still known after a kill in between.

    Raises:
        OSError: a file cannot be written.
        sqlite3.Error: a database cannot be written.
        SatsrError: another process works in this checkout, perhaps as it is seen from its former root.
    """
    places = former(root)
    if places and (busy := held_in(root / "scratch")):
        raise SatsrError(
            f"{_told(places)}, and another process is at work in it ({busy[0].relative_to(root)}): when that has "
            "ended, satsr doctor --mend makes MLflow's and ZenML's paths lead here."
        )
    for place in places:
        for path in sorted(root.glob("mlruns/*/models/*/artifacts/MLmodel")):
            _edit(path, _text(path), place, root)
        for database in DATABASES:
            _rewrite(root, database, place)
        _edit(root / CONFIG, _plain(_text(root / CONFIG)), place, root)
    return places


def follow(root: Path) -> str:
    """As :func:`bring`; a sentence that says so, or why it was not done; empty where there is nothing to do."""
    try:
        places = bring(root)
    except SatsrError as error:
        return str(error)
    except (OSError, sqlite3.Error):  # of another user, or damaged: `satsr doctor` tells
        return ""
    return f"{_told(places)}: the paths that MLflow and ZenML keep now lead to {root}" if places else ""


def notice(root: Path) -> str:
    """For those who only read: that MLflow looks elsewhere; empty where it does not."""
    with suppress(OSError, sqlite3.Error):
        if places := former(root):
            return f"{_told(places)}, and MLflow still looks there: satsr doctor --mend makes its paths lead here"
    return ""


def present(path: Path, root: Path) -> Path:
    """Where a file of MLflow's lies now: as :func:`bring` would have it, for those who only read.

    Args:
        path: as MLflow's database has it.
        root: of the checkout.
    """
    mark = f"/{DATABASES[0].inside}/"
    place, found, rest = str(path).partition(mark)
    here = root / DATABASES[0].inside / rest
    return here if found and Path(place) != root and here.exists() and _left(Path(place), root) else path


def _told(places: list[str]) -> str:
    return f"this checkout was at {', '.join(places)}"


def _edit(path: Path, text: str, place: str, root: Path) -> None:
    """Writes the text of a file with the present root instead of a former one, in paths and in addresses."""
    inside = "|".join(re.escape(database.inside) for database in DATABASES)
    known = f"{re.escape(quote(place))}|{re.escape(place)}"

    def here(found: re.Match[str]) -> str:
        return found[1] + (quote(str(root)) if found[1] == "file://" else str(root))

    changed = re.sub(rf"""(?<![^\s'"])(file://|sqlite:///|)(?:{known})(?=/(?:{inside})/)""", here, text)
    if path.is_file() and changed != _text(path):
        write_text(path, changed)


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
