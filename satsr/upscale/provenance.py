"""What made a result, from what: tags that travel with it."""

import json
from collections.abc import Sequence
from pathlib import Path

import satsr
from satsr.exported.model import Model
from satsr.upscale.appraisal import checks
from satsr.upscale.options import Options
from satsr.upscale.results import own


def provenance(model: Model, files: Sequence[Path], constraint: str | None = None) -> dict[str, str]:
    """The tags that name what made a result from what.

    Raises:
        SatsrError: a file cannot be read.
    """
    several = f"{files[0].name} and {len(files) - 1} more" if len(files) > 1 else files[0].name
    return {
        checks.MADE_BY: model.name,
        "SATSR_MODEL_SHA256": model.digest,
        "SATSR_VERSION": satsr.__version__,
        "SATSR_SCALE": str(model.scale),
        "SATSR_CONSTRAINT": model.constraint(constraint).method,
        "SATSR_INPUT": several,
        own.INPUT: own.content_sha256(files),
        "SATSR_CITATION": model.facts.citation,
        "TIFFTAG_SOFTWARE": f"satsr {satsr.__version__}",
    }


def chosen(options: Options) -> dict[str, str]:
    """The tag that names what the user chose otherwise than by default and decides the result; none if nothing."""
    usual = Options().decisive
    found = {key: value for key, value in options.decisive.items() if value != usual[key] and key != "constraint"}
    return {"SATSR_OPTIONS": json.dumps(found, sort_keys=True)} if found else {}
