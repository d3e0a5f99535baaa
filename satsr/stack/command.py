"""``satsr stack``: registers a stack and makes it active, or writes a pipeline for Kubeflow to a file."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from satsr import quiet
from satsr.errors import SatsrError
from satsr.files import write_text
from satsr.project import root
from satsr.stack.file import Stack, read


def run(arguments: argparse.Namespace, pipeline: Callable[[str], Any]) -> None:
    """Registers or compiles.

    Args:
        arguments: of :func:`satsr.arguments.stack_arguments`.
        pipeline: a paper's, by its name.

    Raises:
        SatsrError: the file is not valid.
        ModuleNotFoundError: a client is not installed, which :func:`satsr.errors.absences` has a sentence for.
    """
    where = root()
    stack = read(arguments.kind, Path(arguments.file or where / "stacks" / f"{arguments.kind}.yaml"))
    quiet.apply()
    if arguments.paper:
        output = Path(arguments.output or f"kubeflow-{arguments.paper}.yaml")
        print("\n".join(written(lambda: pipeline(arguments.paper), stack, output)))
        return
    if arguments.output:
        raise SatsrError("--output goes with --compile: `satsr stack kubeflow --compile rasvsr --output file.yaml`.")
    from satsr.stack.registration import register, require_answer

    require_answer()
    print("\n".join(register(stack, where)))


def written(pipeline: Callable[[], Any], stack: Stack, output: Path) -> list[str]:
    """Writes the pipeline's YAML; what there is to say of it, a line each.

    Raises:
        SatsrError: the stack is no Kubeflow.
        ModuleNotFoundError: kfp is not installed.
    """
    if stack.kind != "kubeflow":
        raise SatsrError("--compile writes a pipeline of Kubeflow's: `satsr stack kubeflow --compile rasvsr`.")
    from satsr.stack import kubeflow  # noqa: F401  # first, for ZenML has another sentence for what is absent
    from satsr.stack.compile import kubeflow as compiled
    from satsr.stack.compile import of_server

    text, left = compiled(pipeline(), stack, of_server())
    write_text(output, text)
    more = [f"left out, for they are secrets or places of this machine: {', '.join(left)}"] if left else []
    return [f"wrote {output}, to be read: its snapshot is nobody's until `zenml pipeline run` submits one", *more]
