"""SRGAN's losses, content features and schedules against the authors' numbers."""

import math

import pytest
import torch
from safetensors.torch import save_file

import models
from models.srgan import (
    CONTENT_LOSSES,
    ContentLoss,
    Discriminator,
    SRResNet,
    TruncatedVGG19,
    adversarial_loss,
    adversarial_weight,
    discriminator_loss,
    three_bands,
    warmup_factor,
)
from models.srgan.content import spectral_angle
from tests.golden import weights
from tests.models.test_srgan import made, rand, tensors

# one training step of the reference, as the specification of this paper quotes it
STEP = {"d_loss": 1.40069, "content": 0.00195471, "g_adv": 0.916804, "g_total": 0.00287151}


@pytest.fixture(scope="module")
def golden_vgg():
    """A content loss in the features of a VGG19 with golden weights."""
    loss = ContentLoss("vgg19-random")
    weights.srgan(loss.features, 0.03)
    return loss


@pytest.fixture(scope="module")
def golden_pair():
    """The two images that the successor's golden losses were computed from."""
    sr = rand(2, 3, 48, 48)
    return sr, (sr + 0.05 * (2 * rand(2, 3, 48, 48, seed=1) - 1)).clamp(0, 1)


@pytest.fixture(scope="module")
def golden_values(golden):
    return golden.table("srgan/succ_losses_schedules.json")


def test_truncated_vgg_has_the_authors_tensors(golden):
    assert tensors(TruncatedVGG19()) == golden.shapes("srgan/seed_truncated_vgg19_i5_j4_state_dict.csv")
    assert not any(p.requires_grad for p in TruncatedVGG19(2, 2).parameters())


@pytest.mark.parametrize(("i", "j", "layers"), [(1, 1, 2), (2, 2, 9), (3, 4, 18), (5, 4, 36)])
def test_vgg_ends_after_the_relu_of_the_layer_asked_for(i, j, layers):
    assert len(TruncatedVGG19(i, j).truncated_vgg19) == layers


@pytest.mark.parametrize(("i", "j"), [(0, 1), (6, 1), (1, 3), (5, 5)])
def test_a_layer_that_vgg_lacks_is_refused(i, j):
    with pytest.raises(ValueError, match="no layer"):
        TruncatedVGG19(i, j)


@pytest.mark.slow
def test_one_training_step_has_the_reference_losses(golden_vgg):
    lr, hr = 2 * rand(2, 3, 16, 16) - 1, 2 * rand(2, 3, 64, 64, seed=1) - 1
    generator, discriminator = made(SRResNet(), 0.03).train(), made(Discriminator(), 0.03).train()
    with torch.no_grad():
        sr = generator(lr)
        fake, real = discriminator(sr), discriminator(hr)
        content = golden_vgg(sr, hr)
    assert discriminator_loss(real, fake).item() == pytest.approx(STEP["d_loss"], rel=1e-5)
    assert content.item() == pytest.approx(STEP["content"], rel=1e-5)
    assert adversarial_loss(fake).item() == pytest.approx(STEP["g_adv"], rel=1e-5)
    total = content + 1e-3 * adversarial_loss(fake)
    assert total.item() == pytest.approx(STEP["g_total"], rel=1e-5)


def test_the_perceptual_loss_has_the_golden_value(golden_values, golden_pair, golden_vgg):
    assert golden_vgg(*golden_pair).item() == pytest.approx(golden_values["loss"]["perceptual"], rel=2e-5)


def test_ramps_match_the_golden_table(golden_values):
    for key, want in golden_values["schedules"].items():
        if key.startswith("adv_"):
            _, shape, step = key.split("_")
            assert adversarial_weight(int(step), shape=shape) == pytest.approx(want, rel=1e-9, abs=1e-18), key


def test_warmup_starts_where_the_reference_starts_and_ends_at_one():
    assert 1e-4 * warmup_factor(0, steps=10) == pytest.approx(2.447e-6, rel=1e-3)
    assert warmup_factor(0, steps=10, shape="linear") == pytest.approx(0.1)
    assert warmup_factor(9, steps=10) == warmup_factor(500, steps=10) == warmup_factor(0, steps=0) == 1
    with pytest.raises(ValueError, match="linear or cosine"):
        warmup_factor(0, shape="step")


def test_label_smoothing_is_least_where_the_discriminator_says_nine_tenths():
    logits = torch.linspace(-5, 5, 1001)[:, None]
    fake = torch.zeros(1, 1)
    losses = torch.stack([discriminator_loss(logit[None], fake, smooth=True) for logit in logits])
    assert torch.sigmoid(logits[losses.argmin()]).item() == pytest.approx(0.9, abs=1e-3)
    assert discriminator_loss(fake, fake).item() == pytest.approx(2 * math.log(2))


@pytest.mark.parametrize("name", sorted(set(CONTENT_LOSSES) - {"vgg19", "none", "l1_sam", "l1_sam_vgg19"}))
def test_content_losses_are_zero_for_equal_images_and_send_gradients_to_the_generated_one_only(name):
    loss = ContentLoss(name, i=2, j=2) if name == "vgg19-random" else ContentLoss(name)
    sr, hr = rand(2, 3, 16, 16).requires_grad_(), rand(2, 3, 16, 16, seed=1).requires_grad_()
    assert loss(sr, sr).item() == 0
    loss(sr, hr).backward()
    assert sr.grad.abs().sum() > 0
    assert hr.grad is None


def test_random_vgg_comes_from_its_seed_and_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    x, y = rand(1, 3, 16, 16), rand(1, 3, 16, 16, seed=1)
    first, again, other = (ContentLoss("vgg19-random", i=2, j=2, seed=seed)(x, y).item() for seed in (0, 0, 1))
    assert first == again != other
    assert torch.equal(torch.get_rng_state(), before)


def test_vgg_sees_three_bands_of_any_number():
    assert [three_bands(count) for count in (1, 2, 3)] == [[0, 0, 0], [0, 1, 0], [0, 1, 2]]
    draws = torch.Generator().manual_seed(0)
    seen = [three_bands(6, draws) for _ in range(20)]
    assert all(len(set(bands)) == 3 for bands in seen)
    assert {band for bands in seen for band in bands} == set(range(6))
    with pytest.raises(ValueError, match=r"torch\.Generator"):
        three_bands(4)


def test_a_vgg_loss_of_six_bands_depends_on_the_draw_only():
    loss = ContentLoss("vgg19-random", i=1, j=2)
    sr, hr = rand(1, 6, 8, 8), rand(1, 6, 8, 8, seed=1)
    first, again = (loss(sr, hr, torch.Generator().manual_seed(3)).item() for _ in range(2))
    assert first == again
    bands = three_bands(6, torch.Generator().manual_seed(3))
    assert first == loss(sr[:, bands], hr[:, bands]).item()


@pytest.mark.parametrize("form", ["features.{}", "truncated_vgg19.{}", "truncated_vgg19.truncated_vgg19.{}"])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_vgg_weights_load_from_every_published_form(tmp_path, form, suffix):
    source = TruncatedVGG19(3, 4, seed=5)
    renamed = {form.format(key.removeprefix("truncated_vgg19.")): value for key, value in source.state_dict().items()}
    deeper = {form.format("19.weight"): torch.zeros(1), "classifier.0.weight": torch.zeros(1)}
    path = tmp_path / f"vgg{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(renamed | deeper, path)
    loss = ContentLoss("vgg19", path, i=3, j=4)
    x = rand(1, 3, 16, 16)
    assert torch.equal(loss.features(x), source(x))


def test_vgg_without_weights_or_with_others_is_refused_with_the_way_out():
    with pytest.raises(ValueError, match="needs a file"):
        ContentLoss("vgg19")
    with pytest.raises(ValueError, match="no other content loss takes one"):
        ContentLoss("l1", "vgg19.pth")
    with pytest.raises(ValueError, match="no weights of VGG19"):
        ContentLoss("vgg19", models.build("srresnet", n_blocks=1, n_channels=4).state_dict(), i=1, j=1)
    with pytest.raises(ValueError, match="vgg19-random"):
        ContentLoss("lpips")


def test_the_successors_content_loss_has_the_golden_values(golden_values, golden_pair, golden_vgg):
    want = golden_values["loss"]
    assert ContentLoss("l1")(*golden_pair).item() == pytest.approx(want["l1"], rel=1e-5)
    assert spectral_angle(*golden_pair).item() == pytest.approx(want["sam"], rel=1e-5)
    pixels = ContentLoss("l1_sam")(*golden_pair).item()
    assert pixels == pytest.approx(want["l1"] + 0.05 * want["sam"], rel=1e-5)
    whole = ContentLoss("l1_sam_vgg19", golden_vgg.features.state_dict())
    assert whole(*golden_pair).item() == pytest.approx(want["total"], rel=1e-5)


def test_the_spectral_angle_of_equal_and_of_black_images_can_be_learnt_from():
    for sr in (torch.zeros(1, 3, 2, 2), rand(1, 3, 2, 2)):
        sr.requires_grad_(True)
        spectral_angle(sr, rand(1, 3, 2, 2)).backward()
        assert sr.grad.isfinite().all()
    same = rand(1, 3, 2, 2)
    assert 0 <= spectral_angle(same, same).item() < 5e-4  # the angle ends before 0, where it has no gradient
