"""A model measured on pairs: each goes through it as in ``satsr upscale``, and is compared with bicubic."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from satsr.errors import SatsrError
from satsr.evaluate.further import shared
from satsr.evaluate.measure import Evaluation, Sample
from satsr.exported.model import Model
from satsr.scores import BASELINE, EXPORTED, Interval, Scores
from satsr.trial import scores
from satsr.trial.images import Float32, Images, images
from satsr.trial.pairs import Pair
from satsr.upscale.appraisal.checks import Say, silent
from satsr.upscale.options import Options
from satsr.upscale.preview import colours

KINDS = ("image", "video", "window")
PANELS = 3
"""Pairs that are shown."""
SIDE = 768
"""Most fine pixels of a shown picture's side."""
WHITE = (1.0, 99.0)
"""Percentiles of the reference that are black and white where values are not 8-bit."""


@dataclass(frozen=True)
class Trial:
    """A model that was measured.

    Attributes:
        model: it.
        evaluation: what was measured; its method :data:`satsr.scores.EXPORTED` is the model.
        notes: sentences on what was not.
    """

    model: Model
    evaluation: Evaluation
    notes: Sequence[str]

    @cached_property
    def methods(self) -> dict[str, Scores]:
        """Means over the pairs: method -> metric."""
        return self.evaluation.methods()

    @cached_property
    def gains(self) -> dict[str, Interval]:
        """What the model gains over bicubic, with its interval, by metric."""
        return self.evaluation.gains()


def measure(model: Model, pairs: Sequence[Pair], options: Options | None = None, say: Say = silent) -> Trial:
    """Measures the model and bicubic interpolation on every pair.

    Args:
        model: of the kind ``image``, ``video`` or ``window``.
        pairs: of files.
        options: what the user chose for applying it.
        say: takes lines for the user.

    Raises:
        SatsrError: the model is of another kind, or a pair does not fit it.
    """
    if model.kind not in KINDS:
        raise SatsrError(
            f"{model.name} makes one image of a {model.kind}: pairs are measured of the kinds {', '.join(KINDS)}; what "
            "this one was measured on stands in its report (satsr review)."
        )
    result, notes = Evaluation(), list[str]()
    options, once = options or Options(), _once(say)
    for number, pair in enumerate(pairs, 1):
        say(f"{number} of {len(pairs)}: {pair.name}")
        with tempfile.TemporaryDirectory(prefix="satsr-evaluate-") as folder:
            found = images(model, pair, options, Path(folder), once)
        notes += [f"{pair.name} has missing pixels: its largest square without any is measured."] if found.cut else []
        sample = _add(result, model, found)
        if len(result.samples) < PANELS:
            result.samples.append(sample)
    return Trial(model, result, notes)


def _once(say: Say) -> Say:
    """Warnings and notes, each once however many pairs it concerns; plans and figures of each run are left out."""
    said: set[str] = set()

    def chosen(line: str) -> None:
        if line.startswith(("warning", "note")) and line not in said:
            said.add(line)
            say(line)

    return chosen


def _add(result: Evaluation, model: Model, found: Images) -> Sample:
    """Measures one pair, and gives the pictures of its middle frame."""
    facts, reasons = model.facts, dict[str, str]()
    highest = 255 if scores.in_bytes(facts) else 65535
    outputs = {BASELINE: found.bicubic(highest), EXPORTED: found.sr}
    rows = {name: scores.scores(facts, found, output, model.bands) for name, output in outputs.items()}
    further = scores.further(facts, found, reasons)
    more = {name: further.score(output) for name, output in outputs.items()}
    result.add(found.name, rows, shared(more), reasons)
    return _sample(model, found, outputs, rows)


def _sample(model: Model, found: Images, outputs: dict[str, Float32], rows: dict[str, list[Scores]]) -> Sample:
    frame = len(found.hr) // 2
    shown, part = colours(model.bands or [None] * model.channels), _part(found)
    ends = (0.0, 255.0)
    if not scores.in_bytes(model.facts):
        low, high = np.percentile(found.hr[frame][..., shown], WHITE)
        ends = float(low), max(float(high), float(low) + 1)
    planes = {"lr": found.lr, **outputs, "hr": found.hr}

    def picture(name: str, image: Float32) -> npt.NDArray[np.uint8]:
        rows, columns = (slice(s.start // found.scale, s.stop // found.scale) for s in part) if name == "lr" else part
        levels = (image[rows, columns][..., shown] - ends[0]) / (ends[1] - ends[0])
        eye = np.clip(np.rint(255 * levels), 0, 255).astype(np.uint8)
        return np.asarray(eye if len(shown) == 3 else eye.repeat(3, axis=2))

    pictures = {name: picture(name, clip[frame]) for name, clip in planes.items()}
    timelines = {}
    if len(found.hr) > 1:
        middle = (part[0].start + part[0].stop) // 2 - part[0].start
        for name in (BASELINE, EXPORTED, "hr"):
            timelines[name] = np.stack([picture(name, image)[middle] for image in planes[name]])
    return Sample(found.name, frame, pictures, {name: row[frame] for name, row in rows.items()}, timelines)


def _part(found: Images) -> tuple[slice, slice]:
    """Rows and columns of the fine picture that are shown: all, or the middle of a large one."""
    sides = []
    for side in found.hr.shape[1:3]:
        kept = min(side, SIDE // found.scale * found.scale)
        start = (side - kept) // 2 // found.scale * found.scale
        sides.append(slice(start, start + kept))
    return sides[0], sides[1]
