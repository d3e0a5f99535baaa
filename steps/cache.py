"""The one cache, DVC's, for both doors: is a stage up to date, and recording that it was run.

``dvc repro`` does the same by itself; here it happens inside the process of a ZenML step, so that the two doors skip
each other's finished work.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dvc.dependency import ParamsDependency
from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.repo import Repo
from dvc.stage.cache import RunCacheNotFoundError

from satsr.errors import SatsrError
from steps.refs import Ref

LOCK_SECONDS = 120.0


def reuse_or_run(stage: str, paper: str, root: Path, run: Callable[[], None]) -> Ref:
    """Reuses the stage's outputs if they are up to date, takes them from the run cache, or runs and commits them.

    Raises:
        SatsrError: a dependency is missing, or the repository is locked for too long.
    """
    target = address(stage, paper, root)
    with Repo(str(root)) as repo:
        reused = up_to_date(repo, target) or from_run_cache(repo, target)
    if not reused:
        run()
        with Repo(str(root)) as repo:
            patiently(lambda: repo.commit(target, force=True))
    with Repo(str(root)) as repo:
        return reference(repo, stage, paper, root, reused)


def address(stage: str, paper: str, root: Path) -> str:
    """The stage's name for DVC, which takes a bare one for a stage of ``dvc.yaml`` in the working directory."""
    return f"{root / 'dvc.yaml'}:{stage}@{paper}"


def up_to_date(repo: Repo, target: str) -> bool:
    """Whether command, parameters, dependencies and outputs are those of ``dvc.lock``."""
    return not patiently(lambda: repo.status(targets=[target], with_deps=False))


def from_run_cache(repo: Repo, target: str) -> bool:
    """Whether the very same run was made before and its outputs could be put back."""
    (stage,) = repo.stage.collect(target)
    for dependency in stage.deps:
        if not isinstance(dependency, ParamsDependency) and not dependency.exists:
            raise SatsrError(f"{stage.addressing} needs {dependency}, which does not exist: see params.yaml.")

    def restore() -> bool:
        with repo.lock:
            try:
                repo.stage_cache.restore(stage)
            except RunCacheNotFoundError:
                return False
            stage.save(run_cache=False)
            stage.commit()
            stage.dump(update_pipeline=False)
            return True

    return bool(patiently(restore))


def reference(repo: Repo, stage: str, paper: str, root: Path, reused: bool) -> Ref:
    """What the next step is told about this stage's first output."""
    (found,) = repo.stage.collect(address(stage, paper, root))
    output = found.outs[0]
    path = Path(output.fs_path).relative_to(root)
    return Ref(stage=stage, paper=paper, path=path.as_posix(), md5=str(output.hash_info.value), reused=reused)


def patiently(action: Callable[[], Any]) -> Any:
    """Runs ``action``, waiting while another process holds DVC's lock.

    Raises:
        SatsrError: the lock was not free in time, or DVC refused.
    """
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            return action()
        except LockError as error:
            if time.monotonic() > deadline:
                raise SatsrError(f"another DVC command holds the repository: {error}") from None
            time.sleep(0.5)
        except DvcException as error:
            raise SatsrError(f"DVC: {error}") from None
