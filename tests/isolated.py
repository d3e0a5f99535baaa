"""A ZenML orchestrator whose steps see what a pod sees: an empty clone, a home of their own, and servers.

A step is the very command that the orchestrators of Kubernetes and Kubeflow put into their pods, in a process and a
mount namespace of its own, in which the submitting checkout and the other steps' folders do not exist. Steps that do
not wait for each other run at the same time.
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

RUN_ID = "SATSR_ISOLATED_RUN"
GIVEN = ("AWS_", "MLFLOW_TRACKING_", "SATSR_REMOTE", "OMP_NUM_THREADS", "LANG", "SATSR_VERBOSE")
"""Beginnings of the names of what a cluster gives its pods: addresses, and secrets by reference."""
ENTER = """
set -eu
checkout=$1 pods=$2 name=$3 home=$4; shift 4
mkdir -p /app
mount --bind "$pods/$name/app" /app
mount --bind "$pods/$name/home" "$home"
mount -t tmpfs -o size=1m none "$checkout"
mount -t tmpfs -o size=1m none "$pods"
cd /app
exec "$@"
"""
NAMESPACE = (
    "unshare",
    *(() if os.geteuid() == 0 else ("--user", "--map-root-user")),
    "--mount",
    "--propagation",
    "private",
)


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
    enter = [*NAMESPACE, "bash", "-c", ENTER, "enter", str(checkout), str(pods), name, home]
    with (pods / f"{name}.log").open("wb") as log:
        env = {**given, **environment, **paths, **own}
        return subprocess.run([*enter, *command], cwd="/", env=env, stdout=log, stderr=log).returncode


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
