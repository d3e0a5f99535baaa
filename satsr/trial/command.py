"""``satsr evaluate``: words for the command line."""

import argparse
from dataclasses import replace
from pathlib import Path

from satsr import quiet
from satsr.upscale.command import add_applying, options_of, say

EXAMPLES = """examples:
  satsr evaluate --model rasvsr@champion --lr lr_frames/ --hr hr_frames/
  satsr evaluate --model srgan-sisr7/2 --lr lr.tif --hr hr.tif --out report/
  satsr evaluate --model mine.onnx --lr pairs/lr --hr pairs/hr
  satsr evaluate --model zoo:breizhsr --lr dates/ --hr spot_2018-05-14.tif
  satsr evaluate --model zoo:breizhsr --lr places/   # <name>/lr/, <name>/hr/
  satsr evaluate --model zoo:qanet --lr probav_data/train/NIR/  # LR, QM, HR...
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``satsr evaluate``."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLES
    add_applying(parser)
    add = parser.add_argument
    text = "what the model takes: image, scene, video, frames, dates or views; or a folder of them"
    add("--lr", type=Path, required=True, help=text)
    text = "the fine ones, with the same names; not needed for series with theirs in hr/, and image sets with HR.png"
    add("--hr", type=Path, help=text)
    add("--date", metavar="YYYY-MM-DD", help="day of a series' fine image (default: as its name says)")
    add("--out", type=Path, metavar="DIR", help="folder of the report (default: evaluation-<model>-<name of --lr>)")
    add("--overwrite", action="store_true", help="replace an earlier report there")


def run(arguments: argparse.Namespace) -> None:
    """Measures, prints a table and writes the report.

    Raises:
        SatsrError: whatever a user can get wrong, in a sentence.
    """
    quiet.lighten()
    from satsr.exported.model import load
    from satsr.trial import report
    from satsr.trial.measure import measure
    from satsr.trial.places import find
    from satsr.upscale.provenance import chosen, provenance
    from satsr.upscale.results import own
    from satsr.upscale.results.names import own_name

    options = replace(options_of(arguments), extra=False)  # other bands have nothing to be compared with
    model = load(arguments.model, backend=arguments.backend, device=arguments.device)
    say(f"{model.name}: {model.facts.paper}, {model.kind}, x{model.scale}, on {model.runner.device}")
    found = find(model.kind, arguments.lr, arguments.hr)
    named = model.name.replace("/", "-").replace(":", "-")
    folder = arguments.out or Path(f"evaluation-{named}-{Path(own_name(arguments.lr)).stem}")
    own.require_apart([path for path in (arguments.lr, arguments.hr) if path], folder)
    own.require_free(folder, arguments.overwrite, folder=True)
    trial = measure(model, found, options, say)
    tags = provenance(model, trial.files, options.constraint) | chosen(options)
    print(report.table(trial), flush=True)  # first: the folder may have been taken meanwhile
    report.write(folder, trial, tags, arguments.overwrite)
    print(f"report: {folder / 'report.html'}")
