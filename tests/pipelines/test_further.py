"""The further metrics of every kind of paper: measured on one scene, with known answers for a perfect output."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from satsr.config.recipe import METRIC_GROUPS
from satsr.evaluate.further import GROUPS, Compared, Further, chosen, shared
from satsr.evaluate.measure import Evaluation, measure
from satsr.metrics.perceptual import VARIABLE
from satsr.pages.further import SAYS, says
from satsr.pages.page import FAMILIES
from satsr.paper import Paper
from satsr.scores import direction
from satsr.seeds import generator
from satsr.store.store import Scene, Store, StoreWriter
from tests.lpips import weights_folder
from tests.pipelines.test_one_radiometry import bound

LR_PX, FRAMES = 32, 3
PERFECT = {
    **{"ergas": 0, "uiqi": 1, "q2n": 1, "sam_deg": 0, "warping_error_gap": 0},
    **{"frc_period_m": 2 * 2.5, "frc_period_lr_px": 2 / 4},
}


def stored(folder: Path, paper: Paper[Any], lr_pixel_m: float | None = None) -> Store:
    """One scene of smooth noise that drifts, or stands still where there is one target, shrunk by its block means."""
    scale, top = (
        paper.config.convert.scale,
        paper.radiometry.native[1] * (1 if paper.kind in ("video", "window") else 0.2),
    )
    side, bands = LR_PX * scale, (3,) if paper.bands else ()
    noise = generator(0, "further").random((side, side + FRAMES, *bands))
    ground = ndimage.gaussian_filter(noise, (1.5, 1.5, *(0 for _ in bands)))
    ground = top * (0.2 + 0.7 * (ground - ground.min()) / np.ptp(ground))
    dtype = np.uint8 if top == 255 else np.uint16
    fine = [ground[:, t : side + t] for t in range(FRAMES if top == 255 else 1)]
    small = [image.reshape(LR_PX, scale, LR_PX, scale, *bands).mean(axis=(1, 3)) for image in fine]
    with StoreWriter(
        folder, {"name": "test", "scale": scale, **({"lr_pixel_m": lr_pixel_m} if lr_pixel_m else {})}
    ) as writer:
        for split in ("val", "test"):
            for index in range(9 if paper.kind == "imageset" else FRAMES):
                writer.put(split, "a", "lr", index, np.rint(small[index % len(small)]).astype(dtype))
                if paper.kind == "imageset":
                    writer.put(split, "a", "qm", index, np.full((LR_PX, LR_PX), 255, np.uint8))
            for index, image in enumerate(fine):
                writer.put(split, "a", "hr", index, np.rint(image).astype(dtype))
            if paper.kind == "imageset":
                clear = np.full((side, side), 255, np.uint8)
                clear[:8] = 0
                writer.put(split, "a", "sm", 0, clear)
            writer.describe(split, "a", {"days": [5 * (index - 1) for index in range(FRAMES)]})
    return Store(folder)


def scene_of(store: Store) -> Scene:
    (scene,) = store.scenes("val")
    return scene


@pytest.mark.parametrize("name", ["rasvsr", "srgan", "breizhsr", "qanet"])
def test_a_perfect_output_has_the_best_values_and_the_baseline_has_not(name: str, tmp_path: Path) -> None:
    paper = bound(name)
    store = stored(tmp_path / "store", paper)
    further = Further(paper, scene_of(store), chosen(["default"], paper), None if name == "rasvsr" else 2.5)
    perfect = [asked[2]() for group in further.groups for asked in GROUPS[group](Compared(further, further.reference))]
    baseline = further.score(paper.baseline(scene_of(store)))
    values = {metric: value for scores in perfect for metric, value in scores.items()}
    for metric, best in PERFECT.items():
        if metric in values:
            assert values[metric] == pytest.approx(best, abs=1e-5), metric
    assert not further.reasons and set(values) == set(baseline[0])
    worse = [m for m in values if direction(m) * (values[m] - baseline[0][m]) < 0 and m in PERFECT]
    assert not worse


@pytest.mark.parametrize("name", ["rasvsr", "srgan", "qanet"])
def test_the_evaluation_measures_them_for_every_method_and_clip_values_stand_once(name: str, tmp_path: Path) -> None:
    paper = bound(name)
    evaluation = measure(paper, stored(tmp_path / "store", paper, lr_pixel_m=10), {})
    rows = evaluation.frames
    assert [row["frame"] for row in rows if "frc_period_m" in row] == [0]
    alone = Further(paper, scene_of(Store(tmp_path / "store")), ["frc"])
    in_pixels = alone.score(paper.baseline(alone.scene))[0]["frc_period_lr_px"]
    assert evaluation.methods()["bicubic"]["frc_period_m"] == pytest.approx(10 * in_pixels)
    assert not evaluation.notes()
    if name == "rasvsr":
        assert len(rows) == FRAMES and "warping_error" in rows[0] and "ergas" not in rows[0]


def test_every_metric_has_a_sentence_a_label_and_a_direction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(weights_folder(tmp_path / "lpips")))
    paper = bound("srgan")
    further = Further(paper, scene_of(stored(tmp_path / "store", paper)), METRIC_GROUPS)
    row = further.score(paper.baseline(further.scene))[0]
    video = bound("rasvsr")
    clip = Further(video, scene_of(stored(tmp_path / "clip", video)), ["flicker", "frc"], pixel_m=1)
    names = {*row, *clip.score(video.baseline(clip.scene))[0]}
    assert set(GROUPS) == set(METRIC_GROUPS)
    assert {says(name) for name in names} == set(SAYS.values())  # and no sentence is of a metric that there is not
    for name in names:
        assert direction(name) and any(f"{name}_".startswith(f"{family}_") for family in FAMILIES), name


def test_lpips_is_absent_with_a_reason_where_its_weights_are_not_at_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "none"))
    paper = bound("breizhsr")
    further = Further(paper, scene_of(stored(tmp_path / "store", paper)), ["lpips"])
    assert further.score(paper.baseline(further.scene)) == [{}]
    assert "lay torchvision's alexnet-owt-7be5be79.pth" in further.reasons["lpips"]
    monkeypatch.setenv(VARIABLE, str(weights_folder(tmp_path / "lpips")))
    ((_, _, measured),) = GROUPS["lpips"](Compared(further, further.reference))
    assert measured() == {"lpips": 0.0} and further.score(paper.baseline(further.scene))[0]["lpips"] > 0


def test_what_cannot_be_measured_is_absent_with_a_reason(tmp_path: Path) -> None:
    paper = bound("srgan")
    further = Further(paper, scene_of(stored(tmp_path / "store", paper)), ["flicker", "frc", "opensr"])
    flat = np.full_like(paper.baseline(further.scene), 0.5)
    (row,) = further.score(flat)
    assert set(row) == {"opensr_reflectance", "opensr_spectral_deg"}
    assert "2 frames" in further.reasons["warping_error"] and "registered" in further.reasons["opensr_spatial_lr_px"]
    assert set(further.reasons) == {"warping_error", "frc_period_lr_px", "opensr_spatial_lr_px", "opensr_correctness"}


def test_no_method_keeps_what_another_lacks() -> None:
    rows = {"a": [{"x": 1.0, "y": 2.0}, {"x": 3.0}], "b": [{"x": 4.0}, {"x": 5.0, "y": 6.0}]}
    assert shared(rows) == {"a": [{"x": 1.0}, {"x": 3.0}], "b": [{"x": 4.0}, {"x": 5.0}]}


def test_the_report_names_the_scenes_that_have_not_a_metric() -> None:
    evaluation = Evaluation()
    for scene, reasons in (("p", {"ergas": "why."}), ("q", {"ergas": "why.", "q2n": "so."}), ("r", {})):
        evaluation.add(scene, {"bicubic": [{"psnr": 1.0}]}, {"bicubic": [{}]}, reasons)
    assert evaluation.notes() == [
        "ergas is not measured in 2 of 3 scenes (p, q): why.",
        "q2n is not measured in 1 of 3 scenes (q): so.",
    ]


def test_default_means_what_the_kind_brings_and_a_group_counts_once() -> None:
    assert chosen(["flicker", "default", "frc"], bound("rasvsr")) == ["flicker", "frc"]
    assert chosen([], bound("rasvsr")) == []
