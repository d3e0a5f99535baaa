"""SRGAN's recipe: experiments, pairs, the adversarial steps, chains of trainings, and the stages to registration."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.shared.weights import save_weights
from models.srgan import ContentLoss, RecursiveFusion, SRResNet, SuperResolver
from pipelines.configs.srgan import CONFIG, EXPERIMENTS, SUCCESSORS, SrganConfig
from pipelines.srgan import PAPER
from satsr.config.recipe import resolved
from satsr.config.resolve import merged
from satsr.errors import SatsrError
from satsr.export.onnx import export, parity
from satsr.files import sha256
from satsr.kinds.image.adversarial import AdversarialObjective
from satsr.kinds.image.paper import denormalised
from satsr.kinds.image.samples import PairCrops, Pairing, cut
from satsr.kinds.sampling import Sampling, planes
from satsr.radiometry import histogram_match, normalisation
from satsr.resize import imresize
from satsr.seeds import generator
from satsr.store.store import Store, StoreWriter
from satsr.tracking import client
from satsr.train.loop import fit
from satsr.train.start import lineage_of
from satsr.validate import suites
from satsr.validate.checks import judge
from satsr.validate.inspection import inspect
from tests import stages
from tests.golden import weights
from tests.golden.load import Golden

ROOT = Path(__file__).resolve().parents[2]
SMALL = {"n_blocks": 1, "n_channels": 8, "discriminator_blocks": 2, "discriminator_channels": 4, "discriminator_fc": 8}
SHORT = {"iterations": 4, "batch": 2, "crop_px": 8, "validate_every": 2, "checkpoint_every": 2, "content": "l1"}
REFLECTANCE = normalisation("s2_norm")


def tiny(
    variant: str = "sisr7", network: dict[str, Any] | None = None, checks: dict[str, Any] | None = None, **train: Any
) -> SrganConfig:
    """A small network of an experiment in its full recipe, from fresh weights unless told."""
    scratch = {"start": "scratch", "fusion_start": "scratch"}
    changes = {"network": {**SMALL, **scratch, **(network or {})}, "train": {**SHORT, "workers": 0, **train}}
    if variant == "misr1":
        changes["train"].setdefault("fusion_steps", 4)
    values = merged("srgan", ROOT, {"profile": variant, "data": "data/catalog", "checks": checks or {}, **changes})
    return resolved(CONFIG, "srgan", values)


def write(path: Path, count: int = 5, dtype: Any = np.uint16, days: list[int] | None = None) -> Store:
    """Scenes of ``count`` random images and a target of 8 bits, in every split."""
    with StoreWriter(path, {"name": "test"}) as writer:
        for split in ("train", "val", "test"):
            for number in range(2):
                random, name = generator(0, split, number), f"scene{number}"
                for index in range(count):
                    image = random.integers(50, 250, (16, 20, 3)).astype(dtype)
                    writer.put(split, name, "lr", index, image * 10 if dtype == np.uint16 else image)
                writer.put(split, name, "hr", 0, random.integers(0, 256, (64, 80, 3)).astype(np.uint8))
                writer.describe(split, name, {"days": days or [10 * index - 20 for index in range(count)]})
    return Store(path)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return write(tmp_path_factory.mktemp("pairs") / "store")


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return write(tmp_path_factory.mktemp("photos") / "store", 1, np.uint8, [0])


def settings(variant: str, network: dict[str, Any] | None = None) -> dict[str, Any]:
    """What is changed of the quick profile for the stages."""
    return {"network": {**SMALL, "variant": variant, **(network or {})}, "train": SHORT, "evaluate": {"panels": 1}}


@pytest.mark.slow
def test_trainings_chain_through_the_registry_with_their_lineage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.setenv("SATSR_ROOT", str(tmp_path))
    card = (ROOT / "data/catalog/embedded-series.yaml").read_text()
    whole = "train: 72, val: 6, test: 20, frames: 8, size: [160, 160], test_size: [128, 128]"
    assert whole in card
    card = card.replace(whole, "train: 3, val: 1, test: 1, frames: 4, size: [96, 96]")
    stages.project(tmp_path, "srgan", card, settings("sisr6"))
    later = ("train", "evaluate", "export", "register")
    first = stages.run(tmp_path, "srgan", "download", "convert", "validate", *later)
    metrics = json.loads(first.places.metrics.read_text())
    assert {"psnr_max1", "psnr_maxrange", "ssim_kornia5_max1", "l1_max1"} <= set(metrics["methods"]["ema"])
    assert metrics["verdict"]["word"] == "not comparable" and "of sisr" in metrics["verdict"]["sentence"]
    assert json.loads((first.places.export / "parity.json").read_text())["max_abs"] < 1e-4
    assert "not reproducible" in (first.places.evaluation / "report.html").read_text()
    lineage = json.loads((first.places.training / "train.json").read_text())["lineage"]

    stages.configure(tmp_path, "srgan", settings("sisr7", {"start": "srgan-sisr6/1"}))
    stages.run(tmp_path, "srgan", *later)
    version = client(tmp_path).get_model_version("srgan-sisr7", "1")
    run = client(tmp_path).get_run(version.run_id)
    for tags in (version.tags, run.data.tags):
        assert tags["start.model"] == tags["start.chain"] == "srgan-sisr6/1"
        assert tags["start.lineage"] == lineage and tags["start.discriminator"] == "carried along"

    third = PAPER(tiny("misr3", {"n_views": 2, "start": "srgan-sisr7/1", "fusion_start": "scratch"}))
    started = third.start(third.objective(third.network()))
    assert started["start.chain"] == "srgan-sisr6/1 > srgan-sisr7/1"
    with pytest.raises(SatsrError, match="no srgan-sisr6/9"):
        missing = PAPER(tiny("sisr7", {"start": "srgan-sisr6/9"}))
        missing.start(missing.objective(missing.network()))


def step_all(objective: AdversarialObjective, batch: dict[str, torch.Tensor], count: int) -> list[list[str]]:
    """Makes steps; the names of the optimisers that each one drove."""
    driven = []
    for step in range(1, count + 1):
        torch.manual_seed(step)
        objective.prepare(step)
        driven.append([])
        for name, loss in objective.losses(batch, step):
            objective.optimizers[name].zero_grad()
            loss.backward()
            objective.optimizers[name].step()
            driven[-1].append(name)
    return driven


def objective_of(config: SrganConfig) -> AdversarialObjective:
    torch.manual_seed(0)
    objective = PAPER(config).objective(PAPER(config).network())
    assert isinstance(objective, AdversarialObjective)
    return objective


@pytest.mark.parametrize("variant", EXPERIMENTS)
def test_every_experiment_trains_and_runs(variant: str, store: Store, photographs: Store) -> None:
    config, own = tiny(variant=variant), photographs if variant in ("sisr1", "sisr2") else store
    objective, samples = objective_of(config), PAPER(config).samples(own)
    assert PAPER(config).registered_name == f"srgan-{variant}"
    batch = torch.utils.data.default_collate([samples[0], samples[1]])
    low, high = normalisation(config.network.normalisation).range
    assert all(low <= value.min() and value.max() <= high for value in batch.values())
    expected = ["fusion"] if variant == "misr1" else ["discriminator", "network"]
    assert step_all(objective, batch, 2) == [expected] * 2
    network = objective.network.eval()
    for scene in own.scenes("val"):
        output = PAPER(config).run(network, PAPER(config).inputs(scene))
        assert output.shape == PAPER(config).baseline(scene).shape == (3, 64, 80)
        assert set(PAPER(config).watched) <= set(PAPER(config).score(scene, output)[0])
        assert PAPER(config).pictures(scene, None, "lr").shape == (1, 16, 20, 3)


@pytest.mark.parametrize("variant", SUCCESSORS)
def test_every_generator_of_the_successor_trains_runs_and_gives_one_image_for_one_input(
    variant: str, store: Store
) -> None:
    kind = "esrgan" if variant.endswith("esrgan") else "patchgan"
    config = tiny(variant=variant, network={"discriminator": kind}, content="l1_sam", g_pretrain_steps=1, ramp_steps=1)
    objective, samples = objective_of(config), PAPER(config).samples(store)
    assert config.network.generator in ("srresnet", variant.removeprefix("successor_"))
    batch = torch.utils.data.default_collate([samples[0], samples[1]])
    assert step_all(objective, batch, 3) == [["network"], ["discriminator", "network"], ["discriminator", "network"]]
    network, scene = objective.network.eval(), store.scenes("val")[0]
    first, second = (PAPER(config).run(network, PAPER(config).inputs(scene)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert first.shape == PAPER(config).baseline(scene).shape and np.isfinite(first).all()
    assert "three bands" in PAPER(config).departures[0] and PAPER(config).published_as == variant


@pytest.mark.slow
@pytest.mark.parametrize("variant", SUCCESSORS)
def test_every_generator_of_the_successor_exports_what_it_computes(variant: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = tiny(variant=variant)
    network = PAPER(config).network().eval()
    example, axes = PAPER(config).example()
    export(PAPER(config).graph(network), example, axes, tmp_path / "model.onnx", PAPER(config).describe())
    assert parity(network, tmp_path / "model.onnx", PAPER(config).parity_cases())["max_abs"] < 1e-4


@pytest.mark.parametrize("variant", SUCCESSORS)
def test_every_generator_of_the_successor_is_a_profile_with_its_settings(variant: str) -> None:
    config = resolved(CONFIG, "srgan", merged("srgan", ROOT, {"profile": variant}))
    train, network = config.train, config.network
    assert network.variant == variant and network.n_channels == 64
    assert (train.lr, train.discriminator_lr, train.betas) == (1e-4, 1e-6, (0.0, 0.99))
    assert (train.g_pretrain_steps, train.ramp_steps, train.warmup_steps) == (20_000, 5_000, 1_000)
    assert (train.content, train.beta, train.label_smoothing) == ("l1_sam_vgg19", 1e-3, True)


@pytest.mark.slow
@pytest.mark.parametrize("variant", EXPERIMENTS)
def test_every_experiment_exports_what_it_computes(
    variant: str, store: Store, photographs: Store, tmp_path: Path
) -> None:
    config, own = tiny(variant=variant), photographs if variant in ("sisr1", "sisr2") else store
    objective, samples = objective_of(config), PAPER(config).samples(own)
    step_all(objective, torch.utils.data.default_collate([samples[0], samples[1]]), 2)
    network = objective.network.eval()
    example, axes = PAPER(config).example()
    export(PAPER(config).graph(network), example, axes, tmp_path / "model.onnx", PAPER(config).describe())
    assert parity(network, tmp_path / "model.onnx", PAPER(config).parity_cases())["max_abs"] < 1e-4


@pytest.mark.parametrize("profile", ["paper", "quick", "quick_sisr7", "quick_misr", "quick_photos", *EXPERIMENTS])
def test_every_profile_is_valid_and_the_experiments_are_the_papers(profile: str) -> None:
    config = resolved(CONFIG, "srgan", merged("srgan", ROOT, {"profile": profile}))
    if not profile.startswith("quick"):
        assert config.network.variant == ("sisr7" if profile == "paper" else profile)
        train, network = config.train, config.network
        content = "none" if network.variant == "misr1" else "vgg19"
        assert (train.content, train.beta, train.lr, train.schedule) == (content, 1e-3, 1e-4, "plateau")
        assert (network.n_blocks, network.n_channels, network.bicubic_residual) == (16, 64, False)
        assert train.g_pretrain_steps == train.ramp_steps == train.ema == 0 and not train.label_smoothing
        assert network.n_views == (4 if profile.startswith("misr") else 1)
        if EXPERIMENTS[network.variant].after:
            with pytest.raises(SatsrError, match="goes on from"):
                PAPER(config).start(objective_of(tiny()))


def test_phases_follow_each_other_and_each_trains_what_it_should(store: Store) -> None:
    config = tiny(variant="misr3", fusion_steps=1, g_pretrain_steps=2, ramp_steps=2, iterations=8)
    objective, samples = objective_of(config), PAPER(config).samples(store)
    batch = torch.utils.data.default_collate([samples[0], samples[1]])
    before = {name: value.clone() for name, value in objective.network.state_dict().items()}
    assert step_all(objective, batch, 1) == [["fusion"]]
    moved = {name for name, value in objective.network.state_dict().items() if not torch.equal(value, before[name])}
    assert moved and all(name.startswith("fusion.") for name in moved)
    driven = step_all(objective, batch, 6)
    assert driven[:3] == [["fusion"], ["network"], ["network"]]
    assert driven[3:] == [["discriminator", "network"]] * 3
    assert all(0 < objective.logs()[name] < 1 for name in ("says_real", "says_fake"))  # they are on the curves
    moved = {name for name, value in objective.network.named_parameters() if not torch.equal(value, before[name])}
    assert moved == {name for name, _ in objective.network.named_parameters()}


def test_a_fusion_with_fixed_norms_gives_in_training_what_it_gives_afterwards(store: Store) -> None:
    objective = objective_of(tiny(variant="misr2", fusion_steps=1, fusion_fixed_norm=True))
    fusion, views = objective.network.fusion["model"], torch.rand(2, 4, 3, 8, 8)
    for step, learns in ((1, True), (2, False)):
        objective.network.train()
        objective.prepare(step)
        assert fusion.training is learns and objective.network.generator.training
    torch.testing.assert_close(fusion(views), fusion.eval()(views))


def test_a_fusion_that_is_not_to_learn_stays(store: Store) -> None:
    objective = objective_of(tiny(variant="misr3", fusion_trainable=False))
    samples = PAPER(tiny(variant="misr3")).samples(store)
    before = [value.clone() for value in objective.network.fusion.parameters()]
    step_all(objective, torch.utils.data.default_collate([samples[0], samples[1]]), 2)
    assert all(torch.equal(a, b) for a, b in zip(before, objective.network.fusion.parameters(), strict=True))


@pytest.mark.slow
def test_one_step_has_the_reference_losses() -> None:
    paper = {"n_blocks": 16, "n_channels": 64}
    paper |= {"discriminator_blocks": 8, "discriminator_channels": 64, "discriminator_fc": 1024}
    objective = objective_of(tiny(network=paper, content="vgg19-random"))
    content: Any = objective.content
    for network in (content.features, objective.network.generator, objective.discriminator):
        weights.srgan(network, 0.03)
    lr, hr = np.random.default_rng(0).random((2, 3, 16, 16)), np.random.default_rng(1).random((2, 3, 64, 64))
    batch = {"x": torch.from_numpy(2 * lr - 1).float(), "target": torch.from_numpy(2 * hr - 1).float()}
    objective.prepare(1)
    (first, d_loss), (second, g_loss) = objective.losses(batch, 1)
    assert (first, second) == ("discriminator", "network")
    assert d_loss.item() == pytest.approx(1.40069, rel=1e-5)
    assert g_loss.item() == pytest.approx(0.00287151, rel=1e-4)


def test_the_plateau_is_torchs_and_survives_a_restart() -> None:
    config = tiny(iterations=50, plateau_patience=2)
    objective, theirs = objective_of(config), torch.optim.SGD([torch.zeros(1)], lr=1e-4)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, factor=0.25, patience=2)
    values = generator(0, "plateau").uniform(0.9, 1, 40) * np.linspace(1, 0.8, 40).repeat(1)
    for step, value in enumerate(values, start=1):
        objective.prepare(step)
        rates = [objective.optimizers[name].param_groups[0]["lr"] for name in ("network", "discriminator")]
        assert rates == pytest.approx([theirs.param_groups[0]["lr"]] * 2)
        objective.validated({"val_l1": float(value)}, step)
        scheduler.step(value)
        restarted = objective_of(config)
        restarted.restore(objective.state())
        objective = restarted
    assert objective.plateau["reductions"] > 1
    before = dict(objective.plateau)
    for step in range(41, 50):
        objective.validated({"val_l1": float("nan")}, step)
    assert objective.plateau == before  # a validation without a number is none


@pytest.mark.slow
def test_a_training_that_stops_goes_on_to_the_same_bits(store: Store, tmp_path: Path) -> None:
    def train(folder: str, iterations: int) -> Any:
        config = tiny(variant="misr3", iterations=6, plateau_patience=0, fusion_steps=1, g_pretrain_steps=1)
        settings = config.train.model_copy(update={"iterations": iterations})
        samples = PAPER(config).samples(store)
        losses = iter((3.0, 4.0, 5.0, 6.0) * 9)
        watch = lambda networks: {"l1": next(losses)}  # noqa: E731
        return fit(objective_of(config), samples, settings, tmp_path / folder, watch)

    whole = train("whole", 6)
    train("parts", 4)
    parts = train("parts", 6)
    assert parts.resumed_at == 4
    for role, state in whole.weights.items():
        for name, value in state.items():
            assert torch.equal(value, parts.weights[role][name]), (role, name)


def test_an_experiment_starts_from_files_that_its_hashes_name(tmp_path: Path) -> None:
    source = objective_of(tiny(variant="misr2"))
    for role in ("network", "discriminator"):
        save_weights(source.networks[role], tmp_path / "trained" / f"{role}.safetensors")
    folder = {"start": str(tmp_path / "trained"), "start_sha256": lineage_of(tmp_path / "trained")}

    def started(variant: str, **network: Any) -> tuple[AdversarialObjective, dict[str, str]]:
        config = tiny(variant=variant, network=network)
        torch.manual_seed(1)
        objective = PAPER(config).objective(PAPER(config).network())
        assert isinstance(objective, AdversarialObjective)
        return objective, PAPER(config).start(objective)

    objective, tags = started("misr3", **folder)
    assert tags == {
        "start.file": "trained",
        "start.lineage": folder["start_sha256"],
        "start.discriminator": "carried along",
    }
    for role, module in objective.networks.items():
        for name, value in module.state_dict().items():
            torch.testing.assert_close(value, source.networks[role].state_dict()[name], rtol=0, atol=0)

    file = tmp_path / "trained" / "network.safetensors"
    objective, tags = started(
        "misr2", start=str(file), start_sha256=sha256(file), fusion_start=str(file), fusion_start_sha256=sha256(file)
    )
    assert tags["start.discriminator"] == "fresh" and tags["start.fusion.lineage"] == sha256(file)
    with pytest.raises(SatsrError, match="has the SHA-256"):
        started("misr3", start=str(file), start_sha256="0")
    with pytest.raises(SatsrError, match="cannot start from 'srgan-sisr6@champion'"):
        started("sisr7", start="srgan-sisr6@champion")
    with pytest.raises(SatsrError, match=r"generator of .* cannot be taken over"):
        started("sisr7", start=str(file), start_sha256=sha256(file), n_channels=4)


def test_a_whole_checkpoint_of_the_authors_gives_all_its_parts(tmp_path: Path) -> None:
    source = objective_of(tiny(variant="misr2"))
    whole = dict(source.network.state_dict())
    whole |= {f"discriminator.{name}": value for name, value in source.discriminator.state_dict().items()}
    torch.save({"state_dict": whole}, tmp_path / "last.ckpt")
    path = tmp_path / "last.ckpt"
    config = tiny(variant="misr3", network={"start": str(path), "start_sha256": sha256(path)})
    torch.manual_seed(1)
    objective = PAPER(config).objective(PAPER(config).network())
    assert PAPER(config).start(objective)["start.discriminator"] == "carried along"
    for role, module in objective.networks.items():
        for name, value in module.state_dict().items():
            torch.testing.assert_close(value, source.networks[role].state_dict()[name], rtol=0, atol=0)


@pytest.mark.slow
def test_vgg19_comes_from_the_file_that_its_hash_names(tmp_path: Path) -> None:
    with pytest.raises(SatsrError, match=r"vgg19 needs train\.vgg_weights"):
        objective_of(tiny(content="vgg19"))
    with pytest.raises(SatsrError, match="does not exist"):
        objective_of(tiny(content="vgg19", vgg_weights="no.pth"))
    vgg = ContentLoss("vgg19-random").features
    assert vgg is not None
    save_weights(vgg, tmp_path / "vgg19.safetensors")
    digest = sha256(tmp_path / "vgg19.safetensors")
    objective = objective_of(tiny(content="vgg19", vgg_weights=str(tmp_path / "vgg19.safetensors"), vgg_sha256=digest))
    assert set(objective.networks) == {"network", "discriminator"}


def test_pairs_are_those_made_by_hand(store: Store) -> None:
    scene = store.scenes("train")[0]
    hr, reference = scene.read("hr", 0), scene.read("lr", 2)
    forward = REFLECTANCE.forward

    def planes(image: np.ndarray) -> np.ndarray:
        return image.transpose(2, 0, 1)

    views, target = Pairing("stored", REFLECTANCE, views=3).whole(scene)
    np.testing.assert_array_equal(views, np.stack([planes(forward(scene.read("lr", index))) for index in (1, 2, 3)]))
    np.testing.assert_allclose(target, planes(forward(histogram_match(hr, reference))), atol=1e-6)

    (low,), target = Pairing("interpolated", normalisation("signed_u8")).whole(scene)
    np.testing.assert_allclose(target, planes(hr / 127.5 - 1), atol=1e-6)
    # The antialiased bilinear is a triangle of eight pixels.
    weights = np.array([1, 3, 5, 7, 7, 5, 3, 1]) / 32
    inner = planes(hr)[:, 2:10, 2:10] @ weights @ weights
    np.testing.assert_allclose(low[:, 1, 1], inner / 127.5 - 1, atol=1e-5)

    shrunk = (low.transpose(1, 2, 0) + 1) * 127.5
    noisy = Pairing("interpolated_matched", REFLECTANCE, views=4, noise_sigma=0.075)
    views, target = noisy.whole(scene)
    assert views.shape == (4, 3, 16, 20) and (views == views[0]).all()
    np.testing.assert_allclose(views[0], planes(forward(histogram_match(shrunk, reference))), atol=1e-3)
    seen = noisy.scene_views(scene, seed=0)
    assert 0.06 < (seen - views)[np.abs(views) < 0.7].std() < 0.09 and not (seen[0] == seen[1]).all()
    np.testing.assert_array_equal(seen, noisy.scene_views(scene, seed=0))


def test_where_the_matched_target_is_shrunk_the_views_are_the_target_made_small(store: Store) -> None:
    scene, paper = store.scenes("train")[0], PAPER(tiny(variant="sisr6", pairs="matched_interpolated"))
    found = {}
    for pairs in ("interpolated_matched", "matched_interpolated"):
        (low,), target = Pairing(pairs, normalisation("s2_norm_open")).whole(scene)
        small = paper.shrink(target.transpose(1, 2, 0)[None])[0].transpose(2, 0, 1)
        found[pairs] = np.abs(low - small).max()
    assert found["matched_interpolated"] < 1e-5 < 0.01 < found["interpolated_matched"]


def test_where_dates_are_few_the_last_is_repeated(store: Store) -> None:
    views, _ = Pairing("stored", REFLECTANCE, views=7).whole(store.scenes("val")[0])
    assert views.shape[0] == 7
    np.testing.assert_array_equal(views[4], views[6])


def test_samples_are_crops_that_depend_on_seed_and_index_alone(store: Store) -> None:
    pairing = Pairing("stored", REFLECTANCE, views=2)
    first, second = (PairCrops(store, pairing, Sampling(crop_px=8, seed=1)) for _ in range(2))
    later = [second[index] for index in (5, 2)]
    torch.testing.assert_close(first[2], later[1], rtol=0, atol=0)
    torch.testing.assert_close(first[5], later[0], rtol=0, atol=0)
    assert first[0]["x"].shape == (2, 3, 8, 8) and first[0]["target"].shape == (3, 32, 32)
    whole = PairCrops(store, pairing, Sampling(crop_px=75, augment=False))[0]
    assert whole["x"].shape == (2, 3, 16, 20)


def test_the_papers_experiments_have_one_kernel_and_measuring_knows_no_other(store: Store) -> None:
    plain, varied = (tiny("sisr6", **changes) for changes in ({}, {"kernels": ["area", "mtf0.3"]}))
    assert plain.train.kernels == ["bilinear"] and PAPER(varied).kernel == "bilinear"
    scene = store.scenes("val")[0]
    np.testing.assert_array_equal(PAPER(plain).inputs(scene)["x"], PAPER(varied).inputs(scene)["x"])
    first, second = (PAPER(config).samples(store)[0] for config in (plain, varied))
    assert torch.equal(first["target"], second["target"]) and not torch.equal(first["x"], second["x"])


def test_kernels_for_images_that_are_not_made_small_are_refused() -> None:
    with pytest.raises(SatsrError, match="area make targets small"):
        tiny("sisr7", pairs="stored", kernels=["area"])
    with pytest.raises(SatsrError, match="kernels"):
        tiny("sisr6", kernels=["gauss"])


def test_both_sides_of_a_crop_are_turned_alike() -> None:
    from satsr.kinds.sampling import Crop

    low = generator(0, "turns").random((2, 8, 8))
    high = low.repeat(4, axis=1).repeat(4, axis=2)
    for index in range(8):
        crop = Crop(1, 2, 4, 4, bool(index & 1), bool(index & 2), bool(index & 4))
        np.testing.assert_array_equal(cut(high, crop, 4, True)[:, ::4, ::4], cut(low, crop, 1, True))


@pytest.mark.parametrize(("variant", "chosen"), [("sisr7", "signed_u8"), ("sisr1", "s2_norm")])
def test_images_of_another_kind_than_the_normalisation_are_refused(
    variant: str, chosen: str, store: Store, photographs: Store
) -> None:
    scene = (photographs if variant == "sisr1" else store).scenes("val")[0]
    suite = "photographs" if chosen == "signed_u8" else "series"
    config = tiny(variant=variant, network={"normalisation": chosen}, checks={"suite": suite})
    with pytest.raises(SatsrError, match=f"network.normalisation = {chosen} is for"):
        PAPER(config).inputs(scene)


def test_denormalised_values_give_the_references_metrics(golden: Golden) -> None:
    from satsr.metrics import mae, mse, psnr_float

    file, pairing = golden("srgan/seed_metrics_norms.npz"), Pairing("stored", REFLECTANCE)
    sr, hr = (np.stack([denormalised(image, pairing) for image in file[name]]) for name in ("sr", "hr"))
    assert psnr_float(sr, hr, peak=1.0) == pytest.approx(float(file["val_PSNR"]), rel=1e-5)
    assert mae(sr, hr) == pytest.approx(float(file["val_L1"]), rel=1e-5)
    assert mse(sr, hr) == pytest.approx(float(file["val_L2"]), rel=1e-5)


def test_the_two_maxima_differ_by_the_range_and_a_perfect_output_is_perfect(store: Store) -> None:
    config, scene = tiny(), store.scenes("val")[0]
    (row,) = PAPER(config).score(scene, PAPER(config).baseline(scene))
    assert row["psnr_max1"] - row["psnr_maxrange"] == pytest.approx(20 * np.log10(1 / 0.3))
    (perfect,) = PAPER(config).score(scene, PAPER(config).pairing.whole(scene)[1])
    rounding = 20 * np.log10(10000 / 0.5)  # whole numbers are written: at most half of one is lost
    assert perfect["psnr_max1"] > rounding and perfect["ssim_kornia5_maxrange"] == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("variant", ["misr1", "misr3"])
def test_the_baseline_does_not_look_at_the_target(variant: str, tmp_path: Path) -> None:
    """With two targets of which one lies nearer to the mean of the views, and one nearer to the nearest view."""
    paper, baselines = PAPER(tiny(variant=variant, pairs="stored")), []
    random = generator(0, "views")
    views = [random.integers(0, 3000, (16, 20, 3)).astype(np.uint16) for _ in range(4)]
    for target in (views[1], np.mean(views, axis=0).astype(np.uint16)):
        folder = tmp_path / str(len(baselines))
        with StoreWriter(folder, {"name": "test"}) as writer:
            for index, view in enumerate(views):
                writer.put("val", "a", "lr", index, view)
            writer.put("val", "a", "hr", 0, np.kron(target, np.ones((4, 4, 1), np.uint16)))
            writer.describe("val", "a", {"days": [-9, 1, 9, 20]})
        baselines.append(paper.baseline(Store(folder).scenes("val")[0]))
    np.testing.assert_array_equal(*baselines)


def test_the_baseline_of_noisy_copies_is_their_mean_and_of_dates_the_nearest(store: Store) -> None:
    scene = store.scenes("val")[0]
    single = PAPER(tiny()).baseline(scene)
    np.testing.assert_array_equal(PAPER(tiny(variant="misr3")).baseline(scene), single)
    copies = PAPER(tiny(variant="misr2"))
    (mean,) = copies.score(scene, copies.baseline(scene))
    (one,) = copies.score(scene, planes(imresize(np.moveaxis(copies.nearest_view(scene), 0, -1), 4)))
    assert mean["psnr_max1"] > one["psnr_max1"]


def test_parameters_bear_the_names_of_the_authors_module() -> None:
    generator = {f"generator.{name}" for name in SRResNet().state_dict()}
    fusion = {f"fusion.model.{name}" for name in RecursiveFusion().state_dict()}
    assert SuperResolver().state_dict().keys() == generator
    assert SuperResolver(n_views=4).state_dict().keys() == generator | fusion


def test_a_content_loss_in_decibels_is_the_generators() -> None:
    config = tiny("sisr6", network={"bicubic_residual": True}, content="psnr", g_pretrain_steps=4)
    paper = PAPER(config)
    objective = paper.objective(paper.network())
    batch = {"x": torch.zeros(1, 3, 8, 8), "target": torch.full((1, 3, 32, 32), 0.1)}
    ((name, value),) = objective.losses(batch, 1)
    assert name == "network" and float(value.detach()) == pytest.approx(-2, abs=0.01)


def test_a_bicubic_residual_starts_at_bicubic(store: Store) -> None:
    config = tiny(network={"bicubic_residual": True})
    network, scene = PAPER(config).network().eval(), store.scenes("val")[0]
    (row,) = PAPER(config).score(scene, PAPER(config).run(network, PAPER(config).inputs(scene)))
    (baseline,) = PAPER(config).score(scene, PAPER(config).baseline(scene))
    assert row["psnr_max1"] == pytest.approx(baseline["psnr_max1"], abs=1)


def test_the_description_says_what_the_experiment_takes() -> None:
    single, several, bytes_ = (PAPER(tiny(variant=name)).describe() for name in ("sisr7", "misr3", "sisr1"))
    assert (single["kind"], single["normalisation"]) == ("image", "s2_norm")
    assert (several["kind"], several["dates"]) == ("series", 4)
    assert (bytes_["normalisation"], bytes_["value_range"]) == ("signed_u8", [-1.0, 1.0])
    assert PAPER(tiny(variant="sisr5")).describe()["value_range"] == [0.0, 1.0]


@pytest.mark.slow
def test_series_pass_with_days_alone_and_photographs_pass_as_such(store: Store, photographs: Store) -> None:
    for own, config in ((store, tiny()), (photographs, tiny(variant="sisr1"))):
        lenient = config.checks.model_copy(update={"max_shift_px": 100.0})
        assert {check.name for check in judge(inspect(own), suites.chosen(lenient, config.convert)).failed} == set()
    failed = judge(inspect(photographs), suites.suite("series", max_shift_px=100.0)).failed
    assert {"type"} <= {check.name for check in failed}


def test_a_suite_of_another_kind_of_images_is_refused() -> None:
    for profile, suite in (("sisr1", "series"), ("sisr7", "photographs")):
        with pytest.raises(SatsrError, match=r"set checks\.suite="):
            resolved(CONFIG, "srgan", merged("srgan", ROOT, {"profile": profile, "checks": {"suite": suite}}))


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"fusion_steps": 9}, "more than train.iterations"), ({"fusion_steps": 2}, "needs views to fuse")],
)
def test_phases_that_cannot_be_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(SatsrError, match=words):
        tiny(variant="misr3" if settings["fusion_steps"] == 9 else "sisr7", **settings)
