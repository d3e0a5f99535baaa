"""SRGAN's generator, discriminator and fusion of views against the authors' outputs and parameter names."""

import numpy as np
import pytest
import torch
from torch.nn import functional

import models
from models.srgan import Discriminator, RecursiveFusion, SRResNet, SuperResolver, fusion_warmup_loss, part
from tests.golden import weights


def rand(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).random(shape).astype(np.float32))


def tensors(module):
    return [(key, tuple(value.shape)) for key, value in module.state_dict().items()]


def made(module, scale):
    return weights.srgan(module, scale).eval()


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_generator_has_the_authors_tensors(golden, scale):
    network = models.build("srresnet", scale=scale)
    assert tensors(network) == golden.shapes(f"srgan/seed_generator_x{scale}_state_dict.csv")
    counts = golden.table("srgan/seed_param_counts.json")
    assert sum(p.numel() for p in network.parameters()) == counts[f"generator_x{scale}"]


def test_discriminator_and_fusions_have_the_authors_tensors(golden):
    assert tensors(models.build("srgan_discriminator")) == golden.shapes("srgan/seed_discriminator_state_dict.csv")
    assert tensors(models.build("recursive_fusion")) == golden.shapes("srgan/seed_fusion_recursivenet_state_dict.csv")
    wide = models.build("recursive_fusion", channels=64)
    assert tensors(wide) == golden.shapes("srgan/seed_fusion64_unused_state_dict.csv")


def test_multi_image_network_has_the_names_of_the_authors_whole_module(golden):
    whole = golden.shapes("srgan/seed_SRGAN_model_MISR_state_dict.csv")
    parts = ("fusion.", "generator.")
    assert sorted(tensors(models.build("srgan", n_views=4))) == sorted(row for row in whole if row[0].startswith(parts))


def test_generator_matches_the_golden_images_and_intermediates(golden):
    want = golden("srgan/seed_generator.npz")
    network = made(SRResNet(), 0.03)
    with torch.no_grad():
        x = torch.from_numpy(want["x_a"])
        head = network.net.conv_block1(x)
        blocks = network.net.residual_blocks(head)
        trunk = network.net.conv_block2(blocks) + head
        found = {"conv_block1_a": head, "residual_blocks_a": blocks, "trunk_a": trunk, "y_a": network(x)}
        found["y_b"] = network(torch.from_numpy(want["x_b"]))
    for name, value in found.items():
        want.matches(value, name, atol=1e-5)


def test_generator_in_training_matches_the_golden_batch_statistics(golden):
    want = golden("srgan/seed_generator.npz")
    network = made(SRResNet(), 0.03).train()
    y = network(torch.from_numpy(want["x_b"]))
    want.matches(y, "y_b_trainmode", atol=1e-5)
    mean = network.net.residual_blocks[0].conv_block1.conv_block[1].running_mean
    want.matches(mean, "trainmode_rm_first", atol=1e-6)


def test_other_scales_and_depths_match_the_golden_images(golden):
    want = golden("srgan/seed_generator.npz")
    x = torch.from_numpy(want["x_s"])
    with torch.no_grad():
        want.matches(made(SRResNet(scale=2), 0.03)(x), "y_x2", atol=1e-5)
        want.matches(made(SRResNet(scale=8, n_blocks=2), 0.03)(x), "y_x8_2blocks", atol=1e-5)


@pytest.mark.slow
def test_discriminator_matches_the_golden_logits(golden):
    want = golden("srgan/seed_discriminator.npz")
    network = made(Discriminator(), 0.03)
    square, rectangle = rand(2, 3, 96, 96), rand(1, 3, 120, 88)
    with torch.no_grad():
        want.matches(network.conv_blocks(square), "features_96", atol=1e-5)
        want.matches(network(square), "logit_96", atol=1e-5)
        want.matches(network.conv_blocks(rectangle), "features_rect", atol=1e-5)
        want.matches(network(rectangle), "logit_rect", atol=1e-5)
        want.matches(network.train()(square), "logit_96_trainmode", atol=1e-5)


def test_fusion_warmup_matches_the_golden_loss_and_gradient(golden):
    want = golden("srgan/seed_fusion_warmup.npz")
    fusion = made(RecursiveFusion(), 0.2).train()
    views = rand(2, 4, 3, 16, 16)
    loss = fusion_warmup_loss(fusion(views), views)
    loss.backward()
    norm = torch.stack([p.grad.norm() for p in fusion.parameters()]).norm()
    assert loss.item() == pytest.approx(float(want["loss"]), rel=1e-5)
    assert norm.item() == pytest.approx(float(want["gradnorm"]), rel=1e-3)


@pytest.mark.parametrize("count", range(1, 10))
def test_every_view_counts_by_default(count):
    fusion = made(RecursiveFusion(), 0.2)
    views = rand(1, count, 3, 8, 8).requires_grad_()
    fusion(views).square().sum().backward()
    assert (views.grad.abs().sum((0, 2, 3, 4)) > 0).all()


@pytest.mark.parametrize(("count", "used"), [(3, [0, 1]), (5, [0, 1, 2, 3]), (6, [0, 1, 4, 5]), (7, [0, 1, 4, 5])])
def test_compatible_fusion_drops_the_views_that_the_reference_drops(count, used):
    fusion = made(RecursiveFusion(reference_compat=True), 0.2)
    views = rand(1, count, 3, 8, 8).requires_grad_()
    fusion(views).square().sum().backward()
    assert (views.grad.abs().sum((0, 2, 3, 4)) > 0).nonzero().flatten().tolist() == used


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_fusion_of_a_power_of_two_is_the_reference(count, alpha):
    ours = made(RecursiveFusion(alpha_residual=alpha), 0.2)
    reference = made(RecursiveFusion(alpha_residual=alpha, reference_compat=True), 0.2)
    views = rand(2, count, 3, 6, 7)
    assert torch.equal(ours(views), reference(views))


def test_fusion_pairs_the_first_view_with_the_last():
    fusion = made(RecursiveFusion(), 0.2)
    a, b, c, d = (view[:, None] for view in rand(1, 4, 3, 8, 8).unbind(1))
    outer, inner = fusion(torch.cat([a, d], 1)), fusion(torch.cat([b, c], 1))
    direct = fusion(torch.cat([a, b, c, d], 1))
    assert torch.allclose(fusion(torch.stack([outer, inner], 1)), direct, atol=1e-6)


def test_a_last_view_whose_alpha_is_zero_changes_nothing():
    fusion = made(RecursiveFusion(alpha_residual=True), 0.2)
    views = rand(1, 3, 3, 8, 8)
    two = fusion(views[:, :2], torch.ones(1, 2))
    assert torch.equal(fusion(views, torch.tensor([[1.0, 1.0, 0.0]])), two)
    assert not torch.equal(fusion(views), two)


def test_alphas_without_alpha_residual_are_refused():
    with pytest.raises(ValueError, match="alpha_residual=True"):
        RecursiveFusion()(rand(1, 2, 3, 8, 8), torch.ones(1, 2))


def test_one_view_comes_back_unchanged():
    views = rand(2, 1, 3, 8, 8)
    assert torch.equal(made(RecursiveFusion(), 0.2)(views), views[:, 0])


def test_weights_load_with_and_without_the_wrappers_prefix():
    source, wrapped, bare = (SRResNet(n_blocks=1, n_channels=8) for _ in range(3))
    state = source.state_dict()
    wrapped.load_state_dict(state, strict=True)
    bare.load_state_dict({key.removeprefix("net."): value for key, value in state.items()}, strict=True)
    for other in (wrapped, bare):
        assert all(torch.equal(state[key], value) for key, value in other.state_dict().items())


def test_parts_of_a_whole_checkpoint_load_strictly():
    network, discriminator = SuperResolver(n_blocks=1, n_channels=8, n_views=3), Discriminator(n_channels=4, fc_size=8)
    whole = network.state_dict() | {f"discriminator.{key}": value for key, value in discriminator.state_dict().items()}
    checkpoint = {"state_dict": whole}
    generator = SRResNet(n_blocks=1, n_channels=8)
    models.load_weights(generator, part(checkpoint, "generator"))
    models.load_weights(RecursiveFusion(), part(checkpoint, "fusion"))
    models.load_weights(Discriminator(n_channels=4, fc_size=8), part(checkpoint, "discriminator"))
    x = rand(1, 3, 8, 8)
    assert torch.equal(generator.eval()(x), network.eval().generator(x))
    bare = {key.removeprefix("net."): value for key, value in generator.state_dict().items()}
    models.load_weights(SRResNet(n_blocks=1, n_channels=8), part(bare, "generator"))
    with pytest.raises(ValueError, match="the parts are generator, discriminator, fusion"):
        part(checkpoint, "vgg")


def test_multi_image_network_is_the_generator_of_the_fused_views():
    network = SuperResolver(n_blocks=1, n_channels=8, n_views=3).eval()
    views = rand(2, 3, 3, 9, 11)
    fused = network.fusion["model"](views)
    assert torch.equal(network(views), network.generator(fused))
    assert network(views).shape == (2, 3, 36, 44)


@pytest.mark.parametrize("size", [(1, 1), (2, 7), (13, 5)])
def test_any_size_and_number_of_bands_passes(size):
    generator = SRResNet(scale=2, in_channels=5, n_blocks=1, n_channels=8).eval()
    discriminator = Discriminator(in_channels=5, n_channels=4, fc_size=8).eval()
    y = generator(rand(2, 5, *size))
    assert y.shape == (2, 5, 2 * size[0], 2 * size[1])
    assert y.abs().max() <= 1
    assert discriminator(y).shape == (2, 1)


def test_a_scale_that_is_no_doubling_is_refused():
    with pytest.raises(ValueError, match="2, 4 or 8"):
        SRResNet(scale=3)


@pytest.mark.slow
def test_a_small_generator_learns_one_image():
    torch.manual_seed(0)
    network = SRResNet(scale=2, n_blocks=2, n_channels=16)
    small = 2 * rand(1, 3, 8, 8) - 1
    goal = functional.interpolate(small, scale_factor=2, mode="bilinear")
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    losses = []
    for _ in range(60):
        loss = functional.mse_loss(network(small), goal)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]
