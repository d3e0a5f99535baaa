"""Reviews against a real registry: SQLite, MLflow's client, an ONNX graph that is logged and registered."""

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from satsr import tracking
from satsr.cli import main
from satsr.errors import SatsrError
from satsr.imagery.images import write_png
from satsr.locks import locked
from satsr.register import decisions, registry
from satsr.register.paired import gains_over
from satsr.register.registry import About, Measured
from satsr.review.compare import common, differences, named, table, write_comparison
from satsr.review.listing import answers, comparison, listing
from satsr.review.paired import pairs
from satsr.tracking import SAMPLES, Data
from tests.conftest import MakeStore

pytestmark = pytest.mark.slow  # MLflow's registry

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
    "data.hr_sha256": "a" * 64,
    "data.lr_sha256": "b" * 64,
    "data.lr": "x4, cubic, mirror border",
    "scale": "4",
    "cost.parameters": "1500000",
    "cost.gmac": "4.25",
    "cost.milliseconds": "3.0",
    "cost.peak_mb": "80.5",
    "cost.inputs": "x 1x5x3x64x64",
    "cost.images": "5",
    "review": "pending",
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, mlflow_store: MakeStore) -> Path:
    folder = tmp_path_factory.mktemp("registry")
    mlflow_store(folder)
    return folder


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

    def add(self, psnr: str, target: int = 200, frames: str = "", **tags: str) -> int:
        with tracking.run(self.root, self.name) as run:
            folder = self.root / f"samples-{self.name}-{psnr}"
            for kind, level in {"lr": 10, "bicubic": 20, "ours": int(float(psnr)), "hr": target}.items():
                side = 8 if kind == "lr" else 32
                write_png(folder / f"a-0-{kind}.png", np.full((side, side, 3), level, np.uint8))
                run.artifact(folder / f"a-0-{kind}.png", SAMPLES)
            (folder / "frames.csv").write_text(
                f"scene,frame,method,psnr_rgb_u8,ssim_rgb_u8\na,0,bicubic,28.0,0.8\na,0,ema,{psnr},0.9\n{frames}"
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
    decisions.approve(models.client, models.name, 1, "a start", models.lock)
    decisions.approve(models.client, models.name, 2, "better", models.lock, seen=1)
    decisions.reject(models.client, models.name, 3, "artefacts on roofs", models.lock)
    assert models.champion() == 2
    decisions.rollback(models.client, models.name, "seams in production", models.lock)
    assert models.champion() == 1
    left = decisions.version(models.client, models.name, 2)
    assert (left.tags["review"], left.tags["review.why"]) == ("rolled back", "seams in production")
    assert decisions.version(models.client, models.name, 1).tags["review"] == "approved"
    kept = decisions.history(models.client, models.name)
    assert [(d.action, d.version, d.before, d.after) for d in kept] == [
        ("approve", 1, None, 1),
        ("approve", 2, 1, 2),
        ("reject", 3, 2, 2),
        ("rollback", 1, 2, 1),
    ]
    assert all(d.who and d.when and d.why for d in kept)
    listed = models.client.get_registered_model(models.name).description.splitlines()
    assert listed[-4].endswith("rollback version 1 (champion: 2 → 1). seams in production")
    assert listed[-1].endswith("approve version 1 (champion: none → 1). a start")
    rejected = decisions.version(models.client, models.name, 3)
    assert rejected.tags["review"] == "rejected" and rejected.tags["review.why"] == "artefacts on roofs"
    artifacts = [item.path for item in models.client.list_artifacts(rejected.run, "review")]
    assert artifacts == [f"review/{models.name}-history.json"]


def test_a_reason_cannot_forge_an_entry_or_markup(models: Registry) -> None:
    models.add("30.0")
    forged = "fine\n- 2099-01-01 00:00 UTC, root: approve version 99\r\u2028<img src=x> [a](http://b) `c`"
    decisions.approve(models.client, models.name, 1, forged, models.lock)
    (entry,) = decisions.history(models.client, models.name)
    assert entry.why == "fine - 2099-01-01 00:00 UTC, root: approve version 99 <img src=x> [a](http://b) `c`"
    description = models.client.get_registered_model(models.name).description
    (line,) = [line for line in description.splitlines() if "2099" in line]
    assert line.endswith(r"\<img src=x\> \[a\](http://b) \`c\`")


def test_a_model_whose_champion_was_deleted_waits_for_a_person(models: Registry) -> None:
    models.add("30.0")
    assert decisions.undecided(models.client, models.name)
    decisions.approve(models.client, models.name, 1, "a start", models.lock)
    models.client.delete_model_version(models.name, "1")
    models.add("31.0")
    assert models.champion() is None
    assert not decisions.undecided(models.client, models.name)


def test_a_rollback_takes_a_model_and_no_version(models: Registry) -> None:
    models.add("30.0")
    for wrong in (f"{models.name}/1", f"{models.name}@champion", "a b", ""):
        with pytest.raises(SatsrError, match="takes the model alone"):
            decisions.rollback(models.client, wrong, "x", models.lock)
    with pytest.raises(SatsrError, match="the registry has no model 'nobody'"):
        decisions.rollback(models.client, "nobody", "x", models.lock)


@pytest.fixture(scope="module")
def started(root: Path, graph: Path) -> Registry:
    """A model whose first version is its champion."""
    models = Registry(root, graph, "refused")
    models.add("30.0")
    decisions.approve(models.client, models.name, 1, "a start", models.lock)
    return models


@pytest.mark.parametrize(
    ("psnr", "tags", "words"),
    [
        ("29.0", {}, "not better than 30.0000"),
        ("30.0", {}, "not better than 30.0000"),
        ("nan", {}, "missing or not a finite number"),
        ("31.0", {"psnr_rgb_u8": None}, "missing or not a finite number"),
        ("31.0", {"data.sha256": "e" * 64}, "data.sha256 differs"),
        ("31.0", {"conventions": "psnr_y_u8"}, "conventions differs"),
        ("31.0", {"onnx.parity": "failed"}, "has not passed its parity check"),
        ("31.0", {"gates": "failed", "gates.failed": "too large"}, "has not passed its gates: too large"),
    ],
)
def test_what_cannot_be_compared_or_is_not_better_is_refused(
    started: Registry, psnr: str, tags: dict, words: str
) -> None:
    with tracking.run(started.root, started.name) as run:
        everything = {**TAGS, "psnr_rgb_u8": psnr, **tags}
        everything = {name: value for name, value in everything.items() if value is not None}
        number = registry.add_version(run, started.name, started.graph, everything, "card")
    with pytest.raises(SatsrError, match=words):
        decisions.approve(started.client, started.name, number, "because", started.lock)
    assert started.champion() == 1
    assert len(decisions.history(started.client, started.name)) == 1


def test_one_decision_at_a_time(models: Registry) -> None:
    with (
        locked(models.lock),
        pytest.raises(SatsrError, match="another promotion is under way on this machine: try again"),
    ):
        decisions.approve(models.client, models.name, 1, "a start", models.lock)


def test_a_promotion_in_between_is_noticed(models: Registry) -> None:
    for psnr in ("30.0", "31.0", "32.0"):
        models.add(psnr)
    decisions.approve(models.client, models.name, 1, "a start", models.lock)
    decisions.approve(models.client, models.name, 2, "better", models.lock)
    with pytest.raises(SatsrError, match=r"the champion of .* is version 2, not 1"):
        decisions.approve(models.client, models.name, 3, "best", models.lock, seen=1)
    assert models.champion() == 2


def test_a_decision_needs_a_reason_and_an_existing_version(models: Registry) -> None:
    models.add("30.0")
    with pytest.raises(SatsrError, match="needs a reason"):
        decisions.approve(models.client, models.name, 1, " ", models.lock)
    with pytest.raises(SatsrError, match="has no version 7: it has 1"):
        decisions.approve(models.client, models.name, 7, "x", models.lock)
    with pytest.raises(SatsrError, match="no earlier champion"):
        decisions.rollback(models.client, models.name, "x", models.lock)
    with pytest.raises(SatsrError, match="names no version"):
        decisions.find(models.client, "rasvsr")
    with pytest.raises(SatsrError, match="the registry has no model 'nobody'"):
        decisions.find(models.client, "nobody/1")


def test_the_champion_cannot_be_rejected(models: Registry) -> None:
    models.add("30.0")
    decisions.approve(models.client, models.name, 1, "a start", models.lock)
    with pytest.raises(SatsrError, match="is the champion"):
        decisions.reject(models.client, models.name, 1, "no", models.lock)


def test_the_list_shows_versions_beside_their_champion(models: Registry) -> None:
    models.add("30.0")
    models.add("31.5")
    models.add("33.0", **{"data.sha256": "e" * 64})
    decisions.approve(models.client, models.name, 1, "a start", models.lock)
    lines = listing(models.client, models.name).splitlines()
    assert "other data" in lines[2] and "+1.50 dB" in lines[3] and "champion" in lines[4]


def test_the_list_shows_the_gain_with_its_interval(models: Registry) -> None:
    models.add("30.0", **{"gain.psnr_rgb_u8": "+2.00 dB [1.50, 2.50], 95 %, 20 scenes"})
    assert "+2.00 dB [1.50, 2.50], 95 %, 20 scenes" in listing(models.client, models.name)


def scenes(psnr: float, spread: float = 0.1) -> str:
    """Rows of ``frames.csv`` for eleven scenes, far apart among themselves, of a network with about this PSNR."""
    return "".join(f"s{i},0,ema,{20 + i + psnr + spread * (-1) ** i},0.9\n" for i in range(11))


def test_versions_are_compared_over_the_same_scenes(models: Registry, tmp_path: Path) -> None:
    models.add("30.0", frames=scenes(0.0))
    models.add("30.5", frames=scenes(0.5, 0.2))
    models.add("29.8", frames=scenes(0.0, -1.0))
    first, second, third = (decisions.find(models.client, f"{models.name}/{number}") for number in (1, 2, 3))
    (pair,) = pairs(models.client, [first, second], ["psnr_rgb_u8", "ssim_rgb_u8"])
    gain = pair.gains["psnr_rgb_u8"]
    assert gain.count == 12 and gain.mean == pytest.approx(0.5, abs=0.02)
    assert gain.low and gain.high and 0.4 < gain.low < gain.high < 0.6
    assert [row["answer"] for row in pair.rows()] == ["better", "cannot be told apart"]
    found = pairs(models.client, [first, second, third], ["psnr_rgb_u8"])
    assert [(pair.version, pair.other) for pair in found] == [
        (f"{models.name} v1", f"{models.name} v2"),
        (f"{models.name} v3", f"{models.name} v2"),
    ]
    assert [row["answer"] for pair in found for row in pair.rows()] == ["worse", "cannot be told apart"]
    assert any("cannot be told apart" in line and "95 %, 12 scenes" in line for line in answers(found))
    write_comparison(models.client, tmp_path / "page.html", [first, second])
    text = (tmp_path / "page.html").read_text()
    assert re.search(r"<h1>.* v2 is 0\.5\d dB \[0\.4\d, 0\.5\d\] better than .* v1 \(95 %, 12 scenes\)</h1>", text)


def test_the_gain_over_the_champion_is_paired_and_without_its_frames_there_is_no_interval(
    models: Registry, tmp_path: Path
) -> None:
    champion = decisions.find(models.client, f"{models.name}/{models.add('30.0', frames=scenes(0.0))}")
    frames = tmp_path / "frames.csv"
    frames.write_text(f"scene,frame,method,psnr_rgb_u8,ssim_rgb_u8\n{scenes(1.0)}")
    gain = gains_over(models.client, champion, frames, {"psnr_rgb_u8": 31.0})["psnr_rgb_u8"]
    assert (gain.count, gain.mean) == (11, pytest.approx(1.0)) and gain.low == pytest.approx(1.0)
    with tracking.run(models.root, models.name) as run:
        bare = registry.add_version(run, models.name, models.graph, {**TAGS, "psnr_rgb_u8": "30.0"}, "card")
    without = decisions.find(models.client, f"{models.name}/{bare}")
    gain = gains_over(models.client, without, frames, {"psnr_rgb_u8": 31.0})["psnr_rgb_u8"]
    assert (gain.mean, gain.low) == (1.0, None) and "does not have the frames of version 2" in gain.note
    (pair,) = pairs(models.client, [champion, without], ["psnr_rgb_u8"])
    assert not pair.rows() and "lacks the frames" in pair.notes()[0]


def test_the_comparison_is_one_page_with_both_versions_and_nothing_from_elsewhere(
    models: Registry, tmp_path: Path
) -> None:
    models.add("30.0")
    models.add("31.5")
    first, second = (decisions.find(models.client, f"{models.name}/{number}") for number in (1, 2))
    write_comparison(models.client, tmp_path / "page.html", [first, second])
    page = (tmp_path / "page.html").read_text()
    assert f"{models.name} v2 is 1.50 dB better than {models.name} v1" in page
    assert "http://" not in page.replace("http://www.w3.org", "") and "https://" not in page
    assert page.count("data:image/") >= 5
    write_comparison(models.client, tmp_path / "page.html", [first, second])  # satsr's own page is made anew
    (tmp_path / "mine.html").write_text("mine")
    for other in (tmp_path / "mine.html", tmp_path):
        with pytest.raises(SatsrError, match="did not write it"):
            write_comparison(models.client, other, [first, second])
    assert (tmp_path / "mine.html").read_text() == "mine"


def test_models_of_several_papers_share_a_page_with_quality_cost_and_the_same_crops(
    root: Path, graph: Path, tmp_path: Path
) -> None:
    client = tracking.client(root)
    for name, psnr, lr in (("paper-a", "30.0", "b"), ("paper-b", "31.0", "b"), ("paper-c", "29.0", "c")):
        ways = {
            "data.lr_sha256": lr * 64,
            "data.lr": f"x4, cubic, border {lr}",
            "bicubic.psnr_rgb_u8": f"28.0{ord(lr)}",
        }
        Registry(root, graph, name).add(psnr, **ways)
    versions = named(client, ["paper-a/1", "paper-b", "paper-c/1"])
    rows = table(versions, common(versions))
    assert [row["version"] for row in rows] == [
        "bicubic of paper-a v1, paper-b v1",
        "bicubic of paper-c v1",
        "paper-a v1",
        "paper-b v1",
        "paper-c v1",
    ]
    assert rows[3]["gain, dB"] == "+2.90" and rows[3]["parameters, M"] == 1.5 and rows[3]["peak MB"] == 80.5
    assert "4.25" in comparison(rows).splitlines()[4]
    (sentence,) = differences(versions)
    assert "paper-a v1: x4, cubic, border b; " in sentence and "paper-c v1: x4, cubic, border c" in sentence
    write_comparison(client, tmp_path / "page.html", versions)
    page = (tmp_path / "page.html").read_text()
    assert "paper-b v1 has the best PSNR of 3" in page and sentence in page
    assert page.count('data-kind="paper-') == 3


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"data.hr_sha256": "f" * 64}, "against other references than .* data.hr_sha256 is ffffffffffffffff"),
        ({"scale": "2"}, "at another scale than .*: scale is 2"),
        ({"psnr_rgb_u8": "nan", "ssim_rgb_u8": "nan"}, "no metric in common"),
        ({"target": 100}, "targets that were prepared in different ways"),
    ],
)
def test_versions_that_were_measured_differently_are_not_compared(
    started: Registry, tmp_path: Path, tags: dict, words: str
) -> None:
    versions = named(started.client, [f"{started.name}/{number}" for number in (1, started.add("31.5", **tags))])
    with pytest.raises(SatsrError, match=words):
        write_comparison(started.client, tmp_path / "page.html", versions)
    assert not list(tmp_path.iterdir())


def test_without_names_the_models_on_the_same_data_are_compared_in_the_terminal(
    tmp_path: Path,
    graph: Path,
    mlflow_store: MakeStore,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    mlflow_store(tmp_path)
    for name in ("params.yaml", "dvc.yaml"):
        (tmp_path / name).touch()
    monkeypatch.setenv("SATSR_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)  # MLflow sets it itself, to the other tests' store

    def compared(*versions: str) -> tuple[int, str]:
        code = main(["compare", *versions, "--output", str(tmp_path / "page.html")])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    code, words = compared()
    assert code == 1 and "no two models of the registry" in words and "(it is empty)" in words
    Registry(tmp_path, graph, "one").add("30.0")
    assert "(one v1: toy)" in compared()[1]
    assert "needs two versions" in compared("one/1", "one")[1]
    assert "has no model 'nobody': it has one" in compared("one/1", "nobody")[1]
    Registry(tmp_path, graph, "two").add("30.0")
    Registry(tmp_path, graph, "other").add("30.0", **{"data.hr_sha256": "f" * 64})
    code, words = compared()
    assert code == 0 and "one v1" in words and "two v1" in words and "other" not in words
    assert "1x5x3x64x64, 5 out" in words and (tmp_path / "page.html").exists()


def test_the_logged_model_carries_facts_metrics_data_and_the_way_back_to_its_version(root: Path, graph: Path) -> None:
    data = Data("toy", "a" * 64, "data/lmdb/toy", {"split": "test"})
    about = About("A toy. Takes nothing.", {"task": "playing"})
    with tracking.run(root, "linked") as run:
        registry.add_version(
            run, "linked", graph, {"gates": "passed"}, "the card", facts={"cost.gmac": 4.25}, about=about,
            measured=Measured({"psnr_rgb_u8": 30.5}, data),
        )  # fmt: skip
    client = tracking.client(root)
    version = decisions.version(client, "linked", 1)
    assert version.tags["gates"] == "passed" and version.metric("cost.gmac") == 4.25
    found = client.get_model_version("linked", "1")
    assert found.description == "the card" and set(found.tags) == {"gates"}
    logged = client.get_logged_model(found.source.rpartition("/")[2])
    (metric,) = logged.metrics
    assert (metric.key, metric.value, metric.dataset_name, metric.run_id) == ("psnr_rgb_u8", 30.5, "toy", version.run)
    assert logged.tags["mlflow.modelVersions"] == '[{"name": "linked", "version": 1}]'
    model = client.get_registered_model("linked")
    assert model.description == about.description and model.tags == {"task": "playing"}
    decisions.reject(client, "linked", 1, "no fun", root / "linked.lock")
    registry.add_version(run, "linked", graph, {}, "card", about=About("Another toy."))
    described = client.get_registered_model("linked").description
    assert described.startswith("Another toy.") and described.endswith("no fun")
    (dataset,) = client.get_run(version.run).inputs.dataset_inputs
    assert (dataset.dataset.name, dataset.tags[0].value) == ("toy", "testing")
    assert client.get_run(version.run).data.tags[tracking.NOTE] == "card"
