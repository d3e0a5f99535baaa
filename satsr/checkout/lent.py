"""Settings that a run lends to ``params.yaml``: noted first, taken back when it ends, and no other door's meanwhile.

A process may end at any moment: the note is written before the settings, and goes after they went. What somebody edited
meanwhile stays, and only what was lent is taken back.
"""

import json
import os
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from satsr.config.change import dumped, editor
from satsr.errors import SatsrError
from satsr.files import write_json, write_text
from satsr.locks import held, locked
from satsr.project import lent

RUN = "SATSR_RUN"
"""Environment variable by which a run, and the processes that it starts, know the lent settings for theirs."""
BUSY = "params.yaml holds the settings of another satsr run until that ends: wait for it."


def lend(root: Path, paper: str, text: str) -> None:
    """Makes ``text`` the content of ``params.yaml`` until :func:`put_back`.

    Args:
        root: of the project.
        paper: whose settings they are.
        text: ``params.yaml`` with them.
    """
    path, run = root / "params.yaml", uuid.uuid4().hex
    before = path.read_text(encoding="utf-8")
    write_json(lent(root), {"paper": paper, "run": run, "before": before, "after": text})
    os.environ[RUN] = run
    write_text(path, text)


def put_back(root: Path) -> str:
    """Takes the lent settings out of ``params.yaml``; a sentence where somebody has edited it since.

    Raises:
        SatsrError: it was edited and is no YAML now.
    """
    noted, path = _noted(root), root / "params.yaml"
    if not noted:
        return ""
    now, said = path.read_text(encoding="utf-8"), ""
    if now == noted["after"]:
        write_text(path, noted["before"])
    elif now != noted["before"]:
        said = _without(noted["before"], noted["after"], path)
    os.environ.pop(RUN, None)
    lent(root).unlink()
    return said


def taken_back(root: Path) -> str:
    """As :func:`put_back`, of a run that was killed.

    Raises:
        SatsrError: the run is going on, or ``params.yaml`` is no YAML now.
    """
    with locked(_lock(root), timeout=0, busy=BUSY):
        return put_back(root)


def recover(root: Path) -> None:
    """Takes back what a killed run left in ``params.yaml``; nothing while a run with such settings is going on.

    Raises:
        SatsrError: ``params.yaml`` was edited and is no YAML now.
    """
    if lent(root).exists() and not going_on(root):
        tell(taken_back(root))


def going_on(root: Path) -> bool:
    """Whether a run with settings of its own is."""
    return held(_lock(root))


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Within, nobody else's settings are in ``params.yaml``.

    Raises:
        SatsrError: those of another run are.
    """
    with locked(_lock(root), timeout=0, busy=BUSY):
        tell(put_back(root))
        yield


def require_own(root: Path, paper: str) -> None:
    """Refuses settings of ``paper`` that are in ``params.yaml`` for another run than that of this process.

    Raises:
        SatsrError: so.
    """
    noted = _noted(root)
    if noted.get("paper") != paper or noted.get("run", "") == os.environ.get(RUN):
        return
    if going_on(root):
        raise SatsrError(BUSY)
    raise SatsrError("params.yaml still holds the settings of a run that was killed: satsr doctor --mend.")


def tell(sentence: str) -> None:
    """Says it on the terminal, if there is anything to say."""
    if sentence:
        print(sentence, file=sys.stderr, flush=True)


def _lock(root: Path) -> Path:
    return root / "scratch" / "params"


def _noted(root: Path) -> dict[str, Any]:
    """What is lent; empty where nothing is."""
    with suppress(FileNotFoundError):
        return dict(json.loads(lent(root).read_text(encoding="utf-8")))
    return {}


def _without(before: str, after: str, path: Path) -> str:
    """Takes out of the edited file what is in it as it was lent; says what."""
    plain = YAML(typ="safe")
    try:
        document = editor().load(path.read_text(encoding="utf-8"))
    except YAMLError as error:
        where = " ".join(str(error).split())
        raise SatsrError(
            f"{path} was edited while it held the settings of a run, and is no YAML now ({where}): mend it, and the "
            "next command takes these settings out."
        ) from None
    undone = [clause.replace("papers.", "", 1) for clause in _undone(plain.load(before), plain.load(after), document)]
    if undone:
        write_text(path, dumped(document))
    words = f"the run's settings were taken out ({', '.join(undone)})" if undone else "and none of the settings is left"
    return f"params.yaml was edited while it held the settings of a run: the edit stays, {words}."


def _undone(before: Mapping[str, Any], after: Mapping[str, Any], now: Any, place: str = "") -> Iterator[str]:
    """Gives ``now`` the values of ``before`` where it has those of ``after``; what, a clause a value."""
    for key, value in after.items():
        earlier = before.get(key)
        if earlier == value or not isinstance(now, dict) or key not in now:
            continue
        if isinstance(value, Mapping):
            inner = earlier if isinstance(earlier, Mapping) else {}
            yield from _undone(inner, value, now[key], f"{place}{key}.")
            whole = not inner and now[key] == {}  # it came with what was set in it
        else:
            whole = now[key] == value
        if whole and key in before:
            now[key] = earlier
            yield f"{place}{key} = {earlier}"
        elif whole:
            del now[key]
            yield f"no {place}{key}"
