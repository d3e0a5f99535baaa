"""What a finished run says on the terminal: quality, report, registered version, how to review."""

from pathlib import Path

from satsr.files import read_json
from satsr.project import Places
from satsr.scores import BASELINE


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
    gains = [
        f"  {label:<9} {ours[name]:.{digits}f}{unit}, bicubic {baseline[name]:.{digits}f}{unit}: "
        f"{ours[name] - baseline[name]:+.{digits}f}{unit}  ({name})"
        if None not in (ours.get(name), baseline.get(name))
        else f"  {label:<9} has no finite value  ({name})"
        for label, name, digits, unit in (("PSNR", psnr, 2, " dB"), ("SSIM", ssim, 4, ""))
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
