"""One file over HTTP: resumed where it broke off, checked, and complete or absent."""

import hashlib
import http.client
import os
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from satsr.errors import SatsrError, redact
from satsr.files import disk_errors, read_json, require_space, write_json
from satsr.locks import locked
from satsr.progress import Bar

BLOCK = 1 << 20
SLOWEST = 1000
"""Bytes a second below which a server is taken to have stalled."""
FLEETING = (408, 425, 429, 500, 502, 503, 504)
WEB_PAGE = "a web page came instead of the file (a quota, a log-in or a licence page)"
HTML = re.compile(rb"\s*<(!doctype html|html|head|script)", re.IGNORECASE)
MAGIC = {".zip": b"PK", ".gz": b"\x1f\x8b", ".tgz": b"\x1f\x8b", ".xz": b"\xfd7zXZ", ".bz2": b"BZh", ".png": b"\x89PNG"}


@dataclass(frozen=True)
class Patience:
    """How stubborn a download is.

    Attributes:
        attempts: that may fail in a row, per mirror; one that brought at least :data:`BLOCK` bytes counts as the first.
        first_pause: seconds before the second attempt; doubles each time.
        timeout: seconds in which something must arrive, at :data:`SLOWEST` bytes a second.
        sleep: how to wait.
    """

    attempts: int = 5
    first_pause: float = 1.0
    timeout: float = 60.0
    sleep: Callable[[float], None] = time.sleep


class _Refused(Exception):
    """A mirror that will not give the right file: go to the next one."""


class _Broken(Exception):
    """A connection that may work when tried again."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a server to http and https only."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if not newurl.startswith(("https://", "http://")):
            raise _Refused("the server sends on to an address that is not http or https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def fetch(
    urls: Sequence[str],
    target: Path,
    *,
    checksum: str | None = None,
    size: int | None = None,
    limit: int | None = None,
    patience: Patience | None = None,
) -> Path:
    """Downloads a file from the first of its mirrors that has it, unless it is there and right already.

    What arrived before a broken connection or a kill is kept beside ``target`` as ``.part`` and continued with a Range
    request, if the server still has the same file (ETag or Last-Modified, and length). Processes that want the same
    file share one download. Proxies are taken from the environment.

    Args:
        urls: http or https addresses of the same file.
        target: where the file goes.
        checksum: ``sha256:...`` or ``md5:...`` that it must have.
        size: bytes that it must have.
        limit: bytes that it may have where ``size`` is not known; no more are taken from a server.
        patience: attempts and pauses.

    Raises:
        SatsrError: no mirror gave the right file (the message says why for each), or the disk is too small.
    """
    part = target.with_name(target.name + ".part")
    failures = []
    with locked(target):
        if target.is_file():
            problem = mismatch(target, checksum, size)
            if problem is None:
                return target
            target.unlink()
            failures.append(f"the file that was there: {problem}")
        for url in urls:
            try:
                _patiently(url, part, size, limit, patience or Patience())
                problem = mismatch(part, checksum, size)
                if problem is not None:
                    _discard(part)
                    raise _Refused(problem)
            except _Refused as error:
                failures.append(f"{redact(url)}: {redact(str(error))}")
            else:
                part.replace(target)
                _discard(part)
                return target
    raise SatsrError(f"{target.name} could not be downloaded. " + "; ".join(failures) + ".")


def mismatch(path: Path, checksum: str | None, size: int | None) -> str | None:
    """Why a file is not the expected one, or None."""
    found = path.stat().st_size
    if size is not None and found != size:
        return f"expected {size} bytes, found {found}"
    with path.open("rb") as handle:
        head = handle.read(512)
        suffix = Path(path.name.removesuffix(".part")).suffix.lower()
        if HTML.match(head) and suffix not in (".html", ".htm"):
            return WEB_PAGE
        magic = MAGIC.get(suffix)
        if magic and not head.startswith(magic):
            return f"the content is not what the name says (it begins with {head[:8]!r})"
        if checksum is not None:
            kind, expected = checksum.split(":")
            handle.seek(0)
            digest = hashlib.file_digest(handle, kind).hexdigest()
            if digest != expected:
                return f"expected {kind} {expected}, found {digest}; the file was removed"
    return None


def _patiently(url: str, part: Path, size: int | None, limit: int | None, patience: Patience) -> None:
    failed = 0
    while True:
        before = _length(part)
        try:
            return _request(url, part, size, limit, patience.timeout)
        except _Broken as error:
            failed = 1 if _length(part) >= before + BLOCK else failed + 1
            if failed >= patience.attempts:
                raise _Refused(f"{error} ({failed} attempts)") from None
            patience.sleep(patience.first_pause * 2 ** (failed - 1))


def _request(url: str, part: Path, size: int | None, limit: int | None, timeout: float) -> None:
    """One connection: continues ``part`` or begins it anew."""
    state = _state(part, url)
    begin = _length(part) if state else 0
    if begin and begin == state["length"]:
        return
    if not url.startswith(("https://", "http://")):
        raise _Refused("only http and https addresses are downloaded")
    if "@" in url.split("/")[2]:
        raise _Refused("addresses with a name and password are not downloaded")
    request = urllib.request.Request(url, headers={"User-Agent": "satsr", "Accept-Encoding": "identity"})  # noqa: S310
    if begin:
        request.add_header("Range", f"bytes={begin}-")
        if state["mark"]:
            request.add_header("If-Range", state["mark"])
    try:
        # An opener of its own reads the proxies of the environment as they are now.
        with urllib.request.build_opener(_Redirects).open(request, timeout=timeout) as response:
            _receive(response, url, part, (size, limit), begin, timeout)
    except urllib.error.HTTPError as error:
        if error.code == 416:
            _discard(part)
        elif error.code not in FLEETING:
            raise _Refused(f"HTTP {error.code} {error.reason}") from None
        raise _Broken(f"HTTP {error.code} {error.reason}") from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise _Refused(str(error.reason)) from None
        raise _Broken(str(error.reason)) from None
    except TimeoutError:
        raise _Broken(f"the server sent nothing for {timeout:.0f} s") from None
    except (OSError, http.client.HTTPException) as error:
        raise _Broken(f"{type(error).__name__} {error}".strip()) from None


def _receive(
    response: Any, url: str, part: Path, sizes: tuple[int | None, int | None], begin: int, timeout: float
) -> None:
    """Takes what a server sends; ``sizes`` are the bytes that the file must have, and those that it may have."""
    headers, (size, limit) = response.headers, sizes
    # A weak ETag does not promise equal bytes, so it cannot be resumed on.
    mark = headers.get("ETag") or headers.get("Last-Modified") or ""
    mark = "" if mark.startswith("W/") else mark
    if "text/html" in headers.get("Content-Type", "") and not url.endswith((".html", ".htm")):
        raise _Refused(WEB_PAGE)
    rest = int(headers["Content-Length"]) if headers.get("Content-Length", "").isdigit() else None
    if begin and response.status == 206:
        known = _state(part, url)
        if headers.get("Content-Range", "") != f"bytes {begin}-{known['length'] - 1}/{known['length']}" or (
            mark and known["mark"] and mark != known["mark"]
        ):
            _discard(part)
            raise _Broken("the file changed on the server")
    else:
        begin = 0
    length = begin + rest if rest is not None else None
    if size is not None and length is not None and length != size:
        raise _Refused(f"expected {size} bytes, the server offers {length}")
    if limit is not None and (length or 0) > limit:
        raise _Refused(f"the server offers {length} bytes, more than the limit of {limit}")
    with disk_errors(f"downloading {part.name.removesuffix('.part')}"):
        if length is not None:
            require_space(part.parent, length - begin, f"downloading {part.name.removesuffix('.part')}")
        if not begin:
            part.unlink(missing_ok=True)
            write_json(_state_file(part), {"url": redact(url), "mark": mark, "length": length})
        received = _copy(response, part, begin, length, limit, timeout)
    if limit is not None and received > limit:
        _discard(part)
        raise _Refused(f"the server sent more than the limit of {limit} bytes")
    if length is not None and received < length:
        raise _Broken(f"the connection ended after {received} of {length} bytes")


def _copy(response: Any, part: Path, begin: int, length: int | None, limit: int | None, timeout: float) -> int:
    """Appends what comes, as soon as it comes; returns the length of the file."""
    mega = 1_000_000
    received = begin
    label = f"{part.name.removesuffix('.part')} (MB)"
    with part.open("ab") as handle, Bar(label, (length or 0) // mega, begin // mega) as bar:
        since, then = time.monotonic(), received
        while block := response.read1(BLOCK):
            handle.write(block)
            bar.advance((received + len(block)) // mega - received // mega)
            received += len(block)
            if limit is not None and received > limit:
                break
            if (waited := time.monotonic() - since) > timeout:
                if received - then < SLOWEST * waited:
                    raise _Broken(f"the server sent only {received - then} bytes in {waited:.0f} s")
                since, then = time.monotonic(), received
        handle.flush()
        os.fsync(handle.fileno())
    return received


def _state_file(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _state(part: Path, url: str) -> dict[str, Any]:
    """What is known about a part that ``url`` can continue; empty if it cannot."""
    if not (part.is_file() and _state_file(part).is_file()):
        return {}
    try:
        state: dict[str, Any] = read_json(_state_file(part))
    except SatsrError:
        return {}
    return state if state.get("url") == redact(url) and state.get("length") else {}


def _length(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    _state_file(part).unlink(missing_ok=True)
