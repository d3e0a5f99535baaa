"""A registered model as MLflow loads and serves it: ``predict`` gives what :func:`satsr.load` gives.

An MLflow model names a module that loads it; this is that module, so nothing is pickled and no code travels with a
model. What comes in are native numbers: arrays from Python, nested lists of JSON, or base64 of .png and .npy files,
which are much smaller. The answer has the form of the question.
"""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from math import prod
from typing import Any

import numpy as np

from satsr.errors import SatsrError
from satsr.exported.model import Model, load
from satsr.imagery import images

NPY = b"\x93NUMPY"
Pack = Callable[[np.ndarray], Any]


class Served:
    """A model with MLflow's ``predict``.

    Args:
        model: what computes.
    """

    def __init__(self, model: Model) -> None:
        self.model = model

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """The super-resolved form of what was given, as :meth:`satsr.exported.model.Model.__call__` makes it.

        Args:
            data: images, frames, dates or views in the shape that the model takes, native numbers; or base64 texts, one
                .npy file or a .png file for each image; in a dictionary with one entry, or with the quality maps of an
                image set as the second.
            params: ``constraint``, ``seed``, ``gain`` and ``days``; empty and 0 mean that nothing is said.

        Returns:
            An array of the type that was given, whole numbers for JSON's whole numbers; or base64 texts.

        Raises:
            MlflowException: with the sentence of a :class:`SatsrError`, which MLflow's server sends with status 400.
        """
        try:
            return self._answer(data, params or {})
        except SatsrError as error:
            from mlflow.exceptions import MlflowException

            raise MlflowException.invalid_parameter_value(str(error)) from None

    def _answer(self, data: Any, params: Mapping[str, Any]) -> Any:
        given = list(data.values()) if isinstance(data, Mapping) else [data]
        values, pack = self._numbers(given[0])
        result = self.model(
            values,
            days=list(params.get("days") or []) or None,
            quality=self._numbers(given[1])[0] if len(given) > 1 else None,
            seed=int(params.get("seed") or 0),
            constraint=params.get("constraint") or None,
            gain=params.get("gain") or None,
        )
        return pack(result)

    def _numbers(self, given: Any) -> tuple[np.ndarray, Pack]:
        """An array of numbers, and what the answer is packed with."""
        array = np.asarray(given)
        if array.dtype.kind not in "OU":
            return array, lambda result: result
        texts = array.ravel().tolist()
        if texts and all(isinstance(text, str) for text in texts):
            return self._files([_bytes(text) for text in texts])
        return self._narrow(array), lambda result: result

    def _files(self, files: Sequence[bytes]) -> tuple[np.ndarray, Pack]:
        if not files[0].startswith(NPY):
            pictures = [images.decode(data, f"image {place}") for place, data in enumerate(files, 1)]
            if len({picture.shape for picture in pictures}) > 1:
                raise SatsrError("the images differ in size or colours: give those of one clip, series or set.")
            stack = np.stack(pictures)
            return (stack if stack.ndim == 4 or self.model.kind == "imageset" else stack[..., None]), self._pngs
        if len(files) > 1:
            raise SatsrError(f"{len(files)} .npy files were given: give one that holds all images.")
        return _array(files[0]), _npy

    def _narrow(self, array: np.ndarray) -> np.ndarray:
        """Numbers of JSON: whole ones in the type that native values have, others as float32."""
        try:
            values = np.array(array.tolist())
        except ValueError:
            values = array
        if values.dtype.kind not in "iuf":
            raise SatsrError("the input is no array of numbers: its rows differ in length, or hold something else.")
        wanted = np.uint8 if self.model.facts.normalisation.native[1] <= 255 else np.uint16
        whole = values.dtype.kind in "iu" and values.size and values.min() >= 0 and values.max() <= np.iinfo(wanted).max
        return values.astype(wanted if whole else np.float32)

    def _pngs(self, result: np.ndarray) -> list[str]:
        alone = result.ndim == (2 if self.model.kind == "imageset" else 3)
        planes = [result] if alone else list(result)
        return [_text(images.encode_png(plane[..., 0] if plane.shape[2:] == (1,) else plane)) for plane in planes]


def _load_pyfunc(path: str) -> Served:
    """What MLflow calls with the path of the model's file."""
    return Served(load(path))


def _npy(result: np.ndarray) -> list[str]:
    stream = BytesIO()
    np.lib.format.write_array(stream, result, allow_pickle=False)
    return [_text(stream.getvalue())]


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise SatsrError("a text in the input is not base64 of a .png or .npy file: give numbers, or that.") from None


def _array(data: bytes) -> np.ndarray:
    """The array of a .npy file, whose header must say as many bytes as there are; objects are never unpickled."""
    stream = BytesIO(data)
    try:
        major, _ = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
        shape, fortran, kind = read(stream)
    except (ValueError, EOFError) as error:
        raise SatsrError(f"the .npy file cannot be read ({error}): make it with numpy.save.") from None
    if kind.hasobject or prod(shape) * kind.itemsize != len(data) - stream.tell():
        raise SatsrError(f"the .npy file says {kind} {shape}, which is not what it holds: make it with numpy.save.")
    return np.frombuffer(data, kind, offset=stream.tell()).reshape(shape, order="F" if fortran else "C")
