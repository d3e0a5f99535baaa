"""Both doors where nothing is to be done, against the tools themselves; the checkout has to be up to date."""

import subprocess
from collections.abc import Iterator

from benchmarks.speed.ratio import Row, children, command, measure

PAPER = "rasvsr"


def rows() -> Iterator[Row]:
    """All seven stages are found up to date, by ZenML's door and by DVC's."""
    if subprocess.run(["dvc", "status", "-q"], check=False).returncode:
        raise SystemExit("`dvc status` finds stages to run: finish them with `dvc repro` before this is measured.")
    yield measure(
        f"`zenml pipeline run train_{PAPER}`, all up to date",
        command("zenml", "pipeline", "run", f"train_{PAPER}"),
        "an empty one-step pipeline",
        command("zenml", "pipeline", "run", "benchmarks.speed.empty.empty"),
        target=1.3,
        clock=children,
    )
    status = command("dvc", "status", "-q")
    yield measure(
        "`dvc repro`, nothing to do", command("dvc", "repro", "-q"), "`dvc status`", status, target=1.5, clock=children
    )
