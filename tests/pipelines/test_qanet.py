"""QA-Net's recipe on a few small image sets: what it trains on, what it is measured by, and its stages end to end."""

from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipelines.configs.qanet import CONFIG, QanetConfig
from pipelines.qanet import PAPER, QanetObjective
from satsr.config.recipe import resolved
from satsr.config.resolve import merged
from satsr.convert.layouts.probav import published_split
from satsr.errors import SatsrError
from satsr.evaluate.claim import PublishedData, load_claim
from satsr.evaluate.conditions import conditions
from satsr.evaluate.measure import measure
from satsr.evaluate.verdict import verdict
from satsr.files import read_json
from satsr.kinds.imageset.paper import read_views
from satsr.kinds.imageset.samples import ViewCrops
from satsr.metrics import cpsnr, cssim, probav_score
from satsr.radiometry import normalisation
from satsr.seeds import generator
from satsr.store.store import Scene, Store, StoreWriter
from satsr.train.weights import trained
from satsr.validate.suites import chosen, suite
from steps.evaluate import judged, made
from steps.job import Job
from tests import stages
from tests.conftest import MakeStore

ROOT = Path(__file__).resolve().parents[2]
CARD = """name: tiny-probav
title: A few drawn image sets
licence: Apache-2.0
source:
  embedded: {kind: probav, train: 3, val: 2, test: 2, frames: 10, size: [72, 72], seed: 1}
layout: probav
scale: 3
"""
TINY = {
    "network": {"n_modules": 1, "n_resblocks": 1, "n_feats": 8},
    "train": {"iterations": 4, "batch": 2, "crop_px": 12, "validate_every": 2, "checkpoint_every": 4},
    "evaluate": {"panels": 1},
}


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A project with a tiny card, downloaded and converted."""
    root = tmp_path_factory.mktemp("project")
    stages.project(root, "qanet", CARD, TINY)
    return stages.run(root, "qanet", "download", "convert")


def configured(**changes: Any) -> QanetConfig:
    """The quick profile, or another, changed."""
    return resolved(CONFIG, "qanet", merged("qanet", ROOT, changes))


@pytest.fixture
def store(job: Job) -> Store:
    return Store(job.places.store)


@pytest.fixture
def scene(store: Store) -> Scene:
    return store.scenes("val")[0]


def crops(store: Store, side: int, seed: int, **more: Any) -> ViewCrops:
    return ViewCrops(store, 9, side, 3, seed, radiometry=normalisation("probav"), **more)


def test_crops_of_the_full_recipe_lie_in_tiles_that_are_clear_enough(store: Store) -> None:
    scenes, places = store.scenes("train"), [(top, left) for top in (0, 6, 12) for left in (0, 6, 12)]
    maps = {scene.id: np.stack([scene.read("qm", view) for view in range(scene.count("qm"))]) != 0 for scene in scenes}
    share = {
        (scene.id, (top, left, 12)): maps[scene.id][:, top : top + 12, left : left + 12].mean()
        for scene in scenes
        for top, left in places
    }
    least = float(np.median(list(share.values()))) - 1e-9
    samples = crops(store, 8, 1, tile_px=12, min_clear=least)
    assert [(scene.id, tile) for scene, tile in samples.items] == [key for key in share if share[key] >= least]
    assert 0 < len(samples.items) < len(share)
    _, tile = samples.items[0]
    assert tile is not None
    drawn = {(crop.top, crop.left) for crop in (samples._crop_in(tile, generator(0, "place", i)) for i in range(200))}
    assert drawn == {(tile[0] + row, tile[1] + column) for row in range(5) for column in range(5)}
    assert samples[3]["x"].shape == (9, 8, 8) and samples[3]["target"].shape == (1, 24, 24)
    torch.testing.assert_close(samples[3]["x"], crops(store, 8, 1, tile_px=12, min_clear=least)[3]["x"])
    with pytest.raises(SatsrError, match=r"no tile of train\.tile_px = 24 LR pixels is clear"):
        crops(store, 8, 1, tile_px=24, min_clear=1.0)


def test_the_full_recipe_has_the_tiles_of_the_authors() -> None:
    train = configured(profile="paper").train
    assert (train.tile_px, train.crop_px, train.min_clear, train.flips) == (64, 32, 0.85, False)


def test_the_paper_profile_is_the_published_recipe() -> None:
    card = ROOT / "data/catalog/proba-v.yaml"
    config = configured(profile="paper", data=str(card))
    settings = config.train
    assert (settings.lr, settings.weight_decay, settings.clip_norm) == (1e-4, 1e-5, 15)
    assert (settings.batch, settings.seed, settings.crop_px, settings.ema) == (10, 216, 32, 0)
    assert sum(p.numel() for p in PAPER(config).network().parameters()) == 2_818_389
    epoch = settings.iterations // 520
    assert settings.milestone_steps == [epoch * number for number in (120, 220, 300, 360, 400, 440, 480)]
    objective = PAPER(config).objective(torch.nn.Linear(1, 1))
    rates = []
    for step in (1, 120 * epoch, 120 * epoch + 1, settings.iterations):
        objective.prepare(step)
        rates.append(objective.optimizers["network"].param_groups[0]["lr"])
    assert rates == pytest.approx([1e-4, 1e-4, 0.8e-4, 0.8**7 * 1e-4])


def test_the_quick_profiles_rate_falls_to_zero() -> None:
    settings = configured().train
    objective = PAPER(configured()).objective(torch.nn.Linear(1, 1))
    rates = []
    for step in (1, settings.iterations // 2 + 1, settings.iterations):
        objective.prepare(step)
        rates.append(objective.optimizers["network"].param_groups[0]["lr"])
    assert rates == pytest.approx([settings.lr, settings.lr / 2, 0], abs=1e-5 * settings.lr)


def test_a_training_sample_is_a_crop_of_nine_different_views_with_its_reference(store: Store) -> None:
    samples = crops(store, 12, 5)
    for index in range(4):
        sample = samples[index]
        assert {name: tuple(value.shape) for name, value in sample.items()} == {
            "x": (9, 12, 12),
            "quality": (9, 12, 12),
            "target": (1, 36, 36),
            "mask": (1, 36, 36),
        }
        scene = store.scenes("train")[samples.order[index]]
        lr, qm = read_views(scene)
        hr, sm = scene.read("hr", 0), scene.read("sm", 0)
        top, left = place(hr, np.rint(sample["target"][0].numpy() * 65535))
        assert top % 3 == 0 and left % 3 == 0
        assert torch.equal(sample["mask"][0].bool(), torch.from_numpy(sm[top : top + 36, left : left + 36] > 0))
        rows, columns = slice(top // 3, top // 3 + 12), slice(left // 3, left // 3 + 12)
        views = np.rint(sample["x"].numpy() * 65535)
        matches = [[n for n, image in enumerate(lr) if (image[rows, columns] == view).all()] for view in views]
        assert sorted({found[0] for found in matches}) == sorted(found[0] for found in matches)
        for (view,), clear in zip(matches, sample["quality"].numpy(), strict=True):
            np.testing.assert_array_equal(clear, qm[view, rows, columns] > 0)


def place(image: np.ndarray, part: np.ndarray) -> tuple[int, int]:
    """Where ``part`` lies in ``image``."""
    windows = np.lib.stride_tricks.sliding_window_view(image, part.shape)
    ((top, left),) = np.argwhere((windows == part).all(axis=(2, 3)))
    return int(top), int(left)


def test_samples_depend_on_seed_and_index_alone_and_flips_turn_all_images_alike(store: Store) -> None:
    samples, again = (
        crops(store, 12, 5),
        crops(store, 12, 5),
    )
    again[7]
    assert all(torch.equal(samples[2][name], again[2][name]) for name in samples[2])
    assert not torch.equal(samples[2]["x"], crops(store, 12, 6)[2]["x"])
    plain, turned = (
        crops(store, 12, 5),
        crops(store, 12, 5, flips=True),
    )
    moves = set()
    for index in range(12):
        before, after = plain[index], turned[index]
        move = next(move for move in TURNS if torch.equal(TURNS[move](before["target"]), after["target"]))
        assert all(torch.equal(TURNS[move](before[name]), after[name]) for name in before)
        moves.add(move)
    assert len(moves) > 3


def turn(image: torch.Tensor, hflip: bool, vflip: bool, transpose: bool) -> torch.Tensor:
    image = image.flip(-1) if hflip else image
    image = image.flip(-2) if vflip else image
    return image.transpose(-1, -2) if transpose else image


TURNS = {
    (h, v, t): lambda image, h=h, v=v, t=t: turn(image, h, v, t)
    for h in (False, True)
    for v in (False, True)
    for t in (False, True)
}


def test_cloudy_crops_are_drawn_again(tmp_path: Path) -> None:
    qm = np.zeros((9, 32, 32), np.uint8)
    qm[:, :16] = 255
    with StoreWriter(tmp_path / "store", {"name": "half"}) as writer:
        for index in range(9):
            writer.put("train", "a", "lr", index, generator(0, "lr", index).integers(0, 9, (32, 32)).astype(np.uint16))
            writer.put("train", "a", "qm", index, qm[index])
        writer.put("train", "a", "hr", 0, np.zeros((96, 96), np.uint16))
        writer.put("train", "a", "sm", 0, np.full((96, 96), 255, np.uint8))
        writer.describe("train", "a", {})
    half = Store(tmp_path / "store")
    clear = [crops(half, 8, 0)[index]["quality"].mean() for index in range(20)]
    anywhere = [crops(half, 8, 0, min_clear=0.0)[index]["quality"].mean() for index in range(20)]
    assert min(clear) >= 0.85 > np.mean(anywhere)


def test_inputs_are_nine_views_over_65535_and_always_the_same_ones(job: Job, scene: Scene) -> None:
    inputs = job.paper.inputs(scene)
    lr, qm = read_views(scene)
    assert inputs["x"].shape == inputs["quality"].shape == (1, 9, 24, 24)
    assert inputs["x"].dtype == inputs["quality"].dtype == np.float32
    numbers = np.rint(inputs["x"][0] * 65535)
    chosen = [next(n for n, image in enumerate(lr) if (image == view).all()) for view in numbers]
    assert len(set(chosen)) == 9 and chosen == sorted(chosen)
    np.testing.assert_array_equal(inputs["quality"][0], qm[chosen] > 0)
    other = job.config.model_copy(update={"train": job.config.train.model_copy(update={"seed": 9})})
    np.testing.assert_array_equal(PAPER(other).inputs(scene)["x"], inputs["x"])


def test_the_baseline_has_the_score_one_and_the_metrics_of_the_library(job: Job, store: Store) -> None:
    for scene in store.scenes("val"):
        baseline = job.paper.baseline(scene)
        (row,) = job.paper.score(scene, baseline)
        hr, mask = scene.read("hr", 0) / np.float32(65535), scene.read("sm", 0) > 0
        whole = np.rint(baseline[0].astype(np.float32) * np.float32(65535)) / np.float32(65535)
        assert row["cpsnr"] == cpsnr(whole, hr, mask) == row[f"cpsnr_{scene.meta['band'].lower()}"]
        assert row["cpsnr_float"] == cpsnr(baseline[0], hr, mask) != row["cpsnr"]
        assert row["cssim"] == cssim(whole, hr, mask)
        assert row["probav_score"] == probav_score(whole, hr, mask, cpsnr(whole, hr, mask))
        assert row["probav_score"] == pytest.approx(1, abs=1e-6)


def test_a_network_whose_image_would_be_written_black_scores_as_black(job: Job, scene: Scene) -> None:
    truth = scene.read("hr", 0)[None] / np.float32(65535)
    (dark,) = job.paper.score(scene, truth - 1)
    (black,) = job.paper.score(scene, np.zeros_like(truth))
    assert dark["cpsnr_float"] > 100 and dark["cpsnr"] == black["cpsnr"] == black["cpsnr_float"] < 40
    assert dark["probav_score"] > 1


def test_an_output_of_any_size_of_values_has_a_score(job: Job, scene: Scene) -> None:
    (row,) = job.paper.score(scene, np.full((1, 72, 72), 50.0, np.float32))
    assert np.isfinite(row["cpsnr"]) and np.isnan(row["cpsnr_float"])


def test_the_papers_loss_leaves_brightness_free_and_the_recipe_can_hold_it() -> None:
    target = 0.1 + 0.05 * torch.rand(2, 1, 96, 96)
    batch = {"x": target, "quality": target, "target": target + 0.05 * torch.rand(target.shape), "mask": target * 0 + 1}

    def pull(weight: float) -> float:
        network = Shifted()
        ((_, loss),) = QanetObjective(network, configured(train={"brightness": weight}).train).losses(batch, 1)
        loss.backward()
        assert network.shift.grad is not None
        return float(network.shift.grad)

    assert abs(pull(0.0)) < 2  # decibels for the whole range: a hundredth of it is worth 0.02 dB
    assert pull(1000.0) - pull(0.0) == pytest.approx(-1000, abs=0.1)  # towards brighter
    assert configured(profile="paper").train.brightness == 0


class Shifted(torch.nn.Module):
    """Its first input, too dark by a brightness that is learnt."""

    def __init__(self) -> None:
        super().__init__()
        self.shift = torch.nn.Parameter(torch.full((1,), -0.2))

    def forward(self, x: torch.Tensor, quality: torch.Tensor) -> torch.Tensor:
        return x + self.shift


def test_a_norm_of_norm_csv_is_taken_and_without_one_it_is_the_baselines_own_score(job: Job, scene: Scene) -> None:
    named, baseline = copy(scene), job.paper.baseline(scene)
    (row,) = job.paper.score(scene, baseline)
    named.meta = {"norm": row["cpsnr"]}
    for image in (baseline, np.roll(baseline, 1, axis=1) * 1.01):
        (ours,), (theirs,) = (job.paper.score(one, image) for one in (scene, named))
        assert ours["probav_score"] == pytest.approx(theirs["probav_score"], abs=1e-6)
    named.meta = {"norm": 2 * row["cpsnr"]}
    assert job.paper.score(named, baseline)[0]["probav_score"] == pytest.approx(2)


def test_pictures_of_all_methods_share_one_stretch(job: Job, scene: Scene) -> None:
    truth = job.paper.pictures(scene, None, "hr")
    same = job.paper.pictures(scene, scene.read("hr", 0)[None] / np.float32(65535), "ema")
    small = job.paper.pictures(scene, None, "lr")
    assert truth.shape == (1, 72, 72, 3) and small.shape == (1, 24, 24, 3) and truth.dtype == small.dtype == np.uint8
    assert np.abs(truth.astype(int) - same).max() <= 1 and truth.std() > 20
    assert abs(float(truth.mean()) - float(small.mean())) < 40


def test_the_published_split_has_the_published_numbers(golden) -> None:
    for band, first, last, counts in (("RED", 0, 594, (415, 179)), ("NIR", 594, 1160, (396, 170))):
        train_names, val_names = published_split([f"imgset{number:04d}" for number in range(first, last)])
        assert (len(train_names), len(val_names)) == counts
        assert val_names == sorted(golden.table(f"qanet/val_{band}_split.txt"))


def test_the_suite_looks_at_counts_sizes_values_quality_and_splits() -> None:
    columns = {rule.column for rule in suite("probav").rules}
    assert {"n_lr", "n_hr", "ratio", "max", "dtype", "saturated_share", "also_in"} <= columns
    fewer = configured(network={"n_views": 5}, checks={"min_views": 5})
    views = next(rule for rule in chosen(fewer.checks, fewer.convert).rules if rule.name == "views")
    assert views.arguments["min_value"] == 5


def test_views_that_the_network_needs_are_what_the_validation_asks_for() -> None:
    with pytest.raises(SatsrError, match=r"set checks\.min_views=12"):
        configured(network={"n_views": 12})


@pytest.mark.slow
def test_data_with_troubles_fail_their_checks(tmp_path: Path) -> None:
    from satsr.validate.checks import judge
    from satsr.validate.inspection import inspect

    with StoreWriter(tmp_path / "store", {"name": "bad"}) as writer:
        for split in ("train", "val"):
            for index in range(4):
                image = generator(0, "bad", index).integers(0, 40000, (24, 24)).astype(np.uint16)
                writer.put(split, "a", "lr", index, image)
                writer.put(split, "a", "qm", index, np.full((24, 24), 255 * (index > 0), np.uint8))
            writer.put(split, "a", "hr", 0, generator(0, "hr").integers(0, 9000, (48, 48)).astype(np.uint16))
            writer.put(split, "a", "sm", 0, np.zeros((48, 48), np.uint8))
            writer.describe(split, "a", {})
    failed = {check.name for check in judge(inspect(Store(tmp_path / "store")), suite("probav")).failed}
    assert {"views", "scale", "maximum", "clear", "status", "disjoint"} <= failed


def test_maps_of_another_size_are_refused(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "store", {"name": "sizes"}) as writer:
        writer.put("val", "a", "lr", 0, np.zeros((24, 24), np.uint16))
        writer.put("val", "a", "qm", 0, np.zeros((24, 12), np.uint8))
        writer.describe("val", "a", {})
    with pytest.raises(SatsrError, match="expected as many maps as views, all of one size"):
        read_views(Store(tmp_path / "store").scenes("val")[0])


@pytest.fixture(scope="module")
def measured(job: Job, mlflow_store: MakeStore) -> Job:
    """The same project, trained and evaluated."""
    mlflow_store(job.places.root)
    return stages.run(job.places.root, "qanet", "validate", "train", "evaluate")


@pytest.mark.slow
def test_the_stages_lead_from_a_card_to_a_report(measured: Job) -> None:
    places = measured.places
    assert read_json(places.validation / "validation.json")["success"]
    metrics = read_json(places.metrics)
    assert metrics["decides"] == ["cpsnr", "cssim"]
    assert metrics["verdict"]["word"] == "not comparable" and metrics["left_out"] == []
    sentence = metrics["verdict"]["sentence"]
    assert sentence.startswith("The published cpsnr of QA-Net on imgset0658 is 47.25, but the configuration is not")
    assert "network.n_modules = 1 instead of 12" in sentence and "this run measured tiny-probav" in sentence
    for method in ("bicubic", "network", "ema"):
        assert {"cpsnr", "cssim", "probav_score"} <= metrics["methods"][method].keys()
    assert metrics["methods"]["bicubic"]["probav_score"] == pytest.approx(1, abs=1e-6)
    report = (places.evaluation / "report.html").read_text()
    assert "Measured on test, scenes that neither train nor choose anything. train: " in report
    assert "Deviations: the loss is the one the authors meant" in report
    assert "Not comparable. The published cpsnr of QA-Net on imgset0658 is 47.25" in report


@pytest.mark.slow
def test_a_figure_of_one_image_set_meets_that_sets_own_score(measured: Job) -> None:
    places, store = measured.places, Store(measured.places.store)
    evaluation = measure(measured.paper, store, {"ema": trained(measured.paper, places, "ema")})
    name, scores = list(evaluation.scenes().items())[-1]
    figures = {"bicubic": {"cpsnr": scores["bicubic"]["cpsnr"]}, "QA-Net": {"cpsnr": scores["ema"]["cpsnr"] + 0.05}}
    claim = load_claim(ROOT, "qanet").model_copy(update={"rows": {}, "scenes": {name: figures}, "departures": []})
    assert "this run measured tiny-probav" in judged(measured, claim, store, evaluation).sentence
    run = made(measured, "paper", store, len(evaluation.scenes()))
    data = PublishedData(card="tiny-probav", test_scenes=run.scenes, references_sha256=run.references_sha256)
    claim = claim.model_copy(update={"data": data})
    found = conditions(claim, replace(run, own=run.config))
    outcome = verdict(claim, "QA-Net", found, evaluation.methods(), evaluation.scenes())
    assert outcome.word == "undecided" and "Other seeds differ" in outcome.sentence  # by more than the tolerance
    claim = claim.model_copy(update={"seeds": {}})
    outcome = verdict(claim, "QA-Net", found, evaluation.methods(), evaluation.scenes())
    assert outcome.word == "reproduced" and f"cpsnr on {name} is" in outcome.sentence
    assert conditions(claim, run).obstacles and not found.obstacles


@pytest.mark.slow
def test_the_graph_of_the_stages_equals_the_network(measured: Job) -> None:
    stages.run(measured.places.root, "qanet", "export")
    assert read_json(measured.places.export / "parity.json")["max_abs"] < 1e-5


@pytest.mark.slow
def test_a_graph_that_deviates_by_more_than_is_allowed_is_not_kept(measured: Job) -> None:
    places = measured.places
    before = {path: path.read_bytes() for path in places.export.rglob("*")}
    stages.configure(places.root, "qanet", {**TINY, "export": {"max_abs": 1e-30}})
    try:
        with pytest.raises(SatsrError, match=r"deviates from the network by .* it was not kept"):
            stages.run(places.root, "qanet", "export")
    finally:
        stages.configure(places.root, "qanet", TINY)
    assert {path: path.read_bytes() for path in places.export.rglob("*")} == before


def test_the_exported_graph_says_how_to_apply_it(job: Job) -> None:
    from satsr.exported.facts import parse

    facts = parse(job.paper.describe(), "here")
    assert (facts.kind, facts.scale, facts.channels, facts.normalisation.high) == ("imageset", 3, 1, (65535.0,))
