"""``dvc.lock``, which lists what every stage read and made, as text: read when it is at rest, and mended.

DVC writes it in place. That takes half a second and begins with an empty file, so a reader may find the half of it, and
a kill leaves that.
"""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from satsr.errors import SatsrError
from satsr.files import write_text

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

NAME = "dvc.lock"
HELD = Path(".dvc/tmp/lock")
"""DVC's lock of a clone, which the system takes back from the dead."""
SHORT_SECONDS = 3.0
"""Nobody is told of a shorter wait."""
MERGED = (
    "dvc.lock holds both sides of a merge (lines with <<<<<<<): take one side whole, `git checkout --ours "
    "dvc.lock` or `--theirs`; then `dvc repro` takes what it can from the cache and makes the rest again."
)
BROKEN = (
    "dvc.lock is cut off or damaged ({}), as after a DVC command that was killed while it wrote the file: `satsr "
    "doctor --mend` keeps the entries that are whole and takes the others from the last commit, as `git checkout "
    "dvc.lock` does with all of them; the next run takes from DVC's cache what it can, and makes the rest again."
)


def broken(reason: object) -> SatsrError:
    """The sentence for a file that cannot be read, with its fix."""
    return SatsrError(BROKEN.format(" ".join(str(reason).split())[:120]))


def require_whole(text: str) -> None:
    """Refuses what DVC does not leave when it comes to the end of writing; quick, and not all of what can be wrong.

    Raises:
        SatsrError: there are both sides of a merge, or the text has no begin or no end.
    """
    if re.search(r"^(<<<<<<<|>>>>>>>) ", text, re.MULTILINE):
        raise SatsrError(MERGED)
    if not re.search(r"^schema:", text, re.MULTILINE):
        raise broken("it does not say its schema")
    if not text.endswith("\n"):
        raise broken("its last line has no end")


def text(root: Path) -> str:
    """What ``dvc.lock`` holds when no DVC command is writing it; nothing where there is none.

    Raises:
        SatsrError: as :func:`require_whole`.
    """
    with at_rest(root):
        found = _read(root)
    if found is None:
        return ""
    require_whole(found)
    return found


@contextmanager
def at_rest(root: Path) -> Iterator[None]:
    """Within, no DVC command of this clone writes: it waits for one that does. Not for those who hold DVC's lock."""
    with ExitStack() as stack:
        if fcntl is not None and (root / HELD).exists():
            handle = stack.enter_context((root / HELD).open())
            _share(handle.fileno())
        yield


def _share(handle: int) -> None:
    """DVC's lock is exclusive; that of readers is not, and goes with the handle."""
    end = time.monotonic() + SHORT_SECONDS
    while time.monotonic() < end:
        with suppress(BlockingIOError):
            return fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        time.sleep(0.05)
    print("a DVC command is at work in this clone: waiting for it", file=sys.stderr, flush=True)
    return fcntl.flock(handle, fcntl.LOCK_SH)


def entry(found: str, stage: str, paper: str) -> dict[str, Any]:
    """What the text says of a stage; nothing where it does not know it. All of the text would take half a second.

    Raises:
        SatsrError: this part is no YAML.
    """
    block = re.search(rf"^  {re.escape(stage)}@{re.escape(paper)}:\n((?:    .*\n)*)", found, re.MULTILINE)
    try:
        known = YAML(typ="safe").load(block[1]) if block else {}
    except YAMLError as error:
        raise broken(error) from None
    return known if isinstance(known, dict) else {}


def damage(root: Path) -> str:
    """A sentence where ``dvc.lock`` is damaged, after a look at all of it; empty where it is whole, or not there."""
    with at_rest(root):
        found = _read(root)
    try:
        require_whole("schema:\n" if found is None else found)
        stages = YAML(typ="safe").load(found or "{}").get("stages", {})
    except (SatsrError, YAMLError, AttributeError) as error:
        return str(error if isinstance(error, SatsrError) else broken(error))
    if not isinstance(stages, dict):
        return str(broken("it has no stages"))
    lost = [name for name, known in stages.items() if not _whole(known)]
    return str(broken(f"the entry of {lost[0]} is not whole")) if lost else ""


def mend(root: Path) -> str:
    """Keeps the entries of ``dvc.lock`` that are whole, and takes the others from the last commit; how many those are.

    An entry only says which inputs gave which outputs, each by its hash: an old one claims nothing that is not so.
    """
    with at_rest(root):
        kept = _entries(_read(root) or "")
        blocks = {**_entries(_committed(root)), **kept}
        stages = "".join(f"  {name}:\n{block}" for name, block in blocks.items())
        write_text(root / NAME, f"schema: '2.0'\nstages:\n{stages}" if stages else "schema: '2.0'\n")
    return f"{len(kept)} entries were kept, {len(blocks) - len(kept)} are of the last commit"


def _committed(root: Path) -> str:
    with suppress(OSError):  # git is not installed
        done = subprocess.run(["git", "-C", str(root), "show", f"HEAD:./{NAME}"], capture_output=True, check=False)
        return done.stdout.decode(errors="replace")
    return ""


def _entries(found: str) -> dict[str, str]:
    """The blocks of the stages that are whole, by their names."""
    stages = found.partition("\nstages:\n")[2]
    blocks = dict(re.findall(r"^  ([^\s:]+):\n((?:    .*\n)+)(?!    )", stages, re.MULTILINE))
    return {name: block for name, block in blocks.items() if _whole(_loaded(block))}


def _loaded(block: str) -> Any:
    with suppress(YAMLError):
        return YAML(typ="safe").load(block)
    return None


def _whole(known: Any) -> bool:
    """Whether an entry has its command and its outputs, and its files have their sizes, which come after the hashes."""
    if not isinstance(known, dict) or not {"cmd", "outs"} <= set(known):
        return False
    files = [known[part] for part in ("deps", "outs") if part in known]
    listed = all(isinstance(part, list) and all(isinstance(one, dict) for one in part) for part in files)
    return listed and all({"path", "size"} <= set(one) for part in files for one in part)


def _read(root: Path) -> str | None:
    try:
        return (root / NAME).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
