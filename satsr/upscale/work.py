"""A scene with the model that enlarges it: numbers in and out of the network, gaps kept, memory estimated."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from satsr.degrade import to_native
from satsr.errors import SatsrError
from satsr.exported import memory
from satsr.exported.model import Model
from satsr.imagery.raster import CACHE_MB, Layer, Mask, Raster, Strip
from satsr.resize import imresize
from satsr.upscale import uncertainty
from satsr.upscale.options import Options
from satsr.upscale.windows import strips
from satsr.upscale.windows.plan import seams
from satsr.upscale.windows.seams import Seams

Float32 = npt.NDArray[np.float32]
WINDOWS = (256, 128, 64)


class Work:
    """A scene, open, with the model that enlarges it.

    Args:
        model: of the kind ``image``.
        scene: its first layers go to the model, the others are enlarged by the cubic.
        options: what the user chose.

    Attributes:
        raster: the imagery whose place, type, gaps and encoding the result has.
        own: layers that go through the model.
        gains, offsets: (N, 1, 1) float32 of these, from the file's numbers to the model's.
        nodata: of the result; None where nothing can be missing.
        seams: windows that fit the memory.

    Raises:
        SatsrError: the overlap is more than half a window.
    """

    def __init__(self, model: Model, scene: Raster, options: Options) -> None:
        if options.overlap < 0 or (options.window and 2 * options.overlap > options.window):
            raise SatsrError(f"an overlap of {options.overlap} px is more than half a window: enlarge the window.")
        self.model, self.scene, self.options = model, scene, options
        self.raster: Raster = scene
        self.own = self._own()
        self.gains, self.offsets = self._numbers(self.own)
        self.nodata = scene.gap
        self.cost = memory.per_pixel(model)
        self.seams = self._seams()

    @property
    def layers(self) -> Sequence[Layer]:
        """The bands of the result."""
        return self.raster.layers

    def _own(self) -> Sequence[Layer]:
        return self.scene.layers[: self.model.channels]

    def _numbers(self, layers: Sequence[Layer]) -> tuple[Float32, Float32]:
        """The user's gain and offset, else those of the file where it says what its numbers mean."""
        pairs = [(layer.gain, layer.offset) if self.model.facts.reflectance else (1.0, 0.0) for layer in layers]
        if self.options.gain is not None or self.options.offset is not None:
            pairs = [self.options.numbers] * len(layers)
        gains, offsets = np.array(pairs, np.float32).T
        return gains[:, None, None], offsets[:, None, None]

    def _seams(self) -> Seams:
        """The user's windows, or the largest that need at most half of the free memory."""
        sides = [self.options.window] if self.options.window else WINDOWS
        known = [seams(self.model, side, self.options) for side in sides]
        free = memory.available(self.model.runner.device)
        return next((item for item in known if self.bytes(item) < free / 2), known[-1])

    def bytes(self, wanted: Seams) -> int:
        """An estimate of the memory that is needed: rows of windows, the network, and the rest."""
        scene, scale, bands = self.scene, self.model.scale, len(self.layers) + self.options.spread
        side = min(wanted.window, scene.height)
        low = len(scene.layers) * side * scene.width * (scene.dtype.itemsize + 1)
        high = bands * scale * side * scale * scene.width * 4
        out = bands * scale * side * scale * scene.width * scene.dtype.itemsize
        views = len(self.own) / self.model.channels
        network = self.cost * views * self.options.batch * side * min(wanted.window, scene.width)
        return int(memory.FIXED + (CACHE_MB << 20) + low + high + 2 * out + network)

    def images(self, strip: Strip) -> list[Float32]:
        """The model's bands in its numbers, (C, h, w) of each date, NaN where missing."""
        own, channels = len(self.own), self.model.channels
        values = present(strip)[:own] * self.gains + self.offsets
        return [values[first : first + channels] for first in range(0, own, channels)]

    def enlarge(self, parts: Sequence[Strip]) -> Float32:
        """(B, C, s h, s w) in the file's numbers, followed by the spread if it is wanted."""
        planes = np.stack([strips.filled(part) for part in parts])
        corners = [part.corner for part in parts]
        result = self.predicted(planes[:, : len(self.own)] * self.gains + self.offsets, corners=corners)
        rest = planes[:, len(self.own) :]
        if not rest.shape[1]:
            return result
        finer = [np.moveaxis(imresize(np.moveaxis(part, 0, -1), self.model.scale), -1, 0) for part in rest]
        channels = self.model.channels
        return np.concatenate([result[:, :channels], np.stack(finer), result[:, channels:]], axis=1)

    def predicted(self, planes: np.ndarray, **more: Any) -> Float32:
        """The model's output for (B, N, h, w) of its numbers, in the file's, and the spread if it is wanted."""
        gains, offsets = self._numbers(self.layers[: self.model.channels])
        more |= {"seed": self.options.seed, "constraint": self.options.constraint}
        if not (self.options.ensemble or self.options.spread):
            result = self.model.predict(planes, **more)
            return result if (gains == 1).all() and not offsets.any() else (result - offsets) / gains
        outputs = uncertainty.outputs(self.model, planes, **more)
        first = next(outputs)
        mean, spread = uncertainty.moments(chain([first], outputs))
        result = ((mean if self.options.ensemble else first) - offsets) / gains
        wavers = [(spread / gains).mean(axis=1, keepdims=True)] if self.options.spread else []
        return np.concatenate([result, *wavers], axis=1, dtype=np.float32)

    def valid(self, rows: strips.Rows) -> Mask | None:
        """(bands, n, W), where the result's pixels have a source; None if all have."""
        return rows.source.valid

    def finished(self, rows: strips.Rows) -> list[npt.NDArray[Any]]:
        """Rows of the result in the file's type, and of the spread if it is wanted.

        Nodata is where the input has it and nowhere else.
        """
        scene, valid = self.raster, self.valid(rows)
        values = to_native(rows.values[: len(self.layers)], scene.dtype, ties="even")
        if self.nodata is not None:
            strips.mark(values, valid, self.nodata, self.model.scale)
        if not self.options.spread:
            return [values]
        spread = rows.values[-1:].astype(np.float32)
        if valid is not None:
            spread[0][~strips.enlarged(np.asarray(valid.all(axis=0)), self.model.scale)] = np.nan
        return [values, spread]


def present(strip: Strip) -> Float32:
    """(N, h, W) float32, NaN where missing."""
    there = np.isfinite(strip.values) & (True if strip.valid is None else strip.valid)
    return np.where(there, strip.values, np.nan).astype(np.float32)
