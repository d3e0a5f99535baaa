"""The figures in the README are those of the committed results, and these belong to the data and code of dvc.lock.

What is compared is what git holds: a pipeline that was run since may have written other results on another machine.
"""

import hashlib
import json
import re
import subprocess
from functools import cache
from pathlib import Path
from statistics import stdev
from typing import Any

import pytest
from ruamel.yaml import YAML

from benchmarks.constraint import rows
from benchmarks.seeds import spread
from satsr.config.resolve import read_yaml
from satsr.evaluate.headline import headline
from satsr.pages.gains import brief
from satsr.scores import BASELINE, Interval
from steps import STAGES

ROOT = Path(__file__).resolve().parents[1]
PAPERS = list(read_yaml(ROOT / "params.yaml")["papers"])
HEAD = "| paper | data |"


def held(name: str) -> bytes:
    """The file as it is in git's index, or where there is no git, as it lies there."""
    shown = subprocess.run(["git", "show", f":{name}"], cwd=ROOT, capture_output=True)
    return shown.stdout if shown.returncode == 0 else (ROOT / name).read_bytes()


@cache
def locked() -> Any:
    """The stages of ``dvc.lock``."""
    return YAML(typ="safe").load(held("dvc.lock").decode())["stages"]


def metrics_of(paper: str) -> Any:
    return json.loads(held(f"results/{paper}/metrics.json"))


def table() -> dict[str, dict[str, str]]:
    """The README's measured table: paper -> column -> cell."""
    lines = held("README.md").decode().splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith(HEAD))
    rows = []
    for line in lines[begin:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return {row[0]: dict(zip(rows[0], row, strict=True)) for row in rows[2:]}


@pytest.mark.parametrize("paper", PAPERS)
def test_the_readmes_figures_are_the_committed_ones(paper: str) -> None:
    (row,) = (cells for name, cells in table().items() if name.partition("-")[0] == paper)
    metrics = metrics_of(paper)
    psnr, ssim = metrics["decides"]
    baseline, ours = metrics["methods"][BASELINE], metrics["methods"][metrics["exported"]]
    assert row["data"] == metrics["dataset"]
    assert row["baseline"] == f"{baseline[psnr]:.2f} / {baseline[ssim]:.4f}"
    assert row["ours"] == f"{ours[psnr]:.2f} / {ours[ssim]:.4f}"
    assert row["gain, 95 %"] == " / ".join(brief(name, Interval(**metrics["gains"][name])) for name in (psnr, ssim))
    assert row["consistency"] == " → ".join(f"{found['consistency_rmse']:.2f}" for found in (baseline, ours))


@pytest.mark.parametrize("paper", ["rasvsr", "msdtgp", "qanet"])  # those whose published data anybody can have
def test_how_far_seeds_differ_in_a_verdict_is_what_was_measured(paper: str) -> None:
    stated = read_yaml(ROOT / f"pipelines/{paper}.published.yaml")["seeds"]
    found = json.loads(held(f"benchmarks/measured/{paper}.{metrics_of(paper)['dataset']}.json"))
    scores = [seed[found["exported"]] for seed in found["seeds"].values()]
    assert len(scores) >= 3
    for name, deviation in stated.items():
        measured = stdev(score[name] for score in scores)
        assert deviation == pytest.approx(measured, abs=0.5 * 10 ** -len(str(deviation).partition(".")[2])), name


@pytest.mark.parametrize("paper", PAPERS)
def test_the_readmes_figures_are_of_scenes_that_nothing_was_tuned_on(paper: str) -> None:
    metrics = metrics_of(paper)
    psnr, ssim = metrics["decides"]
    assert metrics["split"] == "test"
    assert all(metrics["gains"][name]["count"] >= 20 for name in (psnr, ssim))
    assert all(metrics["gains"][name]["unit"] == "scenes" for name in (psnr, ssim))


@pytest.mark.parametrize("paper", PAPERS)
def test_the_committed_metrics_are_those_of_dvc_lock(paper: str) -> None:
    assert all(f"{stage}@{paper}" in locked() for stage in STAGES)
    name = f"results/{paper}/metrics.json"
    found = {out["path"]: out["md5"] for out in locked()[f"evaluate@{paper}"]["outs"]}
    assert found[name] == hashlib.md5(held(name), usedforsecurity=False).hexdigest()
    registered = {dep["path"]: dep["md5"] for dep in locked()[f"register@{paper}"]["deps"]}
    assert registered[name] == found[name]


@pytest.mark.parametrize("paper", PAPERS)
def test_the_committed_headline_is_that_of_the_committed_metrics(paper: str) -> None:
    assert json.loads(held(f"results/{paper}/headline.json")) == headline(metrics_of(paper))


@pytest.mark.parametrize("paper", PAPERS)
def test_the_figures_of_constraints_are_the_committed_ones(paper: str) -> None:
    lines, metrics = held("docs/results.md").decode().splitlines(), metrics_of(paper)
    for row in rows(paper, metrics):
        assert f"| {' | '.join(row)} |" in lines
    psnr, methods = metrics["decides"][0], metrics["methods"]
    names = ("ema_unconstrained", "ema") if "ema_unconstrained" in methods else ("ema", "ema_constrained")
    known = [methods[name] for name in (BASELINE, *names) if name in methods]  # bicubic, free, held
    cells = [f"{found[psnr]:.2f}, {found['consistency_rmse']:.2f}" for found in known]
    (line,) = (
        line for line in held("docs/training.md").decode().splitlines() if line.startswith(f"| {paper} | {cells[0]}")
    )
    assert [cell for cell in line.strip("| ").split(" | ")[1:] if cell != "–"] == cells


@pytest.mark.parametrize("paper", PAPERS)
def test_the_gains_of_the_page_on_speed_are_the_committed_ones(paper: str) -> None:
    metrics = metrics_of(paper)
    psnr, ssim = (metrics["gains"][name]["mean"] for name in metrics["decides"])
    text = held("docs/speed.md").decode().partition("| quick profile | before | target | now |")[2]
    (line,) = (line for line in text.partition("\n\n")[0].splitlines() if line.startswith(f"| {paper} |"))
    assert line.split(" | ")[-1].strip("| ").replace("*", "") == f"{psnr:+.2f} dB / {ssim:+.4f}"


def test_the_table_has_a_row_for_each_paper() -> None:
    assert sorted(re.sub("-.*", "", name) for name in table()) == sorted(PAPERS)


@pytest.mark.parametrize("file", sorted((ROOT / "benchmarks" / "measured").glob("*.json")), ids=lambda path: path.stem)
def test_the_tables_of_seeds_are_of_the_kept_scores(file: Path) -> None:
    kept = json.loads(held(file.relative_to(ROOT).as_posix()))
    seeds = sorted(kept["seeds"], key=int)
    (line,) = (
        line
        for line in held("docs/results.md").decode().splitlines()
        if line.startswith(f"| {kept['model']} | {kept['dataset']} | {', '.join(seeds)} |")
    )
    single = [
        " / ".join(
            f"{run[kept['exported']][name] - run[BASELINE][name]:+.{digits}f}"
            for name, digits in zip(kept["decides"], (2, 4), strict=True)
        )
        for run in (kept["seeds"][seed] for seed in seeds)
    ]
    assert line.endswith(f"| {', '.join(single)} |")
    assert len(kept["seeds"]) >= 3 and kept["split"] == "test"


@pytest.mark.parametrize("paper", PAPERS)
def test_the_readmes_run_is_one_of_the_seeds(paper: str) -> None:
    metrics = metrics_of(paper)
    model = next(name for name in table() if name.startswith(paper))
    kept = json.loads(held(f"benchmarks/measured/{model}.{metrics['dataset']}.json"))
    run = metrics["methods"]
    assert {name: run[name] for name in (BASELINE, kept["exported"])} in kept["seeds"].values()
    assert table()[model]["over seeds"] == spread(kept)
