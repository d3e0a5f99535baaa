"""Tables of scenes that authors published as pandas pickles, read without giving the file any power.

A pickle is a program. Here it may only put together pandas tables, NumPy arrays, dates and plain values: every name it
asks for is looked up in a short list, anything else is refused before it is imported. What comes out are plain rows,
which :func:`save_table` keeps as JSON, so that nobody has to unpickle them again.
"""

import io
import json
import pickle
from collections.abc import Mapping
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from satsr.errors import SatsrError
from satsr.files import replacing

Row = dict[str, Any]
MAX_BYTES = 2_000_000_000

# What a table of paths, numbers, texts and dates needs, under the names that pandas 1 to 3 and NumPy 1 to 2 used.
_PANDAS = {
    "pandas": ("DataFrame", "Series", "Index", "RangeIndex", "DatetimeIndex", "Timestamp", "StringDtype"),
    "pandas.arrays": ("ArrowStringArray", "DatetimeArray", "StringArray", "TimedeltaArray"),
    "pandas._libs.arrays": ("__pyx_unpickle_NDArrayBacked",),
    "pandas._libs.internals": ("_unpickle_block",),
    "pandas._libs.tslibs.nattype": ("_nat_unpickle", "__nat_unpickle"),
    "pandas._libs.tslibs.timedeltas": ("_timedelta_unpickle",),
    "pandas._libs.tslibs.timestamps": ("_unpickle_timestamp", "Timestamp"),
    "pandas.core.arrays.datetimes": ("DatetimeArray",),
    "pandas.core.arrays.numpy_": ("NumpyExtensionArray", "PandasArray"),
    "pandas.core.arrays.string_": ("StringArray", "StringDtype"),
    "pandas.core.arrays.string_arrow": ("ArrowStringArray", "ArrowStringArrayNumpySemantics"),
    "pandas.core.frame": ("DataFrame",),
    "pandas.core.indexes.base": ("_new_Index", "Index"),
    "pandas.core.indexes.datetimes": ("_new_DatetimeIndex", "DatetimeIndex"),
    "pandas.core.indexes.numeric": ("Float64Index", "Int64Index", "UInt64Index"),
    "pandas.core.indexes.range": ("RangeIndex",),
    "pandas.core.internals.blocks": ("new_block",),
    "pandas.core.internals.managers": ("BlockManager", "SingleBlockManager"),
    "pandas.core.series": ("Series",),
}
_OTHERS = {
    "__builtin__": ("bytearray", "bytes", "set", "slice"),
    "_codecs": ("encode",),
    "builtins": ("bytearray", "bytes", "set", "slice"),
    "collections": ("OrderedDict",),
    "datetime": ("date", "datetime", "timedelta", "timezone"),
    "numpy": ("dtype", "ndarray"),
    "numpy.core.multiarray": ("_reconstruct", "scalar"),
    "numpy._core.multiarray": ("_reconstruct", "scalar"),
    "numpy._core.numeric": ("_frombuffer",),
    "numpy.core.numeric": ("_frombuffer",),
    "pyarrow.lib": ("_restore_array", "py_buffer", "type_for_alias"),
}
ALLOWED = frozenset((module, name) for table in (_PANDAS, _OTHERS) for module, names in table.items() for name in names)


def read_table(path: Path) -> list[Row]:
    """The rows of a table: of a JSON file written by :func:`save_table`, or of a pandas pickle.

    Args:
        path: ``name.json`` or ``name.pkl``.

    Returns:
        One dictionary a row with plain values: text, numbers, None, dates as ``YYYY-MM-DD``, lists; dictionaries
        become lists of [key, value], so that their order and the type of their keys last.

    Raises:
        SatsrError: the file is missing, damaged, no table, or a pickle that wants more than a table needs.
    """
    if not path.is_file():
        raise SatsrError(f"the table {path} does not exist.")
    if path.suffix == ".json":
        return _from_json(path)
    if path.stat().st_size > MAX_BYTES:
        raise SatsrError(f"the table {path} has {path.stat().st_size} bytes: a table of scenes has far fewer.")
    content = _unpickled(path)
    import pandas as pd

    if not isinstance(content, pd.DataFrame):
        raise SatsrError(f"{path} holds {type(content).__name__}, but a pandas table is expected.")
    columns = [str(name) for name in content.columns]
    if len(set(columns)) < len(columns):
        raise SatsrError(f"the table {path} has two columns of one name: {', '.join(columns)}.")
    values = [content.iloc[:, number].tolist() for number in range(len(columns))]
    return [dict(zip(columns, map(plain, row), strict=True)) for row in zip(*values, strict=True)]


def save_table(rows: list[Row], path: Path) -> None:
    """Keeps rows as JSON, one a line, atomically."""
    lines = ",\n".join(json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows)
    with replacing(path) as temporary:
        temporary.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def plain(value: Any) -> Any:
    """A cell as a JSON value; see :func:`read_table`.

    Raises:
        SatsrError: the cell is of a type that no table of scenes has.
    """
    if isinstance(value, np.generic | np.ndarray) and value.dtype.kind == "M":
        value = value.astype("datetime64[us]").tolist()
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if type(value).__name__ == "NAType":
        return None
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if isinstance(value, datetime):
        # pandas' NaT is a datetime without a date.
        return value.date().isoformat() if value == value else None
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return [[plain(key), plain(item)] for key, item in value.items()]
    if isinstance(value, list | tuple | np.ndarray) or type(value).__name__ in ("DatetimeIndex", "Index", "Series"):
        return [plain(item) for item in value]
    raise SatsrError(f"a table of scenes holds paths, numbers and dates, found a cell of {type(value).__name__}.")


def _from_json(path: Path) -> list[Row]:
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise SatsrError(f"the table {path} is not valid JSON ({error}).") from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise SatsrError(f"the table {path} is not a list of rows.")
    return rows


def _unpickled(path: Path) -> Any:
    """What the pickle builds of the allowed parts.

    Raises:
        SatsrError: it asks for anything else, or is damaged.
    """
    try:
        return _restricted()(io.BytesIO(path.read_bytes())).load()
    except _Refused as error:
        raise SatsrError(
            f"{path} was refused: to be read it would have to use {error}, which no table of scenes needs, so the file "
            "may be harmful or of another kind. Nothing of it was run; ask its author for CSV, JSON or Parquet."
        ) from None
    # A damaged program may fail in any way that the constructors know.
    except Exception as error:
        raise SatsrError(
            f"{path} is damaged, or no pickle of a pandas table ({type(error).__name__}: {error})."
        ) from None


class _Refused(Exception):
    """A pickle asked for what is not allowed."""


@cache
def _restricted() -> type[Any]:
    """The unpickler of pandas, which knows where former versions kept their classes, with the short list before it."""
    from pandas.compat.pickle_compat import Unpickler

    class Restricted(Unpickler):  # type: ignore[misc]  # pandas has no types
        dispatch = Unpickler.dispatch.copy()

        def find_class(self, module: str, name: str) -> Any:
            if (module, name) not in ALLOWED:
                raise _Refused(f"{module}.{name}")
            return _REPLACED.get(name) or super().find_class(module.replace("numpy.core", "numpy._core"), name)

        def load_build(self) -> None:
            # State belongs to values; given to a class or a function it would change this process.
            if callable(self.stack[-2]):
                raise _Refused(f"the state of {self.stack[-2]!r}")
            super().load_build()

        dispatch[pickle.BUILD[0]] = load_build

    return Restricted


def _encode(text: str, encoding: str) -> bytes:
    """The one use of a codec in pickles: bytes in the protocols before 3."""
    if encoding != "latin1":
        raise _Refused(f"the codec {encoding}")
    return text.encode("latin1")


def _restore_array(content: Any) -> Any:
    """Arrow's array with its offsets checked, so that none leads out of its memory."""
    from pyarrow.lib import _restore_array as restore

    array = restore(content)
    array.validate(full=True)
    return array


_REPLACED = {"encode": _encode, "_restore_array": _restore_array}
