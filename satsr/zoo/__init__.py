"""The model zoo: small models of the project's own pipelines that are installed with it, and the table about them.

``make zoo`` writes ``models/``: an ONNX file each, and ``zoo.json`` with what each was made of and how it was measured.
Only models that beat bicubic on imagery that no training saw are in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from satsr.errors import SatsrError, meant
from satsr.files import read_json, sha256

PREFIX = "zoo:"
"""How the name of a model of the zoo begins where other models are named too: ``zoo:rasvsr``."""
MODELS = Path(__file__).parent / "models"
TABLE = "zoo.json"
LARGEST = 20_000_000
"""Bytes of all models together."""
DRAWN, REAL = "drawn", "real"


@dataclass(frozen=True)
class Gain:
    """What a model gains over its baseline in one metric.

    Attributes:
        metric: its name, which says its convention.
        baseline: mean of bicubic, or of what else needs no training; None where it was not kept.
        mean: of the differences, in the metric's unit (dB for a PSNR).
        low: the lower end of its 95 % interval.
        high: the upper end.
        count: units that it is over.
        unit: what they are.
    """

    metric: str
    baseline: float | None
    mean: float
    low: float
    high: float
    count: int
    unit: str

    def text(self, digits: int = 2) -> str:
        """``+1.87 [1.63, 2.11]``."""
        return f"{self.mean:+.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"


@dataclass(frozen=True)
class Measured:
    """A model on one kind of imagery.

    Attributes:
        imagery: :data:`DRAWN` or :data:`REAL`.
        data: what it is, in words.
        gains: the one that decides first.
        refused: share of the units that ``satsr upscale`` refuses without ``--force``, being unlike the training data.
    """

    imagery: str
    data: str
    gains: Sequence[Gain]
    refused: float = 0.0

    @property
    def gain(self) -> Gain:
        """The one that decides."""
        return self.gains[0]


@dataclass(frozen=True)
class Entry:
    """A model of the zoo.

    Attributes:
        name: of it, the paper's and the profile's: ``rasvsr-quick``.
        paper: the method.
        kind: what it takes, a key of :data:`satsr.exported.facts.KINDS`.
        takes: that in words.
        file: name of its ONNX file.
        size: in bytes.
        sha256: of the file.
        licence: of the weights.
        test: how it did on the test scenes of its own data.
        unseen: how it did on imagery that no training saw.
        made: what it was made of: profile, network, training, seed, data with their hashes, commit (JSON values).
    """

    name: str
    paper: str
    kind: str
    takes: str
    file: str
    size: int
    sha256: str
    licence: str
    test: Measured
    unseen: Sequence[Measured]
    made: Mapping[str, Any] = field(default_factory=dict)

    def on(self, imagery: str) -> Measured | None:
        """How it did on unseen imagery of this sort, if that was measured."""
        return next((found for found in self.unseen if found.imagery == imagery), None)

    @property
    def path(self) -> Path:
        """Its file, looked at.

        Raises:
            SatsrError: it is missing or another one.
        """
        found = MODELS / self.file
        if not found.is_file() or sha256(found) != self.sha256:
            state = "is not the one that the table of the zoo describes" if found.is_file() else "is missing"
            raise SatsrError(f"{found} {state}: install satsr again, or in a checkout run make zoo.")
        return found


def entry(values: Mapping[str, Any]) -> Entry:
    """An entry of its JSON values (:func:`dataclasses.asdict` goes the other way)."""
    test, *unseen = (_measured(found) for found in (values["test"], *values["unseen"]))
    return Entry(**{**values, "test": test, "unseen": unseen})


@cache
def entries() -> tuple[Entry, ...]:
    """The zoo's models, in the order in which they are tried.

    Raises:
        SatsrError: the table is missing or damaged.
    """
    if not (MODELS / TABLE).is_file():
        raise SatsrError("this satsr was installed without its model zoo: install it again, or run make zoo.")
    return tuple(entry(values) for values in read_json(MODELS / TABLE)["models"])


def find(name: str) -> Entry:
    """The model of that name; a paper's name means its first model.

    Raises:
        SatsrError: there is none.
    """
    for found in entries():
        if name in (found.name, found.paper):
            return found
    names = [*(found.name for found in entries()), *(found.paper for found in entries())]
    has = ", ".join(PREFIX + found.name for found in entries())
    raise SatsrError(f"the zoo has no model {name!r}{meant(name, names)}: it has {has} (satsr zoo).")


def _measured(values: Mapping[str, Any]) -> Measured:
    return Measured(**{**values, "gains": [Gain(**gain) for gain in values["gains"]]})
