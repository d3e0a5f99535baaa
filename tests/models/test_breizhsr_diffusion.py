"""SRDiff: golden schedule, denoiser, loss and samples; freezing, drawing, few-step sampling, sizes."""

import numpy as np
import pytest
import torch

import models
from models.breizhsr.diffusion import cosine_schedule, from_residual, spaced_times, to_residual
from models.breizhsr.graphs import Sampler
from models.breizhsr.unet import mish_, time_embedding
from tests.golden import weights

torch.set_num_threads(1)

TINY = {"channels": 8, "multipliers": (1, 2, 2, 2)}
RRDB = {"num_blocks": 2, "nf": 8, "gc": 4}
LTAE = {"channels": 8, "res_layers": 1, "d_model": 16, "heads": 2}
DAYS = torch.tensor([[-40, -3, 5], [0, 10, 20]])


def tiny(backbone="rrdb", timesteps=10, **options):
    options = options or {"rrdb": RRDB, "highresnet_ltae": LTAE}.get(backbone, {})
    return models.build("srdiff", backbone=backbone, timesteps=timesteps, backbone_options=options, **TINY)


def inputs(batch=2, height=6, width=4):
    generator = torch.Generator().manual_seed(1)
    low = torch.rand(batch, 3, height, width, generator=generator) * 2 - 1
    up = torch.nn.functional.interpolate(low, scale_factor=4, mode="bicubic")
    return low, up, up + 0.1 * torch.randn(up.shape, generator=generator)


class GaussianDenoiser(torch.nn.Module):
    """The best there is where every residual is drawn from N(mean, deviation^2); it counts how often it is asked."""

    mean, deviation = 0.3, 0.1

    def __init__(self, kept):
        super().__init__()
        self.kept, self.calls = kept, 0

    def project(self, cond):
        return cond

    def predict(self, x_t, t, projected):
        self.calls += 1
        kept = self.kept[t].view(-1, 1, 1, 1)
        variance = kept * self.deviation**2 + 1 - kept
        return (1 - kept).sqrt() * (x_t - kept.sqrt() * self.mean) / variance

    def drawn(self, start):
        """Where the exact flow leads from a start (Song et al., 2021, section 4.3)."""
        return self.mean + self.deviation * start


def gaussian(timesteps=500):
    network = tiny("none", timesteps)
    network.denoise_fn = GaussianDenoiser(network.alphas_cumprod)
    return network


@pytest.fixture
def expected(golden):
    return golden("breizhsr/srdiff_rrdb.npz")


@pytest.fixture
def given(expected):
    """The golden inputs."""
    return {name: torch.from_numpy(expected[name]) for name in ("lr", "hr", "lr_up", "noise", "z")}


@pytest.fixture(scope="module")
def network():
    return weights.breizhsr(models.build("srdiff", backbone="rrdb", timesteps=10), 0.035)


def assert_close(actual, reference, atol=1e-4):
    torch.testing.assert_close(actual, reference, atol=atol, rtol=0)


@pytest.mark.parametrize(("timesteps", "prefix"), [(500, ""), (10, "T10_")])
def test_schedule_is_the_golden_one(timesteps, prefix, golden):
    buffers = dict(models.build("srdiff", backbone="none", timesteps=timesteps, **TINY).named_buffers())
    file = golden("breizhsr/schedule.npz")
    for name, values in cosine_schedule(timesteps).items():
        file.matches(values, prefix + name, rtol=1e-6)
        assert torch.equal(buffers[name], values)


def test_time_embedding_is_the_golden_one(golden):
    file = golden("breizhsr/encodings.npz")
    file.matches(time_embedding(torch.from_numpy(file["t"]), 64), "time_emb", atol=1e-6)


def test_condition_noise_and_reverse_step_match_the_golden_values(expected, given, network):
    expected.matches(network.rrdb(given["lr"]), "backbone_out", atol=1e-4)
    condition = network.condition(given["lr"])
    expected.matches(condition.unflatten(1, (3, 32)).transpose(0, 1), "cond", atol=1e-4)
    residual = to_residual(given["hr"], given["lr_up"])
    expected.matches(residual, "x0_res", atol=1e-6)
    t = torch.tensor([7])
    noisy = network.diffuse(residual, t, given["noise"])
    expected.matches(noisy, "x_t", atol=1e-6)
    eps = network.denoise(noisy, t, condition)
    expected.matches(eps, "eps", atol=1e-4)
    before, clean = network.reverse_step(noisy, 7, eps, given["z"])
    expected.matches(before, "x_prev", atol=1e-4)
    expected.matches(clean, "x0_pred", atol=1e-4)


def test_loss_and_gradients_match_the_golden_values(expected, given, network):
    loss = network.loss(given["lr"], given["lr_up"], given["hr"], t=torch.tensor([7]), eps=given["noise"])
    assert loss.item() == pytest.approx(float(expected["loss"]), abs=1e-5)
    loss.backward()
    norms = dict(zip(expected["grad_keys"], expected["grad_norms"], strict=True))
    actual = {
        key: value.grad.double().norm().item() for key, value in network.named_parameters() if value.requires_grad
    }
    assert actual == pytest.approx(norms, rel=1e-3)


@pytest.mark.slow
def test_ten_ancestral_steps_match_the_golden_sample(expected, given, network):
    noise = np.random.default_rng(6).standard_normal((11, 1, 3, 64, 64)).astype(np.float32)
    sampled = network.sample(given["lr"], given["lr_up"], noise=torch.from_numpy(noise))
    expected.matches(sampled, "sample", atol=1e-4)


def test_residual_space_gives_back_images_within_half_of_the_upsampled_one():
    up = torch.rand(1, 3, 8, 8) * 2 - 1
    near, far = up + torch.rand(1, 3, 8, 8) - 0.5, up + 0.8
    assert_close(from_residual(to_residual(near, up), up), near, 1e-6)
    assert_close(from_residual(to_residual(far, up), up), up + 0.5, 1e-6)


def test_training_leaves_the_backbone_as_it_is():
    network = tiny("highresnet_ltae").train()
    before = {key: value.clone() for key, value in network.rrdb.state_dict().items()}
    _, up, target = inputs()
    series = torch.rand(2, 3, 3, 6, 4)
    network.loss(series, up, target, DAYS).backward()
    assert network.training
    assert not network.rrdb.training
    assert all(torch.equal(value, before[key]) for key, value in network.rrdb.state_dict().items())
    assert all(value.grad is None for value in network.rrdb.parameters())
    assert all(value.grad is not None for value in network.denoise_fn.parameters())


def test_a_generator_makes_the_loss_and_the_sample_repeatable():
    network = tiny()
    low, up, target = inputs()

    def drawn(seed):
        generator = torch.Generator().manual_seed(seed)
        return network.loss(low, up, target, generator=generator), network.sample(low, up, generator=generator)

    for first, second, other in zip(drawn(3), drawn(3), drawn(4), strict=True):
        assert torch.equal(first, second)
        assert not torch.equal(first, other)


@pytest.mark.slow
def test_noise_is_drawn_from_the_start_to_the_last_step():
    network = tiny()
    low, up, _ = inputs()
    torch.manual_seed(5)
    drawn = network(low, up)
    torch.manual_seed(5)
    assert torch.equal(drawn, network.sample(low, up, noise=torch.randn(11, *up.shape)))


def test_fewer_steps_sample_deterministically_from_the_start_alone():
    network = tiny(timesteps=50)
    low, up, _ = inputs()
    start = torch.randn(1, *up.shape)
    first = network.sample(low, up, noise=start, steps=4)
    assert torch.equal(first, network.sample(low, up, noise=torch.cat([start, torch.randn(50, *up.shape)]), steps=4))
    assert first.shape == up.shape
    assert (first - up).abs().max() <= 0.5 + 1e-6


def test_implicit_steps_recover_the_residual_when_the_noise_is_known():
    network = tiny("none", timesteps=100)
    residual, eps = torch.rand(1, 3, 8, 8) * 2 - 1, torch.randn(1, 3, 8, 8)
    times = spaced_times(100, 7)
    x = network.diffuse(residual, torch.tensor([times[2]]), eps)
    for t, before in zip(times[2:], [*times[3:], -1], strict=True):
        x = network.implicit_step(x, t, before, eps)
    assert_close(x, residual, 1e-3)


def test_few_steps_draw_from_a_gaussian_what_the_exact_flow_draws():
    low, up, _ = inputs()
    start = torch.randn(1, *up.shape)
    errors = []
    for steps in (25, 100):
        network = gaussian()
        residual = to_residual(network.sample(low, up, noise=start, steps=steps), up)
        errors.append((residual - network.denoise_fn.drawn(start[0])).square().mean().sqrt())
        assert network.denoise_fn.calls == steps
    assert errors[0] < 0.03
    assert errors[1] < errors[0] / 2


@pytest.mark.parametrize("temperature", [0.0, 0.5, 1.0])
def test_the_temperature_scales_the_deviation_of_draws_down_to_the_mean(temperature):
    low, up, _ = inputs()
    noise = torch.randn(up.shape)
    network = gaussian()
    residual = to_residual(Sampler(network, 100, temperature)(low, up, noise), up)
    assert_close(residual, network.denoise_fn.drawn(temperature * noise), 0.05)
    assert residual.std() == pytest.approx(temperature * GaussianDenoiser.deviation, abs=0.01)


def test_steps_with_fresh_noise_draw_from_the_gaussian_by_the_noise_of_each():
    low, up, _ = inputs(4)
    network = gaussian()
    sampler = Sampler(network, 100, fresh=True)
    noise = torch.randn(len(up), 3 * 101, *up.shape[-2:])
    residual = to_residual(sampler(low, up, noise), up)
    assert network.denoise_fn.calls == 100
    assert residual.mean() == pytest.approx(GaussianDenoiser.mean, abs=0.02)
    assert residual.std() == pytest.approx(GaussianDenoiser.deviation, abs=0.02)
    other = torch.cat([noise[:, :3], torch.randn_like(noise[:, 3:])], 1)
    again = to_residual(sampler(low, up, other), up)
    assert (again - residual).std() > GaussianDenoiser.deviation


def test_steps_with_fresh_noise_at_every_time_are_the_ancestral_ones():
    network = tiny("none", timesteps=20)
    x, eps, z = torch.randn(3, 1, 3, 8, 8)
    for t in (19, 10, 1, 0):
        assert_close(network.implicit_step(x, t, t - 1, eps, z), network.reverse_step(x, t, eps, z)[0], 1e-5)


@pytest.mark.slow
def test_without_noise_it_is_sampled_as_at_the_temperature_0():
    network = tiny(timesteps=50)
    low, up, _ = inputs()
    first = Sampler(network, 4, 0.0)(low, up, torch.randn(up.shape))
    assert torch.equal(first, Sampler(network, 4)(low, up))
    assert not torch.equal(first, Sampler(network, 4)(low, up, torch.randn(up.shape)))


def test_mish_without_a_gradient_is_mish():
    x = torch.cat([torch.linspace(-30, 30, 6001), torch.tensor([-1e4, -100.0, 88.0, 89.0, 1e4])])
    expected = torch.nn.functional.mish(x.double())
    torch.testing.assert_close(mish_(x.clone()).double(), expected, atol=4e-6, rtol=1e-6)
    kept = x.clone().requires_grad_()
    assert torch.equal(mish_(kept), torch.nn.functional.mish(x))
    assert torch.equal(kept, x)


def test_the_denoiser_is_the_same_with_and_without_a_gradient():
    network = tiny("none").eval()
    low, up, _ = inputs()
    t = torch.tensor([3, 8])
    learning = network.denoise(up, t, low)
    assert learning.requires_grad
    with torch.no_grad():
        assert_close(network.denoise(up, t, low), learning.detach(), 1e-5)


@pytest.mark.parametrize("backbone", ["rrdb", "highresnet", "highresnet_ltae", "rrdb_ltae", "rrdb_highresnet", "none"])
def test_every_backbone_conditions_the_denoiser(backbone):
    options = {"highresnet": {"channels": 8}, "highresnet_ltae": LTAE, "none": {}}.get(backbone, RRDB)
    options = {**options, "heads": 2, "d_model": 16} if backbone == "rrdb_ltae" else options
    network = tiny(backbone, 3, **options).eval()
    low, up, target = inputs()
    x = low if backbone in ("rrdb", "none") else low.unsqueeze(1).repeat(1, 3, 1, 1, 1)
    condition = network.condition(x, DAYS, torch.ones(2, 3))
    assert condition.shape[-2:] == low.shape[-2:]
    assert network.denoise_fn.cond_proj.in_channels == condition.shape[1]
    assert torch.isfinite(network.loss(x, up, target, DAYS, torch.ones(2, 3)))
    assert network(x, up, DAYS, torch.ones(2, 3)).shape == up.shape


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (3, 4), (5, 9), (8, 6)])
def test_sides_that_are_no_multiple_of_eight_are_padded_and_cropped_inside(size):
    network = tiny("none").eval()
    low, up, _ = inputs(2, *size)
    assert network.denoise(up, torch.tensor([0, 9]), low).shape == up.shape


def test_padding_does_not_reach_far_into_the_tile():
    network = tiny("none").eval()
    low, up, _ = inputs(1, 42, 40)
    t = torch.tensor([4])
    whole, part = network.denoise(up, t, low), network.denoise(up[:, :, :164], t, low[:, :, :41])
    assert_close(part[:, :, :64], whole[:, :, :64], 1e-5)


def test_wrong_settings_are_refused_with_a_sentence():
    with pytest.raises(ValueError, match=r"backbone is one of rrdb, .*, none, but it is 'unet'"):
        models.build("srdiff", backbone="unet")
    with pytest.raises(ValueError, match="timesteps must be at least 1"):
        models.build("srdiff", timesteps=0)
    network = tiny()
    low, up, _ = inputs()
    with pytest.raises(ValueError, match="steps must be 1 to 10"):
        network.sample(low, up, steps=11)
    with pytest.raises(ValueError, match=r"temperature must be 0 to 1, but it is 1\.5"):
        Sampler(network, 4, 1.5)
    with pytest.raises(ValueError, match="up must have the shape"):
        network.sample(low, low)
    with pytest.raises(ValueError, match="noise must have the shape"):
        network.sample(low, up, noise=torch.randn(10, *up.shape))
