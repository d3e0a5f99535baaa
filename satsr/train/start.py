"""Where a training starts from: the weights of an earlier one, by a name that cannot come to mean others.

That is a version in the model registry (``srgan-sisr6/3``), whose training left its weights with its MLflow run, or a
file, or a folder of files as ``results/<paper>/train`` is, with its SHA-256. The tags of a start go to the new run and
to the version made of it, so that a chain of trainings can be followed back.
"""

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from models.shared.weights import read_weights
from satsr.errors import SatsrError
from satsr.files import sha256
from satsr.project import root
from satsr.tracking import client
from satsr.tracking.versions import VersionName, parsed, registered

WEIGHTS = "weights"
"""Folder of a training's MLflow run that holds its weights by role."""


@dataclass(frozen=True)
class Start:
    """Weights of an earlier training.

    Attributes:
        weights: by role (``network``, ``ema``, ``discriminator``), the tensors by name; a single file is ``network``.
        tags: ``model`` (``srgan-sisr6/3``) or ``file``; ``lineage``, the hash of the weights; and for a version
            ``chain``, all versions that led to it, and itself.
    """

    weights: Mapping[str, Mapping[str, Tensor]]
    tags: Mapping[str, str]

    @property
    def network(self) -> Mapping[str, Tensor]:
        """The weights that were measured and exported: the averaged ones where there are any."""
        return self.weights.get("ema") or self.weights["network"]


def find(name: str, digest: str | None = None) -> Start:
    """The weights that ``name`` names.

    Args:
        name: ``model/version``, or the path of a file of weights or of a folder of them, relative to the project's
            root or absolute.
        digest: of a file, its SHA-256; of a folder, the lineage that its ``train.json`` states. Needed for both.

    Raises:
        SatsrError: there is no such version, file or folder, it holds other weights than it should, or it cannot be
            read.
    """
    path = root() / Path(name).expanduser()
    if path.exists():
        return Start(*_read(path, name, digest))
    wanted = parsed(name)
    if wanted is None or wanted.number is None:
        raise SatsrError(
            f"a training cannot start from {name!r}: give a version of the registry such as srgan-sisr6/3 (an "
            "alias may move on), or an existing file of weights with its SHA-256."
        )
    return _registered(wanted)


def lineage_of(folder: Path) -> str:
    """The hash of a training's weights: of the hashes of its files, by role.

    Args:
        folder: that holds ``<role>.safetensors``.
    """
    files = sorted(folder.glob("*.safetensors"))
    return hashlib.sha256("".join(sha256(file) for file in files).encode()).hexdigest()


def checked(path: str | None, digest: str | None) -> Path:
    """A file of weights that a configuration names, after a look whether it is the one that the SHA-256 names.

    Args:
        path: relative to the project's root, or absolute.
        digest: its SHA-256.

    Raises:
        SatsrError: it is missing or another one.
    """
    found = root() / Path(path or "").expanduser()
    if not found.is_file():
        raise SatsrError(f"the file of weights {found} does not exist: look at its path in the configuration.")
    _require_digest(found, sha256(found), digest)
    return found


def _read(path: Path, name: str, digest: str | None) -> tuple[dict[str, dict[str, Tensor]], dict[str, str]]:
    files = {file.stem: file for file in sorted(path.glob("*.safetensors"))} if path.is_dir() else {"network": path}
    if "network" not in files:
        raise SatsrError(f"the folder {path} holds no network.safetensors: name a training's folder, or a single file.")
    found = lineage_of(path) if path.is_dir() else sha256(path)
    _require_digest(path, found, digest)
    try:
        weights = {role: read_weights(file) for role, file in files.items()}
    except ValueError as error:
        raise SatsrError(f"the weights to start from cannot be used: {error}") from None
    return weights, {"file": Path(name).name, "lineage": found}


def _require_digest(path: Path, found: str, wanted: str | None) -> None:
    if found != wanted:
        raise SatsrError(
            f"{path} has the SHA-256 {found}, but the configuration says {wanted}: the hash ties a training to its "
            "weights, so give this one if they are the right ones."
        )


def _registered(model: VersionName) -> Start:
    from mlflow.exceptions import MlflowException

    registry = client(root())
    version = registered(registry, model)
    if version is None:
        raise SatsrError(f"the model registry has no {model} to start from: satsr review lists what there is.")
    with tempfile.TemporaryDirectory(prefix="satsr-start-") as folder:
        try:
            place = Path(registry.download_artifacts(version.run_id, WEIGHTS, folder))
        except (MlflowException, OSError) as error:
            reason = " ".join(str(error).split())[:200]
            raise SatsrError(
                f"the weights of {model} cannot be fetched from its MLflow run ({reason}): train it again, or "
                "start from its file of weights."
            ) from None
        weights, tags = _read(place, model.name, version.tags.get("lineage"))
    earlier = version.tags.get("start.chain")
    chain = f"{earlier} > {model}" if earlier else str(model)
    return Start(weights, {"model": str(model), "lineage": tags["lineage"], "chain": chain})
