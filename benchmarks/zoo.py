"""The model zoo, made again: the exported model of each paper's last run, measured on imagery that no training saw.

``make zoo``, or ``python -m benchmarks.zoo [paper...]``, takes for each paper of ``params.yaml`` what ``results/``
holds (``dvc repro register@<paper>`` makes what is missing), compares it with ``dvc.lock``, and measures the exported
graph as :mod:`benchmarks.unseen` says. A model that did not pass its gates, or whose gain over bicubic has an interval
that reaches 0 on any of this imagery, is not admitted. Where no real imagery is at hand, what the zoo says of the very
same file on some is kept.

For all papers the folder ``satsr/zoo/models`` is replaced at once and the tables of ``docs/zoo.md`` are written. With
papers named, it is only printed what would become of them.
"""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import torch

from benchmarks.unseen import gain_of, measurements
from satsr import zoo
from satsr.config.resolve import read_yaml
from satsr.errors import SatsrError
from satsr.exported.facts import KINDS
from satsr.exported.model import load
from satsr.files import read_json, replacing, sha256, write_json, write_text
from satsr.project import root
from satsr.scores import BASELINE, Interval
from satsr.zoo.tables import markdown, placed, text
from steps.inputs import require_written
from steps.job import Job, job

STAGES = ("train", "evaluate", "export", "register")
LICENCE = "Apache-2.0"
"""Of weights that were trained on scenes which this project draws."""


def made(paper: str) -> tuple[Path, zoo.Entry | None]:
    """The graph of a paper's last run, and its entry; None if it is not admitted.

    Raises:
        SatsrError: its results are not those of ``dvc.lock``, or its data are not drawn by this project.
    """
    work = job(paper, root())
    path = work.places.export / "model.onnx"
    if not (work.places.registration / "registration.json").is_file():
        subprocess.run(["dvc", "repro", f"register@{paper}"], cwd=root(), check=True)
    for stage in STAGES:
        require_written(stage, paper, root())
    manifest = read_json(work.places.registration / "manifest.json")
    if "embedded" not in manifest["card"]["source"]:
        raise SatsrError(f"{paper} was trained on {manifest['card']['name']}: weights of the zoo are of drawn scenes.")
    model = load(path, device="cpu")
    unseen = list(measurements(work, model))
    unseen += [] if len(unseen) > 1 else known(sha256(path))
    found = zoo.Entry(
        name=f"{paper}-{work.config.profile}",
        paper=paper,
        kind=model.kind,
        takes=KINDS[model.kind].words,
        file=f"{paper}-{work.config.profile}.onnx",
        size=path.stat().st_size,
        sha256=sha256(path),
        licence=LICENCE,
        test=on_test_scenes(work),
        unseen=unseen,
        made=facts(work, manifest),
    )
    gates = read_json(work.places.registration / "registration.json")["gates"]
    against = objections(found, gates)
    print(f"{found.name}: {'; '.join(against) or 'admitted'}", flush=True)
    return path, None if against else found


def known(digest: str) -> list[zoo.Measured]:
    """What is known already of the very same file on real imagery, for machines that have none."""
    entries = zoo.entries() if (zoo.MODELS / zoo.TABLE).is_file() else ()
    return [one for found in entries if found.sha256 == digest for one in found.unseen if one.imagery == zoo.REAL]


def objections(found: zoo.Entry, gates: Sequence[Mapping[str, Any]]) -> list[str]:
    """Why a model is not admitted: clauses, none if it is.

    Args:
        found: its entry.
        gates: of its registration.
    """
    failed = [str(gate["sentence"]) for gate in gates if not gate["passed"]]
    failed += [] if found.unseen else ["it was measured on no imagery that it had not seen"]
    return failed + [
        f"on {one.data} its gain in {one.gain.metric} is {one.gain.text()} dB"
        for one in found.unseen
        if not one.gain.low > 0
    ]


def facts(work: Job, manifest: dict[str, Any]) -> dict[str, Any]:
    """What the model was made of."""
    config = manifest["config"]
    data = {"store_sha256": manifest["store_sha256"]}
    return {
        "title": work.paper.title,
        "citation": work.paper.citation,
        "scale": config["convert"]["scale"],
        "profile": config["profile"],
        "network": config["network"],
        "train": config["train"],
        "seed": manifest["seed"],
        "data": {"name": manifest["card"]["name"], "licence": manifest["card"]["licence"], **data},
        "commit": manifest["git"]["commit"],
        "lineage": manifest["lineage"],
    }


def on_test_scenes(work: Job) -> zoo.Measured:
    """What the evaluation measured on the test split."""
    metrics = read_json(work.places.metrics)
    baseline = metrics["methods"][BASELINE]
    gains = [gain_of(name, baseline[name], Interval(**metrics["gains"][name])) for name in metrics["decides"]]
    return zoo.Measured(zoo.DRAWN, f"test split of {metrics['dataset']}", gains)


def write(found: Sequence[tuple[Path, zoo.Entry]], models: Path, page: Path) -> None:
    """Writes the folder of files and table at once, then the page.

    Args:
        found: graphs and their entries.
        models: the folder, which is replaced.
        page: with the marks of the tables.

    Raises:
        SatsrError: the graphs are larger than they may be.
    """
    entries = [entry for _, entry in found]
    if sum(entry.size for entry in entries) > zoo.LARGEST:
        raise SatsrError(f"these models have more than {zoo.LARGEST / 1e6:.0f} MB together: leave one out.")
    with replacing(models) as folder:
        folder.mkdir()
        for path, entry in found:
            (folder / entry.file).write_bytes(path.read_bytes())
        write_json(folder / zoo.TABLE, {"models": [asdict(entry) for entry in entries]})
    write_text(page, placed(page.read_text(encoding="utf-8"), markdown(entries)))


def main(papers: Sequence[str]) -> None:
    """Measures these papers, or all; writes the zoo of all."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    found = [made(paper) for paper in papers or read_yaml(root() / "params.yaml")["papers"]]
    admitted = [(path, entry) for path, entry in found if entry is not None]
    print(text([entry for _, entry in admitted]))
    if not papers:
        write(admitted, zoo.MODELS, root() / "docs" / "zoo.md")


if __name__ == "__main__":
    main(sys.argv[1:])
