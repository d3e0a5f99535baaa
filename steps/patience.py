"""DVC's own locks as another process of the clone waits for them, and DVC's mark of a stage that is at work."""

import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.rwlock import RWLockFileCorruptedError, RWLockFileFormatError, rwlock
from dvc.stage import PipelineStage as Stage

from satsr.checkout import lockfile, marks
from satsr.errors import SatsrError
from satsr.locks import MONTH

TORN = (RWLockFileCorruptedError, RWLockFileFormatError)
SHORT_SECONDS, AGAIN_SECONDS = lockfile.SHORT_SECONDS, 0.5
"""Nobody is told of a shorter wait; how long until it is tried again."""


def patiently(action: Callable[[], Any], root: Path) -> Any:
    """Does it as soon as no other DVC command of the clone is in the way; once it says for whom it waits.

    Args:
        action: raises what DVC raises, and may be repeated.
        root: of the project.

    Raises:
        SatsrError: the way was not free for a month, or DVC refused.
    """
    begin, told = time.monotonic(), False
    while True:
        try:
            return action()
        except (LockError, *TORN) as error:
            marks.sweep(root)
            waited = time.monotonic() - begin
            if waited > MONTH:
                raise SatsrError(f"{_who(error, root)} for a month: wait for it, or end it.") from None
            if waited > SHORT_SECONDS and not told:
                print(f"{_who(error, root)}: waiting for it", file=sys.stderr, flush=True)
                told = True
            time.sleep(AGAIN_SECONDS)
        except DvcException as error:
            raise _sentence(error) from None


@contextmanager
def at_work(stage: Stage) -> Iterator[None]:
    """Within, as while ``dvc repro`` runs the stage, no DVC command writes what it reads or touches what it writes.

    Raises:
        SatsrError: as :func:`patiently`.
    """
    repo = stage.repo
    reads, writes = ([one.fs_path for one in some] for some in (stage.deps, stage.outs))
    hardlink = repo.config["core"].get("hardlink_lock", False)
    with ExitStack() as held:

        def begin() -> None:
            mark = rwlock(repo.tmp_dir, repo.fs, " ".join(sys.argv), reads, writes, hardlink)
            mark.__enter__()
            held.callback(_end, mark)

        patiently(begin, Path(repo.root_dir))
        yield


def _end(mark: Any) -> None:
    """Takes the mark back, unless the file was torn by a kill and is gone."""
    with suppress(AssertionError, KeyError, LockError, *TORN):
        mark.__exit__(None, None, None)


def _who(error: Exception, root: Path) -> str:
    """Which command is in the way."""
    found = re.search(r"\(PID (\d+)\): (.+)", str(error))
    if found:
        (path,) = re.findall(r"^'(.+)' is busy", str(error)) or ["a file"]
        return f"`{_short(found[2])}` (process {found[1]}) is at work on {path}"
    with suppress(OSError, ValueError, psutil.Error):
        process = psutil.Process(int((root / lockfile.HELD).read_text()))
        return f"`{_short(' '.join(process.cmdline()))}` (process {process.pid}) holds DVC's lock of this clone"
    return "another DVC command holds DVC's lock of this clone"


def _short(command: str) -> str:
    """The command without the folders of its program."""
    return re.sub(r"(?:^|(?<= ))/\S*/(?=\S)", "", command)[:120]


def _sentence(error: DvcException) -> SatsrError:
    place = str(getattr(error, "path", None) or "")
    return lockfile.broken(error) if Path(place).name == lockfile.NAME else SatsrError(f"DVC: {error}")
