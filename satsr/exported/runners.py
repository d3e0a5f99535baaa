"""What computes a network: an ONNX graph on ONNX Runtime, or weights on torch. Both take and give float32 arrays."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from satsr.errors import SatsrError
from satsr.exported.facts import decode
from satsr.exported.file import whole

Float32 = npt.NDArray[np.float32]
DEVICES = ("auto", "cpu", "cuda")


class Runner(Protocol):
    """A network that is ready to run."""

    @property
    def inputs(self) -> Mapping[str, tuple[int | None, ...]]:
        """The shape of each input, None where a side is free."""
        ...

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda``."""
        ...

    def run(self, inputs: Mapping[str, np.ndarray]) -> Float32:
        """The first output for these inputs, with the batch axis."""
        ...


class OnnxRunner:
    """A graph on ONNX Runtime.

    Args:
        path: of the .onnx file; it holds everything itself and is not needed afterwards.
        device: ``auto`` takes the GPU if this ONNX Runtime can use one.
        threads: of a CPU; 0 for one a core.

    Attributes:
        description: what the graph says about itself.

    Raises:
        SatsrError: the file is missing, damaged, too large, refers to other files, or carries no description.
    """

    def __init__(self, path: Path, device: str = "auto", threads: int = 0) -> None:
        import onnxruntime

        content = whole(path)
        self.device = _onnx_device(device, onnxruntime.get_available_providers())
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads burn whole cores
        options.intra_op_num_threads = threads
        # Without its arena each large tensor is mapped anew, and the system clears its pages. It is to grow by what is
        # wanted, not by doubling, and to give all of it back after each run.
        host = ("CPUExecutionProvider", {"arena_extend_strategy": "kSameAsRequested"})
        providers = [host] if self.device == "cpu" else ["CUDAExecutionProvider", host]
        self._once = onnxruntime.RunOptions()
        self._once.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=providers)
        except Exception as error:  # ONNX Runtime's own exceptions share no base class
            reason = " ".join(str(error).split())[:300]
            raise SatsrError(f"{path} cannot be run by ONNX Runtime: {reason}") from None
        self.inputs = {
            item.name: tuple(side if isinstance(side, int) and side > 0 else None for side in item.shape)
            for item in self._session.get_inputs()
        }
        self.description = decode(self._session.get_modelmeta().custom_metadata_map, str(path))

    def run(self, inputs: Mapping[str, np.ndarray]) -> Float32:
        """The first output, float32 with the batch axis.

        Raises:
            SatsrError: the graph fails on these inputs, for instance for want of memory.
        """
        try:
            result: Float32 = self._session.run(None, dict(inputs), self._once)[0]
        except Exception as error:  # as above
            shapes = ", ".join(f"{name} {value.shape}" for name, value in inputs.items())
            reason = " ".join(str(error).split())[:300]
            raise SatsrError(f"the graph failed on {shapes} ({reason}): try a smaller --window or --segment.") from None
        return result


class TorchRunner:
    """A network of :mod:`models` with weights from a .safetensors file whose header describes it.

    Beside the facts, the description names the ``network`` and its ``settings`` (see :func:`models.build`).

    Raises:
        SatsrError: the file is missing or damaged, does not describe itself, or its weights do not fit.
    """

    def __init__(self, path: Path, device: str = "auto") -> None:
        import torch
        from safetensors import SafetensorError, safe_open

        import models

        try:
            with safe_open(path, framework="pt") as opened:
                metadata = opened.metadata() or {}
        except (SafetensorError, OSError) as error:
            raise SatsrError(f"{path} cannot be read as a .safetensors file ({error}): fetch it again.") from None
        self.description = decode(metadata, str(path))
        if "network" not in self.description:
            raise SatsrError(
                f"{path} does not say which network its weights belong to ('network' and 'settings' in its "
                "description): use the ONNX file of the same model, or save the weights again."
            )
        if device == "cuda" and not torch.cuda.is_available():
            raise SatsrError("torch sees no CUDA device here: use --device cpu.")
        self.device = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
        try:
            network = models.build(str(self.description["network"]), **dict(self.description.get("settings", {})))
            models.load_weights(network, path)
        except (ValueError, TypeError) as error:
            raise SatsrError(f"the network in {path} cannot be built: {error}") from None
        self._network = network.eval().to(self.device)
        parameters = inspect.signature(network.forward).parameters.values()
        names = [item.name for item in parameters if item.default is inspect.Parameter.empty]
        views = getattr(network, "n_views", None)  # of networks that take a fixed number of them
        self.inputs: dict[str, tuple[int | None, ...]] = dict.fromkeys(names, ())
        if views is not None:
            self.inputs["x"] = (None, views)

    def run(self, inputs: Mapping[str, np.ndarray]) -> Float32:
        """The output, float32 with the batch axis."""
        import torch

        with torch.inference_mode():
            output = self._network(**{name: torch.from_numpy(value).to(self.device) for name, value in inputs.items()})
        result: Float32 = output.float().cpu().numpy()
        return result


def _onnx_device(wanted: str, providers: list[str]) -> str:
    if wanted not in DEVICES:
        raise SatsrError(f"no device is called {wanted!r}: choose one of {', '.join(DEVICES)}.")
    gpu = "CUDAExecutionProvider" in providers
    if wanted == "cuda" and not gpu:
        raise SatsrError(
            "this ONNX Runtime has no CUDA: install onnxruntime-gpu, use --backend torch, or use --device cpu."
        )
    return "cuda" if gpu and wanted != "cpu" else "cpu"
