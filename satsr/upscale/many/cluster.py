"""Scenes spread over the workers of a Dask cluster, one at a time in each, so that their memory is bounded.

Workers read and write the files themselves, so they share the file system with whoever submits. A worker that ends
loses nothing but the last rows of its scene: another one goes on with what it left.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Any

import satsr
from satsr.errors import SatsrError
from satsr.exported import memory
from satsr.exported.model import Model, reopened
from satsr.exported.opening import Opening
from satsr.upscale.appraisal.checks import Say
from satsr.upscale.many import scheduler
from satsr.upscale.many.attempt import Done, attempt
from satsr.upscale.options import Options

TURN = 5.0
"""Seconds after which it is looked whether there are new workers."""
GONE = 300.0
"""Seconds without any worker after which nobody waits any more."""
_alone = Lock()


@dataclass(frozen=True)
class Job:
    """What a worker is asked for: small, since no pixels travel.

    Attributes:
        model: where it lies.
        source: the scene, an absolute path.
        target: its result, an absolute path.
        options: what the user chose.
    """

    model: Opening
    source: Path
    target: Path
    options: Options


def outcomes(
    model: Model, targets: Mapping[Path, Path], options: Options, say: Say, address: str
) -> Iterator[tuple[Path, Done]]:
    """Each scene when a worker has done it, whatever became of it; what the worker said follows its name.

    Args:
        model: loaded from a file or registry that the workers have too.
        targets: scenes, and their results.
        options: what the user chose.
        say: takes lines for the user.
        address: of the scheduler, such as ``tcp://10.0.0.5:8786``.

    Raises:
        SatsrError: nobody answers there, there are no workers, they lack satsr or see other files, or the connection
            was lost; what is finished by then is kept.
    """
    if model.where is None:
        raise SatsrError(f"{model.name} was not loaded by satsr.load, so that workers cannot open it.")
    with scheduler.connected(address) as client:
        with scheduler.heard(address):
            _require_alike(client, model.where, *next(iter(targets.items())))
        jobs = [Job(model.where, path.absolute(), target.absolute(), options) for path, target in targets.items()]
        names = dict(zip(jobs, targets, strict=True))
        for number, (job, done) in enumerate(_spread(client, jobs, address), 1):
            source, folder = names[job], targets[names[job]].parent
            for line in (f"{number} of {len(jobs)}: {source.name}", *done.lines):
                say(line)
            yield source, replace(done, made=[folder / path.name for path in done.made])


def _require_alike(client: Any, model: Opening, source: Path, folder: Path) -> None:
    """Looks whether every worker that is there has this satsr and the model, and sees these files.

    Raises:
        SatsrError: one does not, or there is none.
    """
    try:
        client.wait_for_workers(1, timeout=scheduler.CONNECT)
    except TimeoutError:
        raise SatsrError(
            f"the Dask cluster has no workers after {scheduler.CONNECT:.0f} s: start some with `dask worker ADDRESS`, "
            "in an environment with satsr and where they see the scenes."
        ) from None
    while not folder.exists():
        folder = folder.parent
    stamps = {str(path.absolute()): _stamp(path) for path in (source, folder)}
    for worker, said in client.run(_unlike, satsr.__version__, model, stamps, on_error="return").items():
        if said:
            raise SatsrError(
                f"the worker {worker} {said if isinstance(said, str) else f'has no working satsr ({said!r})'}: workers "
                "need the same satsr and model, and the same file system under the same paths."
            )


def _unlike(version: str, model: Opening, stamps: Mapping[str, tuple[int, int]]) -> str:
    """In a worker: what it has otherwise, in words; empty if nothing."""
    if satsr.__version__ != version:
        return f"has satsr {satsr.__version__} instead of {version}"
    other = [path for path, stamp in stamps.items() if not Path(path).exists() or _stamp(Path(path)) != stamp]
    if other:
        return f"does not see {other[0]}, or sees another"
    try:
        reopened(model)
    except SatsrError as error:
        return f"lacks the model ({error})"
    return ""


def _stamp(path: Path) -> tuple[int, int]:
    """What of a file is the same wherever it is seen from; a folder changes."""
    found = path.stat()
    return (0, 0) if path.is_dir() else (found.st_size, int(found.st_mtime))


def _spread(client: Any, jobs: Sequence[Job], address: str) -> Iterator[tuple[Job, Done]]:
    """Jobs as they are done, one at a time in each worker; workers may come and go."""
    waiting, last = deque(jobs), monotonic()
    running: dict[Any, tuple[Job, str]] = {}
    while waiting or running:
        with scheduler.heard(address):
            workers = list(client.nthreads())
            busy = {worker for _, worker in running.values()}
            for worker in [worker for worker in workers if worker not in busy][: len(waiting)]:
                job = waiting.popleft()
                future = client.submit(_made, job, workers=[worker], allow_other_workers=True, pure=False)
                running[future] = job, worker
            finished = _finished(client, list(running))
        for future in finished:
            job, _ = running.pop(future)
            yield job, _result(future, job)
        last = monotonic() if workers else last
        if monotonic() - last > GONE:
            raise SatsrError(
                f"the Dask cluster at {scheduler.shown(address)} has had no workers for {GONE:.0f} s: start some; the "
                "same command goes on with what is finished."
            )


def _finished(client: Any, futures: Sequence[Any]) -> Sequence[Any]:
    """Those that are done, after a turn at most; none where there are no workers."""
    from distributed import wait

    try:
        if futures:
            return list(wait(futures, timeout=TURN, return_when="FIRST_COMPLETED").done)
        client.wait_for_workers(1, timeout=TURN)
    except TimeoutError:
        pass
    return []


def _made(job: Job) -> Done:
    """In a worker: one scene, with the memory that this worker may take, the others of this process waiting."""
    lines: list[str] = []
    with _alone, memory.limited(_limit()):
        try:
            done = attempt(reopened(job.model), job.source, job.target, job.options, lines.append)
        except SatsrError as error:
            done = Done(problem=str(error))
    return replace(done, lines=lines)


def _limit() -> int | None:
    """Bytes that the worker may take in all, above which Dask ends it; None if it has no such limit."""
    from distributed import get_worker

    return get_worker().memory_manager.memory_limit or None


def _result(future: Any, job: Job) -> Done:
    """What a worker answered; a result that it wrote elsewhere is none."""
    from distributed import KilledWorker

    try:
        done: Done = future.result()
    except KilledWorker:
        return Done(
            problem="its worker ended each time, most likely for want of memory: give workers more of it, or a smaller "
            "--window"
        )
    except Exception as error:  # whatever Dask or the network raises ends this scene alone
        return Done(problem=f"its worker failed: {type(error).__name__}: {error}")
    if not done.problem and job.target not in job.target.parent.iterdir():  # a listing is fresh, on network drives too
        return replace(done, problem=f"its worker wrote {job.target} on a file system that is not seen here")
    return done
