"""MLflow's own ways to a registered model: its loaders and its server, with real processes and real requests."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from base64 import b64decode, b64encode
from pathlib import Path

import numpy as np
import onnx
import pytest

from satsr import load, tracking
from satsr.imagery.images import decode, encode_png
from satsr.register import flavor, registry
from satsr.register.registry import Measured
from satsr.tracking import Data
from tests.conftest import ROOT, MakeStore
from tests.tiny_graphs import image_graph, imageset_graph, recurrent_graph, residual_graph, series_graph, window_graph

FRAMES = np.random.default_rng(5).integers(0, 256, (3, 20, 24, 3), dtype=np.uint8)
GRAPHS = (image_graph, imageset_graph, recurrent_graph, residual_graph, series_graph, window_graph)


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        (image_graph, "images (N, H, W, 3), numbers in 0..10000 (reflectance x 10000)"),
        (residual_graph, "images (N, H, W, 3), numbers in 0..10000 (reflectance x 10000)"),
        (recurrent_graph, "frames (T, H, W, 3), numbers in 0..255"),
        (series_graph, "dates (T, H, W, 3), numbers in 0..10000 (reflectance x 10000)"),
        (imageset_graph, "views (T, H, W), numbers in 0..65535"),
    ],
)
def test_a_graph_says_in_words_what_it_takes_and_its_example_is_that(graph, words, tmp_path: Path) -> None:
    path = graph(tmp_path / "m.onnx")
    found = flavor.takes(onnx.load(path))
    assert found is not None and found.sentence == words
    first, *more = found.example.values()
    result = load(path)(first, **({"quality": more[0]} if more else {}))
    assert result.dtype == first.dtype and result.std() > 0


def shaped(path: Path) -> Path:
    """With the free axes of its output, as exported graphs have them and MLflow's check wants them."""
    model = onnx.load(path)
    for place in range(5 if path.stem == recurrent_graph.__name__ else 4):
        model.graph.output[0].type.tensor_type.shape.dim.add().dim_param = f"axis{place}"
    onnx.save(model, path)
    return path


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, mlflow_store: MakeStore) -> Path:
    """A store with a model of every kind, each with its champion."""
    folder = tmp_path_factory.mktemp("served")
    mlflow_store(folder)
    for graph in GRAPHS:
        name, path = graph.__name__, shaped(graph(folder / f"{graph.__name__}.onnx"))
        data = Data("toy", "d" * 64, "data/lmdb/toy")
        measured = Measured(
            {"psnr_rgb_u8": 30.0, "gain.psnr_rgb_u8": 1.5}, data, Data("toy", "e" * 64, "data/lmdb/toy")
        )
        with tracking.run(folder, name) as run:
            (folder / "report.html").write_text("<h1>report</h1>")
            run.artifact(folder / "report.html", "report")
            number = registry.add_version(run, name, path, {"gates": "passed"}, "card", measured=measured)
            registry.set_alias(run.client, name, "champion", number)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("graph", GRAPHS)
def test_mlflows_loaders_give_what_satsr_gives(graph, root: Path) -> None:
    import mlflow

    tracking.client(root)
    name = graph.__name__
    address, ours = f"models:/{name}@champion", load(root / f"{name}.onnx")
    served = mlflow.pyfunc.load_model(address)
    found = flavor.takes(onnx.load(root / f"{name}.onnx"))
    assert found is not None
    example = found.example
    first, *more = example.values()
    expected = ours(first, **({"quality": more[0]} if more else {}))
    np.testing.assert_array_equal(served.predict(example), expected)
    np.testing.assert_array_equal(served.predict(example if more else first), expected)
    assert mlflow.onnx.load_model(address) == onnx.load(root / f"{name}.onnx")
    assert served.metadata.metadata["takes"] == found.sentence
    assert [spec.name for spec in served.metadata.signature.inputs] == list(example)
    kept = served.input_example
    kept = kept if isinstance(kept, dict) else {next(iter(example)): kept}
    for key, values in example.items():
        np.testing.assert_array_equal(np.asarray(kept[key], float), values)


@pytest.mark.slow
def test_the_graph_that_mlflow_loads_is_the_network_behind_satsr(root: Path) -> None:
    import mlflow
    import onnxruntime

    tracking.client(root)
    graph = mlflow.onnx.load_model("models:/recurrent_graph@champion")
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    x = np.moveaxis(FRAMES, -1, 1)[None].astype(np.float32) / 255
    (sr,) = session.run(None, {"x": x})
    expected = load(root / "recurrent_graph.onnx")(FRAMES.astype(np.float32))
    np.testing.assert_allclose(np.moveaxis(sr[0], 1, -1).clip(0, 1) * 255, expected, atol=1e-3)


@pytest.mark.slow
def test_no_file_of_a_logged_model_holds_code_or_a_pickle(root: Path) -> None:
    names = {path.name for path in (root / "mlruns").rglob("artifacts/*") if "models" in path.parts}
    assert names - {"registered_model_meta"} == {  # which MLflow writes where it loads from
        *("MLmodel", "model.onnx", "conda.yaml", "python_env.yaml", "requirements.txt"),
        *("input_example.json", "serving_input_example.json"),
    }


@pytest.mark.slow
def test_metrics_data_and_report_are_where_mlflow_shows_them(root: Path) -> None:
    client = tracking.client(root)
    version = client.get_model_version_by_alias("recurrent_graph", "champion")
    run = client.get_run(version.run_id)
    inputs = {(item.tags[0].value, item.dataset.name, item.dataset.digest) for item in run.inputs.dataset_inputs}
    assert inputs == {("testing", "toy", "d" * 36), ("training", "toy", "e" * 36)}
    assert run.data.metrics["gain.psnr_rgb_u8"] == 1.5
    logged = client.get_logged_model(version.source.rpartition("/")[2])
    assert {(metric.key, metric.dataset_name) for metric in logged.metrics} >= {("psnr_rgb_u8", "toy")}
    assert [item.path for item in client.list_artifacts(version.run_id, "report")] == ["report/report.html"]


class Serving:
    """``mlflow models serve`` as a user starts it, in a process of its own on a free port of this computer."""

    def __init__(self, root: Path, model: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        tools = Path(sys.executable).parent
        environment = {**os.environ, "MLFLOW_TRACKING_URI": tracking.local(root), "no_proxy": "127.0.0.1"}
        environment["PATH"] = f"{tools}:{environment['PATH']}"
        command = [
            str(tools / "mlflow"),
            "models",
            "serve",
            "-m",
            f"models:/{model}@champion",
            "--env-manager",
            "local",
        ]
        self.process = subprocess.Popen(
            [*command, "--port", str(self.port), "--host", "127.0.0.1"],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
        self.lines: list[str] = []
        for line in self.process.stdout or []:
            self.lines.append(line)
            if "Uvicorn running" in line:
                break
        else:
            raise AssertionError("".join(self.lines))
        threading.Thread(target=self.lines.extend, args=[self.process.stdout], daemon=True).start()

    def ask(self, **request: object) -> tuple[int, dict]:
        address = f"http://127.0.0.1:{self.port}/invocations"
        body = urllib.request.Request(address, json.dumps(request).encode(), {"Content-Type": "application/json"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(body, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def stop(self) -> None:
        os.killpg(self.process.pid, 15)
        self.process.wait()


@pytest.mark.slow
def test_mlflows_server_answers_with_super_resolved_pixels(root: Path) -> None:
    server = Serving(root, "recurrent_graph")
    expected = load(root / "recurrent_graph.onnx")(FRAMES)
    try:
        assert server.ask(inputs=FRAMES.tolist()) == (200, {"predictions": expected.tolist()})
        assert server.ask(inputs={"frames": FRAMES.tolist()}) == (200, {"predictions": expected.tolist()})
        (of_the_page,) = re.findall(r"-d '({.*?})'", (ROOT / "docs/reviewing.md").read_text())
        request = json.loads(of_the_page)
        sharp = load(root / "recurrent_graph.onnx")(np.array(request["inputs"], np.uint8))
        assert server.ask(**request) == (200, {"predictions": sharp.tolist()})
        status, answer = server.ask(inputs=[b64encode(encode_png(frame)).decode() for frame in FRAMES])
        pictures = [decode(b64decode(text), "answer") for text in answer["predictions"]]
        assert status == 200
        np.testing.assert_array_equal(pictures, expected)
        status, answer = server.ask(inputs=(FRAMES / 255).tolist(), params={"gain": 255})
        assert status == 200
        np.testing.assert_allclose(np.array(answer["predictions"]) * 255, expected, atol=0.51)
        status, answer = server.ask(inputs=(FRAMES / 255).tolist())
        assert (
            status == 400
            and "takes numbers in 0..255, found float32 between 0 and 1: add gain=255" in answer["message"]
        )
    finally:
        server.stop()
