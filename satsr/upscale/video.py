"""Clips of any length: in segments with frames to warm up on both sides, so that memory does not grow with length.

A recurrent network carries features along a clip. A segment begins some frames early and ends some frames late (the
burn-in), and these are thrown away: what is kept has seen enough of its past and future. How much a seam still differs
is measured on the way, on frames that two segments have computed.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from satsr.degrade import to_native
from satsr.errors import SatsrError
from satsr.exported import memory
from satsr.exported.model import Model
from satsr.files import disk_errors, replacing, require_space
from satsr.imagery.raster import Mask, Strip
from satsr.progress import Bar, track
from satsr.upscale import checks, consistency, depth, depth_map, preview, strips, uncertainty
from satsr.upscale.checks import Say, silent
from satsr.upscale.options import Options
from satsr.upscale.plan import Footage, Plan, planned
from satsr.upscale.provenance import provenance
from satsr.upscale.results import frames, own
from satsr.upscale.results.partial import Partial, unfinished
from satsr.upscale.seams import Seams, windows
from satsr.upscale.work import present

VISIBLE = 1 / 512
"""Mean difference where segments meet, of the range of values, that is worth a line."""


@dataclass(frozen=True)
class Outcome:
    """What was made.

    Attributes:
        output: the result.
        files: it, and what was written beside it.
        seam_mean, seam_max: differences in native values where two segments meet; None where nothing was compared.
    """

    output: Path
    seam_mean: float | None
    seam_max: float | None
    files: tuple[Path, ...] = ()


def upscale(
    model: Model,
    source: Path | Sequence[Path],
    output: Path,
    options: Options | None = None,
    say: Say = silent,
) -> Outcome:
    """Super-resolves a sequence of frames.

    Args:
        model: of the kind ``video``, ``window``, or ``image`` (frame by frame).
        source: a folder of images, an image, a video file, or a TIFF of several pages; or several images.
        output: a folder, a video, a TIFF of several pages, or a PNG for one image. What satsr did not write is never
            replaced.
        options: what the user chose.
        say: takes lines for the user.

    Raises:
        SatsrError: the input does not fit the model or does not look like its training data, the output cannot hold
            the frames, or the disk is too small.
    """
    options = options or Options()
    clip = frames.open_clip(source, model.bands, model.channels, options.bands)
    own.require_apart([*([source] if isinstance(source, Path) else source), *clip.files], output)
    first = clip.load(0)
    height, width = first.values.shape[1:]
    size = model.channels, model.scale * height, model.scale * width
    frames.require_kind(output, clip, size, first.values.dtype, options.lossless)
    check(model, clip, options, say)
    footage = Footage(len(clip), height, width, first.values.itemsize)
    plan = planned(model, footage, options, memory.budget(model))
    need = 2 * first.values.nbytes * model.scale**2 * len(clip)
    require_space(
        output.parent, need, f"the result ({len(clip)} frames of {width * model.scale} x {height * model.scale} px)"
    )
    pieces = len(plan.starts) - 1
    cut = f"{pieces} segments of {plan.starts[1]} frames and {plan.reach} more on either side"
    frames_at_once = {"video": cut if pieces > 1 else "the whole clip at once"}.get(model.kind, "frame by frame")
    windowed = f"windows of {plan.seams.window} px" if plan.seams.window < max(height, width) else "whole frames"
    free = memory.available(model.runner.device)
    say(
        f"{len(clip)} frames of {width} x {height} px: {frames_at_once}, {windowed}; about {plan.bytes / 1e9:.1f} GB "
        f"of memory (free: {free / 1e9:.1f} GB) and at most {need / 1e9:.1f} GB of disk"
    )
    tags = provenance(model, clip.files, options.constraint)
    key = tags | {"options": options.decisive}
    known = depth.known(model.facts, model.bands)
    beside = dict(_beside(output, options, known is not None))
    with (
        disk_errors(f"writing {output}"),
        unfinished(
            output, key, options.overwrite, folder=frames.is_folder(output), beside=[*beside.values()]
        ) as partial,
    ):
        if "plan" in partial.state:
            kept = partial.state["plan"]
            plan = Plan(tuple(kept["starts"]), kept["reach"], Seams(**kept["seams"]), kept["bytes"])
        partial.save(plan=asdict(plan))
        worst = ClipWork(model, clip, plan, options, partial).finish(say)
        made = partial.folder / "frames"
        found, where = consistency.of_frames(model, clip, made)
        say(consistency.sentence(found, model.constraint(options.constraint).method, where))
        tags |= consistency.tags(found)
        if options.consistency:
            write_maps(model, clip, made, beside["consistency"], tags)
        per_second = options.per_second or clip.per_second or frames.FRAMES_PER_SECOND
        video = frames.Video(per_second, options.lossless, say)
        frames.collect(partial, clip.names, output, tags, video)
    if known and "depth" in beside:
        made = depth_map.of_clip(known, clip, options.numbers, beside["depth"])
        say(f"how far each frame is from the training data: {made}")
    if options.preview:
        preview.of_clip(clip, output, model.scale, tags)
    return Outcome(output, *worst, files=(output, *beside.values()))


def _beside(output: Path, options: Options, known: bool) -> Iterator[tuple[str, Path]]:
    """What is written beside a result, by what it shows."""
    if options.consistency:
        yield "consistency", output.with_name(f"{output.stem}_consistency")
    if options.depth_map and known:
        yield "depth", output.with_name(f"{output.stem}_depth.csv")
    if options.preview:
        yield from zip(("picture", "page"), preview.names(output), strict=True)


def write_maps(model: Model, clip: frames.Clip, folder: Path, target: Path, tags: Mapping[str, str]) -> None:
    """Writes the frames in ``folder``, made small again, minus the clip's, as a folder of float32 TIFFs."""
    with replacing(target) as temporary:
        temporary.mkdir()
        for index in track(range(len(clip)), "consistency", len(clip)):
            small = consistency.small_again(model, consistency.frame(folder, clip, index))
            found = consistency.difference(small, clip.load(index))
            with clip.scenes[index] if clip.scenes else nullcontext() as scene:
                frames.write_frame(temporary / clip.names[index], found, scene, 1, float("nan"))
        own.write_manifest(temporary, tags)


def check(model: Model, clip: frames.Clip, options: Options, say: Say) -> None:
    """Looks at three frames, or one of a video file, which is read from its beginning.

    Raises:
        SatsrError: they do not look like what the model was trained on, and the user does not insist.
    """
    places = {0} if clip.per_second else {0, len(clip) // 2, len(clip) - 1}
    gain, offset = options.numbers
    strips = [clip.load(place) for place in sorted(places)]
    images = [present(strip) * np.float32(gain) + np.float32(offset) for strip in strips]
    sample = np.concatenate([image.reshape(len(image), -1)[:, ::7] for image in images], axis=1)
    found = checks.problems(model.facts, sample, native=strips[0].values.dtype, gain=gain, tags=clip.tags)
    found += [] if found else depth.compare(model, images, say)
    checks.settle(found, options.force, say)


class ClipWork:
    """A clip going through a model."""

    def __init__(self, model: Model, clip: frames.Clip, plan: Plan, options: Options, partial: Partial) -> None:
        self.model, self.clip, self.plan, self.options = model, clip, plan, options
        self.folder = partial.folder / "frames"
        self.folder.mkdir(exist_ok=True)
        self._held: dict[int, Strip] = {}
        self.shape = clip.load(0).values.shape[1:]

    def finish(self, say: Say) -> tuple[float | None, float | None]:
        """Makes all frames that are not there yet; mean and largest difference where segments meet."""
        means: list[float] = []
        largest: list[float] = []
        ahead: tuple[int, npt.NDArray[Any]] | None = None
        seams = self.plan.seams
        rows, columns = (windows(side, seams.window, seams.overlap) for side in self.shape)
        each = len(rows) * len(columns)
        with Bar("upscale", each * self._runs(0, len(self.clip))) as bar:
            for begin, end in self.plan.segments:
                if all(frames.finished(self.folder, name) for name in self.clip.names[begin:end]):
                    bar.advance(each * self._runs(begin, end))
                    continue
                for index, values in self.segment(begin, end, bar):
                    if ahead is not None and ahead[0] == index:
                        difference = np.abs(values.astype(np.float64) - ahead[1])
                        means.append(float(difference.mean()))
                        largest.append(float(difference.max()))
                    if index < end:
                        self.keep(index, values)
                    else:
                        ahead = index, values
        if not means:
            return None, None
        mean, most = float(np.mean(means)), max(largest)
        say(f"where segments meet they differ by {mean:.3g} (mean) and at most {most:.3g}, in the frames' own numbers")
        if mean > VISIBLE * self.model.facts.normalisation.native[1]:
            say("note: that may be seen: a longer --burn-in makes it smaller")
        return mean, most

    def segment(self, begin: int, end: int, bar: Bar) -> Iterator[tuple[int, npt.NDArray[Any]]]:
        """The frames ``begin`` to ``end`` (exclusive) as (C, sH, sW), and the one behind them where it was computed."""
        first, last = max(begin - self.plan.reach, 0), min(end + self.plan.reach, len(self.clip))
        loaded = self._load(first, last)
        if self.model.kind == "video":
            kept = range(begin, min(end + 1, last))
            yield from zip(kept, self._stitched(loaded, [index - first for index in kept], bar), strict=True)
            return
        from satsr.kinds.sampling import window

        for index in range(begin, end):
            places = [index - first]
            if self.model.kind == "window":
                places = [place - first for place in window(index, len(self.clip), 2 * self.plan.reach + 1)]
            yield index, self._stitched([loaded[place] for place in places], [0], bar)[0]

    def keep(self, index: int, values: npt.NDArray[Any]) -> None:
        """Writes a frame, with nodata where its source has it."""
        scene = self.clip.scenes[index] if self.clip.scenes else None
        path, scale = self.folder / self.clip.names[index], self.model.scale
        if scene is None:
            frames.write_frame(path, values, None, scale)
            return
        with scene:
            if scene.gap is not None:
                strips.mark(values, self._held[index].valid, scene.gap, scale)
            frames.write_frame(path, values, scene, scale, scene.gap)

    def _runs(self, begin: int, end: int) -> int:
        """How many times the network goes over the windows of a frame for these kept frames."""
        if self.model.kind != "video":
            return end - begin
        return sum(begin <= first < end for first, _ in self.plan.segments)

    def _load(self, first: int, last: int) -> list[Strip]:
        """Frames, of which those that the segment before had are not read again."""
        self._held = {index: strip for index, strip in self._held.items() if first <= index < last}
        for index in range(first, last):
            if index not in self._held:
                self._held[index] = self._checked(index)
        return [self._held[index] for index in range(first, last)]

    def _checked(self, index: int) -> Strip:
        strip = self.clip.load(index)
        if strip.values.shape[1:] != self.shape:
            raise SatsrError(
                f"frame {self.clip.names[index]} is (H, W) = {strip.values.shape[1:]}, the first one {self.shape}: a "
                "clip has frames of one size."
            )
        return strip

    def _stitched(self, frames: list[Strip], kept: list[int], bar: Bar) -> list[npt.NDArray[Any]]:
        """Frames through the network, window by window; ``kept`` are the ones of its output that are wanted."""
        channels, scale, native = self.model.channels, self.model.scale, frames[0].values.dtype
        height, width = self.shape
        gain, offset = self.options.numbers
        result = np.empty((len(kept) * channels, scale * height, scale * width), native)

        def read(top: int, rows: int) -> Strip:
            parts = [strips.filled(Strip(*_rows(strip, top, rows))) for strip in frames]
            return Strip(np.concatenate(parts) * gain + offset)

        def enlarge(parts: Any) -> npt.NDArray[np.float32]:
            planes = np.stack([part.values for part in parts]).astype(np.float32, copy=False)
            more: dict[str, Any] = {"corners": [part.corner for part in parts], "seed": self.options.seed}
            more |= {"constraint": self.options.constraint}
            if self.options.ensemble:
                output = uncertainty.moments(uncertainty.outputs(self.model, planes, **more))[0]
            else:
                output = self.model.predict(planes, **more)
            if self.model.kind == "video":
                chosen = [index * channels + band for index in kept for band in range(channels)]
                output = output[:, chosen]
            return ((output - offset) / gain).astype(np.float32, copy=False)

        task = strips.Enlargement((height, width), len(result), scale, self.plan.seams, read, enlarge, native)
        for rows in strips.stitched(task, bar=bar):
            result[:, rows.top : rows.top + rows.values.shape[1]] = to_native(rows.values, native, ties="even")
        return list(result.reshape(len(kept), channels, *result.shape[1:]))


def _rows(strip: Strip, top: int, rows: int) -> tuple[npt.NDArray[Any], Mask | None]:
    where = slice(top, top + rows)
    return strip.values[:, where], None if strip.valid is None else strip.valid[:, where]
