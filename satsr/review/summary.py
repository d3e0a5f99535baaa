"""What a finished run says on the terminal: quality, report, registered version, how to review."""

from collections.abc import Mapping
from pathlib import Path

from satsr.files import read_json
from satsr.pages.gains import text
from satsr.pages.page import metric
from satsr.project import Places
from satsr.scores import BASELINE, Interval


def summary(root: Path, paper: str) -> str:
    """Some lines, made from the files of the finished stages.

    Raises:
        SatsrError: a stage has not run yet.
    """
    places = Places(root, paper)
    metrics = read_json(places.metrics)
    registered = read_json(places.registration / "registration.json")
    psnr, ssim = metrics["decides"]
    baseline, ours = metrics["methods"][BASELINE], metrics["methods"][metrics["exported"]]
    known = {name: Interval(**values) for name, values in metrics["gains"].items()}
    gains = [
        f"  {label:<9} {value(name, ours)}, bicubic {value(name, baseline)}: {gain(name, known)}  ({name})"
        for label, name in (("PSNR", psnr), ("SSIM", ssim))
    ]
    failed = [gate for gate in registered["gates"] if not gate["passed"]]
    lines = [
        "",
        f"{paper}: {metrics['title']} ({metrics['profile']} profile, {metrics['dataset']})",
        *gains,
        f"  verdict   {metrics['verdict']['word']}. {metrics['verdict']['sentence']}",
        f"  report    {(places.evaluation / 'report.html').relative_to(root)}",
        f"  model     {registered['name']} version {registered['version']} ({', '.join(registered['aliases'])})",
    ]
    lines += [f"  gate      FAILED {gate['name']}: {gate['sentence']}" for gate in failed]
    address = "http://127.0.0.1:5000/#/models?workflowType=machine_learning"
    lines += [f"  registry  satsr review, or: mlflow ui, then {address}", ""]
    return "\n".join(lines)


def value(name: str, scores: Mapping[str, float | None]) -> str:
    """A metric with its unit; an en dash where it is not finite."""
    shown = metric(name)
    return f"{shown.text(scores.get(name), brief=True)} {shown.unit}".rstrip()


def gain(name: str, known: Mapping[str, Interval]) -> str:
    """A gain with its interval, or that there is none."""
    return text(name, known[name]) if name in known else "no gain is known"
