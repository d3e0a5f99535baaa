"""The one cache, DVC's, for both doors: is a stage up to date, and recording that it was run.

``dvc repro`` does the same by itself; here it happens inside the process of a ZenML step, so that the two doors skip
each other's finished work. Where a DVC remote is set, it is part of the cache (steps/remote.py): a step fetches what
its stage depends on, and sends what the stage makes before the next step hears of it.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from dvc.dependency import ParamsDependency
from dvc.dvcfile import ProjectFile
from dvc.exceptions import ConfirmRemoveError
from dvc.stage import PipelineStage as Stage
from dvc.stage.cache import RunCacheNotFoundError
from dvc.stage.loader import StageLoader
from dvc.utils.serialize import _common

from satsr import quiet
from satsr.checkout import lockfile
from satsr.errors import SatsrError
from satsr.files import replacing
from satsr.project import Places
from satsr.remote import REMOTE
from satsr.store.raw import RAW, raw_root, read_raw
from steps.inputs import require_unchanged, require_written
from steps.outputs import Output
from steps.patience import at_work, patiently
from steps.remote import Entry, Remote, entry, opened

quiet.apply()  # again, for DVC's import has set levels of its own


def reuse_or_run(
    stage: str,
    paper: str,
    root: Path,
    run: Callable[[], None],
    before: Sequence[Output] = (),
    also: Sequence[str] = (),
    holds: Callable[[], bool] = lambda: True,
) -> Output:
    """Reuses the stage's outputs if they are up to date, takes them from the run cache, or runs and commits them.

    Args:
        stage: its name.
        paper: whose.
        root: of the project.
        run: does the stage's work.
        before: what the stages made that this one reads; with a remote they may have run on other machines.
        also: paths of these that are read although the stage itself need not run.
        holds: with a remote, whether what the outputs say of other servers is still so; else the stage runs again.

    Raises:
        SatsrError: a dependency is missing or changed meanwhile, ``dvc.lock`` is damaged, or the remote does not serve.
    """
    found, ready = looked_at(stage, paper, root)
    remote = Remote(found.repo, root)
    known = {f"{one.stage}@{one.paper}": one.entry for one in before}
    reused = ready or _brought_back(found, remote, known, also)
    if reused and remote.address and not holds():
        patiently(lambda: remote.fetch(found, known), root)
        reused = False
    if reused and stage == "download":
        reused = _as_listed(root, Places(root, paper).raw)
    if not reused:
        with at_work(found):
            seen = _seen(found)
            run()
            _require_steady(found, seen)
            with opened(root) as repo:
                patiently(lambda: repo.commit(address(stage, paper, root), force=True), root)
    made = output(collected(stage, paper, root), paper, root, reused)
    if remote.address:
        patiently(lambda: remote.send(made.entry), root)
    return made


def looked_at(stage: str, paper: str, root: Path) -> tuple[Stage, bool]:
    """The stage as ``dvc.lock`` has it, and whether it is up to date, once no other DVC command works on it."""

    def look() -> tuple[Stage, bool]:
        found = collected(stage, paper, root)  # again after a wait, in which ``dvc repro`` may have done the work
        return found, not _status(found)

    return cast(tuple[Stage, bool], patiently(look, root))


def _brought_back(found: Stage, remote: Remote, known: Mapping[str, Entry], also: Sequence[str]) -> bool:
    """Whether the outputs of the very same run could be put in place, from here or from the remote."""
    name, _, paper = found.name.partition("@")
    if remote.address:
        reused = bool(patiently(lambda: remote.reuse(found, known, also), remote.root))
    else:
        require_unchanged(found.name, known, remote.root)
        reused = from_run_cache(found)
    if reused:
        require_written(name, paper, remote.root)
    return reused


def _as_listed(root: Path, raw: Path) -> bool:
    """Whether files that a card names where they lie, if they still do, are those of the download.

    Of a card DVC hashes the card alone; a folder that ``data`` names itself it hashes whole.
    """
    if not (raw / RAW).is_file():
        return True  # with a remote a step has what it reads, and no more
    content = read_raw(raw)
    if content.root == "." or not (root / Path(content.root).expanduser()).exists():
        return True
    try:
        raw_root(raw, content, root)
    except SatsrError:
        return False
    return True


def address(stage: str, paper: str, root: Path) -> str:
    """The stage's name for DVC, which takes a bare one for a stage of ``dvc.yaml`` in the working directory."""
    return f"{root / 'dvc.yaml'}:{stage}@{paper}"


def collected(stage: str, paper: str, root: Path) -> Stage:
    """The stage with what ``dvc.lock`` says of it."""
    state = tuple(_state(root / name) for name in ("dvc.yaml", "dvc.lock", "params.yaml", ".dvc/config"))
    return patiently(lambda: _stages(root, state, os.environ.get(REMOTE))[f"{stage}@{paper}"], root)


@lru_cache(maxsize=1)
def _stages(root: Path, state: tuple[tuple[int, int], ...], remote: str | None) -> StageLoader:
    """All stages; reading ``dvc.lock`` takes half a second, so it is read again only when a file has another state."""
    lockfile.text(root)
    repo = opened(root)
    with repo.lock:  # DVC writes the file in place
        return ProjectFile(repo, str(root / "dvc.yaml")).stages


def _state(path: Path) -> tuple[int, int]:
    """When the file was changed and its size; zeros where there is none."""
    if not path.exists():
        return 0, 0
    found = path.stat()
    return found.st_mtime_ns, found.st_size


def up_to_date(stage: Stage) -> bool:
    """Whether command, parameters, dependencies and outputs are those of ``dvc.lock``."""
    return not patiently(lambda: _status(stage), _root(stage))


def _status(stage: Stage) -> Any:
    with stage.repo.lock:
        return stage.status(check_updates=True)


def _root(stage: Stage) -> Path:
    return Path(stage.repo.root_dir)


def _seen(stage: Stage) -> dict[str, Any]:
    """What the stage depends on, each with its hash or values as they are now."""
    stage.save_deps()
    return {str(one): one.hash_info.value for one in stage.deps}


def _require_steady(stage: Stage, seen: dict[str, Any]) -> None:
    """Refuses to record a result beside inputs that it was not made of.

    Raises:
        SatsrError: something that the stage depends on changed while it ran.
    """
    changed = [name for name, value in _seen(stage).items() if value != seen[name]]
    if changed:
        raise SatsrError(
            f"{', '.join(changed)} changed while {stage.name} ran, so its result is not recorded: give the same "
            f"command again, or `dvc commit --force {stage.name}` where the change cannot matter."
        )


def from_run_cache(stage: Stage) -> bool:
    """Whether the very same run was made before and its outputs could be put back."""
    for dependency in stage.deps:
        if not isinstance(dependency, ParamsDependency) and not dependency.exists:
            raise SatsrError(f"{stage.addressing} needs {dependency}, which does not exist: see params.yaml.")

    def restore() -> bool:
        with stage.repo.lock:
            try:
                _put_back(stage)
            except RunCacheNotFoundError:
                return False
            stage.save(run_cache=False)
            stage.commit()
            stage.dump(update_pipeline=False)
            return True

    return bool(patiently(restore, _root(stage)))


def _put_back(stage: Stage) -> None:
    """What was altered since gives way to what the stage wrote, as with ``dvc repro``."""
    try:
        stage.repo.stage_cache.restore(stage)
    except ConfirmRemoveError:
        stage.remove_outs()
        stage.repo.stage_cache.restore(stage)


def output(stage: Stage, paper: str, root: Path, reused: bool) -> Output:
    """What the next step is told about this stage."""
    first = stage.outs[0]
    path = Path(first.fs_path).relative_to(root).as_posix()
    name, md5 = stage.name.partition("@")[0], str(first.hash_info.value)
    return Output(stage=name, paper=paper, path=path, md5=md5, entry=entry(stage), reused=reused)


def _dump(path: str, data: Any, dumper: Callable[..., Any], fs: Any = None, **options: Any) -> None:
    """What DVC writes from this process is whole or as it was: a kill would leave it half of ``dvc.lock``."""
    with replacing(Path(path)) as temporary, temporary.open("w", encoding="utf-8") as handle:
        dumper(data, handle, **options)


_common._dump_data = _dump
