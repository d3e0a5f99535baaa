"""Stage 6, export: the averaged weights become one ONNX graph that equals the network."""

from satsr.errors import SatsrError
from satsr.export import onnx
from satsr.files import replacing, sha256, write_json
from steps.recipes import Job
from steps.train import trained

ROLE = "ema"


def run(job: Job) -> None:
    """Writes ``results/<paper>/export/model.onnx`` and its parity.

    Raises:
        SatsrError: the graph deviates from the network by more than ``export.max_abs``.
    """
    paper, config, layout = job.paper, job.config, job.layout
    network = trained(job)[ROLE]
    graph = paper.graph(network)
    example, axes = paper.example(config)
    with replacing(layout.export) as folder:
        folder.mkdir()
        path = folder / "model.onnx"
        onnx.export(graph, example, axes, path, paper.describe(config))
        parity = onnx.parity(graph, path, paper.parity_cases(config))
        if parity["max_abs"] > config.export.max_abs:
            raise SatsrError(
                f"the exported graph of {paper.name} deviates from the network by {parity['max_abs']:.2e}, more than "
                f"export.max_abs = {config.export.max_abs:.0e}: it was not kept."
            )
        write_json(
            folder / "parity.json",
            {**parity, "role": ROLE, "sha256": sha256(path), "megabytes": path.stat().st_size / 1e6},
        )
