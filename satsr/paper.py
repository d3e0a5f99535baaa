"""What a paper supplies; the stages do the rest.

A recipe in ``pipelines/<paper>.py`` is one subclass of :class:`Paper`: its network, how training samples are drawn,
what is optimised, how a scene is read, run and scored, and what was published. No other file branches on a paper's
name.
"""

import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn
from torch.utils.data import Dataset

from satsr.config import Config
from satsr.store.store import Scene, Store
from satsr.train.objectives import Objective

Arrays = Mapping[str, np.ndarray]
Scores = dict[str, float]


@dataclass(frozen=True)
class Published:
    """One row of a paper's table of results."""

    method: str
    values: Mapping[str, float]


@dataclass(frozen=True)
class Claim:
    """What a paper published: a data set, a metric that decides, and the rows of its table.

    No rows: its figures are not known, and ``source`` says why. Not ``repeatable``: nobody else has its data.
    """

    dataset: str
    metric: str
    method: str
    rows: Sequence[Published]
    source: str
    repeatable: bool = True


class Paper(ABC):
    """A published method as code: everything that is its own, nothing that the stages share.

    Attributes:
        name: as in ``pipelines/<name>.py``.
        title, citation: for people.
        config: its configuration model.
        suite: the validation suite its data must pass (:mod:`satsr.validate.suites`).
        kind: what the network takes, for applying it: ``image`` (one), ``video`` (a clip), ``window`` (a frame with
            neighbours), ``series`` (dates), ``imageset`` (views with quality maps).
        normalisation: name of the radiometry (:mod:`satsr.radiometry`) between native values and ``value_range``.
        value_range: of the network's input and output.
        claim: what was published.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    citation: ClassVar[str]
    config: ClassVar[type[Config]]
    suite: ClassVar[str]
    claim: ClassVar[Claim]
    kind: ClassVar[str]
    normalisation: ClassVar[str]
    value_range: ClassVar[tuple[float, float]]

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

    def limits(self, config: Config) -> dict[str, Any]:
        """The limits of the validation suite."""
        return {
            "scale": config.convert.scale,
            "max_shift_px": config.checks.max_shift_px,
            "max_duplicate_share": config.checks.max_duplicate_share,
            "min_lr_px": config.convert.min_lr_px,
        }

    def registered_name(self, config: Config) -> str:
        """The name in the model registry: the paper's, followed by the variant where it has variants."""
        return self.name

    def published_as(self, config: Config) -> str:
        """What the published table calls this configuration."""
        return self.claim.method

    @abstractmethod
    def network(self, config: Config) -> nn.Module:
        """The network, freshly initialised."""

    @abstractmethod
    def objective(self, config: Config, network: nn.Module) -> Objective:
        """What training optimises."""

    def start(self, config: Config, objective: Objective) -> dict[str, str]:
        """Puts the weights of earlier trainings in place before the first step; the tags that say which (``start.*``).

        Raises:
            SatsrError: they are not there, or do not fit.
        """
        return {}

    @abstractmethod
    def samples(self, config: Config, store: Store) -> Dataset[dict[str, torch.Tensor]]:
        """Training samples: item i is a pure function of (seed, i), for any i >= 0."""

    @abstractmethod
    def inputs(self, config: Config, scene: Scene) -> dict[str, np.ndarray]:
        """The network's inputs for one scene, batch size 1, float32 in the network's value range."""

    @abstractmethod
    def baseline(self, config: Config, scene: Scene) -> np.ndarray:
        """What needs no training (bicubic), in the same form as the network's output without the batch axis."""

    @abstractmethod
    def score(self, config: Config, scene: Scene, output: np.ndarray) -> list[Scores]:
        """The protocol of the paper: one dictionary of named metrics per frame of the output."""

    @abstractmethod
    def pictures(self, config: Config, scene: Scene, output: np.ndarray | None, role: str) -> np.ndarray:
        """(T, H, W, 3) uint8 for the eye: the output, or with ``output=None`` the scene's ``lr`` or ``hr`` frames."""

    @abstractmethod
    def example(self, config: Config) -> tuple[dict[str, torch.Tensor], dict[str, dict[int, str]]]:
        """Inputs to export with, and the names of their free axes."""

    @abstractmethod
    def parity_cases(self, config: Config) -> list[dict[str, np.ndarray]]:
        """Inputs of several sizes on which the exported graph must equal the network."""

    def graph(self, network: nn.Module) -> nn.Module:
        """The module that is exported; the network itself unless the paper says otherwise."""
        return network

    def run(self, network: nn.Module, inputs: Arrays) -> np.ndarray:
        """The network's output for one scene, without the batch axis, on the network's device."""
        device = next(network.parameters()).device
        with torch.inference_mode():
            output = network(**{name: torch.from_numpy(value).to(device) for name, value in inputs.items()})
        result: np.ndarray = output[0].float().cpu().numpy()
        return result

    def glimpse(self, network: nn.Module, config: Config, scene: Scene) -> list[Scores]:
        """A quick measurement during training; the whole scene unless the paper shortens it."""
        return self.score(config, scene, self.run(network, self.inputs(config, scene)))

    def glimpses(self, config: Config) -> int:
        """How many validation scenes are measured during training."""
        return 1

    def describe(self, config: Config) -> dict[str, Any]:
        """What travels with the exported model so that it can be applied without this project's code."""
        return {
            "paper": self.name,
            "kind": self.kind,
            "normalisation": self.normalisation,
            "value_range": list(self.value_range),
            "scale": config.convert.scale,
            "citation": self.citation,
        }
