"""A project whose stages are killed at random moments and started again, and what must be true of it afterwards."""

import hashlib
import json
import math
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from ruamel.yaml import YAML

from satsr import doctor, quiet
from tests.papers import project_of
from tests.project import STAGES
from tests.warm import Started, warm

Process = subprocess.Popen[bytes] | Started
DOORS = ("dvc", "zenml")
PAPER = "msdtgp"
"""It trains in seconds."""
MADE = ("data/raw", "data/lmdb", "results", "scratch", "mlruns", "mlflow.db", ".zen", ".zenml", "dvc.lock")
"""All that commands write, except DVC's own folder."""
LEFT = re.compile(r"(\.tmp|\.parts|/\.[^/]*\.lock)$")
"""What only an unfinished command has beside its outputs."""
ATTEMPTS = 3
UNFINISHED_MODELS = """
SELECT model_id FROM logged_model_tags JOIN logged_models USING (model_id)
WHERE lifecycle_stage = 'active' AND tag_key LIKE '%unfinished%'
"""
"""MLflow keeps the tags of what was deleted."""
REFERENCE = """
import shutil, sys
from importlib import import_module
from pathlib import Path

from satsr import quiet

quiet.apply()
paper, kept, made = sys.argv[1], Path(sys.argv[2]), sys.argv[3].split(",")
for stage in sys.argv[4:]:
    for name in filter(lambda name: Path(name).exists(), made):
        (kept / stage / name).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if Path(name).is_dir() else shutil.copy2)(name, kept / stage / name)
    import_module(f"steps.{stage}").run(paper, Path.cwd())
"""
"""Runs every stage once, in one process, and keeps what there was before each of them."""


@dataclass(frozen=True)
class Kill:
    """When a command is killed: at a door, in a stage, at a share of the time that an undisturbed run of it takes."""

    door: str
    stage: str
    share: float


def drawn(seed: int, place: int) -> Kill:
    """The kill number ``place``: doors and stages take turns, so that each of the 14 comes once in 14."""
    door, stage = DOORS[place % 2], STAGES[place // 2 % len(STAGES)]
    return Kill(door, stage, random.Random(f"{seed}/{place}").random())


class Victim:
    """A tiny project of which every stage was run once, undisturbed.

    Args:
        root: an empty folder.
        paper: whose stages are run.
    """

    def __init__(self, root: Path, paper: str = PAPER) -> None:
        self.paper, self.kept = paper, root / "kept"
        self.project = project_of(paper, root / "clone")
        self.root = self.project.root
        self.project.run("satsr", "setup")
        arguments = (paper, str(self.kept), ",".join(MADE), *STAGES)
        self.project.run(sys.executable, "-c", REFERENCE, *arguments)
        self.project.run("dvc", "commit", "-f", "-q")
        self.lock = YAML(typ="safe").load((self.root / "dvc.lock").read_text())
        self.wanted = {stage: self.outputs(stage) for stage in STAGES}
        self.seconds: dict[tuple[str, str], float] = {}

    def command(self, kill: Kill) -> list[str]:
        """What a user types."""
        if kill.door == "dvc":
            return ["dvc", "repro", f"{kill.stage}@{self.paper}"]
        return ["zenml", "pipeline", "run", f"train_{self.paper}"]

    def before(self, stage: str) -> None:
        """Puts the project back to where the stages before ``stage`` are done, and nothing of it and the later ones."""
        for name in (*MADE, ".dvc/tmp", ".dvc/cache/runs"):
            place = self.root / name
            shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
        for name in MADE:
            kept = self.kept / stage / name
            if kept.exists():
                (self.root / name).parent.mkdir(parents=True, exist_ok=True)
                (shutil.copytree if kept.is_dir() else shutil.copy2)(kept, self.root / name)
        done = {f"{name}@{self.paper}" for name in STAGES[: STAGES.index(stage)]}
        stages = {name: entry for name, entry in self.lock["stages"].items() if name in done}
        if stages:
            YAML().dump({**self.lock, "stages": stages}, self.root / "dvc.lock")

    def start(self, kill: Kill) -> Process:
        """The command in a process group of its own; its output goes to a file."""
        verbose = {quiet.VERBOSE: "1"}  # else ZenML does not say when a step begins
        with (self.root.parent / "said.txt").open("wb") as said:
            if self.project.warm:
                environment = {**self.project.warmer, **verbose}
                return Started(warm().address, self.command(kill), self.root, environment, Path(said.name))
            return subprocess.Popen(
                self.command(kill),
                cwd=self.root,
                env={**self.project.environment, **verbose},
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def begun(self, process: Process, kill: Kill) -> float:
        """Waits until the command has come to the stage; the time."""
        line = f"Running stage '{kill.stage}@" if kill.door == "dvc" else f"Step `{kill.stage}` has started"
        while line not in self.said():
            assert process.poll() is None, f"never came to {line}: {self.said()[-3000:]}"
            time.sleep(0.01)
        return time.monotonic()

    def ended(self, process: subprocess.Popen[bytes], kill: Kill, until: float = math.inf) -> float | None:
        """Waits for the end of the stage, at DVC's door that of the command; the time, or None if it went on longer."""
        line = f"Step `{kill.stage}` has finished"
        while time.monotonic() < until:
            if process.poll() is not None or (kill.door == "zenml" and line in self.said()):
                return time.monotonic()
            time.sleep(0.01)
        return None

    def said(self) -> str:
        """What the command has said so far."""
        return (self.root.parent / "said.txt").read_text(errors="replace")

    def duration(self, kill: Kill) -> float:
        """Seconds from the beginning of the stage to its end, measured once."""
        known = (kill.door, kill.stage)
        if known not in self.seconds:
            self.before(kill.stage)
            process = self.start(kill)
            begun = self.begun(process, kill)
            self.seconds[known] = (self.ended(process, kill) or math.inf) - begun
            assert process.wait() == 0, self.said()
        return self.seconds[known]

    def strike(self, kill: Kill) -> bool:
        """Starts the command from before the stage and kills its processes at the moment; whether they were running.

        A stage that was faster than the one that was measured is the new measure, and the command is given again.
        """
        for _ in range(ATTEMPTS):
            seconds = self.duration(kill)
            self.before(kill.stage)
            process = self.start(kill)
            begun = self.begun(process, kill)
            ended = self.ended(process, kill, begun + kill.share * seconds)
            running = process.poll() is None
            if running:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            if ended is None and running:
                return True
            self.seconds[kill.door, kill.stage] = (ended or time.monotonic()) - begun
        return False

    def violations(self, kill: Kill) -> list[str]:
        """After :meth:`strike` gives the same command again, and says what is not as if nothing had happened.

        At its own door DVC may have been killed while it wrote ``dvc.lock``: then the doctor is asked first, as the
        sentence says.
        """
        here = [process for process in psutil.process_iter(["cwd"]) if process.info["cwd"] == str(self.root)]
        _, left = psutil.wait_procs(here, timeout=10)  # the kernel takes its time to take down a large one
        if kill.door == "dvc":
            list(doctor.doctor(self.root, True, doctor.lock))
        process = self.start(kill)
        if code := process.wait(600):
            return [f"the same command ends with {code}: {self.said()[-3000:]}"]
        reached = STAGES if kill.door == "zenml" else STAGES[: STAGES.index(kill.stage) + 1]
        found = [f"process {p.pid} outlived its group" for p in left]
        for stage in reached:
            found += self.differences(stage)
        found += self.leftovers() + self.registry(finished="register" in reached)
        stale = json.loads(self.project.run("dvc", "status", "--json", *(f"{name}@{self.paper}" for name in reached)))
        return found + [f"{name} is not up to date: {why}" for name, why in stale.items()]

    def differences(self, stage: str) -> list[str]:
        """The files of the stage that are not those of the undisturbed run."""
        wanted, found = self.wanted[stage], self.outputs(stage)
        return [f"{name} differs" for name in sorted(wanted | found) if wanted.get(name) != found.get(name)]

    def outputs(self, stage: str) -> dict[str, str]:
        """The hashes of a stage's output files."""
        places = [Path(out["path"]) for out in self.lock["stages"][f"{stage}@{self.paper}"]["outs"]]
        files = [
            file
            for place in places
            for file in ([self.root / place] if (self.root / place).is_file() else (self.root / place).rglob("*"))
            if file.is_file()
        ]
        return {
            file.relative_to(self.root).as_posix(): hashlib.sha256(constant(file)).hexdigest() for file in sorted(files)
        }

    def leftovers(self) -> list[str]:
        """Temporary files and locks of the project; those of DVC and ZenML stay in their folders."""
        found = [file for name in ("data", "results", "scratch", "mlruns") for file in (self.root / name).rglob("*")]
        found += list(self.root.iterdir())
        names = [file.relative_to(self.root).as_posix() for file in found]
        return [f"{name} is left" for name in sorted(names) if LEFT.search(f"/{name}")]

    def registry(self, finished: bool) -> list[str]:
        """What is wrong with versions, aliases, decisions and runs."""
        wanted: dict[str, list[Any]] = {
            "SELECT version, current_stage FROM model_versions": [(1, "None")],
            "SELECT alias, version FROM registered_model_aliases ORDER BY alias": [("challenger", 1), ("champion", 1)],
            "SELECT count(*) FROM registered_model_tags WHERE key LIKE 'history.%'": [(1,)],
            "SELECT lifecycle_stage, status FROM logged_models WHERE lifecycle_stage = 'active'": [("active", 2)],
            "SELECT key FROM model_version_tags WHERE key LIKE '%unfinished%'": [],
            UNFINISHED_MODELS: [],
        }
        if not finished:
            wanted = {query: [] for query in list(wanted)[:2]}
        if (self.root / "results" / self.paper / "train").exists():
            wanted["SELECT status, lifecycle_stage FROM runs"] = [("FINISHED", "active")]
        if not (self.root / "mlflow.db").exists():
            return ["there is no mlflow.db"] if finished else []
        with closing(sqlite3.connect(self.root / "mlflow.db")) as database:
            found = {query: database.execute(query).fetchall() for query in wanted}
        return [f"{query}: {found[query]}, not {rows}" for query, rows in wanted.items() if found[query] != rows]


def constant(file: Path) -> bytes:
    """The content of a file without what differs between two undisturbed runs: the run's id, and how fast it was."""
    content = file.read_bytes()
    if file.name == "registration.json":
        content = re.sub(rb'"run": "[0-9a-f]{32}"', b'"run": ""', content)
    if file.name == "model_card.md":
        content = b"\n".join(line for line in content.splitlines() if b" GMAC and " not in line)
    return content
