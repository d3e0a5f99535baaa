"""Arrays as people have them, NumPy, torch, Dask or xarray, to the one form that models work on, and back."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from satsr.errors import SatsrError
from satsr.exported.facts import KINDS
from satsr.exported.lazy import is_lazy
from satsr.imagery.bands import canonical

Pack = Callable[[np.ndarray, int], Any]
ROWS, COLUMNS = ("y", "lat", "latitude"), ("x", "lon", "longitude")
BANDS, TIMES = ("band", "bands", "channel"), ("time", "date", "view")
KEPT = ("grid_mapping", "_FillValue", "missing_value", "scale_factor", "add_offset", "dtype", "rasterio_dtype")
"""What of an encoding holds for a result: not how the source was cut and packed."""


def unpack(frames: Any, kind: str, bands: Sequence[str] = ()) -> tuple[Any, Pack]:
    """The one form, and the way back.

    Args:
        frames: a NumPy or Dask array, a torch tensor or an xarray.DataArray of either of the first (see
            :meth:`satsr.exported.model.Model.__call__`).
        kind: of the model.
        bands: of the model, in its order.

    Returns:
        (N, H, W, C) in the array's own type, Dask's where it is one, and a function that takes the result in that
        type, (N, sH, sW, C) or (sH, sW, C) for the merged kinds, with the scale, and gives what the user expects.

    Raises:
        SatsrError: another number of axes than the kind of model takes, no array of numbers, or bands whose names say
            that they are others than the model's.
    """
    if hasattr(frames, "dims") and hasattr(frames, "coords"):
        return _unpack_labelled(frames, kind, bands)
    if type(frames).__module__.partition(".")[0] == "torch":
        return _unpack_tensor(frames, kind)
    return _unpack_plain(frames if is_lazy(frames) else np.asarray(frames), kind)


def _unpack_plain(values: Any, kind: str) -> tuple[Any, Pack]:
    axes = values.ndim
    if axes not in KINDS[kind].axes or values.dtype.kind not in "uif" or not values.size:
        raise SatsrError(
            f"a model of the kind {kind} takes an array of numbers {KINDS[kind].forms}, found {values.dtype} "
            f"{values.shape}."
        )
    single = kind == "image" and axes < 4
    gray = axes == (2 if kind == "image" else 3) and not (kind == "image" and axes == 3)

    def pack(result: Any, scale: int) -> Any:
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


def _unpack_labelled(labelled: Any, kind: str, bands: Sequence[str]) -> tuple[Any, Pack]:
    if hasattr(labelled, "data_vars"):
        raise SatsrError(
            'a Dataset holds an array for each band, and a model takes one array: give dataset.to_array("band"), of '
            "the model's bands in their order."
        )
    names = [str(name) for name in labelled.dims]
    row, column = _one_of(names, ROWS), _one_of(names, COLUMNS)
    band, time = _one_of(names, BANDS), _one_of(names, TIMES)
    unknown = set(names) - {row, column, band, time}
    if row is None or column is None or unknown:
        raise SatsrError(
            f"a DataArray needs the dimensions y and x, and may have band and time; found {', '.join(names)}: "
            "rename or select."
        )
    if band is not None and band in labelled.coords:
        _require_bands([str(name) for name in labelled.coords[band].values], bands, band)
    order = [name for name in (time, row, column, band) if name]
    plain = labelled.transpose(*order)
    values, pack_plain = _unpack_plain(plain.data if is_lazy(plain.data) else np.asarray(plain.values), kind)

    def pack(result: Any, scale: int) -> Any:
        kept = [name for name in order if not (name == time and KINDS[kind].merged)]
        data = pack_plain(result, scale)
        if band and data.ndim == len(kept) - 1:
            data = data[..., None]
        made = type(labelled)(data, dims=kept, attrs=_finer_attributes(labelled.attrs, scale))
        made = made.assign_coords(_finer_coordinates(plain, kept, (row, column), scale))
        made.name = labelled.name  # or it would have that of Dask's array
        made.encoding = {key: value for key, value in labelled.encoding.items() if key in KEPT}
        return made.transpose(*[name for name in names if name in kept])

    return values, pack


def _require_bands(names: Sequence[str], wanted: Sequence[str], axis: str) -> None:
    """Refuses bands that are in another order than the model takes them, or others: numbers would be taken for others.

    Raises:
        SatsrError: so; names that mean nothing say nothing.
    """
    known, own = [canonical(name) for name in names], [canonical(name) for name in wanted]
    if not all((*known, *own)) or not own or known == own:
        return
    places = [names[known.index(name)] for name in own if name in known]
    fix = f"give array.sel({axis}={places})" if len(places) == len(own) else "use another model, or rename them"
    raise SatsrError(f"the array has the bands {', '.join(names)}, but the model takes {', '.join(wanted)}: {fix}.")


def _one_of(names: list[str], known: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in known), None)


def _finer_coordinates(plain: Any, kept: Sequence[str], sides: tuple[str, str], scale: int) -> dict[str, Any]:
    """The coordinates of a result: new centres along both sides, and what does not depend on these as it was."""
    found: dict[str, Any] = {}
    for name, coord in plain.coords.items():
        attributes = _finer_attributes(coord.attrs, scale)
        if name in sides:
            found[name] = (coord.dims, _finer(np.asarray(coord.values), scale), attributes)
        elif set(coord.dims) <= set(kept) - set(sides):
            found[name] = coord.copy()
            found[name].attrs = attributes
    return found


def _finer(centres: np.ndarray, scale: int) -> np.ndarray:
    """Pixel centres of an axis that is divided ``scale`` times."""
    step = (centres[-1] - centres[0]) / (len(centres) - 1) if len(centres) > 1 else 1.0
    first = centres[0] - step / 2 + step / scale / 2
    return np.asarray(first + step / scale * np.arange(len(centres) * scale))


def _finer_attributes(attributes: Mapping[str, Any], scale: int) -> dict[str, Any]:
    """Attributes, with those that hold the size of a pixel divided.

    Rioxarray's ``spatial_ref`` has GDAL's GeoTransform as text (x, a, b, y, d, e); an array may have the numbers of an
    affine transform (a, b, x, d, e, y, ...) or the resolution, as odc-stac and stackstac write them.
    """
    found = dict(attributes)
    if "GeoTransform" in found:
        x, a, b, y, d, e = (float(number) for number in str(found["GeoTransform"]).split())
        found["GeoTransform"] = " ".join(map(str, (x, a / scale, b / scale, y, d / scale, e / scale)))
    if "transform" in found and len(found["transform"]) in (6, 9):
        a, b, x, d, e, y, *rest = found["transform"]
        found["transform"] = (a / scale, b / scale, x, d / scale, e / scale, y, *rest)
    for name in {"res", "resolution"} & set(found):
        sizes = np.asarray(found[name], float) / scale
        found[name] = tuple(sizes.tolist()) if sizes.ndim else float(sizes)
    return found
