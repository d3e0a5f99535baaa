"""Measurements of other versions, frame by frame, so that differences between versions are paired."""

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from satsr.evaluate import intervals
from satsr.evaluate.intervals import Frames, read_frames
from satsr.register.decisions import Version
from satsr.scores import EXPORTED, Interval

FRAMES = "report/frames.csv"


def measurements(client: Any, version: Version) -> Frames | None:
    """What the exported network of a version measured, by scene, metric and frame; None if MLflow does not have it."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            path = client.download_artifacts(version.run, FRAMES, folder)
        except Exception:  # whatever the artifact store raises for a file that is not there
            return None
        return read_frames(Path(path), EXPORTED)


def gains_over(client: Any, champion: Version, frames: Path, means: Mapping[str, float]) -> dict[str, Interval]:
    """What a candidate gains over the champion, scene by scene, by metric.

    Args:
        client: MLflow's client.
        champion: measured on the same data.
        frames: the candidate's ``frames.csv``.
        means: the candidate's metrics, for the difference where the champion's frames are not at hand.
    """
    theirs = measurements(client, champion)
    if theirs is not None:
        return intervals.gains(theirs, read_frames(frames, EXPORTED))
    note = (
        f"MLflow does not have the frames of version {champion.number}, so the scenes cannot be compared one by one: "
        f"register that version again, or promote this one with satsr review approve."
    )
    without = Interval(None, None, None, 0, "scenes", intervals.NONE, note)
    known = {name: champion.metric(name) for name in means}
    return {name: replace(without, mean=means[name] - value) for name, value in known.items() if value is not None}
