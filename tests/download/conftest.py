"""A local HTTP server that misbehaves on request, for the tests of downloads."""

import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from satsr.download.fetch import Patience


@dataclass
class Server:
    """Files served over HTTP on this machine, and how badly.

    Attributes:
        files: path -> content.
        etag: of every file; None for no ETag.
        ranges: whether Range requests are honoured.
        cut_at: the first so many answers break off after this share of the file.
        stall_at: the first so many answers stop after this share of the file and keep the connection open.
        drips: whether answers come in ten bytes every fiftieth of a second.
        lengths: whether answers say how long they are.
        sent_on: path -> address that the server sends on to.
        html: answers a web page instead, with status 200.
        stalled: set when stalled answers may end.
        statuses: what the next answers are instead of a file.
        requests: (path, Range header) of every request.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    etag: str | None = '"one"'
    ranges: bool = True
    cut_at: list[float] = field(default_factory=list)
    stall_at: list[float] = field(default_factory=list)
    drips: bool = False
    stalled: threading.Event = field(default_factory=threading.Event)
    lengths: bool = True
    sent_on: dict[str, str] = field(default_factory=dict)
    html: bool = False
    statuses: list[int] = field(default_factory=list)
    requests: list[tuple[str, str | None]] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    state: Server

    def do_GET(self) -> None:
        state = self.state
        path = self.path.partition("?")[0]
        state.requests.append((path, self.headers.get("Range")))
        if state.html:
            return self.answer(200, b"<!DOCTYPE html><html>quota exceeded</html>", "text/html; charset=utf-8")
        if state.statuses:
            return self.answer(state.statuses.pop(0), b"no", "text/plain")
        if path in state.sent_on:
            self.send_response(302)
            self.send_header("Location", state.sent_on[path])
            return self.end_headers()
        if path not in state.files:
            return self.answer(404, b"no", "text/plain")
        content = state.files[path]
        begin = 0
        asked = self.headers.get("Range")
        if asked and state.ranges and self.headers.get("If-Range") in (None, state.etag):
            begin = int(asked.removeprefix("bytes=").removesuffix("-"))
            if begin >= len(content):
                return self.answer(416, b"", "text/plain")
        rest = content[begin:]
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        if state.etag:
            self.send_header("ETag", state.etag)
        self.send_header("Content-Type", "application/octet-stream")
        if state.lengths:
            self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        if state.cut_at:
            rest = rest[: int(state.cut_at.pop(0) * len(content)) - begin]
        if state.drips:
            with suppress(OSError):  # nobody may listen any more
                for begin in range(0, len(rest), 10):
                    self.wfile.write(rest[begin : begin + 10])
                    if state.stalled.wait(0.02):
                        break
            return None
        if state.stall_at:
            self.wfile.write(rest[: int(state.stall_at.pop(0) * len(content)) - begin])
            self.wfile.flush()
            state.stalled.wait()
            return None
        self.wfile.write(rest)
        return None

    def answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A local server."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    state = Server()
    handler = type("Handler", (_Handler,), {"state": state})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        state.url = f"http://127.0.0.1:{running.server_address[1]}"
        threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield state
        state.stalled.set()
        running.shutdown()


@pytest.fixture
def pauses() -> list[float]:
    """The pauses that a download asked for."""
    return []


@pytest.fixture
def patience(pauses: list[float]) -> Patience:
    """Attempts without waiting."""
    return Patience(attempts=3, sleep=pauses.append)
