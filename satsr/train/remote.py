"""Checkpoints at an address that outlives the machine: a bucket, or a folder that other machines see.

``SATSR_CHECKPOINTS`` names it: an address that fsspec knows (``s3://bucket/prefix``), or a folder. Where checkpoints
lie and how often they are sent there changes no result, so both come from the environment: a setting would belong to
the training's identity and make it stale.

A training has a folder of its own there, ``<paper>/<beginning of its identity's hash>``. The name of a checkpoint
states its step and the beginning of its SHA-256, by which one that is damaged or half there is known.
"""

import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from satsr.errors import SatsrError, redact
from satsr.files import disk_errors, finite, replacing, sha256
from satsr.project import root

ADDRESS = "SATSR_CHECKPOINTS"
INTERVAL = "SATSR_CHECKPOINTS_SECONDS"
SECONDS = 600.0
"""Between two checkpoints that are sent, unless :data:`INTERVAL` says otherwise."""
KEPT = 2
DIGITS = 16
NAME = re.compile(rf"step-(\d{{8,}})-([0-9a-f]{{{DIGITS}}})\.ckpt")
IDENTITY = "identity.json"
PART = ".part"
"""How the name of a file ends on its way into a folder; what lies in a bucket is whole or absent."""
OBJECTS = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "oci"}
"""Kinds of address whose files appear whole, and whose folders need not be made."""
S3 = {"config_kwargs": {"connect_timeout": 10, "read_timeout": 30, "retries": {"max_attempts": 1}}}
TRIES = 2
"""A server that does not answer is told of after minutes, not after an hour."""
WAIT_SECONDS, SLOWEST = 60.0, 200e3
"""How long sending a file may take: so many seconds, and the rest at so many bytes a second."""


class _DamagedError(Exception):
    """What arrived is not what was sent."""


@dataclass(frozen=True)
class Sent:
    """A checkpoint at the address: its step, the beginning of its SHA-256, its path."""

    step: int
    digest: str
    path: str


def remote(paper: str, key: str) -> "Remote | None":
    """The place for the checkpoints of a training, if ``SATSR_CHECKPOINTS`` names an address.

    Args:
        paper: whose training.
        key: the hash of its identity (:func:`satsr.train.weights.key_of`).

    Raises:
        SatsrError: the address or the interval makes no sense, or the package that reads such addresses is missing.
    """
    address = os.environ.get(ADDRESS, "").strip()
    return Remote(address, f"{paper}/{key[:16]}", _interval()) if address else None


def _interval() -> float:
    text = os.environ.get(INTERVAL, "").strip() or str(SECONDS)
    with suppress(ValueError):
        if 0 < float(text) < float("inf"):
            return float(text)
    raise SatsrError(f"{INTERVAL} is {text!r}, which is no number of seconds above 0: take 600, or unset it.")


class Remote:
    """The checkpoints of one training at an address.

    Args:
        address: of all trainings.
        folder: of this one, below it.
        seconds: between two checkpoints that are sent.

    Attributes:
        shown: the address of this training for messages, without secrets.
    """

    def __init__(self, address: str, folder: str, seconds: float = SECONDS) -> None:
        self.seconds = seconds
        self._files, base = _file_system(address)
        self._base, self._folder = base.rstrip("/"), f"{base.rstrip('/')}/{folder}"
        kinds = self._files.protocol
        self._objects = not OBJECTS.isdisjoint([kinds] if isinstance(kinds, str) else kinds)
        self.shown = redact(f"{address.rstrip('/')}/{folder}")

    def begin(self, identity: Mapping[str, Any]) -> None:
        """Notes there what the checkpoints belong to, by which it is known at once whether the address can be used.

        Raises:
            SatsrError: it cannot.
        """
        with self._told("writing to"):
            if not self._objects:
                if not self._files.isdir(self._base):
                    raise SatsrError(
                        f"{ADDRESS} names {redact(self._base)}, which is no folder: make it, or look whether it is "
                        "mounted on this machine."
                    )
                self._files.makedirs(self._folder, exist_ok=True)
            text = json.dumps(finite(dict(identity)), indent=2, sort_keys=True)
            self._files.pipe_file(f"{self._folder}/{IDENTITY}", text.encode(), **self._limited(len(text)))

    def found(self) -> list[Sent]:
        """The checkpoints that lie there, oldest first.

        Raises:
            SatsrError: the address does not answer.
        """
        with self._told("listing"):
            return _sent(self._listed())

    def send(self, path: Path) -> None:
        """Sends a checkpoint; then the newest two are kept there.

        What is of a later step goes away as well: the training did not go on from it, so it is damaged.

        Args:
            path: ``step-00000100.ckpt``.

        Raises:
            SatsrError: it did not arrive.
        """
        with self._told("sending a checkpoint to"):
            step = int(path.stem.removeprefix("step-"))
            name = f"step-{step:08d}-{sha256(path)[:DIGITS]}.ckpt"
            self._put(path, name)
        with self._told("removing old checkpoints from"):
            paths = self._listed()
            earlier = [sent for sent in _sent(paths) if sent.step < step]
            keep = {name, *(_last(sent.path) for sent in earlier[1 - KEPT :])}
            self._remove(old for old in paths if _last(old).startswith("step-") and _last(old) not in keep)

    def fetch(self, folder: Path, above: int) -> Path | None:
        """Fetches the newest whole checkpoint of a step above ``above``; damaged ones are named and passed over.

        Args:
            folder: where it is put, as ``step-00000100.ckpt``.
            above: the step that this machine has reached itself.

        Raises:
            SatsrError: the address does not answer, or the disk is full.
        """
        for sent in reversed([sent for sent in self.found() if sent.step > above]):
            path = folder / f"step-{sent.step:08d}.ckpt"
            try:
                with self._told("fetching a checkpoint from"), replacing(path) as temporary:
                    self._files.get_file(sent.path, str(temporary))
                    if sha256(temporary)[:DIGITS] != sent.digest:
                        raise _DamagedError
                return path
            except _DamagedError:
                name = f"{self.shown}/{_last(sent.path)}"
                print(f"train: {name} is damaged; taking the one before", file=sys.stderr, flush=True)
        return None

    def bring(self, path: Path) -> None:
        """Fetches a small file of this training's that is missing here, if it was left at the address.

        Raises:
            SatsrError: the address does not answer.
        """
        if path.exists():
            return
        with self._told("reading"):
            for found in self._listed():
                if _last(found) == path.name:
                    with replacing(path) as temporary:
                        self._files.get_file(found, str(temporary))

    def leave(self, path: Path) -> None:
        """Leaves a small file of this training's at the address, for who goes on elsewhere.

        Raises:
            SatsrError: it cannot be written.
        """
        with self._told("writing to"):
            self._put(path, path.name)

    def forget(self) -> None:
        """Removes all that is there of this training.

        Raises:
            SatsrError: the address does not answer.
        """
        with self._told("removing checkpoints from"):
            self._remove(self._listed())
            if not self._objects and self._files.isdir(self._folder):
                self._files.rmdir(self._folder)

    def _listed(self) -> list[str]:
        try:
            return [str(path) for path in self._files.ls(self._folder, detail=False)]
        except FileNotFoundError:
            return []

    def _remove(self, paths: Iterable[str]) -> None:
        for path in paths:
            with suppress(FileNotFoundError):
                self._files.rm_file(path)

    def _put(self, path: Path, name: str) -> None:
        """Sends a file, which appears there whole."""
        place = f"{self._folder}/{name}"
        on_its_way = place if self._objects else place + PART
        self._files.put_file(str(path), on_its_way, **self._limited(path.stat().st_size))
        if not self._objects:
            self._files.mv(on_its_way, place)

    def _limited(self, size: int) -> dict[str, float]:
        """The time that so many bytes may take; without, a server that takes none would hold them for ever."""
        return {"timeout": WAIT_SECONDS + size / SLOWEST} if self._files.async_impl else {}

    @contextmanager
    def _told(self, doing: str) -> Iterator[None]:
        """Turns whatever the address answers into a sentence."""
        try:
            with disk_errors(f"{doing} {self.shown}"):
                yield
        except (SatsrError, _DamagedError):
            raise
        except Exception as error:  # of each kind of address there are others
            raise SatsrError(
                f"{doing} {self.shown} failed ({reason(error)}): look at {ADDRESS}, and for a bucket at "
                "AWS_ENDPOINT_URL_S3, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
            ) from None


def _last(path: str) -> str:
    return path.rpartition("/")[2]


def _sent(paths: Iterable[str]) -> list[Sent]:
    """Those of the paths that are checkpoints, oldest first."""
    matches = [(NAME.fullmatch(_last(path)), path) for path in paths]
    return sorted((Sent(int(name[1]), name[2], path) for name, path in matches if name), key=lambda sent: sent.step)


def reason(error: Exception) -> str:
    """What an error says, in one line."""
    if isinstance(error, TimeoutError):
        return "there was no answer in time"
    return redact(" ".join(str(error).split())[:200] or type(error).__name__).rstrip(".")


def _file_system(address: str) -> tuple[Any, str]:
    from fsspec.core import url_to_fs

    kind, marked, _ = address.partition("://")
    place = address if marked else str(root() / Path(address).expanduser())
    options = S3 if kind in ("s3", "s3a") else {}
    try:
        found: tuple[Any, str] = url_to_fs(place, use_listings_cache=False, skip_instance_cache=True, **options)
    except ImportError as error:
        needs = 's3fs: pip install "satsr[cluster]"' if kind in ("s3", "s3a") else f"another package: {reason(error)}"
        raise SatsrError(f"{ADDRESS} names an address of {kind}://, which needs {needs}.") from None
    except ValueError as error:
        raise SatsrError(
            f"{ADDRESS} is {address!r}, which cannot be used ({reason(error)}): take s3://bucket/prefix, or a folder."
        ) from None
    if options:
        found[0].retries = TRIES
    return found
