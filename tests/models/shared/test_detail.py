"""Detail over bicubic: where reduced networks start, without a grid, and alike at every brightness and contrast."""

import pytest
import torch
from torch.nn import functional

import models
from models.breizhsr.fusion import Decoder
from models.shared.detail import FLOOR, local_contrast, with_detail, without_grid
from models.srgan.srresnet import SubPixelBlock

SMALL = {
    "srgan": {"n_blocks": 1, "n_channels": 8},
    "rrdb": {"num_blocks": 1, "nf": 8, "gc": 4},
    "highresnet": {"channels": 8, "res_layers": 1},
    "highresnet_ltae": {"channels": 8, "res_layers": 1, "d_model": 16, "heads": 2},
    "rrdb_ltae": {"num_blocks": 1, "nf": 8, "gc": 4, "d_model": 16, "heads": 2},
    "rrdb_highresnet": {"num_blocks": 1, "nf": 8, "gc": 4},
}


def inputs(name, views=5):
    """Values far beyond -1..1 too, and the view that the output must start at."""
    torch.manual_seed(1)
    if name in ("srgan", "rrdb"):
        x = torch.randn(2, 3, 12, 16) * 2
        return {"x": x}, x
    x = torch.randn(2, views, 3, 12, 16) * 2
    alphas = torch.tensor([[1.0] * views, [1.0] * (views - 1) + [0.0]])
    if not name.endswith("ltae"):
        first, second = (part.sort(0).values[(len(part) - 1) // 2] for part in (x[0], x[1, : views - 1]))
        return {"x": x, "alphas": alphas}, torch.stack([first, second])
    days = torch.tensor([[-9.0, -4.0, 1.0, 6.0, 11.0], [-2.0, 3.0, 8.0, 13.0, 0.0]])
    return {"x": x, "days": days, "alphas": alphas}, torch.stack([x[0, 2], x[1, 0]])


@pytest.mark.parametrize("name", SMALL)
def test_a_reduced_network_starts_at_bicubic(name):
    given, image = inputs(name)
    network = models.build(name, **SMALL[name], bicubic_residual=True).eval()
    bicubic = functional.interpolate(image, scale_factor=4, mode="bicubic", align_corners=False)
    with torch.no_grad():
        torch.testing.assert_close(network(**given), bicubic, rtol=0, atol=1e-5)
        plain = models.build(name, **SMALL[name]).eval()(**given)
    assert (plain - bicubic).abs().mean() > 0.1


@pytest.mark.parametrize("name", SMALL)
def test_a_reduced_network_has_the_papers_parameters(name):
    reduced, paper = (models.build(name, **SMALL[name], **more) for more in ({"bicubic_residual": True}, {}))
    shapes = [{key: value.shape for key, value in network.state_dict().items()} for network in (reduced, paper)]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("name", SMALL)
def test_a_reduced_network_learns_from_its_first_step(name):
    given, _ = inputs(name)
    network = models.build(name, **SMALL[name], bicubic_residual=True)
    before = network(**given)
    before.sum().backward()
    torch.optim.SGD(network.parameters(), 1e-3).step()
    assert (network(**given) - before).abs().max() > 1e-5


def upsampler(kind):
    """From features of 4 channels to images 4 times as large, freshly initialised, and its upsampling layers."""
    if kind == "shuffle":
        blocks = torch.nn.Sequential(SubPixelBlock(4), SubPixelBlock(4))
        return blocks, [block.conv for block in blocks]
    decoder = Decoder(4)
    return decoder, [decoder.deconv[0], decoder.deconv2[0]]


@pytest.mark.parametrize("kind", ["shuffle", "transposed"])
def test_a_flat_image_stays_flat_through_an_upsampler_without_a_grid(kind):
    torch.manual_seed(0)
    network, layers = upsampler(kind)
    flat = torch.randn(1, 4, 1, 1).expand(1, 4, 9, 9)
    inner = (..., slice(12, -12), slice(12, -12))  # zeros around an image are no grid
    with torch.no_grad():
        assert network(flat)[inner].std((2, 3)).max() > 0.01
        for layer in layers:
            without_grid(layer)
        found = network(flat)[inner]
    assert found.std((2, 3)).max() < 1e-6 and found.abs().max() > 0.01


def test_detail_follows_the_contrast_and_not_the_level():
    torch.manual_seed(0)
    image = torch.randn(1, 3, 16, 16)
    network = models.build("srresnet", n_blocks=1, n_channels=8).eval()
    with torch.no_grad():
        plain = with_detail(image, image, network, 4)
        other = with_detail(4 * image + 5, 4 * image + 5, network, 4)
    enlarged = functional.interpolate(image, scale_factor=4, mode="bicubic", align_corners=False)
    assert (plain - enlarged).abs().mean() > 1e-3
    torch.testing.assert_close(other, 4 * plain + 5, rtol=1e-3, atol=1e-3)


def test_noise_on_flat_ground_looks_small_where_more_counts_as_flat():
    torch.manual_seed(0)
    noise, field = 0.01 * torch.randn(1, 3, 16, 16), torch.randn(1, 3, 16, 16)
    seen = []

    def network(x):
        seen.append(float(x.std()))
        return torch.zeros(1, 3, 64, 64)

    for image, flat in ((noise, FLOOR), (noise, 0.05), (field, FLOOR), (field, 0.05)):
        with_detail(image, image, network, 4, flat)
    fine, coarse, *fields = seen
    assert fine > 0.6 and coarse < 0.25
    assert fields[0] == pytest.approx(fields[1], rel=0.01)


def test_every_reduced_series_network_has_that_setting():
    for name, sizes in SMALL.items():
        if name != "srgan":
            network = models.build(name, **sizes, bicubic_residual=True, flat_contrast=0.04)
            given = inputs(name)[0]
            with torch.no_grad():
                network.eval()
                parts = [part for part in network.modules() if getattr(part, "flat_contrast", None) == 0.04]
                assert len(parts) == 1 and torch.isfinite(network(**given)).all()


def test_what_is_as_flat_as_noise_is_not_stretched():
    level, spread = local_contrast(torch.full((1, 3, 12, 12), 0.7))
    torch.testing.assert_close(level, torch.full((1, 3, 12, 12), 0.7))
    torch.testing.assert_close(spread, torch.full((1, 1, 12, 12), FLOOR))
