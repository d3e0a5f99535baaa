"""Checkpoints of a running training: the newest two, each complete or absent."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from satsr.files import disk_errors, replacing
from satsr.train.objectives import Objective


@dataclass
class Progress:
    """Where a training stands; all of it is in the checkpoint."""

    step: int = 0
    skipped: int = 0
    bad_in_a_row: int = 0
    recent: dict[str, list[float]] = field(default_factory=dict)
    curves: list[dict[str, float]] = field(default_factory=list)


class Checkpoints:
    """The checkpoints in one folder, ``step-00000100.ckpt`` and so on."""

    def __init__(self, folder: Path, keep: int = 2) -> None:
        self.folder, self.keep = folder, keep

    def save(self, step: int, state: dict[str, Any], spared: Path | None = None) -> Path:
        """Writes the checkpoint of ``step`` atomically, then removes those older than the newest two.

        Those of a later step go too: the training did not go on from them, so they cannot be read.

        Args:
            step: the training's.
            state: of the training.
            spared: a checkpoint that stays, because it is being read.

        Raises:
            SatsrError: the disk is full or read-only; earlier checkpoints are intact.
        """
        path = self.folder / f"step-{step:08d}.ckpt"
        with disk_errors("writing a checkpoint"), replacing(path) as temporary, temporary.open("wb") as handle:
            try:
                torch.save(state, handle)
            except RuntimeError as error:  # with which torch covers what the disk said
                raise error.__context__ if isinstance(error.__context__, OSError) else error from None
        paths = self.paths()
        kept = paths[: paths.index(path) + 1][-self.keep :]
        for old in set(paths) - {*kept, spared}:
            old.unlink()
        return path

    def paths(self) -> list[Path]:
        """The complete checkpoints, oldest first."""
        return sorted(self.folder.glob("step-*.ckpt"))

    def newest(self, device: torch.device) -> dict[str, Any] | None:
        """The newest checkpoint that can be read, or None; an unreadable one is named and passed over."""
        return next(filter(None, (read(path, device) for path in reversed(self.paths()))), None)


def read(path: Path, device: torch.device) -> dict[str, Any] | None:
    """The state of a training in a file; None, with a line on the terminal, if it cannot be read."""
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # whatever a damaged file makes torch raise
        reason = " ".join(str(error).split())[:120]
        print(f"train: {path} cannot be read ({reason}); taking the one before", file=sys.stderr, flush=True)
        return None
    return state


def snapshot(objective: Objective, ema: Mapping[str, torch.Tensor], progress: Progress) -> dict[str, Any]:
    """All that a training goes on from: what is in a checkpoint."""
    return {
        "progress": vars(progress),
        "networks": {role: module.state_dict() for role, module in objective.networks.items()},
        "ema": dict(ema),
        "optimizers": {name: optimizer.state_dict() for name, optimizer in objective.optimizers.items()},
        "objective": objective.state(),
    }


def restored(objective: Objective, ema: Mapping[str, torch.Tensor], saved: Mapping[str, Any]) -> Progress:
    """Puts networks, averages and optimisers where :func:`snapshot` was made, and says where that was."""
    for role, module in objective.networks.items():
        module.load_state_dict(saved["networks"][role])
    for name, value in ema.items():
        value.copy_(saved["ema"][name])
    for name, optimizer in objective.optimizers.items():
        optimizer.load_state_dict(saved["optimizers"][name])
    objective.restore(saved["objective"])
    return Progress(**saved["progress"])
