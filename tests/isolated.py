"""A ZenML orchestrator whose steps see what a pod sees: an empty clone, a home of their own, and servers.

A step is the very command that the orchestrators of Kubernetes and Kubeflow put into their pods, in a process (of
tests/warm.py, at :data:`WARM`) and a mount namespace of its own, in which the submitting checkout and the other steps'
folders do not exist. Steps that do not wait for each other run at the same time.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

from zenml.entrypoints import StepEntrypointConfiguration
from zenml.enums import ExecutionMode
from zenml.orchestrators import BaseOrchestrator, BaseOrchestratorConfig, BaseOrchestratorFlavor

if __package__:
    from tests.warm import Started
else:  # beside it, in the checkout that is submitted
    from warm import Started

RUN_ID, WARM = "SATSR_ISOLATED_RUN", "SATSR_ISOLATED_WARM"
GIVEN = ("AWS_", "MLFLOW_TRACKING_", "SATSR_REMOTE", "OMP_NUM_THREADS", "LANG", "SATSR_VERBOSE")
"""Beginnings of the names of what a cluster gives its pods: addresses, and secrets by reference."""
ENTER = """
import ctypes
import os
import subprocess
from pathlib import Path

user, group, libc = os.geteuid(), os.getegid(), ctypes.CDLL(None, use_errno=True)
if libc.unshare(0x20000 | (0x10000000 if user else 0)):  # CLONE_NEWNS, CLONE_NEWUSER
    raise OSError(ctypes.get_errno(), "no mount namespace")
if user:
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {{user}} 1"), ("gid_map", f"0 {{group}} 1")):
        Path("/proc/self", name).write_text(text)
os.chdir("/")
for words in (
    ["--make-rprivate", "/"],
    ["--bind", {pod!r} + "/app", "/app"],
    ["--bind", {pod!r} + "/home", {home!r}],
    ["-t", "tmpfs", "-o", "size=1m", "none", {checkout!r}],
    ["-t", "tmpfs", "-o", "size=1m", "none", {pods!r}],
):
    subprocess.run(["mount", *words], check=True)
os.chdir("/app")
"""
"""What a process does before it is a pod: it takes a mount namespace of its own, in which it sees its clone alone."""


class IsolatedConfig(BaseOrchestratorConfig):
    """Where the pods' folders are made and kept."""

    folder: str

    @property
    def is_remote(self) -> bool:
        return True

    @property
    def is_synchronous(self) -> bool:
        return True


class IsolatedOrchestrator(BaseOrchestrator):
    """Runs each step in a folder of its own below ``folder``, named by the run and the step."""

    @property
    def supported_execution_modes(self) -> list[ExecutionMode]:
        return [ExecutionMode.FAIL_FAST, ExecutionMode.STOP_ON_FAILURE, ExecutionMode.CONTINUE_ON_FAILURE]

    def get_orchestrator_run_id(self) -> str:
        return os.environ[RUN_ID]

    def submit_pipeline(
        self,
        snapshot: Any,
        stack: Any,
        base_environment: dict[str, str],
        step_environments: dict[str, dict[str, str]],
        placeholder_run: Any = None,
    ) -> None:
        checkout = Path.cwd()
        pods = Path(tempfile.mkdtemp(prefix="run-", dir=self.config.folder))
        run = str(uuid4())
        started: dict[str, Future[int]] = {}

        def step(name: str, waits: list[str]) -> int:
            if any(started[other].result() for other in waits):
                return 1
            arguments = StepEntrypointConfiguration.get_entrypoint_arguments(step_name=name, snapshot_id=snapshot.id)
            command = [*StepEntrypointConfiguration.get_entrypoint_command(), *arguments]
            return pod(checkout, pods, name, command, {**step_environments[name], RUN_ID: run})

        with ThreadPoolExecutor(len(snapshot.step_configurations)) as pool:
            for name, found in snapshot.step_configurations.items():
                started[name] = pool.submit(step, name, found.spec.upstream_steps)
        for name in [name for name, code in started.items() if code.result()]:  # no error: as ZenML's for Kubernetes
            print((pods / f"{name}.log").read_text()[-4000:] if (pods / f"{name}.log").exists() else f"{name}: skipped")


def pod(checkout: Path, pods: Path, name: str, command: list[str], environment: dict[str, str]) -> int:
    """The exit code of a command in an empty clone of its own; what it says is in ``<name>.log``."""
    app, home = pods / name / "app", tempfile.mkdtemp(prefix="pod-")
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    for file in subprocess.run(listed, cwd=checkout, capture_output=True, check=True).stdout.decode().split("\0"):
        if file and (checkout / file).is_file():
            (app / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(checkout / file, app / file)
    (pods / name / "home").mkdir()
    own = {"HOME": home, "TMPDIR": home, "DVC_SITE_CACHE_DIR": f"{home}/dvc"}
    given = {key: value for key, value in os.environ.items() if key.startswith(GIVEN)}
    paths = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "PYTHONPATH": "/app"}
    enter = ENTER.format(pod=str(pods / name), home=home, checkout=str(checkout), pods=str(pods))
    log = pods / f"{name}.log"
    log.touch()
    return Started(os.environ[WARM], command, Path("/"), {**given, **environment, **paths, **own}, log, enter).wait()


class IsolatedFlavor(BaseOrchestratorFlavor):
    """The flavor ``isolated``."""

    @property
    def name(self) -> str:
        return "isolated"

    @property
    def config_class(self) -> type[IsolatedConfig]:
        return IsolatedConfig

    @property
    def implementation_class(self) -> type[IsolatedOrchestrator]:
        return IsolatedOrchestrator
