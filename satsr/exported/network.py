"""A network on batches of equal windows: native values in, native values out, whatever range it sees."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt

from satsr.constraint import Constraint, held, require_offered
from satsr.degrade import opencv_cubic
from satsr.errors import SatsrError
from satsr.exported.facts import BANDS, KINDS, Facts
from satsr.exported.noise import noise
from satsr.exported.runners import Runner
from satsr.imagery.dates import nearest

Float32 = npt.NDArray[np.float32]
KNOWN = ("x", "days", "alphas", "quality", "up", "noise")


class Network:
    """A network that takes and gives native values, with what it says of itself.

    Args:
        facts: what it says about itself.
        runner: computes it.
        name: ``rasvsr/3``, or the file's name.
        digest: SHA-256 of its file.

    Attributes:
        kind: a key of :data:`satsr.exported.facts.KINDS`.
        channels: of one image.
        views: number of images that it takes at once, None for any.

    Raises:
        SatsrError: it takes inputs that are not known here.
    """

    def __init__(self, facts: Facts, runner: Runner, name: str = "model", digest: str = "") -> None:
        strange = [key for key in runner.inputs if key not in KNOWN]
        if strange or "x" not in runner.inputs:
            raise SatsrError(
                f"{name} takes {', '.join(runner.inputs)}, but the inputs known here are {', '.join(KNOWN)}: export "
                "the model again with satsr."
            )
        self.facts, self.runner, self.name, self.digest = facts, runner, name, digest
        shape = runner.inputs["x"]
        # A paper of series may have a variant that takes the nearest date only: an image like any other.
        self.kind = "image" if facts.kind == "series" and len(shape) == 4 else facts.kind
        sides = KINDS[self.kind].sides
        self.channels = _side(shape, sides[0]) or facts.channels
        self.views = _side(shape, sides[1])

    @property
    def scale(self) -> int:
        """SR px per LR px."""
        return self.facts.scale

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of the bands that it takes, in order; empty where they have no names."""
        if self.facts.bands:
            return self.facts.bands
        return BANDS.get(self.channels, ()) if self.facts.reflectance else _colours(self.channels)

    @property
    def draws(self) -> bool:
        """Whether its result is one of many that it could give, chosen by noise (diffusion)."""
        return "noise" in self.runner.inputs

    @property
    def _noise_planes(self) -> int:
        """How many planes of noise it takes: as its graph says, or as many as its result has."""
        said = self.runner.inputs["noise"][1:2]
        return (said and said[0]) or self.channels

    def dates(self, days: npt.NDArray[np.float32]) -> list[int]:
        """Which dates of a series are used: the nearest ones, in the order of the series.

        Where they are fewer than the model takes, the last one is repeated (:func:`real` marks it).

        Args:
            days: (T,) signed, of each date from the wanted one.
        """
        wanted = self.views or self.facts.dates
        chosen = nearest(days, wanted)
        fixed = self.views is not None or "alphas" in self.runner.inputs
        return chosen + [chosen[-1]] * (wanted - len(chosen)) if fixed else chosen

    def predict(
        self,
        planes: np.ndarray,
        *,
        days: np.ndarray | None = None,
        alphas: np.ndarray | None = None,
        quality: np.ndarray | None = None,
        corners: Sequence[tuple[int, int]] | None = None,
        seed: int = 0,
        sample: int = 0,
        constraint: str | None = None,
    ) -> Float32:
        """Runs the network on a batch of equal windows.

        Args:
            planes: (B, N, h, w) native values, finite; N is the bands of an image, or frames times bands.
            days: (T,) signed days, for ``series``.
            alphas: (T,) 1 for real dates, 0 for repeated ones.
            quality: (B, T, h, w), True where clear, for ``imageset``.
            corners: row and column of each window in its scene, in LR px: where a diffusion network's noise is taken
                from; default: 0, 0.
            seed: of that noise (:func:`satsr.exported.noise.noise`).
            sample: of that noise.
            constraint: how the result is held to its input; default: as the model says.

        Returns:
            (B, M, s h, s w) float32 native values, not rounded; with a constraint they are not clipped either.

        Raises:
            SatsrError: a constraint that is not known, or that the model's kind does not have; or an output of another
                size than the description says.
        """
        wanted = self.constraint(constraint)
        height, width = planes.shape[2:]
        padded = self._padded(planes)
        inputs = self._inputs(padded, days, alphas, None if quality is None else self._padded(quality))
        if self.draws:
            shape = self.scale * padded.shape[2], self.scale * padded.shape[3]
            places = corners or [(0, 0)] * len(planes)
            inputs["noise"] = np.stack(
                [noise(seed, sample, self._noise_planes, (self.scale * y, self.scale * x), shape) for y, x in places]
            )
        output = self.runner.run(inputs)
        expected = tuple(self.scale * side for side in padded.shape[2:])
        if output.shape[-2:] != expected:
            raise SatsrError(
                f"{self.name} says that it enlarges {self.scale} times, but made {output.shape[-2:]} px of "
                f"{padded.shape[2:]}: its description is that of another network; export the model again with satsr."
            )
        output = output.reshape(len(planes), -1, *output.shape[-2:])
        made = self._native(output[..., : self.scale * height, : self.scale * width])
        return made if wanted.method == "none" else self._held(made, planes, days, wanted)

    def constraint(self, method: str | None = None) -> Constraint:
        """How results are held to their input: by this method, or as the model says.

        Raises:
            SatsrError: a method that is not known, or that the model's kind does not have.
        """
        wanted = self.facts.constraint if method is None else replace(self.facts.constraint, method=method)
        require_offered(wanted.method, self.kind)
        return wanted

    def _held(self, made: Float32, planes: np.ndarray, days: np.ndarray | None, constraint: Constraint) -> Float32:
        """Each image of (B, frames times C, s h, s w) held to its own frame, to the middle or to the nearest date."""
        frames = planes.reshape(len(planes), -1, self.channels, *planes.shape[2:])
        if self.kind in ("series", "window"):
            place = self.anchor(days) if self.kind == "series" else frames.shape[1] // 2
            frames = frames[:, [place]]
        fine = made.reshape(-1, self.channels, *made.shape[2:])
        given = frames.reshape(-1, self.channels, *planes.shape[2:])
        return held(fine, given, self.scale, constraint).reshape(made.shape)

    @staticmethod
    def anchor(days: np.ndarray | None) -> int:
        """The place of the date that is nearest to the wanted one."""
        return 0 if days is None else int(np.argmin(np.abs(days)))

    def _inputs(
        self, planes: np.ndarray, days: np.ndarray | None, alphas: np.ndarray | None, quality: np.ndarray | None
    ) -> dict[str, np.ndarray]:
        x = self._normalised(planes)
        batch, frames, wanted = len(planes), planes.shape[1] // self.channels, self.runner.inputs
        stacked = self.kind in ("video", "window", "series")
        inputs = {"x": x.reshape(batch, frames, self.channels, *x.shape[2:]) if stacked else x}
        if "days" in wanted:
            offsets = np.arange(frames) - frames // 2 if days is None else days
            inputs["days"] = np.tile(np.asarray(offsets, np.float32), (batch, 1))
        if "alphas" in wanted:
            inputs["alphas"] = np.tile(np.ones(frames) if alphas is None else alphas, (batch, 1)).astype(np.float32)
        if "quality" in wanted:
            inputs["quality"] = np.ones_like(x) if quality is None else quality.astype(np.float32)
        if "up" in wanted:
            nearest = planes[:, self.anchor(days) * self.channels :][:, : self.channels].astype(np.float32)
            inputs["up"] = self._normalised(_planewise(nearest, lambda image: opencv_cubic(image, self.scale)))
        return inputs

    def _padded(self, planes: np.ndarray) -> np.ndarray:
        """At least ``facts.smallest`` px on each side, by reflection at the bottom and on the right."""
        missing = [max(self.facts.smallest - side, 0) for side in planes.shape[2:]]
        if not any(missing):
            return planes
        return np.pad(planes, [(0, 0), (0, 0), (0, missing[0]), (0, missing[1])], mode="symmetric")

    def _normalised(self, planes: np.ndarray) -> Float32:
        return _planewise(planes, self.facts.normalisation.forward, self.channels)

    def _native(self, planes: np.ndarray) -> Float32:
        """In place, where the runner's output is float32."""
        return _planewise(planes, partial(self.facts.normalisation.inverse, own=True), self.channels)


def real(chosen: Sequence[int]) -> Float32:
    """1 for every date, 0 where one is repeated: what fusion networks call alphas."""
    return np.array([index not in chosen[:place] for place, index in enumerate(chosen)], np.float32)


def _planewise(planes: np.ndarray, change: Callable[[np.ndarray], np.ndarray], channels: int | None = None) -> Float32:
    """Applies a function of images (h, w, C) to (B, frames times C, h, w)."""
    channels = channels or planes.shape[1]
    images = planes.reshape(-1, channels, *planes.shape[2:])
    changed = [np.moveaxis(change(np.moveaxis(image, 0, -1)), -1, 0) for image in images]
    stacked = np.stack(changed) if len(changed) > 1 else changed[0][None]
    return np.ascontiguousarray(stacked.reshape(len(planes), -1, *stacked.shape[2:]), dtype=np.float32)


def _side(shape: tuple[int | None, ...], index: int | None) -> int | None:
    return shape[index] if index is not None and index < len(shape) else None


def _colours(channels: int) -> tuple[str, ...]:
    return ("red", "green", "blue") if channels == 3 else ()
