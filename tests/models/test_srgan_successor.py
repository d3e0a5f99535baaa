"""The generators and discriminators of SRGAN's successor: the authors' tensors, counts and definitions."""

import pytest
import torch
from torch.nn import functional

import models
from tests.models.test_srgan import rand, tensors

SMALL = {"n_blocks": 2, "n_channels": 32}
LARGE = {"scale": 8, "in_channels": 6, "n_blocks": 32, "n_channels": 96}
NETWORKS = {
    "small_standard_4b_2blk_32ch_x4": ("standard", SMALL),
    "small_res_4b_2blk_32ch_x4": ("res", SMALL),
    "small_rcab_4b_2blk_32ch_x4": ("rcab", SMALL),
    "small_rrdb_4b_2blk_32ch_x4": ("rrdb", SMALL),
    "small_lka_4b_2blk_32ch_x4": ("lka", SMALL),
    "small_esrgan_4b_2blk_32ch_x4": ("esrgan", {**SMALL, "growth": 16}),
    "small_stochastic_4b_2blk_32ch_x4": ("stochastic", SMALL),
    "10m_rrdb_4b_16x64_x4": ("rrdb", {}),
    "20m_rcab_6b_32x96_x8": ("rcab", LARGE),
    "standard_4b_16x64_x4": ("standard", {}),
    "lka_4b_16x64_x4": ("lka", {}),
    "res_4b_16x64_x4": ("res", {}),
    "res_6b_32x96_x8": ("res", LARGE),
    "esrgan_4b_23x64_g32_x4": ("esrgan", {}),
    "stochastic_4b_16x64_x4": ("stochastic", {}),
    "disc_patchgan_n3": ("patchgan", {}),
    "disc_patchgan_n8": ("patchgan", {"n_layers": 8}),
    "disc_esrgan": ("esrgan_discriminator", {}),
}
GENERATORS = ("standard", "res", "rcab", "rrdb", "lka", "esrgan", "stochastic")


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_network_has_the_authors_tensors_and_count(golden, name):
    kind, settings = NETWORKS[name]
    with torch.device("meta"):  # shapes only: the largest have 29 million parameters
        network = models.build(f"srgan_{kind}", **settings)
    short = "_".join(name.split("_")[:2]) if name.startswith("small") else name
    assert tensors(network) == golden.shapes(f"srgan/succ_{short}_state_dict.csv")
    counts = golden.table("srgan/succ_param_counts.json")
    assert sum(p.numel() for p in network.parameters()) == counts[name]


def test_standard_discriminator_is_the_seeds_for_four_bands(golden):
    with torch.device("meta"):
        network = models.build("srgan_discriminator", in_channels=4)
    assert tensors(network) == golden.shapes("srgan/succ_disc_standard_state_dict.csv")


@pytest.mark.parametrize("kind", GENERATORS)
@pytest.mark.parametrize("scale", [2, 8])
def test_generators_take_any_size_batch_and_bands(kind, scale):
    network = models.build(f"srgan_{kind}", scale=scale, in_channels=5, n_blocks=1, n_channels=16).eval()
    assert network(rand(2, 5, 7, 10)).shape == (2, 5, 7 * scale, 10 * scale)


@pytest.mark.parametrize("kind", ["res", "rcab", "rrdb", "lka", "stochastic", "esrgan"])
def test_a_generator_whose_blocks_end_in_zero_is_its_frame_alone(kind):
    network = models.build(f"srgan_{kind}", n_blocks=2, n_channels=16).eval()
    x = rand(1, 4, 6, 6)
    with torch.no_grad():
        for name, p in network.body.named_parameters():
            if any(last in name for last in ("conv2", "c5", "body.2")):
                p.zero_()
        if kind == "esrgan":
            first = network.conv_first(x)
            large = network.upsampler(first + network.conv_body(first))
            frame = network.conv_last(functional.leaky_relu(network.conv_hr(large), 0.2))
        else:
            head = network.head(x)
            frame = network.tail(network.upsampler(network.body_tail(head) + head))
        assert torch.equal(network(x), frame)


def test_channel_attention_scales_the_branch_by_a_fifth():
    block = models.build("srgan_rcab", n_blocks=1, n_channels=16).body[0]
    x = rand(1, 16, 5, 5)
    branch = block.conv2(block.act(block.conv1(x)))
    mean = branch.mean((2, 3), keepdim=True)
    gate = torch.sigmoid(block.se[3](torch.relu(block.se[1](mean))))
    assert torch.allclose(block(x), x + 0.2 * branch * gate, atol=1e-6)


def test_large_kernel_gate_sees_23_pixels():
    lka = models.build("srgan_lka", n_blocks=1, n_channels=16).body[0].lka
    x = torch.ones(1, 16, 41, 41, requires_grad=True)
    lka(x)[0, :, 20, 20].sum().backward()
    rows = x.grad.abs().sum((0, 1, 3)).nonzero().flatten()
    assert (rows.min().item(), rows.max().item()) == (20 - 11, 20 + 11)


def test_noise_decides_what_the_stochastic_generator_draws():
    network = models.build("srgan_stochastic", **SMALL).eval()
    x = rand(2, 4, 6, 6)
    noise = torch.randn(1, 128, generator=torch.Generator().manual_seed(0))
    assert torch.equal(network(x, noise), network(x, noise))
    assert torch.allclose(network(x, noise), network(x, noise.expand(2, -1)), atol=1e-6)
    assert not torch.equal(network(x), network(x))
    with pytest.raises(ValueError, match="only the stochastic generator"):
        models.build("srgan_res", **SMALL)(x, noise)


def test_zero_scale_and_shift_make_the_stochastic_block_a_plain_one():
    block = models.build("srgan_stochastic", n_blocks=1, n_channels=16).body[0]
    x = rand(1, 16, 5, 5)
    with torch.no_grad():
        block.noise_mlp[2].weight.zero_()
        block.noise_mlp[2].bias.zero_()
    plain = x + 0.2 * block.conv2(block.act(block.conv1(x)))
    assert torch.allclose(block(x, torch.randn(1, 128)), plain)


def test_patch_discriminator_gives_a_map_and_says_its_smallest_image():
    network = models.build("srgan_patchgan", n_channels=8).eval()
    assert network(rand(2, 4, 96, 96)).shape == (2, 1, 10, 10)
    assert network(rand(1, 4, 24, 40)).shape == (1, 1, 1, 3)
    with pytest.raises(ValueError, match="at least 24 x 24 px and got 24 x 23"):
        network(rand(1, 4, 24, 23))
    with pytest.raises(ValueError, match="at least 768 x 768 px"):
        models.build("srgan_patchgan", n_channels=8, n_layers=8)(rand(1, 4, 96, 96))


def test_esrgan_discriminator_gives_one_logit_from_32_pixels_on():
    network = models.build("srgan_esrgan_discriminator", n_channels=4, fc_size=8).eval()
    assert network(rand(2, 4, 32, 45)).shape == (2, 1)
    with pytest.raises(ValueError, match="at least 32 x 32 px"):
        network(rand(1, 4, 31, 32))


def test_unknown_blocks_are_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="res, rcab, rrdb, lka, stochastic"):
        models.srgan.FlexibleGenerator("dense")
