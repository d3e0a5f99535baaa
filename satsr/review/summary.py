"""What a finished run says on the terminal: quality, report, registered version, how to review."""

import shutil
import textwrap
from collections.abc import Mapping
from pathlib import Path

from satsr.config.resolve import paper_block, read_yaml
from satsr.errors import SatsrError
from satsr.files import read_json
from satsr.pages.gains import text
from satsr.pages.page import metric
from satsr.project import Places
from satsr.scores import BASELINE, Interval

INDENT = 12
"""Characters before what a line says, with its name."""
REASON = 300
"""Characters of the verdict's reason; the report has all of it."""


def summary(root: Path, paper: str) -> str:
    """Some lines, made from the files of the finished stages.

    Raises:
        SatsrError: the paper has no finished run, or there is no such paper.
    """
    places = Places(root, paper)
    registration = places.registration / "registration.json"
    if not (places.metrics.is_file() and registration.is_file()):
        paper_block(paper, read_yaml(root / "params.yaml"))
        raise SatsrError(f"{paper} has no finished run here: `satsr run {paper}` makes one.")
    metrics = read_json(places.metrics)
    registered = read_json(registration)
    psnr, ssim = metrics["decides"]
    baseline, ours = metrics["methods"][BASELINE], metrics["methods"][metrics["exported"]]
    known = {name: Interval(**values) for name, values in metrics["gains"].items()}
    gains = [
        (label, f"{value(name, ours)}, bicubic {value(name, baseline)}: {gain(name, known)} ({name})")
        for label, name in (("PSNR", psnr), ("SSIM", ssim))
    ]
    verdict = metrics["verdict"]
    reason = textwrap.shorten(verdict["sentence"], REASON, placeholder=" ... (the report has the rest)")
    facts = [
        *gains,
        ("verdict", f"{verdict['word']}. {reason}"),
        ("report", f"{(places.evaluation / 'report.html').relative_to(root)}"),
        ("model", f"{registered['name']} version {registered['version']} ({', '.join(registered['aliases'])})"),
        *(("gate", f"FAILED {gate['name']}: {gate['sentence']}") for gate in registered["gates"] if not gate["passed"]),
        ("next", f"satsr open {paper}; satsr review; mlflow ui, then"),
        ("", "http://127.0.0.1:5000/#/models?workflowType=machine_learning"),
    ]
    title = f"{paper}: {metrics['title']} ({metrics['profile']} profile, {metrics['dataset']})"
    return "\n".join(["", title, *(aligned(name, words) for name, words in facts), ""])


def aligned(name: str, words: str) -> str:
    """A named fact, broken between words where the terminal ends; what has no spaces stays whole."""
    width = max(60, shutil.get_terminal_size().columns)
    lines = textwrap.wrap(words, width - INDENT, break_long_words=False, break_on_hyphens=False)
    return "\n".join(f"{f'  {name}' if not place else '':<{INDENT}}{line}" for place, line in enumerate(lines))


def value(name: str, scores: Mapping[str, float | None]) -> str:
    """A metric with its unit; an en dash where it is not finite."""
    shown = metric(name)
    return f"{shown.text(scores.get(name), brief=True)} {shown.unit}".rstrip()


def gain(name: str, known: Mapping[str, Interval]) -> str:
    """A gain with its interval, or that there is none."""
    return text(name, known[name]) if name in known else "no gain is known"
