"""What a paper supplies; the stages from training on do the rest.

A recipe in ``pipelines/<paper>.py`` is a subclass of the :class:`Paper` of its kind (:mod:`satsr.kinds`), bound to its
configuration: its network, how training samples are drawn, what is optimised, how a scene is read, run and scored. What
can be set stands apart (``pipelines/configs/<paper>.py``), and so do the published figures
(``pipelines/<paper>.published.yaml``). No other file branches on a paper's name.
"""

import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar, Generic

import numpy as np
import torch
from torch import nn
from torch.utils.data import Dataset

from satsr.config.recipe import ConfigOf
from satsr.constraint import Constraint
from satsr.errors import SatsrError
from satsr.radiometry import REFLECTANCE, Normalisation
from satsr.scores import Scores
from satsr.store.store import Scene, Store

if TYPE_CHECKING:
    from satsr.train.objectives import Objective

Arrays = Mapping[str, np.ndarray]


class Paper(ABC, Generic[ConfigOf]):
    """A published method with one configuration: everything that is its own, nothing that the stages share.

    Args:
        config: its resolved configuration.

    Attributes:
        name: as in ``pipelines/<name>.py``.
        title, citation: for people.
        kind: what the network takes, for applying it: a key of ``KINDS`` in :mod:`satsr.exported.facts`.
        bands: of one image that the network takes, in its order; none where any single band will do.
        further: the groups of metrics that ``evaluate.metrics: [default]`` means (:mod:`satsr.evaluate.further`).
    """

    name: ClassVar[str]
    title: ClassVar[str]
    citation: ClassVar[str]
    kind: ClassVar[str]
    bands: ClassVar[tuple[str, ...]]
    further: ClassVar[tuple[str, ...]] = ("spectral", "opensr", "frc")

    def __init__(self, config: ConfigOf) -> None:
        self.config = config

    @property
    @abstractmethod
    def radiometry(self) -> Normalisation:
        """Between native values and what the network sees: of training, measuring, and of the exported model."""

    @property
    def seen(self) -> str:
        """Role of the images whose values the network sees in training; they describe the data to the model's users."""
        return "lr"

    @property
    def decides(self) -> tuple[str, str]:
        """Names of the PSNR and the SSIM that the gates and the summary look at."""
        return "psnr_rgb_u8", "ssim_rgb_u8"

    @property
    def watched(self) -> tuple[str, ...]:
        """Names of the metrics that are measured during training; the curves show them up to the first ``_``."""
        return self.decides

    @property
    def deviations(self) -> str:
        """What differs from the authors' code, from the recipe's own words; empty if nothing does."""
        text = (sys.modules[type(self).__module__].__doc__ or "").partition("Deviations: ")[2]
        return " ".join(text.split("\n\n")[0].split())

    @property
    def registered_name(self) -> str:
        """The name in the model registry: the paper's, followed by the variant where it has variants."""
        return self.name

    @property
    def published_as(self) -> str | None:
        """What the published table calls this configuration; None: as the table itself says."""
        return None

    @property
    def departures(self) -> Sequence[str]:
        """What this configuration does otherwise than the published training, in sentences, and which matters.

        With any of them a run cannot count as a reproduction. What makes no difference to a result is among
        :attr:`deviations` alone.
        """
        return ()

    @abstractmethod
    def network(self) -> nn.Module:
        """The network, freshly initialised."""

    @abstractmethod
    def objective(self, network: nn.Module) -> "Objective":
        """What training optimises."""

    def start(self, objective: "Objective") -> dict[str, str]:
        """Puts the weights of earlier trainings in place before the first step; the tags that say which (``start.*``).

        Raises:
            SatsrError: they are not there, or do not fit.
        """
        return {}

    @abstractmethod
    def samples(self, store: Store) -> Dataset[dict[str, torch.Tensor]]:
        """Training samples: item i is a pure function of (seed, i), for any i >= 0."""

    @abstractmethod
    def inputs(self, scene: Scene) -> dict[str, np.ndarray]:
        """The network's inputs for one scene, batch size 1, float32 in the network's value range."""

    @abstractmethod
    def baseline(self, scene: Scene) -> np.ndarray:
        """What needs no training (bicubic), in the same form as the network's output without the batch axis."""

    @abstractmethod
    def score(self, scene: Scene, output: np.ndarray) -> list[Scores]:
        """The protocol of the paper: one dictionary of named metrics per frame of the output."""

    @abstractmethod
    def written(self, scene: Scene, output: np.ndarray) -> np.ndarray:
        """What ``satsr upscale`` would write: (T, sH, sW, C) float32 native values, clipped to them and whole."""

    @abstractmethod
    def reference(self, scene: Scene) -> np.ndarray:
        """What an output should equal, (T, sH, sW, C) float32 native values."""

    @abstractmethod
    def given(self, scene: Scene) -> np.ndarray:
        """The images that an output enlarges, (T, h, w, C) float32 native values."""

    def clear(self, scene: Scene) -> np.ndarray | None:
        """Where :meth:`given` can be compared with, (T, h, w) bool; None if everywhere."""
        return None

    @property
    def kernel(self) -> str:
        """What :meth:`shrink` weights pixels with: a key of :data:`satsr.resize.KERNELS`."""
        return "cubic"

    def shrink(self, images: np.ndarray) -> np.ndarray:
        """The degradation between :meth:`reference` and :meth:`given`: (T, sH, sW, C) float32 to (T, h, w, C).

        The antialiased cubic (a = -0.5) unless the paper has another.
        """
        return np.stack([self.hold().small(image, self.config.convert.scale) for image in images])

    @property
    def constraint(self) -> str:
        """How a result is held to its input by default: a key of :data:`satsr.constraint.METHODS`.

        Reflectances are, since they are measured on; 8-bit frames are not.
        """
        return "frequency" if self.radiometry.native == REFLECTANCE else "none"

    def hold(self, method: str | None = None) -> Constraint:
        """That constraint, or another one, with the paper's own degradation."""
        return Constraint(method or self.constraint, self.kernel, self.config.convert.border)

    def clear_in_reference(self, scene: Scene, reference: np.ndarray) -> np.ndarray:
        """Where :meth:`reference` can be compared with, bool (T, H, W): everywhere unless the data say otherwise."""
        return np.ones(reference.shape[:3], bool)

    def side_by_side(
        self, scene: Scene, written: np.ndarray, reference: np.ndarray
    ) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """What is compared, per frame: output (H, W, C), reference, and where it is clear (H, W).

        Args:
            scene: the two are of.
            written: (T, sH, sW, C), from :meth:`written`.
            reference: (T, sH, sW, C), from :meth:`reference`.
        """
        return list(zip(written, reference, self.clear_in_reference(scene, reference), strict=True))

    @abstractmethod
    def pictures(self, scene: Scene, output: np.ndarray | None, role: str) -> np.ndarray:
        """(T, H, W, 3) uint8 for the eye: the output, or with ``output=None`` the scene's ``lr`` or ``hr`` frames."""

    @abstractmethod
    def example(self) -> tuple[dict[str, torch.Tensor], dict[str, dict[int, str]]]:
        """Inputs to export with, and the names of their free axes."""

    @abstractmethod
    def parity_cases(self) -> list[dict[str, np.ndarray]]:
        """Inputs of several sizes on which the exported graph must equal the network."""

    def graph(self, network: nn.Module) -> nn.Module:
        """The module that is exported; the network itself unless the paper says otherwise."""
        return network

    def run(self, network: nn.Module, inputs: Arrays) -> np.ndarray:
        """The network's output for one scene, without the batch axis, on the network's device.

        Raises:
            SatsrError: it is not finite.
        """
        device = next(network.parameters()).device
        with torch.inference_mode():
            output = network(**{name: torch.from_numpy(value).to(device) for name, value in inputs.items()})
        result: np.ndarray = output[0].float().cpu().numpy()
        if not np.isfinite(result).all():
            raise SatsrError("the network's output is not finite: the training has diverged.")
        return result

    def draws(self, network: nn.Module, scene: Scene) -> list[np.ndarray]:
        """The outputs that a scene is measured on: one, unless a network is given noise and the paper draws several.

        Raises:
            SatsrError: as :meth:`run`.
        """
        return [self.run(network, self.inputs(scene))]

    def glimpse(self, network: nn.Module, scene: Scene) -> list[Scores]:
        """A quick measurement during training; the whole scene unless the paper shortens it."""
        return self.score(scene, self.run(network, self.inputs(scene)))

    def describe(self) -> dict[str, Any]:
        """What travels with the exported model so that it can be applied without this project's code."""
        return {
            "paper": self.name,
            "kind": self.kind,
            "normalisation": self.radiometry.name,
            "value_range": list(self.radiometry.range),
            "scale": self.config.convert.scale,
            "bands": list(self.bands),
            "channels": len(self.bands) or 1,
            "smallest": self.config.convert.min_lr_px,
            "constraint": asdict(self.hold()),
            "citation": self.citation,
        }
