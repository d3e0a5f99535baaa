"""A tiny configuration of every paper, for the tests that run all its stages."""

import os
from pathlib import Path
from typing import Any

from tests.project import Project

SHORT = {
    "train.iterations": 4,
    "train.batch": 2,
    "train.validate_every": 2,
    "train.checkpoint_every": 2,
    "gates.min_gain_psnr_db": -99.0,
    "gates.min_gain_ssim": -2.0,
    "gates.max_consistency_ratio": 1000.0,
    "evaluate.panels": 1,
}
VIDEO = ("embedded-video.yaml", {"train": 1, "val": 1, "test": 2, "frames": 4, "size": [128, 128], "test_frames": 3})
SERIES = ("embedded-series.yaml", {"train": 2, "val": 1, "test": 2, "frames": 8, "size": [128, 128]})
PROBAV = ("embedded-probav.yaml", {"train": 2, "val": 1, "test": 2, "frames": 9, "size": [96, 96]})
TINY: dict[str, tuple[tuple[str, dict[str, Any]], dict[str, Any]]] = {
    "rasvsr": (VIDEO, {"network.mid_channels": 16, "network.num_blocks": 1, "train.frames": 3}),
    "msdtgp": (VIDEO, {"network.base_filter": 16, "network.n_resblock": 1, "network.n_extract": 1}),
    "qanet": (PROBAV, {}),
    "srgan": (SERIES, {"train.g_pretrain_steps": 2, "network.n_blocks": 1, "network.n_channels": 8}),
    "breizhsr": (SERIES, {"network.channels": 16, "network.d_model": 16, "network.heads": 2}),
}


def project_of(paper: str, root: Path) -> Project:
    """A project of this paper alone, with its tiny configuration."""
    (card, embedded), settings = TINY[paper]
    states = Path(os.environ["SATSR_TEST_STATES"]) if "SATSR_TEST_STATES" in os.environ else None
    project = Project(root, paper, card, embedded, states, warm=states is not None)
    project.params(**SHORT, **settings)
    return project
