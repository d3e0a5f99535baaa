"""Arrays as people have them, NumPy, torch or xarray, to the one form that models work on, and back."""

from collections.abc import Callable
from typing import Any

import numpy as np

from satsr.errors import SatsrError
from satsr.exported.facts import KINDS

Pack = Callable[[np.ndarray, int], Any]
ROWS, COLUMNS = ("y", "lat", "latitude"), ("x", "lon", "longitude")
BANDS, TIMES = ("band", "bands", "channel"), ("time", "date", "view")


def unpack(frames: Any, kind: str) -> tuple[np.ndarray, Pack]:
    """The one form, and the way back.

    Args:
        frames: a NumPy array, a torch tensor or an xarray.DataArray (see :meth:`satsr.exported.model.Model.__call__`).
        kind: of the model.

    Returns:
        (N, H, W, C) in the array's own type, and a function that takes the result in that type, (N, sH, sW, C) or
        (sH, sW, C) for the merged kinds, with the scale, and gives what the user expects.

    Raises:
        SatsrError: another number of axes than the kind of model takes, or no array of numbers.
    """
    if hasattr(frames, "dims") and hasattr(frames, "coords"):
        return _unpack_labelled(frames, kind)
    if type(frames).__module__.partition(".")[0] == "torch":
        return _unpack_tensor(frames, kind)
    return _unpack_plain(np.asarray(frames), kind)


def _unpack_plain(values: np.ndarray, kind: str) -> tuple[np.ndarray, Pack]:
    axes = values.ndim
    if axes not in KINDS[kind].axes or values.dtype.kind not in "uif" or not values.size:
        raise SatsrError(
            f"a model of the kind {kind} takes an array of numbers {KINDS[kind].forms}, found {values.dtype} "
            f"{values.shape}."
        )
    single = kind == "image" and axes < 4
    gray = axes == (2 if kind == "image" else 3) and not (kind == "image" and axes == 3)

    def pack(result: np.ndarray, scale: int) -> np.ndarray:
        result = result[0] if single else result
        return result[..., 0] if gray else result

    values = values[..., None] if gray else values
    return (values[None] if single else values), pack


def _unpack_tensor(tensor: Any, kind: str) -> tuple[np.ndarray, Pack]:
    import torch

    last = tensor.ndim > (2 if kind == "image" else 3)
    plain = tensor.detach().movedim(-3, -1) if last else tensor.detach()
    held = plain.float() if plain.dtype in (torch.bfloat16, torch.float16) else plain
    values, pack_plain = _unpack_plain(held.cpu().numpy(), kind)

    def pack(result: np.ndarray, scale: int) -> Any:
        packed = torch.from_numpy(np.ascontiguousarray(pack_plain(result, scale)))
        packed = packed.movedim(-1, -3) if last else packed
        return packed.contiguous().to(tensor.device, tensor.dtype)

    return values, pack


def _unpack_labelled(labelled: Any, kind: str) -> tuple[np.ndarray, Pack]:
    names = [str(name) for name in labelled.dims]
    row, column = _one_of(names, ROWS), _one_of(names, COLUMNS)
    band, time = _one_of(names, BANDS), _one_of(names, TIMES)
    unknown = set(names) - {row, column, band, time}
    if row is None or column is None or unknown:
        raise SatsrError(
            f"a DataArray needs the dimensions y and x, and may have band and time; found {', '.join(names)}: "
            "rename or select."
        )
    order = [name for name in (time, row, column, band) if name]
    plain = labelled.transpose(*order)
    values, pack_plain = _unpack_plain(np.asarray(plain.values), kind)

    def pack(result: np.ndarray, scale: int) -> Any:
        kept = [name for name in order if not (name == time and KINDS[kind].merged)]
        data = pack_plain(result, scale)
        if band and data.ndim == len(kept) - 1:
            data = data[..., None]
        coords = {
            name: (coord.dims, _finer(np.asarray(coord.values), scale)) if name in (row, column) else coord
            for name, coord in plain.coords.items()
            if set(coord.dims) <= set(kept)
            and (name in (row, column) or not {row, column} & set(coord.dims))
            and name != "spatial_ref"
        }
        made = type(labelled)(data, dims=kept, coords=coords, attrs=dict(labelled.attrs), name=labelled.name)
        if "spatial_ref" in plain.coords:
            made = made.assign_coords(spatial_ref=_finer_reference(plain.coords["spatial_ref"], scale))
        return made.transpose(*[name for name in names if name in kept])

    return values, pack


def _one_of(names: list[str], known: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in known), None)


def _finer(centres: np.ndarray, scale: int) -> np.ndarray:
    """Pixel centres of an axis that is divided ``scale`` times."""
    step = (centres[-1] - centres[0]) / (len(centres) - 1) if len(centres) > 1 else 1.0
    first = centres[0] - step / 2 + step / scale / 2
    return np.asarray(first + step / scale * np.arange(len(centres) * scale))


def _finer_reference(reference: Any, scale: int) -> Any:
    """Rioxarray's ``spatial_ref`` with the pixel size of its GeoTransform divided."""
    changed = reference.copy()
    if "GeoTransform" in changed.attrs:
        x, a, b, y, d, e = (float(number) for number in str(changed.attrs["GeoTransform"]).split())
        numbers = (x, a / scale, b / scale, y, d / scale, e / scale)
        changed.attrs["GeoTransform"] = " ".join(str(number) for number in numbers)
    return changed
