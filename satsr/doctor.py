"""``satsr doctor``: what a move, another user, a killed run or another version left of this checkout, and its repair.

What is fine is a line; what is not is a sentence that ends with the fix. What can be repaired without the network, and
without touching anything that a person made, has a repair of its own.
"""

import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import satsr
from satsr import project
from satsr.checkout import lent, lockfile, marks, moved
from satsr.errors import SatsrError
from satsr.setup import setup
from satsr.tracking import DATABASE, local, uri
from satsr.tracking.reading import REVISION

MEND = "`satsr doctor --mend` repairs it."
WRITTEN = (DATABASE, "mlruns", ".zenml", ".zen", ".dvc", "data", "results", "scratch", "params.yaml", "dvc.lock")
"""What runs write to."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: a word.
        words: how it is; where it is not fine, a sentence with its fix.
        fine: whether it is.
        mend: repairs it, where that can be done; a text that it returns is said besides.
        state: the word before it; by default ``ok`` or ``WRONG``.
    """

    name: str
    words: str
    fine: bool = True
    mend: Callable[[], object] | None = None
    state: str = ""

    def __str__(self) -> str:
        return f"{self.state or ('ok' if self.fine else 'WRONG'):<6} {self.name:<11} {self.words}"


Look = Callable[[Path], Finding]


def doctor(root: Path, mend: bool = False, *looks: Look) -> Iterator[Finding]:
    """The findings; with ``mend`` what can be repaired is, and looked at again.

    Args:
        root: of the checkout.
        mend: whether to repair.
        looks: what to look at; by default everything, in the order in which it is repaired.
    """
    for look in looks or (environment, library, packages, user, git, paths, databases, folders, params, lock, cache):
        found = look(root)
        yield _repaired(found, look, root) if mend and found.mend is not None else found


def _repaired(found: Finding, look: Look, root: Path) -> Finding:
    try:
        said = found.mend() if found.mend else None
    except (OSError, sqlite3.Error, SatsrError) as error:
        return Finding(found.name, f"{found.words} That failed: {str(error).rstrip('.')}.", fine=False)
    again = look(root)
    more = f". {said}" if isinstance(said, str) and said else ""
    return Finding(again.name, f"repaired: {again.words}{more}") if again.fine else again


def environment(root: Path) -> Finding:
    """Whether ``.venv`` was made where it is: its scripts name their interpreter from the root of the disk."""
    config = root / ".venv" / "pyvenv.cfg"
    made = re.search(r"^command = .* -m venv (?:--\S+ )*(/.*)$", _text(config), re.MULTILINE)
    name, here = "environment", str(root / ".venv")
    if made is None or made[1] == here:
        return Finding(name, here if config.is_file() else f"Python {sys.version.split()[0]} in {sys.prefix}")
    old = made[1].strip()
    does = f"run the checkout in {Path(old).parent}" if Path(old).exists() else "start nothing"
    told = f".venv was made in {old}, so its commands (satsr, zenml, dvc, mlflow) {does}."
    if re.search(r"\s", here) or len(here) > 100:  # no line that names an interpreter may hold these
        return Finding(name, f"{told} Make it again: rm -rf .venv && make install.", fine=False)
    return Finding(name, f"{told} `make doctor` repairs it.", False, _venv(root, old))


def library(root: Path) -> Finding:
    """Whether this checkout's own code runs."""
    found = Path(satsr.__file__).resolve().parents[1]
    if found == root:
        return Finding("satsr", f"{_version('satsr')} of this checkout")
    return Finding("satsr", f"{found} runs here, not {root}: activate this checkout's .venv, or make install.", False)


def packages(root: Path) -> Finding:
    """Whether what is installed is what ``requirements.lock`` says."""
    absent, other = [], []
    for name, wanted in re.findall(r"^([\w.-]+)==([^\s;]+)$", _text(root / "requirements.lock"), re.MULTILINE):
        found = _version(name)
        if not found:
            absent.append(name)
        elif found.partition("+")[0] != wanted.partition("+")[0]:  # 2.13.0+cpu is that release
            other.append(f"{name} {found} instead of {wanted}")
    if not absent and not other:
        return Finding("packages", "as in requirements.lock")
    told = [f"missing: {_some(absent)}"] if absent else []
    told += [f"other than in requirements.lock: {_some(other)}"] if other else []
    return Finding("packages", f"{'; '.join(told)}. touch pyproject.toml && make install.", fine=False)


def user(root: Path) -> Finding:
    """Whether the present user may write what runs write."""
    refused = [name for name in WRITTEN if (root / name).exists() and not os.access(root / name, os.W_OK)]
    if not refused:
        return Finding("user", "may write here")
    return Finding("user", f"may not write {_some(refused)}: sudo chown -R $(id -u) {' '.join(refused)}.", fine=False)


def git(root: Path) -> Finding:
    """Whether git answers: the commit of a run and DVC need it."""
    if not (root / ".git").exists():
        return Finding("git", "no repository: runs do not know their commit, everything else works")
    try:
        done = subprocess.run(["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True)
    except OSError:
        return Finding("git", "is not installed: apt install git.", fine=False)
    if done.returncode == 0:
        return Finding("git", f"commit {done.stdout[:8]}")
    if "dubious ownership" in done.stderr:
        told = "refuses a folder of another user"
        return Finding("git", f"{told}: git config --global --add safe.directory '{root}'.", fine=False)
    return Finding("git", f"says: {' '.join(done.stderr.split())[:200]}", fine=False)


def paths(root: Path) -> Finding:
    """Whether the absolute paths that MLflow and ZenML keep lead into this checkout."""
    try:
        places = moved.former(root)
    except sqlite3.Error as error:
        return Finding("paths", f"cannot be read ({error}): see the line of the databases.", fine=False)
    if not places:
        return Finding("paths", "those in MLflow's and ZenML's databases lead here")
    told = f"MLflow and ZenML still look in {_some(places)}, where this checkout was."
    return Finding("paths", f"{told} {MEND}", False, lambda: moved.bring(root))


def databases(root: Path) -> Finding:
    """Whether the databases are whole and of the installed versions."""
    wanted = {DATABASE: ("mlflow", REVISION), str(moved.DATABASES[1].file): ("zenml", _version("zenml"))}
    for file, (tool, made) in wanted.items():
        if not (root / file).exists():
            continue
        try:
            with closing(sqlite3.connect(f"{(root / file).resolve().as_uri()}?mode=ro", uri=True)) as connection:
                ((whole,),) = connection.execute("PRAGMA quick_check(1)").fetchall()
                ((found,),) = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        except (sqlite3.Error, ValueError) as error:
            told = f"{file} cannot be read ({error}): move it away, and the next run makes a new one"
            return Finding("databases", f"{told}; what was registered is then only in the old one.", fine=False)
        if whole != "ok":
            return Finding("databases", f"{file} is damaged ({whole}): bring it back from a copy.", fine=False)
        if found != made:
            fix = "mlflow db upgrade sqlite:///mlflow.db" if tool == "mlflow" else "any zenml command brings it along"
            told = f"{file} was made by another version of {tool} ({found}, the installed one makes {made})"
            return Finding("databases", f"{told}: after a copy of it, {fix}.", fine=False)
    return Finding("databases", "whole, and of the installed versions")


def folders(root: Path) -> Finding:
    """Whether the tools' folders are there; before the first run they are merely not made yet."""
    made = (*([DATABASE] if uri(root) == local(root) else []), ".zen")
    absent = [name for name in (".dvc", *made) if not (root / name).exists()]
    if not absent:
        return Finding("tools", "DVC, MLflow and ZenML are set up")
    if not any((root / name).exists() for name in (DATABASE, "mlruns", ".zen", ".zenml")):
        told = "not set up yet: `satsr setup` does it, and so does the first `satsr run`"
        return Finding("tools", told, True, lambda: setup(root), state="to do")
    return Finding("tools", f"{_some(absent)} missing: `satsr setup`, or {MEND}", False, lambda: setup(root))


def params(root: Path) -> Finding:
    """Whether a killed run left its settings in ``params.yaml``."""
    if not project.lent(root).exists():
        return Finding("params.yaml", "holds no other run's settings")
    if lent.going_on(root):
        return Finding("params.yaml", "holds the settings of a run that is going on")
    told = f"still holds the settings of a run that was killed. {MEND}"
    return Finding("params.yaml", told, False, lambda: lent.taken_back(root))


def lock(root: Path) -> Finding:
    """Whether killed DVC commands left ``dvc.lock`` or their marks by half."""
    if told := lockfile.damage(root):
        return Finding("dvc.lock", told, False, None if told == lockfile.MERGED else lambda: lockfile.mend(root))
    if told := marks.left(root):
        return Finding("dvc.lock", f"is whole, but {told}. {MEND}", False, lambda: marks.sweep(root))
    return Finding("dvc.lock", "whole, and nothing of a killed command is beside it")


def cache(root: Path) -> Finding:
    """How much of what ``dvc.lock`` names is here; what is not is made again by the next run."""
    outputs = re.findall(r"^    - path: (\S+)\n      hash: md5\n      md5: (\w\w)(\S+)", _outs(root), re.MULTILINE)
    away = [
        path
        for path, begin, rest in outputs
        if not (root / path).exists() and not (root / ".dvc/cache/files/md5" / begin / rest).exists()
    ]
    told = f"{len(outputs) - len(away)} of {len(outputs)} outputs of dvc.lock are here"
    return Finding("cache", f"{told}; runs make the others" if away else told)


def _outs(root: Path) -> str:
    """The outputs in ``dvc.lock``, without the dependencies."""
    return "\n".join(re.findall(r"^    outs:\n(?:    [ -].*\n)*", _text(root / "dvc.lock"), re.MULTILINE))


def _venv(root: Path, old: str) -> Callable[[], None]:
    """Writes the environment's new place into its scripts, as ``venv`` and ``pip`` would have."""
    folder = root / ".venv"

    def mend() -> None:
        project, changes = str(Path(old).parent), (old, str(folder))
        for path in (*sorted((folder / "bin").iterdir()), folder / "pyvenv.cfg"):
            _replace(path, *changes)
        for pattern in ("__editable__*.pth", "satsr-*.dist-info/direct_url.json"):
            for path in folder.glob(f"lib/python*/site-packages/{pattern}"):
                _replace(path, project, str(root))

    return mend


def _replace(path: Path, old: str, new: str) -> None:
    if path.is_symlink() or not path.is_file():
        return
    with suppress(UnicodeDecodeError):  # a program, not a script
        text = path.read_text(encoding="utf-8")
        if old in text:
            path.write_text(text.replace(old, new), encoding="utf-8")


def _version(package: str) -> str:
    """That which is installed; nothing where none is."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _some(names: list[str], limit: int = 5) -> str:
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
