"""Reviews against a real registry: SQLite, MLflow's client, an ONNX graph that is logged and registered."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from satsr import registry, review, tracking
from satsr.compare import SAMPLES, write_comparison
from satsr.data.images import write_png
from satsr.errors import SatsrError
from satsr.review_text import listing

TAGS = {
    "decides": "psnr_rgb_u8,ssim_rgb_u8",
    "conventions": "psnr_rgb_u8,ssim_rgb_u8",
    "ssim_rgb_u8": "0.9",
    "bicubic.psnr_rgb_u8": "28.0",
    "bicubic.ssim_rgb_u8": "0.8",
    "data.sha256": "d" * 64,
    "dataset": "toy",
    "gates": "passed",
    "onnx.parity": "passed",
    "onnx.parity_max_abs": "1e-6",
    "onnx.megabytes": "1.0",
    "onnx.milliseconds": "3.0",
    "review": "pending",
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("registry")


@pytest.fixture(scope="module")
def graph(root: Path) -> Path:
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3, "h", "w"]) for name in "xy")
    node = helper.make_node("Identity", ["x"], ["y"])
    model = helper.make_model(helper.make_graph([node], "g", [x], [y]), opset_imports=[helper.make_opsetid("", 20)])
    model.ir_version = 10
    onnx.save(model, root / "model.onnx")
    return root / "model.onnx"


class Registry:
    """A registered model of its own for each test."""

    def __init__(self, root: Path, graph: Path, name: str) -> None:
        self.root, self.graph, self.name = root, graph, name
        self.client = tracking.client(root)
        self.lock = root / f"{name}.lock"

    def add(self, psnr: str, **tags: str) -> int:
        with tracking.run(self.root, self.name) as run:
            folder = self.root / f"samples-{self.name}-{psnr}"
            for kind in ("lr", "bicubic", "ours", "hr"):
                side = 8 if kind == "lr" else 32
                write_png(folder / f"a-0-{kind}.png", np.full((side, side, 3), int(float(psnr)), np.uint8))
                run.artifact(folder / f"a-0-{kind}.png", SAMPLES)
            (folder / "frames.csv").write_text(
                f"scene,frame,method,psnr_rgb_u8,ssim_rgb_u8\na,0,bicubic,28.0,0.8\na,0,ema,{psnr},0.9\n"
            )
            run.artifact(folder / "frames.csv", "report")
            everything = {**TAGS, "psnr_rgb_u8": psnr, **tags}
            return registry.add_version(run, self.name, self.graph, everything, f"# {self.name}")

    def champion(self) -> int | None:
        return registry.alias(self.client, self.name, "champion")


@pytest.fixture
def models(root: Path, graph: Path, request: pytest.FixtureRequest) -> Registry:
    return Registry(root, graph, request.node.name.split("[")[0].removeprefix("test_")[:40])


def test_approval_rejection_and_rollback_move_one_alias_and_keep_their_history(models: Registry) -> None:
    for psnr in ("30.0", "31.0", "32.0"):
        models.add(psnr)
    review.approve(models.client, models.name, 1, "a start", models.lock)
    review.approve(models.client, models.name, 2, "better", models.lock, seen=1)
    review.reject(models.client, models.name, 3, "artefacts on roofs", models.lock)
    assert models.champion() == 2
    review.rollback(models.client, models.name, "seams in production", models.lock)
    assert models.champion() == 1
    decisions = review.history(models.client, models.name)
    assert [(d.action, d.version, d.before, d.after) for d in decisions] == [
        ("approve", 1, None, 1),
        ("approve", 2, 1, 2),
        ("reject", 3, 2, 2),
        ("rollback", 1, 2, 1),
    ]
    assert all(d.who and d.when and d.why for d in decisions)
    rejected = review.version(models.client, models.name, 3)
    assert rejected.tags["review"] == "rejected" and rejected.tags["review.why"] == "artefacts on roofs"
    artifacts = [item.path for item in models.client.list_artifacts(rejected.run, "review")]
    assert artifacts == [f"review/{models.name}-history.json"]


@pytest.mark.parametrize(
    ("psnr", "tags", "words"),
    [
        ("29.0", {}, "not better than 30.0000"),
        ("30.0", {}, "not better than 30.0000"),
        ("nan", {}, "missing or not a finite number"),
        ("31.0", {"data.sha256": "e" * 64}, "data.sha256 differs"),
        ("31.0", {"conventions": "psnr_y_u8"}, "conventions differs"),
        ("31.0", {"onnx.parity": "failed"}, "has not passed its parity check"),
        ("31.0", {"gates": "failed", "gates.failed": "too large"}, "has not passed its gates: too large"),
    ],
)
def test_what_cannot_be_compared_or_is_not_better_is_refused(
    root: Path, graph: Path, psnr: str, tags: dict, words: str
) -> None:
    name = f"refused-{abs(hash((psnr, words))) % 10**8}"
    models = Registry(root, graph, name)
    models.add("30.0")
    review.approve(models.client, name, 1, "a start", models.lock)
    with tracking.run(root, name) as run:
        registry.add_version(run, name, graph, {**TAGS, "psnr_rgb_u8": psnr, **tags}, "card")
    with pytest.raises(SatsrError, match=words):
        review.approve(models.client, name, 2, "because", models.lock)
    assert models.champion() == 1
    assert len(review.history(models.client, name)) == 1


def test_a_promotion_in_between_is_noticed(models: Registry) -> None:
    for psnr in ("30.0", "31.0", "32.0"):
        models.add(psnr)
    review.approve(models.client, models.name, 1, "a start", models.lock)
    review.approve(models.client, models.name, 2, "better", models.lock)
    with pytest.raises(SatsrError, match=r"the champion of .* is version 2, not 1"):
        review.approve(models.client, models.name, 3, "best", models.lock, seen=1)
    assert models.champion() == 2


def test_a_decision_needs_a_reason_and_an_existing_version(models: Registry) -> None:
    models.add("30.0")
    with pytest.raises(SatsrError, match="needs a reason"):
        review.approve(models.client, models.name, 1, " ", models.lock)
    with pytest.raises(SatsrError, match="has no version 7: it has 1"):
        review.approve(models.client, models.name, 7, "x", models.lock)
    with pytest.raises(SatsrError, match="no earlier champion"):
        review.rollback(models.client, models.name, "x", models.lock)
    with pytest.raises(SatsrError, match="names no version"):
        review.find(models.client, "rasvsr")
    with pytest.raises(SatsrError, match="the registry has no model 'nobody'"):
        review.find(models.client, "nobody/1")


def test_the_champion_cannot_be_rejected(models: Registry) -> None:
    models.add("30.0")
    review.approve(models.client, models.name, 1, "a start", models.lock)
    with pytest.raises(SatsrError, match="is the champion"):
        review.reject(models.client, models.name, 1, "no", models.lock)


def test_the_list_shows_versions_beside_their_champion(models: Registry) -> None:
    models.add("30.0")
    models.add("31.5")
    models.add("33.0", **{"data.sha256": "e" * 64})
    review.approve(models.client, models.name, 1, "a start", models.lock)
    lines = listing(models.client, models.name).splitlines()
    assert "other data" in lines[2] and "+1.50 dB" in lines[3] and "champion" in lines[4]


def test_the_comparison_is_one_page_with_both_versions_and_nothing_from_elsewhere(
    models: Registry, tmp_path: Path
) -> None:
    models.add("30.0")
    models.add("31.5")
    first, second = (review.find(models.client, f"{models.name}/{number}") for number in (1, 2))
    write_comparison(models.client, tmp_path / "page.html", first, second)
    page = (tmp_path / "page.html").read_text()
    assert f"{models.name} v2 is 1.50 dB better than {models.name} v1" in page
    assert "http://" not in page.replace("http://www.w3.org", "") and "https://" not in page
    assert page.count("data:image/") >= 5
