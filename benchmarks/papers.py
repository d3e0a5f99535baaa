"""The README's table: every stage of every paper of ``params.yaml``, run anew and timed.

``python benchmarks/papers.py [paper[:profile]...]`` runs ``python -m steps <stage> <paper>`` in this checkout, with the
profile and the data of ``params.yaml`` or with another profile and its data (which then stay in ``params.yaml``), and
prints a row of Markdown per paper. An interrupted training is not continued. What other seeds gain, mean and standard
deviation, is what ``benchmarks/seeds.py`` measured.
"""

import shutil
import subprocess
import sys
import time

from benchmarks.seeds import known, spread
from satsr.config.change import change
from satsr.config.resolve import read_yaml
from satsr.files import read_json
from satsr.pages.gains import brief
from satsr.project import Places, root
from satsr.scores import Interval
from steps import STAGES
from steps.configuration import config_of
from steps.job import job

HEAD = ["paper", "data", *STAGES, "baseline", "ours", "gain, 95 %", "over seeds", "consistency", "parity"]


def row(paper: str, profile: str) -> list[str]:
    """Runs a paper; the cells of its row."""
    if profile:
        change(paper, {"profile": profile}, root(), config_of(paper))
    work = job(paper, root())
    places = Places(root(), paper)
    shutil.rmtree(places.scratch, ignore_errors=True)
    times = [_timed(stage, paper) for stage in STAGES]
    metrics, parity = read_json(places.metrics), read_json(places.export / "parity.json")
    baseline, ours = (metrics["methods"][name] for name in ("bicubic", metrics["exported"]))
    psnr, ssim = work.paper.decides
    values = [f"{found[psnr]:.2f} / {found[ssim]:.4f}" for found in (baseline, ours)]
    gains = [brief(name, Interval(**metrics["gains"][name])) for name in (psnr, ssim)]
    consistency = " → ".join(f"{found['consistency_rmse']:.2f}" for found in (baseline, ours))
    name = work.paper.registered_name
    seeds = spread(found) if (found := known(name, metrics["dataset"])) else ""
    return [
        name,
        metrics["dataset"],
        *times,
        *values,
        " / ".join(gains),
        seeds,
        consistency,
        f"{parity['max_abs']:.0e}",
    ]


def _timed(stage: str, paper: str) -> str:
    begin = time.monotonic()
    subprocess.run([sys.executable, "-m", "steps", stage, paper], cwd=root(), check=True)
    return f"{time.monotonic() - begin:.0f} s"


if __name__ == "__main__":
    papers = sys.argv[1:] or list(read_yaml(root() / "params.yaml")["papers"])
    rows = [row(*paper.partition(":")[::2]) for paper in papers]
    print("\n".join("| " + " | ".join(cells) + " |" for cells in (HEAD, ["---"] * len(HEAD), *rows)))
