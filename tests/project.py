"""A copy of the project in which the slow tests run commands as a user would."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

from filelock import FileLock
from ruamel.yaml import YAML

from satsr.checkout import moved
from tests.warm import ADDRESS, warm

ROOT = Path(__file__).resolve().parents[1]
STATES = (".zen", ".zenml", "mlflow.db")
"""What ``satsr setup`` makes."""
WARM = ("python", sys.executable, "dvc", "zenml", "satsr")
NAMESPACE = (
    "unshare",
    *(() if os.geteuid() == 0 else ("--user", "--map-root-user")),
    "--mount",
    "--propagation",
    "private",
)
"""Runs a command in a mount namespace of its own."""
STAGES = ("download", "convert", "validate", "train", "evaluate", "export", "register")


def _copy(place: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    if place.is_dir():
        shutil.copytree(place, to, dirs_exist_ok=True)
    elif not to.exists():
        shutil.copy2(place, to)


class Project:
    """The working tree as a git repository of its own, with one paper.

    Args:
        root: the folder to make.
        paper: the only paper that stays in ``params.yaml``.
        card: the embedded data set to start from, a file in ``data/catalog``.
        embedded: what is changed in it, to make it tiny.
        states: a folder with the files of :data:`STATES`, made here where there is none; without it the project is as
            a fresh clone.
        warm: whether its commands run in warm processes (tests/warm.py).
    """

    def __init__(
        self, root: Path, paper: str, card: str, embedded: dict, states: Path | None = None, warm: bool = False
    ) -> None:
        self.root, self.paper, self.warm = root, paper, warm
        root.mkdir(parents=True)
        listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        names = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
        for name in filter(None, names):
            if (ROOT / name).is_file() and not name.startswith(("tests/", "dvc.lock", "results/")):
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, root / name)
        author = ["-c", "user.name=t", "-c", "user.email=t@t"]
        for command in (["init", "-q"], ["add", "-A"], [*author, "commit", "-qm", "t"]):
            subprocess.run(["git", *command], cwd=root, check=True, capture_output=True)
        self.environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(root),
            "ZENML_CONFIG_PATH": str(root / ".zenml"),
            "OMP_NUM_THREADS": "1",
        }
        self.environment.pop("MLFLOW_TRACKING_URI", None)
        yaml = YAML()
        params = yaml.load((root / "params.yaml").read_text())
        params["papers"] = {paper: params["papers"][paper]}
        yaml.dump(params, root / "params.yaml")
        tiny = yaml.load((root / f"data/catalog/{card}").read_text())
        tiny["source"]["embedded"] |= embedded
        tiny["name"] = "tiny"
        yaml.dump(tiny, root / "data/catalog/tiny.yaml")
        self.params(data="data/catalog/tiny.yaml")
        if states is not None:
            self._set_up(states)

    def _set_up(self, states: Path) -> None:
        """``satsr setup``, whose databases take ten seconds to make: once in a run of all tests."""
        states.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{states}.lock"):
            if not states.exists():
                self.run("satsr", "setup")
                for name in STATES:
                    _copy(self.root / name, states / name)
                (states / "dvc.yaml").touch()  # a checkout, of which the others are copies
                moved.bring(states)
        for name in STATES:
            _copy(states / name, self.root / name)
        moved.bring(self.root)

    @property
    def warmer(self) -> dict[str, str]:
        """The environment in which the stages that DVC starts begin warm, too."""
        path = f"{ROOT / 'tests/shim'}:{self.environment['PATH']}"
        return {**self.environment, "PATH": path, ADDRESS: warm().address}

    def run(self, *command: str, code: int = 0) -> str:
        """The command's output, after checking its exit code."""
        if self.warm and command[0] in WARM:
            found, output = warm().run(command, self.root, self.warmer)
        else:
            done = subprocess.run(
                command, cwd=self.root, env=self.environment, capture_output=True, text=True, timeout=600
            )
            found, output = done.returncode, done.stdout + done.stderr
        assert found == code, output
        return output

    def params(self, **settings: object) -> None:
        """Changes ``params.yaml``."""
        self.run("satsr", "set", self.paper, *(f"{key}={json.dumps(value)}" for key, value in settings.items()))

    def metrics(self) -> dict:
        """What the evaluation wrote."""
        return json.loads((self.root / f"results/{self.paper}/metrics.json").read_text())

    def versions(self) -> dict[str, int]:
        """Registered models and how many versions they have."""
        with sqlite3.connect(self.root / "mlflow.db") as database:
            return dict(database.execute("select name, count(*) from model_versions group by name").fetchall())
