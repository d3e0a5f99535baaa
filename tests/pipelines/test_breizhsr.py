"""BreizhSR's recipe: variants, samples, the protocol of series, and the stages from download to export."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.shared.weights import save_weights
from pipelines.breizhsr import PAPER, Breizhsr, DiffusionObjective
from pipelines.configs.breizhsr import CONFIG, NO_ENCODER, RECIPES, BreizhsrConfig
from satsr.config.recipe import resolved
from satsr.config.resolve import merged
from satsr.errors import SatsrError
from satsr.evaluate import page
from satsr.evaluate.measure import measure
from satsr.export.onnx import export, parity
from satsr.exported.runners import OnnxRunner
from satsr.files import sha256
from satsr.imagery.dates import nearest
from satsr.kinds.sampling import Sampling, offsets
from satsr.kinds.series.samples import NOISE, Inputs, SeriesCrops
from satsr.kinds.series.samples import enlarged as large
from satsr.radiometry import histogram_match, normalisation
from satsr.scores import unheld
from satsr.seeds import generator
from satsr.store.store import Store, StoreWriter
from satsr.validate import suites
from satsr.validate.checks import judge
from satsr.validate.inspection import inspect
from steps.job import Job
from tests import stages
from tests.conftest import MakeStore

ROOT = Path(__file__).resolve().parents[2]
TINY: dict[str, Any] = {
    "network": {"channels": 8, "d_model": 16, "heads": 2, "num_blocks": 3, "nf": 8, "gc": 4, "dates": 4},
    "train": {"iterations": 4, "batch": 2, "crop_px": 8, "validate_every": 4, "checkpoint_every": 2, "ema": 0.5},
    "evaluate": {"panels": 1},
}
DIFFUSION = {"timesteps": 10, "sampling_steps": 3, "unet_channels": 8, "unet_multipliers": [1, 1]}
STRETCH = normalisation("breizh_s2")
SERIES = Inputs(("x", "days", "alphas", "up"), dates=4, single=False, scale=4, stretch=STRETCH)


def settings(variant: str = "highresnet_ltae", **network: Any) -> dict[str, Any]:
    """What is changed of the quick profile."""
    changes = {**TINY, "network": {**TINY["network"], "variant": variant, **network}, "train": dict(TINY["train"])}
    if variant.startswith("srdiff"):
        changes["network"] |= DIFFUSION | network
        first = 0 if "backbone_weights" in network or variant.endswith(NO_ENCODER) else 2
        changes["train"] |= {"backbone_iterations": first, "loss": "l1"}
    return changes


def tiny(variant: str = "highresnet_ltae", **network: Any) -> BreizhsrConfig:
    """The quick profile, reduced."""
    return resolved(CONFIG, "breizhsr", merged("breizhsr", ROOT, settings(variant, **network)))


def write(path: Path, counts: tuple[int, ...] = (5, 3), meta: dict[str, Any] | None = None) -> Store:
    """Series of random images, so many dates each, in every split."""
    with StoreWriter(path, {"name": "test"}) as writer:
        for split in ("train", "val", "test"):
            for number, count in enumerate(counts):
                random, name = generator(0, split, number), f"scene{number}"
                for index in range(count):
                    writer.put(split, name, "lr", index, random.integers(200, 2500, (16, 20, 3)).astype(np.uint16))
                writer.put(split, name, "hr", 0, random.integers(0, 256, (64, 80, 3)).astype(np.uint8))
                days = [10 * index - 20 for index in range(count)]
                dates = [f"2018-05-{day + 22:02d}" for day in days]
                facts = {"days": days, "dates": dates, "target_date": "2018-05-22", **(meta or {})}
                writer.describe(split, name, facts)
    return Store(path)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return write(tmp_path_factory.mktemp("series") / "store")


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory, mlflow_store: MakeStore) -> Job:
    """The project of a tiny card, up to its evaluation."""
    root = tmp_path_factory.mktemp("project")
    card = (ROOT / "data/catalog/embedded-series.yaml").read_text()
    whole = "train: 72, val: 6, test: 20, frames: 8, size: [160, 160], test_size: [128, 128]"
    assert whole in card
    card = card.replace(whole, "train: 3, val: 1, test: 1, frames: 4, size: [96, 96]")
    mlflow_store(root)
    stages.project(root, "breizhsr", card, settings())
    return stages.run(root, "breizhsr", "download", "convert", "validate", "train", "evaluate")


@pytest.mark.slow
def test_a_diffusion_with_another_loss_is_refused() -> None:
    changes = settings("srdiff_rrdb")
    changes["train"]["loss"] = "psnr"
    with pytest.raises(SatsrError, match=r"set train\.loss=l1"):
        resolved(CONFIG, "breizhsr", merged("breizhsr", ROOT, changes))


@pytest.mark.parametrize(("loss", "expected"), [("l1", 0.5), ("psnr", -1.0)])
def test_the_loss_is_the_one_that_the_profile_names(loss: str, expected: float) -> None:
    changes = settings()
    changes["train"]["loss"] = loss
    config = resolved(CONFIG, "breizhsr", merged("breizhsr", ROOT, changes))
    paper = PAPER(config)
    network = paper.network()
    objective = paper.objective(network)
    x, days = torch.zeros(1, 4, 3, 8, 8), torch.arange(4.0)[None]
    target = torch.full((1, 3, 32, 32), 0.5 if loss == "l1" else 0.1**0.5)
    ((name, value),) = objective.losses({"x": x, "days": days, "target": target}, 1)
    assert name == "network" and float(value.detach()) == pytest.approx(expected, abs=1e-3)


@pytest.mark.slow
def test_the_stages_run_from_the_card_to_the_report(work: Job) -> None:
    metrics = json.loads(work.places.metrics.read_text())
    assert {"psnr_u8", "ssim_skimage_u8", "shift_mae_u8", "psnr_reflectance"} <= set(metrics["methods"]["ema"])
    assert metrics["verdict"]["word"] == "no published figure"
    page = (work.places.evaluation / "report.html").read_text()
    assert "No published figure" in page and "not known" in page


@pytest.mark.slow
def test_the_graph_of_the_stages_equals_the_network(work: Job) -> None:
    stages.run(work.places.root, "breizhsr", "export")
    assert json.loads((work.places.export / "parity.json").read_text())["max_abs"] < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("variant", RECIPES)
def test_every_variant_trains_and_runs(variant: str, store: Store) -> None:
    torch.manual_seed(0)
    config = tiny(variant)
    network = PAPER(config).network()
    assert PAPER(config).registered_name == f"breizhsr-{variant}"
    objective, samples = PAPER(config).objective(network), PAPER(config).samples(store)
    batch = torch.utils.data.default_collate([samples[0], samples[1]])
    for step in range(1, 5):
        objective.prepare(step)
        for name, loss in objective.losses(batch, step):
            objective.optimizers[name].zero_grad()
            loss.backward()
            objective.optimizers[name].step()
    network.eval()
    for scene in store.scenes("val"):
        output = PAPER(config).run(network, PAPER(config).inputs(scene))
        assert output.shape == PAPER(config).baseline(scene).shape == (3, 64, 80)
        assert PAPER(config).decides[0] in PAPER(config).score(scene, output)[0]
    for case in PAPER(config).parity_cases():
        with torch.no_grad():
            output = network(**{name: torch.from_numpy(value) for name, value in case.items()})
        assert output.shape[2:] == tuple(4 * side for side in case["x"].shape[-2:])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variant", "temperature", "steps", "planes"),
    [
        ("srdiff_highresnet_ltae", 1.0, 1, 3),
        ("srdiff_highresnet", 1.0, 2, 3 * (2 + 1)),  # noise of its own in each step
        ("srdiff_no_encoder", 0.0, 1, 0),
    ],
)
def test_sampling_is_exported_as_one_graph_for_any_dates_and_sizes(
    variant: str, temperature: float, steps: int, planes: int, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    config = tiny(variant, temperature=temperature, fresh_noise=planes > 3, sampling_steps=steps)
    network = PAPER(config).network().eval()
    example, axes = PAPER(config).example()
    export(PAPER(config).graph(network), example, axes, tmp_path / "model.onnx", PAPER(config).describe())
    assert parity(network, tmp_path / "model.onnx", PAPER(config).parity_cases())["max_abs"] < 1e-4
    assert OnnxRunner(tmp_path / "model.onnx", device="cpu").inputs.get("noise", (None, 0))[1] == planes


def test_the_authors_configuration_fills_up_what_is_not_said() -> None:
    for variant, recipe in RECIPES.items():
        config = resolved(
            CONFIG, "breizhsr", merged("breizhsr", ROOT, {"profile": "paper", "network": {"variant": variant}})
        )
        assert config.train.model_dump().items() >= recipe.items()
        first = variant.startswith("srdiff") and not variant.endswith(NO_ENCODER)
        assert config.train.iterations == (800_000 if first else 400_000)
    reduced = resolved(CONFIG, "breizhsr", merged("breizhsr", ROOT, {"profile": "small_srdiff_rrdb"}))
    assert (reduced.network.variant, reduced.train.batch) == ("srdiff_rrdb", 4)


def test_diffusion_trains_its_backbone_first_and_then_leaves_it(store: Store) -> None:
    config = tiny("srdiff_highresnet_ltae")
    network: Any = PAPER(config).network()
    objective = PAPER(config).objective(network)
    assert isinstance(objective, DiffusionObjective)
    samples = PAPER(config).samples(store)
    batch = torch.utils.data.default_collate([samples[0], samples[1]])
    trained = []
    for step in range(1, 5):
        objective.prepare(step)
        (drive,) = objective.losses(batch, step)
        trained.append(drive[0])
        assert objective.backbone.training is (step <= 2)
        assert all(parameter.requires_grad is (step <= 2) for parameter in objective.backbone.parameters())
    assert trained == ["backbone", "backbone", "network", "network"]
    scene = store.scenes("val")[0]
    first, second = (PAPER(config).run(network.eval(), PAPER(config).inputs(scene)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["srdiff_rrdb", "srdiff_no_encoder"])
def test_the_evaluation_can_take_every_step_with_the_noise_of_seed_and_scene(variant: str, store: Store) -> None:
    changes = settings(variant)
    few, every = (
        PAPER(resolved(CONFIG, "breizhsr", merged("breizhsr", ROOT, {**changes, "evaluate": {"sampler": name}})))
        for name in ("deterministic", "ancestral")
    )
    network: Any = every.network().eval()
    scene, other = store.scenes("val")
    given = every.inputs(scene)
    output = every.run(network, given)
    np.testing.assert_array_equal(output, every.run(network, given))
    noise = torch.Generator().manual_seed(int(given["draws"][0]))
    steps = [torch.randn(given["up"].shape, generator=noise) for _ in range(10)]
    whole = torch.stack([torch.from_numpy(given["noise"]), *steps])
    names = {name: torch.from_numpy(given[name]) for name in ("x", "up")}
    np.testing.assert_array_equal(output, network.network.sample(**names, noise=whole)[0].numpy())
    assert np.abs(output - few.run(network, few.inputs(scene))).max() > 1e-3
    assert given["draws"] != every.inputs(other)["draws"]
    assert every.glimpse(network, scene) == few.glimpse(network, scene)
    said = "3 deterministic steps at the temperature 1 instead of 10"
    assert not every.departures and said in few.departures[0]
    none = PAPER(tiny(variant, temperature=0.0))
    without = none.inputs(scene)
    assert "noise" not in without
    np.testing.assert_array_equal(none.run(network, without), none.run(network, without))


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["deterministic", "ancestral"])
def test_scores_of_srdiff_are_means_over_draws_whose_deviation_is_told(sampler: str, store: Store) -> None:
    def drawn(count: int) -> Breizhsr:
        changes = {"evaluate": {"sampler": sampler, "draws": count, "metrics": []}}
        return PAPER(resolved(CONFIG, "breizhsr", merged("breizhsr", ROOT, {**settings("srdiff_rrdb"), **changes})))

    paper = drawn(3)
    network = paper.network().eval()
    once, found = (measure(one, store, {"ema": network}) for one in (drawn(1), paper))
    scene, name = store.scenes("test")[0], paper.decides[0]
    outputs = paper.draws(network, scene)
    np.testing.assert_array_equal(outputs[0], paper.run(network, paper.inputs(scene)))
    assert len({output.tobytes() for output in outputs}) == 3
    scores = [paper.score(scene, output)[0][name] for output in outputs]
    of_scene = found.scenes()[scene.id]
    assert unheld(of_scene)["ema"][name] == pytest.approx(np.mean(scores))
    assert of_scene["bicubic"] == once.scenes()[scene.id]["bicubic"]
    means = np.mean([[draw[name] for draw in methods["ema"]] for methods in found.draws], axis=0)
    assert found.deviation()[name] == pytest.approx(np.std(means, ddof=1)) and np.std(means) > 0
    assert found.methods()["ema"][name] == pytest.approx(np.mean(means))
    assert (once.count(), once.deviation(), page.drawn(once, paper.decides)) == (1, {}, [])
    (sentence,) = page.drawn(found, paper.decides)
    assert "measured on 3 draws" in sentence and f"{name} {found.deviation()[name]:.2g}" in sentence


def test_what_draws_nothing_has_no_draws() -> None:
    for changes, said in (
        ({}, r"evaluate\.draws = 2 .* highresnet_ltae draws nothing"),
        (settings("srdiff_rrdb", temperature=0.0), r"at network\.temperature = 0 there is none"),
    ):
        with pytest.raises(SatsrError, match=said):
            resolved(CONFIG, "breizhsr", merged("breizhsr", ROOT, {**changes, "evaluate": {"draws": 2}}))


def test_only_diffusion_can_be_sampled(store: Store) -> None:
    with pytest.raises(SatsrError, match=r"evaluate\.sampler = ancestral is how SRDiff"):
        resolved(CONFIG, "breizhsr", merged("breizhsr", ROOT, {"evaluate": {"sampler": "ancestral"}}))
    with pytest.raises(SatsrError, match="srdiff_no_encoder has no backbone"):
        changes = {"network": {"variant": "srdiff_no_encoder"}, "train": {"backbone_iterations": 2}}
        resolved(CONFIG, "breizhsr", merged("breizhsr", ROOT, changes))


@pytest.mark.parametrize(
    "profile", [f"{size}_{name}" for size in ("small", "paper") for name in RECIPES if "srd" in name]
)
def test_every_diffusion_is_a_profile(profile: str) -> None:
    config = resolved(CONFIG, "breizhsr", merged("breizhsr", ROOT, {"profile": profile}))
    assert config.network.variant == profile.partition("_")[2]
    network, paper = config.network, profile.startswith("paper")
    assert (config.evaluate.sampler == "ancestral") is paper
    few = (network.sampling_steps, network.temperature, network.fresh_noise)
    assert few == ((25, 1.0, True) if paper else (5, 0.0, False))


def test_a_backbone_from_a_file_is_the_one_that_its_hash_names(tmp_path: Path) -> None:
    source = PAPER(tiny(anchor="median")).network()
    path = tmp_path / "backbone.safetensors"
    save_weights(source.state_dict(), path)
    right = {"backbone_weights": str(path), "backbone_sha256": sha256(path)}
    network: Any = PAPER(tiny("srdiff_highresnet_ltae", **right)).network()
    for name, value in source.state_dict().items():
        torch.testing.assert_close(network.network.rrdb.state_dict()[name], value)
    with pytest.raises(SatsrError, match="has the SHA-256"):
        PAPER(tiny("srdiff_highresnet_ltae", backbone_weights=str(path), backbone_sha256="0")).network()
    with pytest.raises(SatsrError, match="needs a trained backbone"):
        changes = {"network": {"variant": "srdiff_rrdb"}, "train": {"backbone_iterations": 0}}
        resolved(CONFIG, "breizhsr", merged("breizhsr", ROOT, changes))


def test_a_sample_is_a_crop_made_by_hand(store: Store) -> None:
    samples = SeriesCrops(store, SERIES, Sampling(crop_px=8, seed=3))
    for index in range(6):
        scene = samples.scenes[samples.order[index]]
        crop, made = samples.crop(scene, index), samples[index]
        days = offsets(scene)
        chosen = nearest(days, 4)
        padded = chosen + [chosen[-1]] * (4 - len(chosen))
        stretch = normalisation("breizh_s2").forward

        def cut(image: np.ndarray, factor: int, crop: Any = crop) -> np.ndarray:
            top, left, side = crop.top * factor, crop.left * factor, 8 * factor
            part = image[top : top + side, left : left + side]
            part = part[:, ::-1] if crop.hflip else part
            part = part[::-1] if crop.vflip else part
            return (part.swapaxes(0, 1) if crop.transpose else part).transpose(2, 0, 1)

        for place, date in enumerate(padded):
            np.testing.assert_array_equal(made["x"][place], cut(stretch(scene.read("lr", date)), 1))
        closest = stretch(scene.read("lr", int(np.argmin(np.abs(days)))))
        matched = histogram_match(normalisation("signed_u8").forward(scene.read("hr", 0)), closest)
        np.testing.assert_allclose(made["target"], cut(matched, 4), atol=1e-6)
        np.testing.assert_array_equal(made["days"], days[padded])
        assert made["alphas"].tolist() == [1.0] * len(chosen) + [0.0] * (4 - len(chosen))
        assert made["up"].shape == (3, 32, 32)


def test_samples_depend_on_seed_and_index_alone(store: Store) -> None:
    first, second = (SeriesCrops(store, SERIES, Sampling(crop_px=8, seed=1)) for _ in range(2))
    later = [second[index] for index in (5, 2)]
    torch.testing.assert_close(first[2], later[1], rtol=0, atol=0)
    torch.testing.assert_close(first[5], later[0], rtol=0, atol=0)
    assert not torch.equal(first[2]["target"], SeriesCrops(store, SERIES, Sampling(crop_px=8, seed=2))[2]["target"])


def test_dark_samples_are_the_same_ground_at_a_share_of_its_reflectance_with_the_sensors_noise(store: Store) -> None:
    series = replace(SERIES, stretch=normalisation("breizh_s2_open"))
    plain, dark = (SeriesCrops(store, series, Sampling(crop_px=16, seed=1, dark_share=share)) for share in (0.0, 0.5))
    stretch, factors, noise = series.stretch, [], []

    def native(planes: torch.Tensor) -> np.ndarray:
        return (np.moveaxis(planes.numpy(), -3, -1) + 1) / 2 * stretch.high

    for index in range(60):
        before, after = plain[index], dark[index]
        factor = float(np.median(native(after["target"]) / native(before["target"])))
        if factor > 0.999:
            assert all(torch.equal(before[name], after[name]) for name in before)
            continue
        np.testing.assert_allclose(native(after["target"]), factor * native(before["target"]), rtol=1e-3, atol=0.1)
        added = native(after["x"]) - factor * native(before["x"])
        factors.append(factor)
        noise.append(added.std() / (NOISE * (1 - factor**2) ** 0.5))
        nearest_date = int(after["days"].abs().argmin())
        np.testing.assert_allclose(
            after["up"].numpy()[:, 8:-8, 8:-8],
            large(native(after["x"][nearest_date]), 4, stretch)[:, 8:-8, 8:-8],
            atol=1e-4,
        )
    assert 20 <= len(factors) <= 40 and min(factors) < 0.15 and max(factors) > 0.6
    assert np.median(noise) == pytest.approx(1, abs=0.05)


def test_some_samples_have_few_dates_and_they_are_the_nearest(store: Store) -> None:
    some, none = (SeriesCrops(store, SERIES, Sampling(8, seed=1, few_dates_share=share)) for share in (0.5, 0.0))
    counts = []
    for index in range(60):
        made, whole = some[index], none[index]
        real = int(made["alphas"].sum())
        counts.append(real)
        assert made["x"].shape == whole["x"].shape
        torch.testing.assert_close(made["target"], whole["target"], rtol=0, atol=0)
        kept = {float(day) for day in made["days"]}
        others = {float(day) for day in whole["days"]} - kept
        assert len(kept) == real and all(abs(day) >= max(map(abs, kept)) for day in others)
        if real == whole["alphas"].sum():
            assert torch.equal(made["x"], whole["x"])
    assert {1, 2, 3} <= set(counts) and 8 <= counts.count(1) <= 25


def test_the_baseline_is_the_nearest_date_and_a_perfect_output_scores_perfectly(store: Store) -> None:
    config, scene = tiny(normalisation="breizh_s2"), store.scenes("val")[0]
    closest = normalisation("breizh_s2").forward(scene.read("lr", 2))
    baseline = PAPER(config).baseline(scene)
    assert offsets(scene)[2] == 0 and baseline.min() >= -1 and baseline.max() <= 1
    shrunk = baseline.reshape(3, 16, 4, 20, 4).mean((2, 4)).transpose(1, 2, 0)
    assert np.corrcoef(shrunk.ravel(), closest.ravel())[0, 1] > 0.95
    (perfect,) = PAPER(config).score(scene, PAPER(config).target(scene))
    # The matched target has fractions of digital numbers, and whole ones are written: now and then another of 8 bits.
    assert perfect["psnr_u8"] > 60 and perfect["ssim_skimage_u8"] == pytest.approx(1, abs=1e-3)
    assert perfect["shift_mae_u8"] < 0.1 and perfect["mae_reflectance"] <= 0.5 / 10000
    (row,) = PAPER(config).score(scene, baseline)
    assert row["shift_mae_u8"] <= row["mae_u8"] * 1.5 and row["psnr_reflectance"] > row["psnr_u8"]


def test_a_target_of_the_images_own_kind_is_stretched_and_not_matched(tmp_path: Path) -> None:
    random = generator(0, "own kind")
    with StoreWriter(tmp_path / "store", {"name": "test"}) as writer:
        hr = random.integers(200, 2500, (64, 64, 3)).astype(np.uint16)
        writer.put("val", "a", "hr", 0, hr)
        writer.put("val", "a", "lr", 0, hr[::4, ::4].copy())
        writer.describe("val", "a", {})
    (scene,) = Store(tmp_path / "store").scenes("val")
    target = PAPER(tiny()).target(scene)
    np.testing.assert_array_equal(target, PAPER(tiny()).radiometry.forward(hr).transpose(2, 0, 1))
    assert PAPER(tiny()).inputs(scene)["days"].tolist() == [[0.0]]


@pytest.mark.parametrize(
    ("meta", "rule"),
    [
        ({"dates": ["2018-05-02", "2018-05-12"]}, "dates"),
        ({"dates": ["2018-05-22", "2018-05-12", "2018-05-02"], "days": [0, -10, -20]}, "sorted"),
        ({"days": [20, 10, 0]}, "days"),
        ({"dates": [], "days": []}, "dates"),
    ],
)
@pytest.mark.slow
def test_dates_that_do_not_fit_fail_validation(meta: dict[str, Any], rule: str, tmp_path: Path) -> None:
    rules = suites.suite("series", max_shift_px=100.0)
    bad = judge(inspect(write(tmp_path / "store", (3,), meta)), rules)
    assert rule in {check.name for check in bad.failed}


@pytest.mark.slow
def test_dates_that_fit_pass_validation(tmp_path: Path) -> None:
    rules = suites.suite("series", max_shift_px=100.0)
    assert not judge(inspect(write(tmp_path / "store", (3,))), rules).failed
