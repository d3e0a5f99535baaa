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
import select
import shutil
import signal
import socket
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

DATA = ("great_expectations", "pandas", "cv2", "scipy.stats")
"""What the stages of the data load, and no torch."""
ALL = (
    *(*DATA, "zenml.client", "zenml.cli.cli", "zenml.zen_stores.sql_zen_store", "dvc.cli", "dvc.repo", "dvc.commands"),
    *("torch", "lightning_fabric", "mlflow.store.tracking.sqlalchemy_store", "mlflow.artifacts", "mlflow.genai"),
    *("onnx", "onnxscript", "onnxruntime", "torch.onnx", "torch.export", "torch._dynamo"),
)
SECONDS = 600
"""After which a command that hangs is ended by SIGALRM."""
ADDRESS = "TESTS_WARM"
"""Names the address of the process in which tests/shim/python begins the stages that DVC starts."""


class Warm:
    """A process that has loaded some modules and forks for each command; commands may run at the same time.

    Args:
        modules: what it loads; those that are not there are passed over.

    Attributes:
        address: of the socket on which it hears; commands may be asked for by other processes too (:class:`Started`).
    """

    def __init__(self, modules: Sequence[str]) -> None:
        root = Path(__file__).resolve().parents[1]
        environment = {**os.environ, **quiet.ENVIRONMENT, "ZENML_LOGGING_COLORS_DISABLED": "true"}
        environment |= {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", "ZENML_CONFIG_PATH": tempfile.gettempdir()}
        self._folder = tempfile.TemporaryDirectory(prefix="satsr-warm-")
        self.address = f"{self._folder.name}/socket"
        with socket.socket(socket.AF_UNIX) as listener:  # who asks before the modules are loaded waits
            listener.bind(self.address)
            listener.listen(64)
            number = listener.fileno()
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.warm", str(number), *modules],
                cwd=root,
                env=environment,
                stdin=subprocess.PIPE,
                pass_fds=[number],
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
            files = [Path(stack.enter_context(tempfile.NamedTemporaryFile()).name) for _ in commands]
            started = [Started(self.address, *one, said, first) for one, said in zip(commands, files, strict=True)]
            return [(one.wait(), said.read_text(errors="replace")) for one, said in zip(started, files, strict=True)]


class Started:
    """A command that a warm process runs, in a session of its own.

    Args:
        address: of the warm process.
        command: and its arguments.
        cwd: where.
        env: the environment.
        said: the file to which its output is appended, or a terminal, which becomes the session's.
        first: code that is executed before it.
    """

    def __init__(
        self, address: str, command: Sequence[str], cwd: Path, env: Mapping[str, str], said: Path, first: str = ""
    ) -> None:
        asked = {"command": list(command), "cwd": str(cwd), "env": dict(env), "said": str(said), "first": first}
        self._connection, self._heard, self._code = socket.socket(socket.AF_UNIX), b"", None
        self._connection.connect(address)
        self._connection.sendall(json.dumps(asked).encode() + b"\n")
        self.pid = int(self._line(None))

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code.

        Raises:
            subprocess.TimeoutExpired: it has not ended within these seconds.
        """
        if self._code is None:
            self._code = int(self._line(timeout))
            self._connection.close()
        return self._code

    def poll(self) -> int | None:
        """Its exit code, or None while it runs."""
        with suppress(subprocess.TimeoutExpired):
            return self.wait(0.001)
        return None

    def _line(self, timeout: float | None) -> bytes:
        self._connection.settimeout(timeout)
        while b"\n" not in self._heard:
            try:
                heard = self._connection.recv(64)
            except TimeoutError:
                raise subprocess.TimeoutExpired("a warm command", timeout or 0) from None
            assert heard, "the warm process has ended"
            self._heard += heard
        line, _, self._heard = self._heard.partition(b"\n")
        return line


@cache
def warm(modules: tuple[str, ...] = ALL) -> Warm:
    """One for all tests of this process; it ends with it."""
    return Warm(modules)


def main() -> None:
    """Runs what is asked for on the socket, until the end of the standard input."""
    from tests.imports import PACKAGES

    gc.disable()
    for name in sys.argv[2:]:
        with suppress(ImportError):
            import_module(name)
    for name in [name for name in sys.modules if name.partition(".")[0] in PACKAGES]:
        del sys.modules[name]
    gc.collect()
    gc.freeze()  # else every collection of a child looks at, and copies, what was loaded here
    gc.enable()
    with socket.socket(fileno=int(sys.argv[1])) as listener:
        while sys.stdin not in select.select([sys.stdin, listener], [], [])[0]:
            connection, _ = listener.accept()
            if not os.fork():
                _answer(connection)
            connection.close()
            with suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass


def _answer(connection: socket.socket) -> None:
    """Runs what was asked for in a child, and says its exit code."""
    asked = json.loads(connection.makefile().readline())
    child = os.fork()
    if not child:
        connection.close()
        os.setsid()
        _end(_code(asked))
    ended = os.pidfd_open(child)
    with suppress(BrokenPipeError):
        connection.sendall(f"{child}\n".encode())
        if ended not in select.select([connection, ended], [], [])[0]:  # who asked has ended meanwhile
            os.killpg(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


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
    said, nothing = os.open(asked["said"], os.O_RDWR | os.O_APPEND), os.open(os.devnull, os.O_RDONLY)
    for place, end in ((0, nothing), (1, said), (2, said)):
        os.dup2(end, place)
    sys.stdout.reconfigure(line_buffering=sys.stdout.isatty())
    sys.stdin = open(0, closefd=False)  # noqa: SIM115  # the one of before has read ahead
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None  # that of this environment
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
