"""Stage 6, export: the averaged weights become one ONNX graph that equals the network and knows its limits."""

from pathlib import Path

from satsr.errors import SatsrError
from satsr.export import onnx
from satsr.export.depth import depth
from satsr.files import read_json, replacing, sha256, write_json
from satsr.scores import EXPORTED
from satsr.store.store import Store
from satsr.train.weights import trained
from steps.job import job


def run(paper: str, root: Path) -> None:
    """Writes ``results/<paper>/export/model.onnx``, its parity, and what it was trained on with its limits.

    Raises:
        SatsrError: the graph deviates from the network by more than ``export.max_abs``.
    """
    work = job(paper, root)
    recipe, config, places = work.paper, work.config, work.places
    graph = recipe.graph(trained(recipe, places, EXPORTED))
    about = {**recipe.describe(), "statistics": read_json(places.training / "train.json")["statistics"]}
    example, axes = recipe.example()
    with replacing(places.export) as folder:
        folder.mkdir()
        path = folder / "model.onnx"
        onnx.export(graph, example, axes, path, about)
        parity = onnx.parity(graph, path, recipe.parity_cases())
        if parity["max_abs"] > config.export.max_abs:
            raise SatsrError(
                f"the exported graph of {paper} deviates from the network by {parity['max_abs']:.2e}, more than "
                f"export.max_abs = {config.export.max_abs:.0e}: it was not kept."
            )
        known = depth(recipe, Store(places.store), path, config.export.depth_scenes)
        onnx.describe(path, {**about, "depth": known})
        write_json(folder / "depth.json", known)
        facts = {"role": EXPORTED, "sha256": sha256(path), "megabytes": path.stat().st_size / 1e6}
        write_json(folder / "parity.json", {**parity, **facts})
