"""The doors end to end on a tiny configuration, with the real tools, in a copy; the first runs begin cold."""

import re
import shutil
import sys
from copy import copy

import pytest

from tests.project import STAGES, Project

TINY = {
    "network.base_filter": 16,
    "network.n_resblock": 1,
    "network.n_extract": 1,
    "train.iterations": 6,
    "train.crop_px": 24,
    "train.validate_every": 3,
    "train.checkpoint_every": 3,
    "train.validate_frames": 2,
    "gates.min_gain_psnr_db": -50.0,
    "gates.min_gain_ssim": -1.0,
    "gates.max_consistency_ratio": 1000.0,
    "evaluate.panels": 1,
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """In a folder with a space and a letter that is not ASCII."""
    root = tmp_path_factory.mktemp("clone") / "satellit bücher"
    made = Project(
        root, "msdtgp", "embedded-video.yaml", {"train": 1, "val": 1, "test": 2, "frames": 4, "size": [128, 160]}
    )
    made.params(**TINY)
    return made


@pytest.fixture(scope="module")
def warmer(project: Project) -> Project:
    """The same, whose commands begin warm."""
    made = copy(project)
    made.warm = True
    return made


def test_both_doors_give_the_same_numbers_and_skip_each_others_work(project: Project, warmer: Project) -> None:
    output = project.run("zenml", "pipeline", "run", "train_msdtgp")
    assert "PSNR" in output and "report.html" in output and "msdtgp version 1" in output
    assert "Traceback" not in output and "Warning" not in output
    numbers = project.metrics()
    assert project.versions() == {"msdtgp": 1}
    again = warmer.run("dvc", "repro")
    assert all(f"Stage '{stage}@msdtgp' didn't change, skipping" in again for stage in STAGES)
    warmer.run("zenml", "pipeline", "run", "train_msdtgp")
    assert project.versions() == {"msdtgp": 1}

    shutil.rmtree(project.root / "results")
    shutil.rmtree(project.root / "data" / "lmdb")
    shutil.rmtree(project.root / ".dvc" / "cache")
    (project.root / "dvc.lock").unlink()
    warmer.run("dvc", "repro", "train@msdtgp")
    output = project.run("dvc", "repro")
    assert re.search(r"^register +\d+ s  see: satsr summary msdtgp$", output, re.MULTILINE)
    assert project.metrics()["methods"] == numbers["methods"]
    assert project.versions() == {"msdtgp": 1}  # the same weights, measured alike: they are registered already


BOTH = """
import numpy
from satsr import load

frames = numpy.random.default_rng(0).integers(0, 256, (3, 24, 20, 3), dtype=numpy.uint8)
graph, network = (load("msdtgp@champion", backend=name)(frames).astype(int) for name in ("onnx", "torch"))
print("deviation", abs(graph - network).max(), graph.shape)
"""


def test_a_registered_model_gives_the_same_with_onnx_runtime_and_with_torch(warmer: Project) -> None:
    assert re.search(r"deviation [01] \(3, 96, 80, 3\)", warmer.run(sys.executable, "-c", BOTH))


def test_a_change_reruns_exactly_the_stages_concerned(warmer: Project) -> None:
    warmer.params(**{"gates.min_gain_ssim": -0.9})
    output = warmer.run("dvc", "repro")
    ran = [stage for stage in STAGES if f"Running stage '{stage}@msdtgp'" in output]
    assert ran == ["register"]
    warmer.params(**{"gates.min_gain_ssim": -1.0})
    output = warmer.run("zenml", "pipeline", "run", "pipelines.train_msdtgp")
    reused = [stage for stage in STAGES if re.search(rf"^{stage} +up to date", output, re.MULTILINE)]
    assert reused == ["download", "convert", "validate", "train", "evaluate", "export", "register"]

    (warmer.root / "results/msdtgp/export/model.onnx").unlink()
    output = warmer.run("dvc", "repro")
    assert "Stage 'export@msdtgp' is cached - skipping run, checking out outputs" in output
    assert (warmer.root / "results/msdtgp/export/model.onnx").exists()


def test_a_file_given_with_c_changes_the_run(warmer: Project) -> None:
    (warmer.root / "my.yaml").write_text("parameters: {settings: {train.iterations: 3}}\n")
    output = warmer.run("zenml", "pipeline", "run", "pipelines.train_msdtgp", "-c", "my.yaml")
    assert "params.yaml: msdtgp.train.iterations = 3" in output
    assert re.search("^convert +up to date", output, re.MULTILINE)
    assert not re.search("^train +up to date", output, re.MULTILINE)
    output = warmer.run("dvc", "repro")
    assert "didn't change, skipping" in output and "Running stage" not in output


def test_experiments_metrics_and_plots_of_dvc_work(warmer: Project) -> None:
    author = ("-c", "user.name=t", "-c", "user.email=t@t")
    warmer.run("sh", "-c", f"git add -A && git {' '.join(author)} commit -qm results")
    output = warmer.run("dvc", "exp", "run", "evaluate@msdtgp", "-S", "papers.msdtgp.train.iterations=4", "-n", "four")
    assert "Ran experiment(s): four" in output
    output = warmer.run("dvc", "metrics", "diff")
    assert re.search(r"headline.json +gain_low +", output) and re.search(r"headline.json +gain +", output)
    output = warmer.run("dvc", "metrics", "show")
    assert "psnr_rgb_u8" in output and all(len(line) <= 100 for line in output.splitlines())
    warmer.run("dvc", "plots", "show", "-o", "plots")
    page = (warmer.root / "plots" / "index.html").read_text()
    assert "val_ema_psnr" in page and "msdtgp: loss" in page and "<script src" not in page


def test_make_experiments_is_a_table_of_the_columns_that_matter(warmer: Project) -> None:
    (command,) = re.findall(r"^\t@(dvc exp show .+)$", (warmer.root / "Makefile").read_text(), re.MULTILINE)
    header, *rows = warmer.run("sh", "-c", f"{command} --csv").splitlines()
    columns = header.split(",")
    assert {"Experiment", "gain", "ours", "papers.msdtgp.train.iterations"} <= set(columns) and len(columns) <= 15
    assert len(rows) >= 3 and any("four" in row for row in rows)


@pytest.mark.parametrize(
    ("settings", "words"),
    [("{data: not/there}", "not/there"), ("{settings: {train.iters: 3}}", "unknown key train.iters")],
)
def test_a_users_mistake_is_a_sentence_at_the_zenml_door(warmer: Project, settings: str, words: str) -> None:
    before = (warmer.root / "params.yaml").read_bytes()
    (warmer.root / "bad.yaml").write_text(f"parameters: {settings}\n")
    output = warmer.run("zenml", "pipeline", "run", "train_msdtgp", "-c", "bad.yaml", code=1)
    assert words in output
    assert "Traceback" not in output
    (warmer.root / "params.yaml").write_bytes(before)


def test_a_users_mistake_is_a_sentence_at_the_dvc_door(warmer: Project) -> None:
    before = (warmer.root / "params.yaml").read_text()
    (warmer.root / "params.yaml").write_text(before.replace("iterations: 4", "iterations: x4"))
    output = warmer.run(sys.executable, "-m", "steps", "train", "msdtgp", code=1)
    assert "train.iterations: input should be a valid integer (found 'x4')" in output and "Traceback" not in output
    (warmer.root / "params.yaml").write_text(before)
