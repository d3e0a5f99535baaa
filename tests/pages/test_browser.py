"""MLflow's own pages, in a real browser: what a model is, how good a version is, and what its numbers belong to."""

import html
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from pipelines.configs.rasvsr import CONFIG
from pipelines.rasvsr import PAPER
from satsr import tracking
from satsr.config.recipe import resolved
from satsr.config.resolve import merged
from satsr.register import decisions, registry
from satsr.register.cost import Cost
from satsr.register.facts import Facts
from satsr.register.gates import Gate
from satsr.register.model_card import about, model_card
from satsr.register.registry import Measured
from satsr.scores import Interval
from tests.tiny_graphs import recurrent_graph

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--virtual-time-budget=15000", "--dump-dom"),
)
ROOT = Path(__file__).resolve().parents[2]
SCORES = {"psnr_rgb_u8": 28.067, "ssim_rgb_u8": 0.7438}
FACTS = Facts(
    metrics={
        "dataset": "embedded-video",
        "profile": "quick",
        "exported": "ema",
        "methods": {"bicubic": {"psnr_rgb_u8": 26.987, "ssim_rgb_u8": 0.6917}, "ema": SCORES},
        "gains": {
            "psnr_rgb_u8": asdict(Interval(1.08, 0.71, 1.4, 20, "scenes", "BCa bootstrap")),
            "ssim_rgb_u8": asdict(Interval(0.0521, 0.04, 0.06, 20, "scenes", "BCa bootstrap")),
        },
        "verdict": {"word": "not comparable", "sentence": "Other data."},
    },
    parity={"role": "ema", "max_abs": 2e-7, "megabytes": 7.3, "sha256": "2" * 64},
    cost=Cost("x 1x5x3x64x64", 5, 1_801_247, 4.11, 92.0, 270.0, "x86_64, 2 CPU cores"),
    references_sha256="5" * 64,
    inputs_sha256="6" * 64,
    degradation="x4, cubic, mirror border",
    trained_on="3" * 64,
    validated=True,
    start={},
    manifest={
        "lineage": "1" * 64,
        "card": {},
        "store_sha256": "3" * 64,
        "git": {"commit": "4" * 40, "dirty": False},
        "seed": 0,
    },
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no chromium, google-chrome or chrome is on PATH"),
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def version(root: Path) -> Iterator[decisions.Version]:
    """A version in a store of its own, rejected by a reviewer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        paper = PAPER(resolved(CONFIG, "rasvsr", merged("rasvsr", ROOT, {})))
        graph = recurrent_graph(root / "model.onnx")
        data = tracking.Data("embedded-video", "5" * 64, "data/lmdb/rasvsr")
        with tracking.run(root, "rasvsr", name="rasvsr-0123") as run:
            card = model_card(paper, FACTS, [Gate("parity", True, "ONNX deviates 2.0e-07")])
            tags = {"review": "pending", "gates": "passed", "psnr_rgb_u8": "28.067"}
            registry.add_version(
                run,
                "rasvsr",
                graph,
                tags,
                card,
                about=about(paper, "rasvsr", paper.describe()),
                measured=Measured(SCORES, data),
            )
        client = tracking.client(root)
        registry.set_alias(client, "rasvsr", registry.CHALLENGER, 1)
        decisions.reject(client, "rasvsr", 1, "ringing at the coast", root / "lock")
        registry.set_alias(client, "rasvsr", registry.CHALLENGER, 1)
        yield decisions.version(client, "rasvsr", 1)


@pytest.fixture(scope="module")
def page(root: Path, version: decisions.Version) -> Iterator[Callable[..., str]]:
    """``page("models/rasvsr", "words", ...)``: the text of that page once it shows all words, or what it shows."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "ui", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # three processes less
    log = root / "server.log"
    with log.open("w") as output:  # a bare "mlflow ui" in the project's root finds its store
        server = subprocess.Popen(
            command, cwd=root, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        _ready(server, address, log)
        yield lambda path, *words: _shown(f"{address}/#/{path}", words)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=30)


def _ready(server: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        try:
            with urlopen(f"{address}/health", timeout=5) as answer:
                assert answer.read() == b"OK"
                return
        except (URLError, ConnectionError, TimeoutError):
            try:
                server.wait(timeout=0.2)
            except subprocess.TimeoutExpired:
                continue
            break
    pytest.fail(f"mlflow ui did not start:\n{log.read_text()}")


def _shown(address: str, words: tuple[str, ...]) -> str:
    text = ""
    for _ in range(3):  # on a busy machine the page may be dumped before it is complete
        with tempfile.TemporaryDirectory() as profile:
            command = [str(BROWSER), *FLAGS, f"--user-data-dir={profile}", address]
            dump = subprocess.run(command, capture_output=True, text=True, timeout=90).stdout
        text = " ".join(html.unescape(re.sub(r"<[^>]+>", " ", dump)).split())
        if all(word in text for word in words):
            break
    return text


def test_the_page_of_a_version_shows_card_aliases_tags_and_metric(page: Callable[..., str]) -> None:
    words = (
        "+1.08 dB [0.71, 1.40] PSNR over bicubic (95 %, 20 scenes) on embedded-video (quick profile). "
        "All gates passed.",
        "challenger",
        "psnr_rgb_u8",
        "28.067",
        "ringing at the coast",
        "1,801,247 parameters",
    )
    text = page("models/rasvsr/versions/1", *words)
    assert [word for word in words if word not in text] == []


def test_the_page_of_a_model_says_what_it_is_and_what_was_decided(page: Callable[..., str]) -> None:
    words = (
        "RASVSR, satellite video x4. Takes a clip of frames, gives 4 times as many pixels a side.",
        "reject version 1 (champion: none → none). ringing at the coast",
        "Version 1",
    )
    text = page("models/rasvsr", *words)
    assert [word for word in words if word not in text] == []


def test_the_page_of_the_logged_model_links_metrics_to_data_and_version(
    root: Path, version: decisions.Version, page: Callable[..., str]
) -> None:
    client = tracking.client(root)
    model = client.get_model_version("rasvsr", "1").source.rpartition("/")[2]
    experiment = client.get_run(version.run).info.experiment_id
    words = ("psnr_rgb_u8", "28.067", "embedded-video (#5555", "Model versions rasvsr v1", "rasvsr-0123")
    text = page(f"experiments/{experiment}/models/{model}", *words)
    assert [word for word in words if word not in text] == []
