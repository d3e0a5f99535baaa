"""Weights in and out of files, all of them or nothing, and never any code.

Published checkpoints come in several wrappers; :func:`load_weights` knows them. Our own files are safetensors, which
cannot carry code, with the same bytes for the same weights.
"""

import json
import os
import re
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

WRAPPERS = ("params_ema", "params", "state_dict", "model")
SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt")
Source = Mapping[str, Any] | str | os.PathLike[str]


def load_weights(model: nn.Module, source: Source, strict: bool = True) -> list[str]:
    """Copies weights into ``model``; on any error the model is as it was.

    A checkpoint may wrap its weights: the first of ``params_ema``, ``params``, ``state_dict`` and ``model`` that it has
    is taken (for another one pass that mapping itself), ``module.`` before the names is dropped and SPyNet's names as
    MMEditing writes them are understood.

    Args:
        model: the network; parameters and buffers keep their device and dtype.
        source: a mapping of names to tensors, or the path of a .safetensors, .pth, .pt or .ckpt file.
        strict: every tensor of the model must be there, with its shape, and nothing else; otherwise what fits is taken.

    Returns:
        The names of the model's tensors that were left as they were; empty when ``strict``.

    Raises:
        ValueError: the file is missing, damaged, or holds code; there are no weights in it; an entry is no tensor; or
            the names and shapes do not fit the model (all of them are listed).
    """
    weights, where = read_weights(source), _name_of(source)
    expected: dict[str, Tensor] = model.state_dict()
    missing = [key for key in expected if key not in weights]
    unexpected = [key for key in weights if key not in expected]
    misshapen = [key for key in weights if key in expected and weights[key].shape != expected[key].shape]
    fitting = {key: value for key, value in weights.items() if key in expected and key not in misshapen}
    if (strict and (missing or unexpected or misshapen)) or not fitting:
        shapes = [f"{key} {tuple(weights[key].shape)} instead of {tuple(expected[key].shape)}" for key in misshapen]
        parts = {"missing": missing, "unexpected": unexpected, "of another shape": shapes}
        lists = "; ".join(f"{len(keys)} {what}: {', '.join(keys)}" for what, keys in parts.items() if keys)
        raise ValueError(
            f"the weights in {where} do not fit {type(model).__name__}: {lists}. Build the network with the settings "
            f"that it was trained with, or choose another file; the network is unchanged."
        )
    model.load_state_dict(fitting, strict=False)
    return [key for key in expected if key not in fitting]


def read_weights(source: Source) -> dict[str, Tensor]:
    """The tensors of a mapping or a file by name, on the CPU if from a file, without wrapper and ``module.``.

    Raises:
        ValueError: as :func:`load_weights`, except for what concerns a model.
    """
    where = _name_of(source)
    content: Any = source if isinstance(source, Mapping) else _read(Path(source))
    while isinstance(content, Mapping):
        wrapper = next((name for name in WRAPPERS if isinstance(content.get(name), Mapping)), None)
        if wrapper is None:
            break
        content = content[wrapper]
    if not isinstance(content, Mapping) or not content:
        raise ValueError(f"there are no weights in {where}: a non-empty mapping of names to tensors was expected.")
    # arrays are as good as tensors; asked by duck typing because this package imports torch only
    tensors = {
        key: torch.as_tensor(value) if hasattr(value, "__array_interface__") else value
        for key, value in content.items()
    }
    foreign = [f"{key!r} is {type(value).__name__}" for key, value in tensors.items() if not isinstance(value, Tensor)]
    foreign += [f"the name {key!r} is no text" for key in tensors if not isinstance(key, str)]
    if foreign:
        raise ValueError(f"{where} holds more than weights: {', '.join(foreign)}. Expected tensors only.")
    return {_our_name(key): value for key, value in tensors.items()}


def save_weights(
    model: nn.Module | Mapping[str, Tensor], path: Path, metadata: Mapping[str, str] | None = None
) -> None:
    """Writes a .safetensors file, complete or not at all; equal weights and metadata give equal bytes.

    Args:
        model: a network or its ``state_dict``.
        path: of the file; missing folders are made.
        metadata: text that travels in the file's header (network, settings, role, value range).

    Raises:
        ValueError: ``path`` does not end in .safetensors, or a value of ``metadata`` is no text.
    """
    if path.suffix != ".safetensors":
        raise ValueError(f"weights are written as .safetensors, but the file is to be called {path}")
    numbers = [key for key, value in (metadata or {}).items() if not isinstance(value, str)]
    if numbers:
        raise ValueError(f"the metadata of {path} must be text, but {', '.join(numbers)} is not")
    state = model.state_dict() if isinstance(model, nn.Module) else model
    plain = {key: value.detach().cpu().contiguous().clone() for key, value in state.items()}
    content = _with_metadata(save(plain), dict(metadata or {}))
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        Path(temporary).chmod(0o644)  # mkstemp makes it readable for its owner only
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _with_metadata(content: bytes, metadata: dict[str, str]) -> bytes:
    """``content`` with sorted metadata in its header: the library itself writes them in a random order."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    if metadata:
        header = {"__metadata__": dict(sorted(metadata.items())), **header}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the format aligns the data that follow
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


def _read(path: Path) -> Any:
    if path.suffix not in SUFFIXES:
        raise ValueError(f"{path} is no file of weights: its name must end in one of {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise ValueError(f"there is no file {path} to read weights from")
    try:
        if path.suffix == ".safetensors":
            return load_file(path, device="cpu")
        with warnings.catch_warnings(action="ignore"):  # about the pickle protocol of a file that is then refused
            return torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError:
        raise ValueError(
            f"{path} holds Python objects besides tensors, which could run code when they are loaded, so it was "
            f"refused: ask for the weights as .safetensors, or save the tensors alone."
        ) from None
    except Exception as error:  # a damaged file makes torch raise almost anything
        reason = " ".join(f"{type(error).__name__} {error}".split())[:200]
        raise ValueError(
            f"{path} cannot be read as a {path.suffix} file ({reason}): it is damaged or incomplete, fetch it again."
        ) from None


def _name_of(source: Source) -> str:
    return "the given mapping" if isinstance(source, Mapping) else str(Path(source))


def _our_name(key: str) -> str:
    """Without ``module.`` (DataParallel), and MMEditing's SPyNet convolutions 0..4 as entries 0, 2, .. 8."""
    key = key.removeprefix("module.")
    return re.sub(
        r"(basic_module\.\d\.basic_module)\.(\d)\.conv\.", lambda found: f"{found[1]}.{2 * int(found[2])}.", key
    )
