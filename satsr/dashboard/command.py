"""``satsr dashboard``: ZenML's server over the project's own store, until Ctrl-C."""

import http.client
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from satsr.browser import shown
from satsr.errors import SatsrError, redact
from satsr.project import root

HOST = "127.0.0.1"
PORT = 8237
"""ZenML's own."""
NEEDED = ("fastapi", "starlette", "tldextract", "uvicorn")
"""What the extra brings, as it is imported."""
STORE = "local_stores/default_zen_store/zenml.db"
LOG = "server.log"
PATIENCE = 120.0
"""Seconds in which a server starts; on a busy machine it takes twenty."""


def dashboard(port: int = PORT, browser: bool = True) -> None:
    """Starts ZenML's server, says where it is, and ends it when this process is interrupted.

    Args:
        port: of this computer.
        browser: whether to open it there, if there is a display.

    Raises:
        SatsrError: the server is not installed, there is no store here, the port is taken, or the server does not
            start, or ends by itself.
    """
    absent = [name for name in NEEDED if find_spec(name) is None]
    if absent:
        raise SatsrError(
            f'ZenML\'s server is not installed ({", ".join(absent)}): pip install "satsr[server]", or in a checkout '
            "make install. `satsr runs` lists the runs without it."
        )
    state = Path(os.environ.get("ZENML_CONFIG_PATH") or root() / ".zenml")
    require_local(state)
    require_free(port)
    address = f"http://{HOST}:{port}"
    with _interrupted_by_any_end(), tempfile.TemporaryDirectory(prefix="satsr-dashboard-") as place:
        with _server(state, Path(place), port) as server:
            print(f"ZenML's dashboard of this project's runs: {address}\nIt only shows; Ctrl-C ends it.", flush=True)
            if browser:
                shown(address)
            server.wait()
        raise SatsrError(f"ZenML's server ended by itself. {_last(Path(place))}")


def environment(state: Path, place: Path) -> dict[str, str]:
    """What the server is told: the project's store, nobody's login, no telemetry, and a folder for its own state.

    Args:
        state: the project's ZenML folder.
        place: an empty folder.
    """
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("ZENML_STORE", "ZENML_SERVER"))}
    return {
        **kept,
        "ZENML_SERVER": "true",
        "ZENML_CONFIG_PATH": str(place),
        "ZENML_LOCAL_STORES_PATH": str(state / "local_stores"),
        "ZENML_STORE_TYPE": "sql",
        "ZENML_STORE_URL": f"sqlite:///{state / STORE}",
        "ZENML_DISABLE_DATABASE_MIGRATION": "true",
        "ZENML_SERVER_AUTH_SCHEME": "NO_AUTH",
        "ZENML_SERVER_DEPLOYMENT_TYPE": "other",  # of a local one the dashboard advises against
        "ZENML_SERVER_AUTO_ACTIVATE": "true",
        "ZENML_SERVER_ALLOW_LOCAL_FILE_ACCESS": "true",  # the logs of steps lie in files
        "ZENML_SERVER_CORS_ALLOW_ORIGINS": f"http://{HOST}",
        "ZENML_SERVER_SECURE_HEADERS_HSTS": "false",
        "ZENML_ANALYTICS_OPT_IN": "false",
        "ZENML_LOGGING_COLORS_DISABLED": "true",
    }


def require_local(state: Path) -> None:
    """Looks whether the project's ZenML keeps its runs on this disk.

    Raises:
        SatsrError: they are on a server, which has a dashboard of its own, or there are none yet.
    """
    server = os.environ.get("ZENML_STORE_URL") or _known(state / "config.yaml")
    if server.startswith(("http://", "https://")):
        raise SatsrError(f"this project's runs are on a ZenML server: open {redact(server)}. `zenml logout` goes back.")
    if not (state / STORE).is_file():
        raise SatsrError(f"{state / STORE} is not there, so ZenML knows no runs: `satsr setup`, then run a pipeline.")


def require_free(port: int) -> None:
    """Looks whether nobody listens on a port of this computer.

    Raises:
        SatsrError: somebody does.
    """
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.connect()
    except ConnectionRefusedError:
        return
    except OSError:
        pass
    finally:
        connection.close()
    raise SatsrError(f"port {port} of this computer is taken: end what listens there, or give --port {port + 1}.")


def _known(config: Path) -> str:
    """The address of the store that ZenML's configuration names."""
    from ruamel.yaml import YAML

    found = YAML(typ="safe").load(config.read_text(encoding="utf-8")) if config.is_file() else None
    store = found.get("store") if isinstance(found, Mapping) else None
    return str(store.get("url", "")) if isinstance(store, Mapping) else ""


@contextmanager
def _server(state: Path, place: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """ZenML's server in a process of its own, which ends with this one; yielded when it answers."""
    words = ["--host", HOST, "--port", str(port), "--no-server-header", "--timeout-graceful-shutdown", "2"]
    with (place / LOG).open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "satsr.dashboard.app:app", *words],
            cwd=place,
            env=environment(state, place),
            stdin=subprocess.PIPE,  # whose end it waits for (satsr/dashboard/app.py)
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for this process, which ends that one
        )
    try:
        _wait(process, port, place)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, place: Path) -> None:
    """Until it answers.

    Raises:
        SatsrError: it ends, or does not answer in :data:`PATIENCE` seconds.
    """
    end = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < end:
        connection = http.client.HTTPConnection(HOST, port, timeout=5)
        try:
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.2)
        finally:
            connection.close()
    raise SatsrError(f"ZenML's server did not start. {_last(place)}")


def _last(place: Path) -> str:
    """The last line that the server wrote, which says what was wrong if anything does."""
    lines = [line.strip() for line in (place / LOG).read_text(errors="replace").splitlines() if line.strip()]
    return f"The last that it said: {redact(lines[-1])[:300]}" if lines else "It said nothing."


@contextmanager
def _interrupted_by_any_end() -> Iterator[None]:
    """SIGTERM and a terminal that is closed are as Ctrl-C, so that no server is left behind."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    try:
        yield
    except KeyboardInterrupt:
        print("the dashboard has ended", file=sys.stderr)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
