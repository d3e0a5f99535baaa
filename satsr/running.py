"""The settings of one run: in ``params.yaml`` while it lasts, and taken back when it ends, however it ends."""

import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from pydantic import BaseModel

from satsr.checkout.lent import alone, lend, put_back, recover, tell
from satsr.config.change import change, changed
from satsr.errors import SatsrError
from satsr.files import read_json, write_json
from satsr.locks import held_in, locked
from satsr.project import Places


@contextmanager
def settings_of_a_run(
    root: Path, paper: str, settings: Mapping[str, Any], model: type[BaseModel], keep: bool = False
) -> Iterator[list[str]]:
    """Yields what was changed, a line each; within, ``params.yaml`` has the settings.

    What a killed run left is put back first. A run that ends by an exception stays noted for :func:`unfinished`.

    Args:
        root: of the project.
        paper: the paper that is run.
        settings: dotted key -> value, as for :func:`satsr.config.change.change`.
        model: what can be set.
        keep: whether they stay in ``params.yaml``.

    Raises:
        SatsrError: a setting is unknown or wrong, the paper or a stage of it is running already, or another run's
            settings are in ``params.yaml``.
    """
    busy = f"another satsr run of {paper} is going on in {root}: wait for it, or stop it with Ctrl-C."
    with locked(root / "scratch" / f"run-{paper}", timeout=0, busy=busy):
        if not settings:
            recover(root)
            lines = change(paper, {}, root, model)
            with _noted(root, paper, settings, keep):
                yield lines
            return
        if keep:
            with alone(root):
                lines = change_idle(paper, settings, root, model)
            with _noted(root, paper, settings, keep):
                yield lines
            return
        with alone(root), _ending_in_order():
            require_idle(root, paper)
            try:
                lines, text = changed(paper, settings, root, model)
                lend(root, paper, text)
                with _noted(root, paper, settings, keep):
                    yield [line.replace("params.yaml: ", "for this run: ", 1) for line in lines]
            finally:
                tell(put_back(root))


def unfinished(root: Path, paper: str) -> tuple[dict[str, Any], bool]:
    """Settings of the last run of ``paper`` that did not end, and whether they were to stay.

    Raises:
        SatsrError: there is none.
    """
    path = _note(root, paper)
    if not path.is_file():
        raise SatsrError(f"no run of {paper} is unfinished: leave out --resume to start one.")
    noted = read_json(path)
    return dict(noted["settings"]), bool(noted["keep"])


def placed(data: str, root: Path) -> str:
    """A path as seen from the working directory as one that holds in ``params.yaml``; others as they are."""
    path = Path(data).expanduser()
    if not path.exists():
        return data
    found = path.resolve()
    return found.relative_to(root).as_posix() if found.is_relative_to(root) else found.as_posix()


def use(device: str) -> None:
    """Chooses where networks run in this process and those that it starts; ``auto`` is the GPU that torch finds.

    Raises:
        SatsrError: ``cuda`` is wanted and torch finds no GPU.
    """
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    elif device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise SatsrError(
                f"--device cuda: torch {torch.__version__} finds no GPU (nvidia-smi says whether there is one, and a "
                "torch whose version ends in +cpu cannot use it). --device auto takes the CPU."
            )


def change_idle(paper: str, settings: Mapping[str, Any], root: Path, model: type[BaseModel]) -> list[str]:
    """As :func:`satsr.config.change.change`, unless something would change under a stage that is running.

    Raises:
        SatsrError: as there and as :func:`require_idle`.
    """
    if settings and changed(paper, settings, root, model)[0]:
        require_idle(root, paper)
    return change(paper, settings, root, model)


def require_idle(root: Path, paper: str) -> None:
    """Nothing that another door started reads ``params.yaml`` for this paper now: DVC does so at the end of a stage.

    Raises:
        SatsrError: something does.
    """
    if held := held_in(Places(root, paper).scratch):
        stage = held[0].name.removesuffix("-zenml")
        raise SatsrError(
            f"{stage} of {paper} is running in another process of this clone, and params.yaml cannot change under it: "
            "wait for it, or leave out the settings of this run."
        )


def _note(root: Path, paper: str) -> Path:
    return Places(root, paper).scratch / "unfinished.json"


@contextmanager
def _noted(root: Path, paper: str, settings: Mapping[str, Any], keep: bool) -> Iterator[None]:
    """Remembers the run until it has ended well."""
    write_json(_note(root, paper), {"settings": dict(settings), "keep": keep})
    yield
    _note(root, paper).unlink(missing_ok=True)


@contextmanager
def _ending_in_order() -> Iterator[None]:
    """Within, a request to end and a closed terminal unwind the stack instead of ending the process at once."""

    def end(number: int, frame: FrameType | None) -> None:
        sys.exit(128 + number)

    known = [number for name in ("SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None]
    wanted = [number for number in known if signal.getsignal(number) is not signal.SIG_IGN]  # as nohup wants it
    previous = {number: signal.signal(number, end) for number in wanted}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
