"""A model measured on pairs: each goes through it as in ``satsr upscale``, and is compared with bicubic."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
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
from satsr.trial import aliased, images, imagesets, scores, series
from satsr.trial.images import Float32, Images
from satsr.trial.pairs import Pair
from satsr.upscale.appraisal.checks import Say, silent
from satsr.upscale.options import Options
from satsr.upscale.preview import colours

PANELS = 3
"""Pairs that are shown."""
SIDE = 768
"""Most fine pixels of a shown picture's side."""
WHITE = (1.0, 99.0)
"""Percentiles of the reference that are black and white where values are not 8-bit."""
Look = Callable[[Model, Pair, Options], object]
Read = Callable[[Model, Pair, Options, Path, Say], Images]
LOOK: Mapping[str, Look] = {"series": series.look, "imageset": imagesets.look}
"""What looks at a pair before the network runs, by the model's kind; of frames and single images
:func:`satsr.trial.images.look`."""
READ: Mapping[str, Read] = {"series": series.images, "imageset": imagesets.images}
"""What reads a pair and applies the model, likewise."""


@dataclass(frozen=True)
class Trial:
    """A model that was measured.

    Attributes:
        model: it.
        evaluation: what was measured; its method :data:`satsr.scores.EXPORTED` is the model.
        notes: sentences on how, and on what was not.
        files: that were read.
    """

    model: Model
    evaluation: Evaluation
    notes: Sequence[str]
    files: Sequence[Path]

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
        model: of any kind.
        pairs: as :func:`satsr.trial.places.find` finds them for its kind.
        options: what the user chose for applying it.
        say: takes lines for the user.

    Raises:
        SatsrError: a pair does not fit the model, or a series has no date.
    """
    look, read = LOOK.get(model.kind, images.look), READ.get(model.kind, images.images)
    result, notes, files, folded = Evaluation(), list[str](), list[Path](), list[str]()
    options, once = options or Options(), _once(say)
    for pair in pairs:  # all of them before the network runs on the first
        look(model, pair, options)
    for number, pair in enumerate(pairs, 1):
        say(f"{number} of {len(pairs)}: {pair.name}")
        with tempfile.TemporaryDirectory(prefix="satsr-evaluate-") as folder, _named(pair, len(pairs) > 1):
            found = read(model, pair, options, Path(folder), once)
        notes += found.notes
        folded += [found.name] if model.kind not in READ and aliased.aliased(found) else []
        files += found.files
        sample = _add(result, model, found)
        if len(result.samples) < PANELS:
            result.samples.append(sample)
    if folded:
        notes.append(said := aliased.sentence(folded))
        say(f"warning: {said}")
    return Trial(model, result, notes, files)


@contextmanager
def _named(pair: Pair, several: bool) -> Iterator[None]:
    """Begins a sentence on what is wrong with the name of the pair, where there are several."""
    try:
        yield
    except SatsrError as error:
        raise SatsrError(f"{pair.name}: {error}" if several else str(error)) from None


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
    outputs = {BASELINE: found.bicubic, EXPORTED: found.sr}
    rows = {name: scores.scores(facts, found, output, model.bands) for name, output in outputs.items()}
    further = scores.further(facts, found, reasons)
    more = {name: further.score(output) for name, output in outputs.items()}
    result.add(found.name, rows, shared(more), reasons)
    return _sample(model, found, outputs, rows)


def _sample(model: Model, found: Images, outputs: dict[str, Float32], rows: dict[str, list[Scores]]) -> Sample:
    frame = len(found.hr) // 2
    shown, part = colours(model.bands or [None] * model.channels), _part(found)
    ends = (0.0, 255.0)
    if not images.in_bytes(model.facts):
        truth = found.hr[frame][..., shown]
        clear = None if found.clear is None or not found.clear[frame].any() else found.clear[frame]
        low, high = np.percentile(truth if clear is None else truth[clear], WHITE)
        ends = float(low), max(float(high), float(low) + 1)
    planes = {"lr": found.lr if found.shown is None else found.shown, **outputs, "hr": found.hr}

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
