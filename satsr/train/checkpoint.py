"""Checkpoints of a running training: the newest two, each complete or absent."""

import sys
from pathlib import Path
from typing import Any

import torch

from satsr.files import disk_errors, replacing


class Checkpoints:
    """The checkpoints in one folder, ``step-00000100.ckpt`` and so on."""

    def __init__(self, folder: Path, keep: int = 2) -> None:
        self.folder, self.keep = folder, keep

    def save(self, step: int, state: dict[str, Any]) -> Path:
        """Writes the checkpoint of ``step`` atomically, then removes those older than the newest two.

        Raises:
            SatsrError: the disk is full or read-only; earlier checkpoints are intact.
        """
        path = self.folder / f"step-{step:08d}.ckpt"
        with disk_errors("writing a checkpoint"), replacing(path) as temporary, temporary.open("wb") as handle:
            try:
                torch.save(state, handle)
            except RuntimeError as error:  # with which torch covers what the disk said
                raise error.__context__ if isinstance(error.__context__, OSError) else error from None
        for old in self.paths()[: -self.keep]:
            old.unlink()
        return path

    def paths(self) -> list[Path]:
        """The complete checkpoints, oldest first."""
        return sorted(self.folder.glob("step-*.ckpt"))

    def newest(self, device: torch.device) -> dict[str, Any] | None:
        """The newest checkpoint that can be read, or None; an unreadable one is named and passed over."""
        for path in reversed(self.paths()):
            try:
                state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
                return state
            except Exception as error:  # whatever a damaged file makes torch raise
                reason = " ".join(str(error).split())[:120]
                print(f"train: {path} cannot be read ({reason}); taking the one before", file=sys.stderr, flush=True)
        return None
