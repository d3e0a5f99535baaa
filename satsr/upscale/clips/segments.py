"""A clip going through a model, segment by segment and window by window, into frames on disk."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from satsr.degrade import to_native
from satsr.errors import SatsrError
from satsr.exported.model import Model
from satsr.imagery.raster import Mask, Strip
from satsr.progress import Bar
from satsr.upscale import uncertainty
from satsr.upscale.appraisal.checks import Say
from satsr.upscale.options import Options
from satsr.upscale.results import frames
from satsr.upscale.results.clips import Clip
from satsr.upscale.results.partial import Partial
from satsr.upscale.windows import strips
from satsr.upscale.windows.plan import Plan
from satsr.upscale.windows.seams import windows

VISIBLE = 1 / 512
"""Mean difference where segments meet, of the range of values, that is worth a line."""


class ClipWork:
    """A clip going through a model."""

    def __init__(self, model: Model, clip: Clip, plan: Plan, options: Options, partial: Partial) -> None:
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
