"""Where steps share no disk: what a stage reads comes from the DVC remote by hash, and what it makes goes there.

The remote is DVC's default one (``satsr setup --remote``), or that of ``SATSR_REMOTE``, which needs no file. The unit
is a stage's entry of ``dvc.lock``: command, parameters, dependencies and outputs, each by its hash. Steps hand it on,
and the remote keeps it in DVC's own run cache, under the hash of all that decides the outputs; one is found by its key
alone, however many others there are (``dvc push --run-cache`` and ``dvc pull --run-cache`` carry all).
"""

import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from dvc.dependency import ParamsDependency
from dvc.exceptions import CollectCacheError, ConfirmRemoveError
from dvc.lock import LockError
from dvc.repo import Repo
from dvc.stage import PipelineStage as Stage
from dvc.stage import create_stage
from dvc.stage.loader import StageLoader
from dvc.stage.serialize import to_single_stage_lockfile
from dvc.utils import dict_sha256
from dvc.utils.serialize import dump_yaml, modify_yaml
from dvc_objects.fs.local import FsspecLocalFileSystem, localfs
from dvc_objects.fs.utils import as_atomic, copyfile
from fsspec.callbacks import DEFAULT_CALLBACK
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from satsr.checkout import lockfile
from satsr.errors import SatsrError
from satsr.remote import full, of_environment, said, unserved, untaken
from steps.inputs import recorded

SIZES = ("size", "nfiles")
"""What an entry says beside hashes."""

Entry = dict[str, Any]
"""What ``dvc.lock`` says of one stage."""


def opened(root: Path) -> Repo:
    """DVC's repository at ``root``, be it a git clone or not, with the remote of the environment if one is named."""
    config: dict[str, Any] = of_environment()
    if not (root / ".git").exists():
        config["core"] = {**config.get("core", {}), "no_scm": True}
        config["cache"] = {"type": "hardlink,copy"}  # a copy would double what a pod's disk holds
    return Repo(str(root), config=config)


def share_checkpoints(root: Path) -> None:
    """Lets the checkpoints of trainings go to the remote too, unless the environment names another place or none."""
    with opened(root) as repo:
        name = repo.config["core"].get("remote")
        known = repo.config["remote"].get(name, {}) if name else {}
    url, endpoint = str(known.get("url", "")), known.get("endpointurl")
    if url.startswith("s3://"):
        os.environ.setdefault("SATSR_CHECKPOINTS", f"{url.rstrip('/')}/checkpoints")
        if endpoint:
            os.environ.setdefault("AWS_ENDPOINT_URL_S3", str(endpoint))
    elif url and "://" not in url:
        place = (root / ".dvc" / url).resolve() / "checkpoints"
        place.mkdir(parents=True, exist_ok=True)
        os.environ.setdefault("SATSR_CHECKPOINTS", str(place))


def entry(stage: Stage) -> Entry:
    """What ``dvc.lock`` says of a stage, as plain data."""
    return cast(Entry, _plain(to_single_stage_lockfile(stage)))


def key(known: Entry) -> str:
    """The hash of all that decides what a stage makes, under which DVC's run cache keeps its entries."""
    outputs = [one["path"] if isinstance(one, Mapping) else one for one in known["outs"]]
    return str(dict_sha256({**known, "outs": outputs}, exclude=SIZES))


@dataclass(frozen=True)
class Remote:
    """The remote of a project.

    Attributes:
        repo: DVC's.
        root: of the project.
    """

    repo: Repo
    root: Path

    @property
    def address(self) -> str | None:
        """Where it is; None where there is none."""
        name = self.repo.config["core"].get("remote")
        return str(self.repo.config["remote"].get(name, {}).get("url", name)) if name else None

    def reuse(self, stage: Stage, before: Mapping[str, Entry], also: Sequence[str] = ()) -> bool:
        """Puts in place what the very same stage made before, here or elsewhere; else what it needs to run.

        Args:
            stage: as ``dvc.yaml`` and ``params.yaml`` have it.
            before: entries of the stages that it reads of, by their names.
            also: paths of what these made that are wanted although the stage need not run.

        Returns:
            Whether the stage's outputs are there.

        Raises:
            SatsrError: a dependency that no earlier stage makes is missing, or the remote does not serve.
        """
        found = self.earlier(stage.name, wanted(stage, {**before, **self.added(stage)}))
        self.fetch(stage, before, also if found else None)
        if found:
            self.receive(found, [one["path"] for one in found["outs"]], force=True)
            self.adopt({stage.name: found})
        return found is not None

    def fetch(self, stage: Stage, before: Mapping[str, Entry], only: Sequence[str] | None = None) -> None:
        """Fetches what a stage reads of earlier ones, and of what ``dvc add`` keeps.

        What a clone has of earlier ones, because git keeps it, gives way to what they made in this run.

        Args:
            stage: as ``dvc.yaml`` and ``params.yaml`` have it.
            before: entries of the stages that it reads of, by their names.
            only: these paths; else all of its dependencies.

        Raises:
            SatsrError: the remote does not serve.
        """
        paths = [dependency.def_path for dependency in stage.deps] if only is None else only
        added = self.added(stage)
        for name, known in (*before.items(), *added.items()):
            new = name not in added and recorded(self.root / "dvc.lock", *name.split("@")) != known
            made = [one["path"] for one in known["outs"]]
            stale = [path for path in made if new and (self.root / path).exists()]
            self.receive(known, [path for path in made if path in (*paths, *stale)], force=new)
        self.adopt(before)

    def added(self, stage: Stage) -> dict[str, Entry]:
        """Dependencies that are not here and that ``dvc add`` keeps, as entries of stages that made them."""
        absent = [one for one in stage.deps if not isinstance(one, ParamsDependency) and not one.exists]
        files = {one.def_path: Path(f"{one.fs_path}.dvc") for one in absent}
        return {
            f"{path}.dvc": {"cmd": f"dvc add {path}", "outs": [{**known, "path": path}]}
            for path, file in files.items()
            if file.exists()
            for known in YAML(typ="safe").load(file.read_text(encoding="utf-8"))["outs"]
        }

    def earlier(self, name: str, known: Entry) -> Entry | None:
        """The entry of the very same stage in ``dvc.lock``, in the run cache, or in the remote's; None if it never ran.

        Args:
            name: of the stage, such as ``train@rasvsr``.
            known: of :func:`wanted`.

        Raises:
            SatsrError: the remote does not answer.
        """
        locked = recorded(self.root / "dvc.lock", *name.split("@"))
        if locked.get("outs") and key(locked) == key(known) and self._present(self._outputs(locked)):
            return locked
        with self.errors():
            return _newest(self.repo.cache.legacy, key(known)) or _newest(self._runs, key(known))

    def receive(self, known: Entry, paths: Sequence[str], force: bool) -> None:
        """Fetches outputs of an entry by their hashes, and puts them where they belong.

        Args:
            known: the entry that lists them.
            paths: of these outputs.
            force: whether files give way of which DVC knows nothing; else they stay.

        Raises:
            SatsrError: the remote does not answer or lacks one of them, or there is no room for them here.
        """
        stage = self._outputs({**known, "outs": [one for one in known["outs"] if one["path"] in paths]})
        with _refusals() as refusals:  # asked again, for another step may have been sending it at that moment
            present = self._present(stage) or (self._serves(stage) and self._present(stage))
        if not present:
            lacking = [f"{out.def_path} (md5 {out.hash_info.value})" for out in stage.outs if out.changed_cache()]
            if self._serves(stage):
                needed = sum(one.get("size", 0) for one in known["outs"] if one["path"] in paths)
                free = shutil.disk_usage(self.root).free
                why = f" ({said(refusals[0])})" if refusals else ""
                raise SatsrError(
                    f"{', '.join(lacking)} could not be fetched from {self.address}, which has it{why}: it takes "
                    f"{needed / 1e9:.2f} GB, and {free / 1e9:.2f} GB are free in {self.root}. Free "
                    "some space, or give the step more of it (`disk` in the file of the stack); else try again."
                )
            raise SatsrError(
                f"the remote {self.address} lacks {', '.join(lacking)}, which `{known['cmd']}` wrote: `dvc push` from "
                f"a clone that has it, or remove {_folder(key(known))} from the remote, and the stage is run again."
            )
        with suppress(ConfirmRemoveError), self.repo.lock:
            stage.checkout(force=force)

    def adopt(self, entries: Mapping[str, Entry]) -> None:
        """Writes entries, by the stages' names, into ``dvc.lock``."""
        with self.repo.lock:
            lock = self.root / "dvc.lock"
            known = lock.read_text(encoding="utf-8") if lock.exists() else ""
            new = [name for name, one in entries.items() if lockfile.entry(known, *name.split("@")) != one]
            if new:
                with modify_yaml(str(lock)) as data:
                    data.setdefault("schema", "2.0")
                    data.setdefault("stages", {}).update({name: entries[name] for name in new})

    def send(self, known: Entry) -> None:
        """Sends a stage's outputs, and then its entry, if it is not there.

        Raises:
            SatsrError: the remote does not take them, or has no room for them.
        """
        with self.errors(untaken):
            there = self._runs
            place = there.fs.join(there.path, *_folder(key(known)).split("/"), dict_sha256(known, exclude=SIZES))
            if there.fs.exists(place):
                return
        stage = self._outputs(known)
        for out in stage.outs:
            if out.changed_cache():  # what git keeps is not in DVC's cache
                out.commit()
        with tempfile.TemporaryDirectory() as folder:
            dump_yaml(str(Path(folder) / "entry"), known)
            with self.errors(untaken), _refusals() as refusals:
                if failed := self.repo.cloud.push(_objects(stage)).failed:
                    unsent = f"{len(failed)} files of `{known['cmd']}` could not be sent to {self.address}: try again."
                    raise next(filter(full, refusals), refusals[0] if refusals else SatsrError(unsent))
                there.fs.makedirs(there.fs.parent(place))
                there.fs.put_file(str(Path(folder) / "entry"), place)

    @contextmanager
    def errors(self, told: Callable[[str | None, BaseException], SatsrError] = unserved) -> Iterator[None]:
        """Turns what storages raise into a sentence.

        Args:
            told: the sentence, of the remote's address and of what was raised.

        Raises:
            SatsrError: so.
        """
        try:
            yield
        except (SatsrError, LockError, ModuleNotFoundError):
            raise
        except Exception as error:  # of whichever storage it is
            raise told(self.address, error) from None

    def _outputs(self, known: Entry) -> Stage:
        """A stage that makes what the entry lists, all of it kept by DVC."""
        paths = [one["path"] for one in known["outs"]]
        place = str(self.root / "dvc.yaml")
        stage = create_stage(Stage, self.repo, place, wdir=str(self.root), cmd=known["cmd"], outs=paths)
        StageLoader.fill_from_lock(stage, known)
        return stage

    def _present(self, stage: Stage) -> bool:
        """Whether all outputs are in DVC's cache, fetched from the remote if need be."""
        if any(out.changed_cache() for out in stage.outs):
            with self.errors(), suppress(CollectCacheError):
                self.repo.cloud.pull(_objects(stage))
        return not any(out.changed_cache() for out in stage.outs)

    def _serves(self, stage: Stage) -> bool:
        """Whether the remote has all of the outputs that is not in DVC's cache."""
        with self.errors():
            objects = {out.hash_info for out in stage.outs}  # a folder whose list is not here has no others
            with suppress(CollectCacheError):
                objects |= _objects(stage)
            wanted = {str(one.value) for one in objects if not self.repo.cache.local.exists(one.value)}
            return wanted <= set(self.repo.cloud.get_remote_odb(None, "pull").oids_exist(wanted))

    @cached_property
    def _runs(self) -> Any:
        """Where the remote keeps the entries."""
        return self.repo.cloud.get_remote_odb(None, "push", hash_name="md5-dos2unix")


@contextmanager
def _refusals() -> Iterator[list[BaseException]]:
    """Why objects did not arrive: DVC's library gives their hashes back, and the reasons to its log alone."""
    found: list[BaseException] = []

    def kept(record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if error:
            found.append(error)
        return error is None

    log = logging.getLogger("dvc_data.hashfile.transfer")
    log.addFilter(kept)
    try:
        yield found
    finally:
        log.removeFilter(kept)


def _put_file(self: Any, lpath: str, rpath: str, callback: Any = DEFAULT_CALLBACK, **options: Any) -> None:
    """As DVC's, which would leave the beginning of a file for which a folder has no room."""
    with as_atomic(localfs, rpath, create_parents=True) as temporary:
        copyfile(lpath, temporary, callback=callback)


FsspecLocalFileSystem.put_file = _put_file  # type: ignore[method-assign]


def wanted(stage: Stage, before: Mapping[str, Entry]) -> Entry:
    """The entry of a stage that has not run; what earlier stages made need not be here.

    Args:
        stage: as ``dvc.yaml`` and ``params.yaml`` have it.
        before: entries of the stages before it.

    Raises:
        SatsrError: a dependency that no earlier stage makes is missing.
    """
    made = {one["path"]: one for known in before.values() for one in known["outs"]}
    for dependency in stage.deps:
        if not isinstance(dependency, ParamsDependency) and dependency.def_path not in made and not dependency.exists:
            raise SatsrError(f"{stage.addressing} needs {dependency}, which does not exist: see params.yaml.")
        if dependency.def_path not in made:
            dependency.save()
    found = entry(stage)
    found["deps"] = [made.get(one["path"], one) for one in found["deps"]]
    return found


def _plain(data: Any) -> Any:
    """Mappings and lists as dict and list, so that they compare and travel as JSON."""
    if isinstance(data, Mapping):
        return {str(name): _plain(value) for name, value in data.items()}
    return [_plain(one) for one in data] if isinstance(data, list | tuple) else data


def _objects(stage: Stage) -> set[Any]:
    """The hashes of the files that the stage made, and of the lists of those in folders."""
    return {one for found in stage.get_used_objs(force=True).values() for one in found}


def _folder(name: str) -> str:
    return f"runs/{name[:2]}/{name}"


def _newest(odb: Any, name: str) -> Entry | None:
    """The last entry under a key: one listing, however many keys there are."""
    folder = odb.fs.join(odb.path, *_folder(name).split("/"))
    try:
        found = [one for one in odb.fs.ls(folder, detail=True) if one["type"] == "file"]
    except FileNotFoundError:
        return None
    for one in sorted(found, key=_time, reverse=True):
        with suppress(YAMLError, UnicodeDecodeError):  # half a file of a folder that somebody copied
            known = YAML(typ="safe").load(odb.fs.read_text(one["name"], encoding="utf-8"))
            if isinstance(known, dict) and known.get("outs") and key(known) == name:
                return cast(Entry, _plain(known))
    return None


def _time(listed: Mapping[str, Any]) -> float:
    """When a file of a listing was written; storages have words of their own for it."""
    found = next((listed[word] for word in ("LastModified", "mtime", "last_modified", "updated") if word in listed), 0)
    return float(found.timestamp() if isinstance(found, datetime) else found)
