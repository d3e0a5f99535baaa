"""Golden files for tests: the compact ones of the repository always, and the full ones where they are."""

import csv
import gzip
import json
import logging
import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.golden import compact
from tests.golden.inputs import RULES

LOG = logging.getLogger("golden")
HERE = Path(__file__).resolve().parent
TABLES = "tables.json.gz"


def full(name: str) -> Path | None:
    """The full golden file or folder of this name, or None where it is absent."""
    path = HERE.parents[1] / os.environ.get("SATSR_GOLDEN", "../shared/golden") / name
    return path if path.exists() else None


@cache
def tables(paper: str) -> dict[str, Any]:
    """The small tables of a paper by file name."""
    return json.loads(gzip.decompress((HERE / paper / TABLES).read_bytes()))


@cache
def rule(name: str) -> dict[str, np.ndarray]:
    """The inputs of a golden file that are made again from a seed."""
    return RULES[name]() if name in RULES else {}


def parse(path: Path) -> Any:
    """The rows of a CSV, the content of a JSON, the lines of a text."""
    if path.suffix == ".csv":
        with path.open() as file:
            return list(csv.DictReader(file))
    return json.loads(path.read_text()) if path.suffix == ".json" else path.read_text().splitlines()


class Arrays:
    """The arrays of one golden file.

    ``file["key"]`` is an array that the repository has whole or makes again from its seed; for any other the full
    file is needed, and the test is skipped without it. ``file.matches(found, "key", atol=1e-5)`` compares with what
    the repository keeps of that array and, where the full file is there, with all of it.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        with np.load(HERE / name) as file:
            stored = {key: file[key] for key in file.files}
        self._packed = {}
        for key in [key for key in stored if "|" in key]:
            own, _, shape = key.partition("|")
            self._packed[own] = (tuple(map(int, shape.split("x"))), stored.pop(key))
        self._whole = rule(name) | stored
        self.path = full(name)
        self._full = np.load(self.path) if self.path else None

    @property
    def whole(self) -> bool:
        """Whether the full file is there."""
        return self._full is not None

    def __contains__(self, key: str) -> bool:
        return key in self._whole or key in self._packed

    def __iter__(self):
        return iter([*self._whole, *self._packed])

    def __getitem__(self, key: str) -> np.ndarray:
        if key in self._whole:
            return self._whole[key].copy()
        if self._full is None:
            pytest.skip(f"{key} of {self.name} is too large to be kept whole: set SATSR_GOLDEN to the full files")
        return self._full[key]

    def shape(self, key: str) -> tuple[int, ...]:
        return self._whole[key].shape if key in self._whole else self._packed[key][0]

    def pairs(self, found: Any, key: str) -> list[tuple[np.ndarray, np.ndarray]]:
        """What is found beside what is golden: the kept values, and all values where the full file is there."""
        found = np.asarray(found.detach() if hasattr(found, "detach") else found)
        assert found.shape == self.shape(key), f"{key}: {found.shape} instead of {self.shape(key)}"
        if key in self._whole:
            return [(found, self._whole[key])]
        kept = [(compact.values(found), compact.unpack(self._packed[key][1])[0])]
        return kept if self._full is None else [*kept, (found, self._full[key])]

    def matches(self, found: Any, key: str, *, atol: float = 0.0, rtol: float = 0.0) -> None:
        """Fails unless every value is within ``atol + rtol * |golden|``, and every mean of a part as well.

        Logs the largest deviation beside the largest golden value.
        """
        says = f"{self.name}: {key}"
        for ours, theirs in self.pairs(found, key):
            np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=atol, err_msg=says)
            far = np.nanmax(np.abs(np.subtract(ours, theirs, dtype=np.float64)), initial=0.0)
            LOG.info("%s: at most %.1e of %.1e", says, far, np.nanmax(np.abs(theirs), initial=0.0))
        if key not in self._packed:
            return
        means = compact.unpack(self._packed[key][1])[1]
        ours = compact.means(np.asarray(found.detach() if hasattr(found, "detach") else found))
        stored = float(np.finfo(means.dtype).eps)  # the means were rounded when they were stored
        np.testing.assert_allclose(ours, means, rtol=rtol + stored, atol=atol, err_msg=f"{says}, means of its parts")


class Golden:
    """``golden("rasvsr/metrics.npz")`` are the arrays of that file, ``golden.table(...)`` is a small table."""

    def __call__(self, name: str) -> Arrays:
        return Arrays(name)

    def table(self, name: str) -> Any:
        """A CSV's rows, a JSON's content or a text's lines; a full file that is there must say the same."""
        paper, _, file = name.partition("/")
        content, path = tables(paper)[file], full(name)
        assert path is None or json.dumps(parse(path)) == json.dumps(content), (
            f"{name} differs: run tests/golden/make.py"
        )
        return content

    def shapes(self, name: str) -> list[tuple[str, tuple[int, ...]]]:
        """The name and shape of every tensor of a network, in the authors' order."""
        return [(row["key"], shape(row["shape"])) for row in self.table(name)]

    def full(self, name: str) -> Path:
        """What cannot be compact; the test is skipped, with the reason, where it is absent."""
        path = full(name)
        if path is None:
            pytest.skip(f"golden/{name} is not in the repository: set SATSR_GOLDEN to the full files")
        return path


def shape(text: str) -> tuple[int, ...]:
    """``64x3x3x3`` as numbers; a scalar has no sides."""
    return tuple(int(side) for side in text.split("x") if side.isdigit())
