"""What an unfinished result leaves beside itself, so that the same command goes on where it stopped."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from satsr.errors import SatsrError
from satsr.files import finite, replacing, write_json
from satsr.locks import locked
from satsr.upscale.results import own

Placing = Callable[[Path], AbstractContextManager[Path]]
"""Puts what is written to a temporary name in the place of a path, as :func:`satsr.files.replacing` does."""


class Partial:
    """A hidden folder beside the result with what is finished, and a manifest that says how far it came.

    Attributes:
        folder: for whatever has to survive.
        begun: whether an earlier run of the same key left something.
        state: of the manifest; empty at the first start.
    """

    def __init__(self, folder: Path, key: Mapping[str, Any], overwrite: bool = False, again: bool = False) -> None:
        self.folder, self._key = folder, json.loads(json.dumps(finite(dict(key))))
        self._overwrite, self._again = overwrite, again
        self._manifest = folder / "manifest.json"
        self.state: dict[str, Any] = {}
        try:
            found = json.loads(self._manifest.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            found = {}
        self.begun = found.get("key") == self._key
        if self.begun:
            self.state = dict(found["state"])

    def start(self) -> None:
        """Makes the folder, and throws away what another key left there."""
        if not self.begun:
            strange = self.folder.exists() and any(not path.name.startswith(".") for path in self.folder.iterdir())
            if strange and not self._manifest.is_file():
                raise SatsrError(f"{self.folder} is not what an unfinished result leaves: move or remove it.")
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            self.save()

    def require_free(self, path: Path, folder: bool = False) -> None:
        """Looks, at the start and again at the end, whether a result may be put at ``path``.

        Killed between the last file and the end, a run leaves both the result and its folder: what satsr wrote there,
        with this model and of this input, may then be replaced.

        Raises:
            SatsrError: it may not (:func:`satsr.upscale.results.own.require_free`).
        """
        hashes = [str(self._key[name]) for name in own.HASHES if name in self._key]
        mine = (self.begun or self._again) and own.says(path, hashes)
        own.require_free(path, self._overwrite or mine, folder)

    @contextmanager
    def placing(self, path: Path, folder: bool = False) -> Iterator[Path]:
        """As :func:`satsr.files.replacing`, for what is written beside a result, often hours after the start.

        Raises:
            SatsrError: something is at ``path`` by now that may not be replaced (:meth:`require_free`).
        """
        with replacing(path) as temporary:
            yield temporary
            self.require_free(path, folder)

    def require_steady(self, files: Sequence[Path]) -> None:
        """Looks, before the result is put in its place, whether its input still has the hash of the key.

        Raises:
            SatsrError: another program saved it while it was read; what was made of both contents is thrown away.
        """
        if own.content_sha256(files) == self._key[own.INPUT]:
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        named = f"{files[0]}" if len(files) == 1 else f"one of {len(files)} files such as {files[0]}"
        raise SatsrError(
            f"{named} was changed while it was read, so the result would be of two contents: it was thrown away. Give "
            "the same command again when nothing writes there."
        )

    def save(self, **changes: Any) -> None:
        """Notes progress, atomically."""
        self.state |= changes
        write_json(self._manifest, {"key": self._key, "state": self.state})


def unfinished_at(output: Path) -> Path:
    """The hidden folder that an interrupted run leaves beside its result."""
    return output.parent / f".{output.name}.partial"


@contextmanager
def unfinished(
    output: Path,
    key: Mapping[str, Any],
    overwrite: bool = False,
    *,
    again: bool = False,
    folder: bool = False,
    beside: Sequence[Path] = (),
    folders: Sequence[Path] = (),
) -> Iterator[Partial]:
    """Holds the place of ``output`` while it is made; the folder goes when the body ends well, and stays otherwise.

    Args:
        output: the result, which must not exist yet.
        key: everything that decides the result; what was left by another key is thrown away.
        overwrite: the result may exist, if satsr wrote it.
        again: the result may exist, if satsr wrote it with the key's model and of its input.
        folder: whether the result is a folder.
        beside: files that are written besides.
        folders: folders that are written besides.

    Raises:
        SatsrError: something is in the place of a result that may not be replaced, or another process is making it.
    """
    with locked(output, timeout=0):
        partial = Partial(unfinished_at(output), key, overwrite, again)
        partial.require_free(output, folder)
        for path in (*beside, *folders):
            partial.require_free(path, folder=path in folders)
        partial.start()
        yield partial
        shutil.rmtree(partial.folder, ignore_errors=True)
