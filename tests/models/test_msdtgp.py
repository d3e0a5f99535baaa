"""MSDTGP against the authors' outputs, parameter names and first losses."""

import re

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import models
from models.msdtgp import MSDTGP
from models.shared.deform import modulated_deform_conv
from tests.golden import weights

PARAMETERS = {2: 11_536_259, 4: 14_174_083, 8: 21_710_723}
TINY = {"base_filter": 16, "feat": 8, "n_resblock": 1, "n_extract": 1, "deformable_groups": 4}
# Which frames the reference's calls of a layer of the alignment belong to.
CALLS = (0, 2, 4, 1, 2, 3)


def draw(seed: int, *shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).random(shape, dtype=np.float32))


@pytest.fixture(scope="module")
def golden_weights(golden) -> weights.Weights:
    return weights.msdtgp(dict(golden.shapes("msdtgp/state_dict.csv")))


@pytest.fixture
def network(golden_weights) -> MSDTGP:
    """The full network with the golden weights."""
    with torch.device("meta"):
        made = MSDTGP(init="reference")
    made.to_empty(device="cpu")
    models.load_weights(made, golden_weights)
    return made.eval()


@pytest.fixture
def tiny() -> MSDTGP:
    """A small network whose offsets are not zero."""
    torch.manual_seed(0)
    made = MSDTGP(**TINY)
    torch.nn.init.normal_(made.alignment1.dcnpack.conv_offset_mask.weight, std=0.5)
    return made.eval()


def test_it_has_the_authors_tensors_in_their_order(golden):
    expected = golden.shapes("msdtgp/state_dict.csv")
    assert [(key, tuple(value.shape)) for key, value in models.build("msdtgp").state_dict().items()] == expected


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_every_scale_has_the_published_number_of_parameters(scale):
    with torch.device("meta"):
        made = MSDTGP(scale)
    assert sum(p.numel() for p in made.parameters()) == PARAMETERS[scale]


@pytest.mark.slow
def test_the_output_for_five_frames_of_64_pixels_is_golden(network, golden):
    with torch.no_grad():
        out = network(draw(0, 1, 5, 3, 64, 64))
    golden("msdtgp/forward_64.npz").matches(out, "output_float64", rtol=1e-4, atol=2e-6)


@pytest.mark.slow
def test_every_stage_of_two_unsquare_samples_is_golden(network, golden):
    stages = golden("msdtgp/stages_16x20.npz")
    names = {re.sub(r"__\d+$", "", name) for name in stages} - {"output"}
    found: dict[str, list[torch.Tensor]] = {name: [] for name in names}
    for name in names:
        network.get_submodule(name).register_forward_hook(
            lambda module, inputs, out, name=name: found[name].append(out)
        )
    with torch.no_grad():
        out = network(draw(1, 2, 5, 3, 16, 20))
    stages.matches(out, "output", rtol=1e-4, atol=2e-6)
    for key in set(stages) - {"output"}:
        name, call = key.split("__")
        calls = found[name]
        if name.startswith("alignment1"):  # ours takes all frames at once
            value = calls[0].unflatten(0, (2, 5))[:, CALLS[int(call)]]
        elif name in ("fusion1", "res_feat1"):  # both groups at once
            value = calls[0].unflatten(0, (2, 2))[:, int(call)]
        else:
            value = calls[int(call)]
        stages.matches(value[:, : stages.shape(key)[1]], key, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_three_steps_of_adam_have_the_reference_s_losses(network):
    """The figures of the specification, section 4."""
    frames, target = draw(2, 1, 5, 3, 16, 16), draw(3, 1, 3, 64, 64)
    optimizer = torch.optim.Adam(network.train().parameters(), lr=8e-5)
    losses = []
    for _ in range(3):
        loss = F.l1_loss(network(frames), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    np.testing.assert_allclose(losses, [0.5815880, 0.4982657, 0.3900720], rtol=1e-4)


def test_the_deformable_convolution_is_the_reference_s(golden):
    file = golden("msdtgp/dcnv2_only.npz")
    data = {name: torch.from_numpy(file[name]) for name in ("x", "offset", "mask", "weight", "bias")}
    file.matches(modulated_deform_conv(**data), "y", rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("scale", [2, 4, 8])
@pytest.mark.parametrize("size", [(1, 7), (6, 9), (16, 5)])
def test_any_size_is_enlarged_by_the_scale(scale, size):
    with torch.no_grad():
        out = MSDTGP(scale, **TINY)(torch.rand(2, 5, 3, *size))
    assert out.shape == (2, 3, scale * size[0], scale * size[1])


def test_a_batch_equals_its_samples_one_by_one(tiny):
    x = draw(5, 3, 5, 3, 7, 10)
    with torch.no_grad():
        torch.testing.assert_close(tiny(x), torch.cat([tiny(item[None]) for item in x]), rtol=1e-5, atol=1e-6)


def test_every_frame_and_every_weight_has_a_gradient(tiny):
    x = draw(6, 1, 5, 3, 8, 8).requires_grad_()
    tiny(x).square().sum().backward()
    assert (x.grad.abs().amax((0, 2, 3, 4)) > 0).all()
    assert not [name for name, p in tiny.named_parameters() if p.grad is None or not p.grad.abs().any()]


def test_the_reference_s_start_has_the_reference_s_statistics(golden):
    torch.manual_seed(123)
    made = MSDTGP(init="reference").state_dict()
    for row in golden.table("msdtgp/init_stats.csv"):
        value = made[row["key"]]
        assert value.abs().max() <= 1.5 * float(row["absmax"]) + 1e-12, row["key"]
        if value.numel() > 1000:
            assert value.std().item() == pytest.approx(float(row["std"]), rel=0.06), row["key"]


@pytest.mark.parametrize("sizes", [{}, TINY])
def test_the_stable_start_aligns_without_offsets_and_gives_small_outputs(sizes):
    torch.manual_seed(0)
    made = MSDTGP(**sizes)
    assert not made.alignment1.dcnpack.conv_offset_mask.weight.any()
    with torch.no_grad():
        assert made(draw(0, 1, 5, 3, 12, 12)).abs().max() < 2


def test_with_the_residual_a_fresh_network_is_close_to_bicubic():
    torch.manual_seed(0)
    made, x = MSDTGP(**TINY, bicubic_residual=True), draw(7, 1, 5, 3, 12, 12)
    with torch.no_grad():
        out = made(x)
        made.bicubic_residual = False
        residual = made(x)
    enlarged = F.interpolate(x[:, 2], scale_factor=4, mode="bicubic", align_corners=False)
    torch.testing.assert_close(out - residual, enlarged, rtol=1e-5, atol=1e-6)
    assert F.l1_loss(out, enlarged) < 0.3


@pytest.mark.slow
def test_a_few_steps_from_the_stable_start_lower_the_loss_on_one_sample():
    torch.manual_seed(0)
    made, target = MSDTGP(**TINY, bicubic_residual=True), draw(8, 1, 3, 32, 32)
    x = F.interpolate(target, scale_factor=0.25, mode="area")[:, None].repeat(1, 5, 1, 1, 1)
    optimizer = torch.optim.Adam(made.parameters(), lr=2e-3)
    losses = []
    for _ in range(30):
        loss = F.l1_loss(made(x), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] < 0.5
    assert min(losses[-3:]) < 0.95 * losses[0]


@pytest.mark.parametrize(
    ("settings", "says"), [({"scale": 3}, "scale 3"), ({"init": "zero"}, "'zero'"), ({"feat": 60}, "divide feat")]
)
def test_impossible_settings_are_refused_with_the_possible_ones(settings, says):
    with pytest.raises(ValueError, match=says):
        models.build("msdtgp", **settings)


@pytest.mark.parametrize("shape", [(1, 4, 3, 8, 8), (1, 5, 4, 8, 8), (5, 3, 8, 8)])
def test_anything_but_five_rgb_frames_is_refused(tiny, shape):
    with pytest.raises(ValueError, match="five RGB frames"):
        tiny(torch.zeros(shape))
