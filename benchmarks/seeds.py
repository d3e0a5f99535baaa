"""What the seed of training decides: the gain on the test scenes, trained and measured once a seed.

``python benchmarks/seeds.py [paper[:profile]...] [--seeds 0 1 2]`` trains and evaluates the papers of ``params.yaml``
in this checkout once for each seed, on the same data, adds what it measures to
``benchmarks/measured/<model>.<data>.json`` and prints a table: the mean of the gains over the seeds and their (sample)
standard deviation. A profile and its data stay in ``params.yaml``, else it is left as it was; the last seed's weights
and results stay, so name the seed of the profile last. Seeds and papers may be measured one by one and several at a
time, each in a clone; seeds of another profile than the newest, or of data that another baseline shows to differ, are
dropped.
``--measured`` trains nothing and adds what ``results/`` holds, of the seed with which it was trained.
"""

import argparse
import statistics
import subprocess
import sys
from math import isclose
from pathlib import Path
from typing import Any

from benchmarks.speed.__main__ import commit
from satsr.config.change import change
from satsr.config.resolve import read_yaml
from satsr.files import read_json, write_json
from satsr.project import Places, root
from satsr.scores import BASELINE
from steps.configuration import config_of
from steps.job import job

DATA, MEASURED = ("download", "convert", "validate"), ("train", "evaluate")
HEAD = ("model", "data", "seeds", "baseline", "gain", "gain of each seed")


def measure(paper: str, profile: str, seeds: list[int]) -> dict[str, Any]:
    """Trains and evaluates a paper once a seed; what is known of its seeds then, as it is written."""
    if profile:
        change(paper, {"profile": profile}, root(), config_of(paper))
    before = read_yaml(root() / "params.yaml")["papers"][paper]["train"].get("seed")
    for stage in DATA:
        _run(stage, paper)
    found: dict[str, Any] = {}
    try:
        for seed in seeds:
            change(paper, {"train.seed": seed}, root(), config_of(paper))
            for stage in MEASURED:
                _run(stage, paper)
            found |= _measured(paper)
    finally:
        change(paper, {"train.seed": before}, root(), config_of(paper))
    return added(paper, found)


def added(paper: str, found: dict[str, Any]) -> dict[str, Any]:
    """Adds the scores of seeds to what is known of the paper, and writes all of it."""
    metrics = read_json(Places(root(), paper).metrics)
    described = {key: metrics[key] for key in ("profile", "dataset", "split", "decides", "exported")}
    described["model"] = job(paper, root()).paper.registered_name
    before = known(described["model"], described["dataset"])
    baseline = next(iter(found.values()))[BASELINE]
    if described.items() <= before.items() and all(_same(run[BASELINE], baseline) for run in before["seeds"].values()):
        found = {**before["seeds"], **found}
    write_json(_kept(described["model"], described["dataset"]), {"commit": commit(), **described, "seeds": found})
    return {**described, "seeds": found}


def known(model: str, dataset: str) -> dict[str, Any]:
    """What was measured of a model on a data set, by seed; empty where nothing was."""
    path = _kept(model, dataset)
    return read_json(path) if path.is_file() else {}


def spread(measured: dict[str, Any]) -> str:
    """Mean and standard deviation of the gains over the seeds, in PSNR and SSIM."""
    gains = [_gains(measured, seed) for seed in measured["seeds"]]
    psnr, ssim = (f"{statistics.mean(values):+.{n}f}{_deviation(values, n)}" for values, n in _columns(gains))
    return f"{psnr} dB / {ssim}"


def _kept(model: str, dataset: str) -> Path:
    return root() / "benchmarks" / "measured" / f"{model}.{dataset}.json"


def _measured(paper: str) -> dict[str, Any]:
    """The scores that ``results/`` holds, by the seed they were trained with."""
    places = Places(root(), paper)
    metrics, seed = read_json(places.metrics), read_json(places.training / "train.json")["identity"]["train"]["seed"]
    return {str(seed): {name: metrics["methods"][name] for name in (BASELINE, metrics["exported"])}}


def _same(first: dict[str, Any], second: dict[str, Any]) -> bool:
    """Whether scores of the baseline are of the same data: equal but for rounding."""
    return first.keys() == second.keys() and all(isclose(first[name], second[name], rel_tol=1e-9) for name in first)


def row(measured: dict[str, Any]) -> list[str]:
    """The cells of a model's row."""
    seeds = sorted(measured["seeds"], key=int)
    gains = [_gains(measured, seed) for seed in seeds]
    single = ", ".join(" / ".join(f"{value:+.{n}f}" for value, n in zip(gain, (2, 4), strict=True)) for gain in gains)
    psnr, ssim = measured["decides"]
    baseline = measured["seeds"][seeds[0]][BASELINE]
    return [
        measured["model"],
        measured["dataset"],
        ", ".join(seeds),
        f"{baseline[psnr]:.2f} / {baseline[ssim]:.4f}",
        spread(measured),
        single,
    ]


def _gains(measured: dict[str, Any], seed: str) -> list[float]:
    scores = measured["seeds"][seed]
    return [scores[measured["exported"]][name] - scores[BASELINE][name] for name in measured["decides"]]


def _columns(gains: list[list[float]]) -> list[tuple[list[float], int]]:
    return [([gain[place] for gain in gains], digits) for place, digits in ((0, 2), (1, 4))]


def _deviation(values: list[float], digits: int) -> str:
    return f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""


def _run(stage: str, paper: str) -> None:
    subprocess.run([sys.executable, "-m", "steps", stage, paper], cwd=root(), check=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("papers", nargs="*", default=list(read_yaml(root() / "params.yaml")["papers"]))
    parser.add_argument("--seeds", nargs="+", type=int, default=[2, 1, 0])
    parser.add_argument("--measured", action="store_true", help="add what results/ holds; train nothing")
    arguments = parser.parse_args()
    names = [name.partition(":") for name in arguments.papers]
    if arguments.measured:
        rows = [row(added(paper, _measured(paper))) for paper, _, _ in names]
    else:
        rows = [row(measure(paper, profile, arguments.seeds)) for paper, _, profile in names]
    print("\n".join("| " + " | ".join(cells) + " |" for cells in (HEAD, ["---"] * len(HEAD), *rows)))
