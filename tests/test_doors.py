"""The doors end to end on a tiny configuration, with the real tools, in a copy of the project."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]
STAGES = ("download", "convert", "validate", "train", "evaluate", "export", "register")
TINY = {
    "network.num_blocks": 1,
    "train.iterations": 6,
    "train.frames": 2,
    "train.crop_px": 24,
    "train.validate_every": 3,
    "train.checkpoint_every": 3,
    "train.validate_frames": 2,
    "gates.min_gain_psnr_db": -50.0,
    "gates.min_gain_ssim": -1.0,
    "evaluate.panels": 1,
}

pytestmark = pytest.mark.slow


class Project:
    """A copy of the project in which commands are run as a user would."""

    def __init__(self, root: Path) -> None:
        self.root = root
        binaries = Path(sys.executable).parent
        self.environment = {
            **os.environ,
            "PATH": f"{binaries}:{os.environ['PATH']}",
            "PYTHONPATH": str(root),
            "ZENML_CONFIG_PATH": str(root / ".zenml"),
            "OMP_NUM_THREADS": "1",
        }
        self.environment.pop("MLFLOW_TRACKING_URI", None)

    def run(self, *command: str, code: int = 0) -> str:
        """The command's output, after checking its exit code."""
        done = subprocess.run(command, cwd=self.root, env=self.environment, capture_output=True, text=True, timeout=600)
        output = done.stdout + done.stderr
        assert done.returncode == code, output
        return output

    def metrics(self) -> dict:
        return json.loads((self.root / "results/rasvsr/metrics.json").read_text())

    def versions(self) -> int:
        with sqlite3.connect(self.root / "mlflow.db") as database:
            return database.execute("select count(*) from model_versions where name = 'rasvsr'").fetchone()[0]

    def params(self, **settings: object) -> None:
        self.run("satsr", "set", "rasvsr", *(f"{key}={value}" for key, value in settings.items()))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A fresh clone (of the working tree) in a folder with a space and a letter that is not ASCII."""
    root = tmp_path_factory.mktemp("clone") / "satellit bücher"
    root.mkdir()
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file() and not name.startswith(("tests/", "dvc.lock", "results/")):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name)
    for command in (["init", "-q"], ["add", "-A"], ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "t"]):
        subprocess.run(["git", *command], cwd=root, check=True, capture_output=True)
    only_rasvsr(root)
    made = Project(root)
    tiny_card(root)
    made.params(data="data/catalog/tiny.yaml", **TINY)
    return made


def only_rasvsr(root: Path) -> None:
    yaml = YAML()
    document = yaml.load((root / "params.yaml").read_text())
    document["papers"] = {"rasvsr": document["papers"]["rasvsr"]}
    yaml.dump(document, root / "params.yaml")


def tiny_card(root: Path) -> None:
    yaml = YAML()
    card = yaml.load((root / "data/catalog/embedded-video.yaml").read_text())
    card["source"]["embedded"] |= {"train": 1, "val": 1, "frames": 4, "size": [128, 160]}
    card["name"] = "tiny"
    yaml.dump(card, root / "data/catalog/tiny.yaml")


def test_both_doors_give_the_same_numbers_and_skip_each_others_work(project: Project) -> None:
    output = project.run("zenml", "pipeline", "run", "train_rasvsr")
    assert "PSNR" in output and "report.html" in output and "rasvsr version 1" in output
    assert "Traceback" not in output and "Warning" not in output
    numbers = project.metrics()
    assert project.versions() == 1
    again = project.run("dvc", "repro")
    assert all(f"Stage '{stage}@rasvsr' didn't change, skipping" in again for stage in STAGES)
    project.run("zenml", "pipeline", "run", "train_rasvsr")
    assert project.versions() == 1

    shutil.rmtree(project.root / "results")
    shutil.rmtree(project.root / "data" / "lmdb")
    shutil.rmtree(project.root / ".dvc" / "cache")
    (project.root / "dvc.lock").unlink()
    project.run("dvc", "repro")
    assert project.metrics()["methods"] == numbers["methods"]
    assert project.versions() == 2


def test_a_change_reruns_exactly_the_stages_concerned(project: Project) -> None:
    project.params(**{"gates.min_gain_ssim": -0.9})
    output = project.run("dvc", "repro")
    ran = [stage for stage in STAGES if f"Running stage '{stage}@rasvsr'" in output]
    assert ran == ["register"]
    project.params(**{"gates.min_gain_ssim": -1.0})
    output = project.run("zenml", "pipeline", "run", "pipelines.train_rasvsr")
    reused = [stage for stage in STAGES if f"{stage} of rasvsr is up to date" in output]
    assert reused == ["download", "convert", "validate", "train", "evaluate", "export", "register"]

    (project.root / "results/rasvsr/export/model.onnx").unlink()
    output = project.run("dvc", "repro")
    assert "Stage 'export@rasvsr' is cached - skipping run, checking out outputs" in output
    assert (project.root / "results/rasvsr/export/model.onnx").exists()


def test_a_file_given_with_c_changes_the_run(project: Project) -> None:
    (project.root / "my.yaml").write_text("parameters: {settings: {train.iterations: 3}}\n")
    output = project.run("zenml", "pipeline", "run", "pipelines.train_rasvsr", "-c", "my.yaml")
    assert "params.yaml: rasvsr.train.iterations = 3" in output
    assert "train of rasvsr is up to date" not in output and "convert of rasvsr is up to date" in output
    output = project.run("dvc", "repro")
    assert "didn't change, skipping" in output and "Running stage" not in output


def test_experiments_metrics_and_plots_of_dvc_work(project: Project) -> None:
    output = project.run("dvc", "exp", "run", "-S", "papers.rasvsr.train.iterations=4", "-n", "four")
    assert "Ran experiment(s): four" in output
    assert "psnr_rgb_u8" in project.run("dvc", "metrics", "diff", "--all")
    assert "psnr_rgb_u8" in project.run("dvc", "metrics", "show")
    project.run("dvc", "plots", "show", "-o", "plots")
    page = (project.root / "plots" / "index.html").read_text()
    assert "val_ema_psnr" in page and "loss" in page
    assert "psnr_rgb_u8" in project.run("dvc", "exp", "show", "--csv")


@pytest.mark.parametrize(
    ("settings", "words"),
    [("{data: not/there}", "not/there"), ("{settings: {train.iters: 3}}", "train.iters is not a key")],
)
def test_a_users_mistake_is_a_sentence_at_the_zenml_door(project: Project, settings: str, words: str) -> None:
    before = (project.root / "params.yaml").read_bytes()
    (project.root / "bad.yaml").write_text(f"parameters: {settings}\n")
    output = project.run("zenml", "pipeline", "run", "train_rasvsr", "-c", "bad.yaml", code=1)
    assert words in output
    assert "Traceback" not in output
    (project.root / "params.yaml").write_bytes(before)


def test_a_users_mistake_is_a_sentence_at_the_dvc_door(project: Project) -> None:
    before = (project.root / "params.yaml").read_text()
    (project.root / "params.yaml").write_text(before.replace("iterations: 4", "iterations: x4"))
    output = project.run(sys.executable, "-m", "steps", "train", "rasvsr", code=1)
    assert "train.iterations = 'x4'" in output and "Traceback" not in output
    (project.root / "params.yaml").write_text(before)
