"""A model that is ready for use: native values in, native values out, whatever range its network sees.

>>> from satsr import load
>>> model = load("rasvsr@champion")
>>> sr = model(frames)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from satsr.degrade import to_native
from satsr.errors import SatsrError, absences
from satsr.exported import arrays, lazy, opening, ranges
from satsr.exported.facts import KINDS, Facts, parse
from satsr.exported.locate import located
from satsr.exported.network import Float32, Network, real
from satsr.exported.opening import Opening
from satsr.exported.runners import OnnxRunner, Runner, TorchRunner
from satsr.files import sha256
from satsr.kinds.imageset.views import clearest

BACKENDS = ("onnx", "torch")


def load(reference: str | Path, *, backend: str = "onnx", device: str = "auto") -> "Model":
    """A model, ready for use.

    Args:
        reference: ``rasvsr@champion``, ``rasvsr/3``, ``rasvsr`` (its champion), ``zoo:rasvsr`` (a model that is
            installed with satsr), or a path to an .onnx or .safetensors file.
        backend: ``onnx`` or ``torch``; files decide by their suffix.
        device: ``auto``, ``cpu`` or ``cuda``.

    Raises:
        SatsrError: there is no such model, it does not describe itself, or it cannot run here.
    """
    if backend not in BACKENDS:
        raise SatsrError(f"no backend is called {backend!r}: choose onnx or torch.")
    return _loaded(str(reference), backend, device)


def reopened(where: Opening) -> "Model":
    """A model that another process has loaded, opened at most once in this one (:mod:`satsr.exported.opening`).

    Raises:
        SatsrError: as :func:`load`; or what is here under its name is another one.
    """
    return opening.reopened(where, _again)


def _again(where: Opening) -> "Model":
    return _loaded(where.reference, where.backend, where.device, opening.threads())


def _loaded(reference: str, backend: str, device: str, threads: int = 0) -> "Model":
    with absences(), located(reference, backend) as found:
        weights = found.path.suffix == ".safetensors"
        runner: OnnxRunner | TorchRunner = (
            TorchRunner(found.path, device) if weights else OnnxRunner(found.path, device, threads)
        )
        where = Opening(str(found.path.absolute()), found.name, backend, device, sha256(found.path))
        model = Model(parse(runner.description, found.name), runner, found.name, where.digest, where)
    opening.note(where, model)
    return model


@dataclass(frozen=True)
class Wanted:
    """How a model is applied to an array (:meth:`Model.__call__`).

    Raises:
        SatsrError: the gain is none.
    """

    days: Sequence[float] | None = None
    quality: np.ndarray | None = None
    seed: int = 0
    constraint: str | None = None
    gain: float | None = None

    def __post_init__(self) -> None:
        if self.gain is not None and not 0 < self.gain < float("inf"):
            raise SatsrError(f"gain={self.gain} is no gain: give a number above 0, such as 255 for values in 0..1.")


@dataclass(frozen=True)
class Later:
    """What each of Dask's tasks does, in whatever process it runs; some hundred bytes (:mod:`satsr.exported.lazy`)."""

    where: Opening
    wanted: Wanted

    @property
    def looks(self) -> bool:
        """Whether the range of the values is looked at."""
        return self.wanted.gain is None

    def enlarge(self, values: np.ndarray, corner: tuple[int, int]) -> np.ndarray:
        """(N, h, w, C) to (N, sh, sw, C), or without the first axis."""
        return reopened(self.where).enlarged(values, self.wanted, corner)

    def check(self, samples: Sequence[np.ndarray]) -> None:
        """Looks at the range of samples of the array.

        Raises:
            SatsrError: they are plainly not native values.
        """
        model = reopened(self.where)
        values = np.concatenate([sample.ravel() for sample in samples])
        finite = values[np.isfinite(values)]
        if len(finite):
            ranges.require_native(model.facts, finite, model.name)


class Model(Network):
    """A network with all that is needed to apply it.

    Args:
        facts: what it says about itself.
        runner: computes it.
        name: ``rasvsr/3``, or the file's name.
        digest: SHA-256 of its file.
        where: how other processes come to it; None if they cannot.

    Raises:
        SatsrError: it takes inputs that are not known here.
    """

    def __init__(
        self, facts: Facts, runner: Runner, name: str = "model", digest: str = "", where: Opening | None = None
    ) -> None:
        super().__init__(facts, runner, name, digest)
        self.where = where

    def __repr__(self) -> str:
        parts = (repr(self.name), KINDS[self.kind].words, f"x{self.scale}", " ".join(self.bands))
        return f"Model({', '.join(filter(None, parts))})"

    def __call__(
        self,
        frames: Any,
        *,
        days: Sequence[float] | None = None,
        quality: Any = None,
        seed: int = 0,
        constraint: str | None = None,
        gain: float | None = None,
    ) -> Any:
        """Super-resolves an array.

        Args:
            frames: native values, a NumPy or Dask array with the bands last, a torch tensor with the bands first, or an
                xarray.DataArray with dimensions ``y`` and ``x`` and perhaps ``band`` and ``time``. In NumPy's form: an
                image (H, W, C) or (H, W), or several (N, H, W, C), for the kind ``image``; a clip (T, H, W, C) for
                ``video`` and ``window``; dates (T, H, W, C) for ``series``; views (T, H, W) for ``imageset``.
            days: for ``series``: signed days of each date from the wanted one; default: from the middle one.
            quality: for ``imageset``: (T, H, W), non-zero where clear; default: everything is.
            seed: of the noise that a diffusion network starts from.
            constraint: ``none``, ``frequency`` or ``backprojection``: how the result is held to its input
                (:mod:`satsr.constraint`); default: as the model says, which is ``frequency`` for reflectances.
            gain: native values are gain times the array's: 255 or 10000 for floats in 0..1, as torch has them. Where it
                is given, the values are not looked at.

        Returns:
            The same kind of array in the same type and range, each side ``scale`` times longer; for ``series`` and
            ``imageset`` without the axis of dates or views. Integers are rounded and saturate. A DataArray keeps its
            CRS and names and gets the coordinates of its new pixels. What Dask computes later stays so, chunk by chunk
            (:mod:`satsr.exported.lazy`).

        Raises:
            SatsrError: the shape, the number of bands or dates or the bands' names do not fit the model, values are not
                finite, or they are plainly not in the model's range (:mod:`satsr.exported.ranges`); of Dask's arrays,
                values are looked at when they are computed.
        """
        wanted = Wanted(days, None if quality is None else np.asarray(quality), seed, constraint, gain)
        values, pack = arrays.unpack(frames, self.kind, self.bands)
        if lazy.is_lazy(values):
            return pack(self._later(values, wanted), self.scale)
        _require_finite(values)
        if gain is None:
            ranges.require_native(self.facts, values, self.name)
        return pack(self.enlarged(values, wanted), self.scale)

    def enlarged(self, values: np.ndarray, wanted: "Wanted", corner: tuple[int, int] = (0, 0)) -> np.ndarray:
        """The plain form of what :meth:`__call__` does, whatever range the values lie in.

        Args:
            values: (N, H, W, C).
            wanted: how.
            corner: row and column of the first pixel in its scene, in LR px.

        Returns:
            (N, sH, sW, C), or without the first axis, of the same type.

        Raises:
            SatsrError: as :meth:`__call__`.
        """
        _require_finite(values)
        gain = np.float32(wanted.gain or 1)
        more = {"seed": wanted.seed, "constraint": wanted.constraint, "corners": [corner]}
        native = values if gain == 1 else values.astype(np.float32) * gain
        result = self._apply(native, wanted.days, wanted.quality, more)
        return to_native(result if gain == 1 else result / gain, values.dtype, ties="even")

    def _later(self, cube: Any, wanted: "Wanted") -> Any:
        """The result for a Dask array (N, H, W, C), of which nothing is computed yet.

        Raises:
            SatsrError: what is wrong with it, as far as that is known before its values are.
        """
        if self.where is None or self.kind == "imageset":
            views = "the clearest views of an image set are chosen by all of their pixels"
            reason = "it was not loaded by satsr.load" if self.where is None else views
            raise SatsrError(f"{self.name} does not take Dask's arrays, as {reason}: give it array.compute().")
        self._require_bands(cube)
        together = {"image": 1, "window": self.views or 5, "series": min(len(cube), self.views or self.facts.dates)}
        way = lazy.Way(
            scale=self.scale,
            single=self.kind == "image",
            merged=KINDS[self.kind].merged,
            together=together.get(self.kind, len(cube)),
            reach=self.constraint(wanted.constraint).reach,
        )
        return lazy.enlarged(cube, Later(self.where, wanted), way)

    def _apply(
        self, values: np.ndarray, days: Sequence[float] | None, quality: np.ndarray | None, more: Mapping[str, Any]
    ) -> Float32:
        """(N, H, W, C) native to float32 native, (N, sH, sW, C) or without the first axis."""
        self._require_bands(values)
        planes = np.moveaxis(values, -1, 1)
        if self.kind == "image":
            return np.stack([np.moveaxis(self.predict(plane[None], **more)[0], 0, -1) for plane in planes])
        if self.kind == "window":
            frames = [self._window(planes, index, more) for index in range(len(planes))]
            return np.stack([np.moveaxis(frame, 0, -1) for frame in frames])
        if self.kind == "video":
            flat = self.predict(planes.reshape(1, -1, *planes.shape[2:]), **more)[0]
            return np.moveaxis(flat.reshape(len(planes), -1, *flat.shape[1:]), 1, -1)
        if self.kind == "imageset":
            clear = np.ones(values.shape[:3], np.bool_) if quality is None else quality != 0
            chosen = np.sort(clearest(clear, self.views or len(clear)))
            made = self.predict(planes[chosen].swapaxes(0, 1), quality=clear[chosen][None], **more)
            return np.moveaxis(made[0], 0, -1)
        signed = np.asarray(np.arange(len(values)) - len(values) // 2 if days is None else days, np.float32)
        dates = self.dates(signed)
        stack = planes[dates].reshape(1, -1, *planes.shape[2:])
        return np.moveaxis(self.predict(stack, days=signed[dates], alphas=real(dates), **more)[0], 0, -1)

    def _require_bands(self, values: Any) -> None:
        """Refuses another number of bands than the model takes.

        Raises:
            SatsrError: so.
        """
        if values.shape[-1] != self.channels:
            raise SatsrError(
                f"{self.name} takes {self.channels} band(s) ({', '.join(self.bands) or 'unnamed'}), found an array "
                f"with {values.shape[-1]}: choose the bands first. NumPy arrays have them last, tensors first."
            )

    def _window(self, planes: np.ndarray, index: int, more: Mapping[str, Any]) -> Float32:
        """One frame from its neighbours."""
        from satsr.kinds.sampling import window

        neighbours = planes[window(index, len(planes), self.views or 5)]
        frame: Float32 = self.predict(neighbours.reshape(1, -1, *planes.shape[2:]), **more)[0]
        return frame


def _require_finite(values: np.ndarray) -> None:
    """Refuses values that are not finite.

    Raises:
        SatsrError: so.
    """
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise SatsrError(
            "the array holds values that are not finite: fill them first, or use satsr upscale on the file, which "
            "leaves nodata where they are."
        )
