"""What came out of a stage, in a few words, read from the files that it wrote."""

import csv
from collections import Counter
from collections.abc import Callable
from typing import Any

from satsr.errors import SatsrError
from satsr.files import read_json
from satsr.pages.gains import brief
from satsr.pages.page import metric
from satsr.progress import duration
from satsr.project import Places
from satsr.scores import Interval

TIME = 10
"""Characters of the column in which the time stands."""


def line(stage: str, places: Places, seconds: float | None) -> str:
    """One line for the terminal: the stage, how long it took, what came out.

    Args:
        stage: one that has finished.
        places: of its paper.
        seconds: None where it was up to date and did not run.
    """
    took = "up to date" if seconds is None else duration(seconds)
    return f"{stage:<8}  {took:>{TIME}}  {outcome(stage, places)}".rstrip()


def outcome(stage: str, places: Places) -> str:
    """What came out; nothing where the stage's files are not as this version writes them."""
    try:
        return WORDS[stage](places)
    except (SatsrError, OSError, KeyError, TypeError, ValueError):
        return ""  # a line for people: the stage itself succeeded


def size(count: float) -> str:
    """Bytes as ``980 kB``, ``12.4 MB`` or ``3.1 GB``."""
    unit, factor = ("GB", 1e9) if count >= 1e9 else ("MB", 1e6) if count >= 1e6 else ("kB", 1e3)
    return f"{count / factor:.{0 if unit == 'kB' else 1}f} {unit}"


def counted(count: int, noun: str) -> str:
    """``1 frame``, ``2 frames``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _download(places: Places) -> str:
    files = read_json(places.raw / "raw.json")["files"]
    return f"{counted(len(files), 'file')}, {size(sum(file['bytes'] for file in files))}"


def _convert(places: Places) -> str:
    manifest = read_json(places.store / "manifest.json")
    splits = Counter(scene["key"].partition("/")[0] for scene in manifest["scenes"])
    parts = ", ".join(f"{splits[name]} {name}" for name in ("train", "val", "test") if splits[name])
    return f"{counted(len(manifest['scenes']), 'scene')} ({parts}), {size(manifest['data']['bytes'])}"


def _validate(places: Places) -> str:
    checks = read_json(places.validation / "validation.json")["checks"]
    failed = [check["name"] for check in checks if not check["passed"]]
    return f"{counted(len(failed), 'check')} failed: {', '.join(failed)}" if failed else f"{len(checks)} checks passed"


def _train(places: Places) -> str:
    made = read_json(places.training / "train.json")
    last: dict[str, str] = {}
    for name in ("loss", "validation"):
        path = places.results / f"{name}.csv"
        for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines()) if path.exists() else ():
            last |= {key: value for key, value in row.items() if value}
    words = [f"loss {float(last['loss']):.4g}"] if "loss" in last else []
    words += [f"val PSNR {float(last[key]):.2f} dB" for key in last if "psnr" in key][-1:]
    return ", ".join([counted(made["steps"], "step"), *words])


def _evaluate(places: Places) -> str:
    metrics = read_json(places.metrics)
    psnr = metrics["decides"][0]
    ours = metric(psnr)
    value = f"PSNR {ours.text(metrics['methods'][metrics['exported']].get(psnr), brief=True)} {ours.unit}".rstrip()
    known = metrics["gains"].get(psnr)
    return f"{value}, {brief(psnr, Interval(**known))} over the baseline" if known else value


def _export(places: Places) -> str:
    parity = max(case["max_abs"] for case in read_json(places.export / "parity.json")["cases"])
    return f"model.onnx, {size((places.export / 'model.onnx').stat().st_size)}, parity {parity:.0e}"


def _register(places: Places) -> str:
    made: dict[str, Any] = read_json(places.registration / "registration.json")
    failed = sum(not gate["passed"] for gate in made["gates"])
    words = [f"{made['name']} version {made['version']} ({', '.join(made['aliases'])})"]
    return ", ".join([*words, *([f"{counted(failed, 'gate')} failed"] if failed else [])])


WORDS: dict[str, Callable[[Places], str]] = {
    "download": _download,
    "convert": _convert,
    "validate": _validate,
    "train": _train,
    "evaluate": _evaluate,
    "export": _export,
    "register": _register,
}
