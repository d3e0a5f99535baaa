"""How long commands take that do little, as processes of their own, against ``python -c pass``."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2

from benchmarks.speed.ratio import Row, Work, children, command, measure, photograph
from satsr import tracking
from satsr.register import registry
from tests.tiny_graphs import image_graph

VERSIONS = 3
SIDE = 64
NOTE = "two models of three versions"


def rows() -> Iterator[Row]:
    """Help, the list of the registry, and one small image, by a file and by its name in the registry."""
    with tempfile.TemporaryDirectory(prefix="satsr-start-") as folder:
        where = prepared(Path(folder))
        yield against("satsr --help", satsr(where, "--help"), 12)
        yield against("satsr review", satsr(where, "review"), 30, NOTE)
        upscale = ("upscale", "low.png", "sharp.png", "--overwrite", "--model")
        yield against("satsr upscale, a 64x64 PNG, a file", satsr(where, *upscale, "model.onnx"), 40)
        yield against("satsr upscale, a 64x64 PNG, tiny@champion", satsr(where, *upscale, "tiny@champion"), 40)


def against(work: str, do: Work, target: float, note: str = "") -> Row:
    """A command against Python's start."""
    return measure(work, do, "python", clock=children, target=target, note=note)


def satsr(where: Path, *arguments: str) -> Work:
    """The command, started as its console script does."""
    start = "import sys; from satsr.cli import main; sys.exit(main())"
    return command(sys.executable, "-c", start, *arguments, cwd=str(where))


def prepared(root: Path) -> Path:
    """A folder that passes for a checkout, with a registry, a model and an image."""
    for name in ("params.yaml", "dvc.yaml"):
        (root / name).touch()
    cv2.imwrite(str(root / "low.png"), photograph(SIDE, SIDE))
    graph = image_graph(root / "model.onnx", normalisation="unit_u8")
    tags = {"decides": "psnr,ssim", "psnr": 30, "ssim": 0.9, "gates": "passed", "review": "pending"}
    for name in ("tiny", "other"):
        for _ in range(VERSIONS):
            with tracking.run(root, name) as run:
                number = registry.add_version(run, name, graph, tags, "A card.", facts={"scale": 2})
        registry.set_alias(tracking.client(root), name, registry.CHAMPION, number)
    return root
