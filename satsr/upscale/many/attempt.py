"""One scene of many: what is there already is kept, what is missing is made, and what went wrong is told."""

import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from satsr.errors import SatsrError, absences
from satsr.exported.model import Model
from satsr.upscale import beside
from satsr.upscale.appraisal.checks import Say
from satsr.upscale.options import Options
from satsr.upscale.provenance import chosen, provenance
from satsr.upscale.results.partial import unfinished_at
from satsr.upscale.scenes import scene


@dataclass(frozen=True)
class Done:
    """What became of a scene.

    Attributes:
        made: the files that were written now.
        problem: why it is not whole; empty if it is.
        lines: for the user, where nobody has said them yet.
    """

    made: Sequence[Path] = ()
    problem: str = ""
    lines: Sequence[str] = ()


def attempt(model: Model, source: Path, target: Path, options: Options, say: Say) -> Done:
    """Makes what is not there yet of a scene's result and of what is asked for beside it.

    Whatever goes wrong ends this scene alone; where it is no mistake of the user's, its traceback is said.
    """
    try:
        with absences():
            return Done(_made(model, source, target, options, say))
    except SatsrError as error:
        say(f"warning: {source.name}: {error}")
        return Done(problem=str(error))
    except Exception as error:  # of a library, or a mistake of satsr's: a thousand other scenes wait
        say(f"warning: {source.name}: {''.join(traceback.format_exception(error)).strip()}")
        return Done(problem=f"unexpected {type(error).__name__}: {error}")


def _made(model: Model, source: Path, target: Path, options: Options, say: Say) -> list[Path]:
    if options.overwrite or not target.is_file():
        return scene.upscale(model, source, target, options, say)
    tags = provenance(model, scene.find(model, source, options).files, options.constraint) | chosen(options)
    asked = [target, *beside.files(model, target, options)]
    there = [file for file in asked if beside.same(file, tags)]
    if there == asked and not unfinished_at(target).exists():
        say(f"{target} is there already, of the same model, input and options")
        return []
    made = scene.upscale(model, source, target, options, say, again=target in there)
    return [file for file in made if file not in there]
