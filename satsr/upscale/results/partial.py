"""What an unfinished result leaves beside itself, so that the same command goes on where it stopped."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from satsr.errors import SatsrError
from satsr.files import finite, write_json
from satsr.locks import locked
from satsr.upscale.results import own


class Partial:
    """A hidden folder beside the result with what is finished, and a manifest that says how far it came.

    Attributes:
        folder: for whatever has to survive.
        begun: whether an earlier run of the same key left something.
        state: of the manifest; empty at the first start.
    """

    def __init__(self, folder: Path, key: Mapping[str, Any], overwrite: bool = False) -> None:
        self.folder, self._key = folder, json.loads(json.dumps(finite(dict(key))))
        self._overwrite = overwrite
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

        Killed between the last file and the end, a run leaves both the result and its folder: what satsr wrote may then
        be replaced.

        Raises:
            SatsrError: it may not (:func:`satsr.upscale.results.own.require_free`).
        """
        own.require_free(path, self._overwrite or self.begun, folder)

    def save(self, **changes: Any) -> None:
        """Notes progress, atomically."""
        self.state |= changes
        write_json(self._manifest, {"key": self._key, "state": self.state})


@contextmanager
def unfinished(
    output: Path, key: Mapping[str, Any], overwrite: bool = False, *, folder: bool = False, beside: Sequence[Path] = ()
) -> Iterator[Partial]:
    """Holds the place of ``output`` while it is made; the folder goes when the body ends well, and stays otherwise.

    Args:
        output: the result, which must not exist yet.
        key: everything that decides the result; what was left by another key is thrown away.
        overwrite: the result may exist, if satsr wrote it.
        folder: whether the result is a folder.
        beside: files that are written besides; those without a suffix are folders.

    Raises:
        SatsrError: something is in the place of a result that may not be replaced, or another process is making it.
    """
    with locked(output, timeout=0):
        partial = Partial(output.parent / f".{output.name}.partial", key, overwrite)
        partial.require_free(output, folder)
        for path in beside:
            partial.require_free(path, folder=not path.suffix)
        partial.start()
        yield partial
        shutil.rmtree(partial.folder, ignore_errors=True)
