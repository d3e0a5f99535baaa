"""Commands that begin warm: in a process that is forked from one in which the tools are loaded, and nothing of ours.

Loading ZenML, MLflow, Lightning, torch or Great Expectations takes seconds, which is most of a tiny stage's time; the
tests start a hundred stages. Everything else is as in a process of its own: working directory, environment, arguments,
output, exit code, and every module of the project is imported anew, from the folder that ``PYTHONPATH`` names. What
depends on the order of imports is tested cold, by tests/test_doors.py.
"""

import atexit
import gc
import json
import os
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from satsr import quiet
from tests.imports import PACKAGES

DATA = ("great_expectations", "pandas", "cv2", "scipy.stats")
"""What the stages of the data load, and no torch."""
ALL = (
    *(*DATA, "zenml.client", "zenml.cli.cli", "zenml.zen_stores.sql_zen_store", "dvc.cli", "dvc.repo", "dvc.commands"),
    *("torch", "lightning_fabric", "mlflow.store.tracking.sqlalchemy_store", "mlflow.artifacts", "mlflow.genai"),
    *("onnx", "onnxscript", "onnxruntime", "torch.onnx", "torch.export", "torch._dynamo"),
)
SECONDS = 600
"""After which a command that hangs is ended by SIGALRM."""


class Warm:
    """A process that has loaded some modules and forks for each command.

    Args:
        modules: what it loads; those that are not there are passed over.
    """

    def __init__(self, modules: Sequence[str]) -> None:
        root = Path(__file__).resolve().parents[1]
        environment = {**os.environ, **quiet.ENVIRONMENT, "ZENML_LOGGING_COLORS_DISABLED": "true"}
        environment |= {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", "ZENML_CONFIG_PATH": tempfile.gettempdir()}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.warm", *modules],
            cwd=root,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, command: Sequence[str], cwd: Path, env: Mapping[str, str], first: str = "") -> tuple[int, str]:
        """Exit code and output of a command: ``python -m``, ``python -c``, or a script on the path.

        Args:
            command: and its arguments.
            cwd: where.
            env: the environment.
            first: code that is executed before it.
        """
        (found,) = self.together([(command, cwd, env)], first)
        return found

    def together(
        self, commands: Sequence[tuple[Sequence[str], Path, Mapping[str, str]]], first: str = ""
    ) -> list[tuple[int, str]]:
        """Exit codes and outputs of commands that are started at once, each with its folder and environment."""
        with ExitStack() as stack:
            files = [stack.enter_context(tempfile.NamedTemporaryFile()).name for _ in commands]
            asked = [
                {"command": list(command), "cwd": str(cwd), "env": dict(env), "said": said, "first": first}
                for (command, cwd, env), said in zip(commands, files, strict=True)
            ]
            assert self.process.stdin and self.process.stdout
            self.process.stdin.write(json.dumps(asked) + "\n")
            self.process.stdin.flush()
            codes = json.loads(self.process.stdout.readline())
            return [(code, Path(said).read_text(errors="replace")) for code, said in zip(codes, files, strict=True)]


@cache
def warm(modules: tuple[str, ...] = ALL) -> Warm:
    """One for all tests of this process; it ends with it."""
    return Warm(modules)


def main() -> None:
    """Reads commands, a line for those that begin together, and answers with their exit codes."""
    for name in sys.argv[1:]:
        with suppress(ImportError):
            import_module(name)
    for name in [name for name in sys.modules if name.partition(".")[0] in PACKAGES]:
        del sys.modules[name]
    gc.collect()
    gc.freeze()  # else every collection of a child looks at, and copies, what was loaded here
    for line in sys.stdin:
        children = [os.fork() or _end(_code(asked)) for asked in json.loads(line)]
        print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children], flush=True)


def _code(asked: dict[str, Any]) -> object:
    """What the command ends with."""
    try:
        _become(asked)
    except SystemExit as stop:
        return stop.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def _end(code: object) -> NoReturn:
    """As an interpreter ends, but for the modules, which are not taken down one by one."""
    threading._shutdown()
    atexit._run_exitfuncs()
    if not isinstance(code, int | None):
        print(code, file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def _become(asked: dict[str, Any]) -> None:
    """This process is that of the command."""
    signal.alarm(SECONDS)
    command, environment = asked["command"], asked["env"]
    said, nothing = os.open(asked["said"], os.O_WRONLY | os.O_APPEND), os.open(os.devnull, os.O_RDONLY)
    for place, end in ((0, nothing), (1, said), (2, said)):
        os.dup2(end, place)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115  # the one of before has read ahead
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(asked["cwd"])
    own = [place for place in environment.get("PYTHONPATH", "").split(os.pathsep) if place]
    sys.path[:] = ["", *own, *(place for place in sys.path[1:] if place not in own)]
    exec(asked["first"], {"__name__": "first"})
    name, *rest = command
    if name in ("python", sys.executable):
        way, what, *arguments = rest
        sys.argv[:] = [way, *arguments]
        if way == "-c":
            exec(what, {"__name__": "__main__"})
        else:
            runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        if name == "zenml":  # whose import calls this hook
            import_module("satsr.quiet").apply()
        script = shutil.which(name)
        sys.argv[:] = [script, *rest]
        runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main()
