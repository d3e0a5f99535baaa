"""QA-Net and the losses of its field against the authors' outputs, parameter names and values."""

import numpy as np
import pytest
import torch
from torch import nn

import models
from models.qanet import (
    QANet,
    cpsnr_loss,
    registered_cpsnr_loss,
)
from tests.golden import weights
from tests.golden.load import shape

TINY = {"n_modules": 2, "n_resblocks": 2}
SMALL = {"n_modules": 1, "n_resblocks": 1, "n_feats": 8, "n_views": 5, "n_heads": 2, "reduction": 4}
LOSSES = [cpsnr_loss, registered_cpsnr_loss]


def views(*shape: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    return torch.rand(shape, generator=g), (torch.rand(shape, generator=g) > 0.2).float()


@pytest.fixture
def with_golden_weights():
    """A network of the given settings with the golden weights, in evaluation mode."""

    def make(**settings) -> QANet:
        made = QANet(**settings)
        models.load_weights(made, weights.qanet(weights.shapes_of(made)))
        return made.eval()

    return make


@pytest.fixture
def loss_case(golden):
    """Inputs (3, 1, 48, 48) of the golden losses by name, and their values."""
    arrays = golden("qanet/loss_inputs.npz")
    inputs = {name: torch.from_numpy(arrays[name]).view(3, 1, 48, 48) for name in ("sr", "hr", "sm", "sigma")}
    return inputs, golden.table("qanet/loss_golden.json")


def test_it_has_the_authors_tensors_in_their_order(golden):
    rows = golden.table("qanet/state_dict.csv")
    expected = [(row["key"], shape(row["shape"]), row["dtype"]) for row in rows]
    network = models.build("qanet")
    found = [(key, tuple(v.shape), str(v.dtype).removeprefix("torch.")) for key, v in network.state_dict().items()]
    assert found == expected
    assert sum(p.numel() for p in network.parameters()) == 2_818_389


@pytest.mark.parametrize(
    ("name", "settings"),
    [pytest.param("full_eval_b1_9x32", {}, marks=pytest.mark.slow), ("tiny_eval_b1_9x16_mid", TINY)],
)
def test_the_output_is_golden(with_golden_weights, golden, name, settings):
    case = golden(f"qanet/{name}.npz")
    with torch.no_grad():
        out = with_golden_weights(**settings)(torch.from_numpy(case["x"]), torch.from_numpy(case["q"]))
    case.matches(out, "y64", atol=2e-5)


def test_every_intermediate_of_the_small_network_is_golden(with_golden_weights, golden):
    case = golden("qanet/tiny_eval_b1_9x16_mid.npz")
    network = with_golden_weights(**TINY)
    found: dict[str, list[torch.Tensor]] = {}

    def record(name: str):
        network.get_submodule(name).register_forward_hook(
            lambda module, inputs, out: found.setdefault(name, []).append(out)
        )

    names = {
        "lems.0.rg1.body.0": "lem0_rcab0_out", "lems.0.rg1": "lem0_rg1_out", "lems.0.cnorm1": "lem0_cnorm1_out",
        "lems.0.mha1": "lem0_mha1_out", "lems.0.tnorm1": "lem0_tnorm1_out", "lems.0.mha2": "lem0_mha2_out",
        "lems.0": "lem0_out", "lems.1": "lem1_out", "qems.0": "qem0_out", "qems.1": "qem1_out", "last": "last_out",
    }  # fmt: skip
    for name in [*names, "init"]:
        record(name)
    network.last.register_forward_pre_hook(lambda module, inputs: found.setdefault("fused", []).append(inputs[0]))
    with torch.no_grad():
        network(torch.from_numpy(case["x"]), torch.from_numpy(case["q"]))
    pairs = [(golden_name, found[name][0]) for name, golden_name in names.items()]
    pairs += [("init_x", found["init"][0]), ("init_q", found["init"][1]), ("fused_in_last", found["fused"][0])]
    for name, value in pairs:
        sides = case.shape(name)
        if len(sides) == 3:  # tokens (T, H*W, C)
            value = value.flatten(2).transpose(1, 2)
        elif len(sides) == 5 and sides[1] == 36:  # (B, C, T, H, W)
            value = value.reshape(1, 9, 36, 16, 16).transpose(1, 2)
        case.matches(value.reshape(sides), name, atol=2e-5)


def slow_view_module(module: nn.Module, x: torch.Tensor, quality: torch.Tensor) -> tuple[torch.Tensor, dict]:
    """The specification's LEM in torch's own layers: features (B, C, T, H, W) to the same, and the norms' states."""
    batch, channels, t, height, width = x.shape

    def attend(name: str, query: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        layer = nn.MultiheadAttention(channels, module.mha1.n_heads)
        layer.load_state_dict(getattr(module, name).state_dict())
        query, value = (part.permute(2, 0, 3, 4, 1).reshape(t, -1, channels) for part in (query, value))
        return layer(query, value, value)[0].view(t, batch, height, width, channels).permute(1, 4, 0, 2, 3)

    def normalise(name: str, value: torch.Tensor) -> torch.Tensor:
        ours = getattr(module, name)
        layer = nn.BatchNorm3d(ours.num_features)
        layer.load_state_dict(ours.state_dict())
        out = layer(value)
        norms[name] = layer.state_dict()
        return out

    norms: dict[str, dict[str, torch.Tensor]] = {}
    frames = x.transpose(1, 2).flatten(0, 1)
    body = (module.rg1(frames) - frames).view(batch, t, channels, height, width).transpose(1, 2)
    x = normalise("cnorm1", 2 * x + body)
    for index, query in ((1, None), (2, quality)):
        x = x + attend(f"mha{index}", x if query is None else query, x)
        x = normalise(f"tnorm{index}", x.transpose(1, 2)).transpose(1, 2)
    return x, norms


def test_in_training_a_view_module_equals_torch_s_own_layers_with_their_running_statistics(with_golden_weights):
    module = (
        with_golden_weights(n_modules=1, n_resblocks=1, n_views=5, n_heads=2, n_feats=24, reduction=8).lems[0].train()
    )
    g = torch.Generator().manual_seed(3)
    x, quality = (torch.randn(2, 24, 5, 6, 7, generator=g) for _ in range(2))
    with torch.no_grad():
        expected, norms = slow_view_module(module, x, quality)
        out = module(*(value.transpose(1, 2).flatten(0, 1) for value in (x, quality)))
    torch.testing.assert_close(out.view(2, 5, 24, 6, 7).transpose(1, 2), expected, rtol=1e-4, atol=2e-5)
    for name, state in norms.items():
        torch.testing.assert_close(getattr(module, name).state_dict(), state, rtol=1e-4, atol=1e-6)


def test_a_batch_equals_its_samples_one_by_one_and_need_not_be_square(with_golden_weights):
    network = with_golden_weights(**SMALL)
    x, quality = views(3, 5, 7, 10)
    with torch.no_grad():
        singly = torch.cat([network(x[i : i + 1], quality[i : i + 1]) for i in range(3)])
        out = network(x, quality)
    assert out.shape == (3, 1, 21, 30)
    torch.testing.assert_close(out, singly, rtol=1e-5, atol=1e-5)


def test_an_unsquare_image_equals_the_transposed_network_on_the_transposed_image(with_golden_weights):
    network, turned = with_golden_weights(**SMALL), with_golden_weights(**SMALL)
    for module in turned.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d):
            module.weight.data = module.weight.data.transpose(-1, -2).contiguous()
    channels = torch.arange(9).view(3, 3).T.flatten()  # the pixel shuffle's phases, transposed
    turned.last.weight.data, turned.last.bias.data = turned.last.weight.data[channels], turned.last.bias.data[channels]
    x, quality = views(1, 5, 4, 9)
    with torch.no_grad():
        out = turned(x.transpose(-1, -2), quality.transpose(-1, -2))
        torch.testing.assert_close(out.transpose(-1, -2), network(x, quality), rtol=1e-5, atol=1e-5)


def test_quality_and_the_order_of_views_matter(with_golden_weights):
    network = with_golden_weights(**SMALL)
    x, quality = views(1, 5, 6, 6)
    with torch.no_grad():
        out = network(x, quality)
        assert (out - network(x, torch.ones_like(quality))).abs().max() > 1e-4
        assert (out - network(x.flip(1), quality.flip(1))).abs().max() > 1e-4


def test_views_without_any_quality_give_finite_outputs_and_gradients():
    network = QANet(**SMALL)
    x = views(2, 5, 6, 6)[0].requires_grad_()
    out = network(x, torch.zeros(2, 5, 6, 6))
    out.square().mean().backward()
    assert out.isfinite().all() and x.grad.isfinite().all()
    assert not [name for name, p in network.named_parameters() if p.grad is None]


def test_with_the_residual_a_fresh_network_is_the_bicubic_enlargement_of_the_clear_views_mean():
    network = QANet(**SMALL, bicubic_residual=True)
    x, quality = views(2, 5, 6, 8)
    quality[0, :, 0, 0] = 0  # no clear view: the mean of all
    x, quality = (torch.as_tensor(value, dtype=torch.float64) for value in (x, quality))
    mean = torch.where(quality.sum(1) > 0, (x * quality).sum(1) / quality.sum(1).clamp_min(1), x.mean(1))
    expected = nn.functional.interpolate(mean[:, None], scale_factor=3, mode="bicubic", align_corners=False)
    out = network(x.float(), quality.float())
    torch.testing.assert_close(out, expected.float(), rtol=0, atol=1e-5)
    out.square().mean().backward()
    assert network.last.weight.grad.abs().max() > 0


def test_with_the_residual_detail_follows_contrast_and_not_brightness(with_golden_weights):
    network = with_golden_weights(**SMALL, bicubic_residual=True)
    x, quality = views(2, 5, 6, 8)
    with torch.no_grad():
        out, brighter, stronger = (network(seen, quality) for seen in (x, x + 0.3, 3 * x))
        bicubic = nn.functional.interpolate(
            (x * quality).sum(1, keepdim=True) / quality.sum(1, keepdim=True), scale_factor=3, mode="bicubic"
        )
    assert (out - bicubic).abs().max() > 0.01
    torch.testing.assert_close(brighter, out + 0.3, rtol=0, atol=1e-4)
    torch.testing.assert_close(stronger, 3 * out, rtol=0.01, atol=0.01)


def test_underflowing_weights_give_zero_instead_of_nan(with_golden_weights):
    network = with_golden_weights(**SMALL)
    network.qems[-1].cnorm.bias.data.fill_(-1000)
    with torch.no_grad():
        assert network(*views(1, 5, 6, 6)).isfinite().all()


@pytest.mark.parametrize("shapes", [((1, 4, 8, 8), (1, 4, 8, 8)), ((1, 5, 8, 8), (1, 5, 8, 9)), ((5, 8, 8), (5, 8, 8))])
def test_other_stacks_are_refused_with_the_number_of_views(shapes):
    with pytest.raises(ValueError, match=r"\(B, 5, H, W\)"):
        QANet(**SMALL)(*(torch.zeros(shape) for shape in shapes))


@pytest.mark.parametrize("settings", [{"n_heads": 5}, {"n_modules": 0}, {"reduction": 64}])
def test_impossible_settings_are_refused(settings):
    with pytest.raises(ValueError, match="QANet needs"):
        models.build("qanet", **settings)


def test_the_intended_loss_has_the_golden_value_per_image(loss_case):
    inputs, values = loss_case
    expected = next(value for name, value in values.items() if name.startswith("intended per-image"))
    found = [-cpsnr_loss(*(inputs[name][i : i + 1] for name in ("sr", "hr", "sm"))).item() for i in range(3)]
    assert found == pytest.approx(expected, rel=1e-5)
    assert -cpsnr_loss(inputs["sr"], inputs["hr"], inputs["sm"]).item() == pytest.approx(np.mean(expected), rel=1e-5)


def test_the_executed_loss_has_the_golden_value_and_gradient(loss_case):
    inputs, values = loss_case
    expected = values["qanet.get_loss as executed, inputs (B,1,H,W)"]
    sr = inputs["sr"].clone().requires_grad_()
    loss = cpsnr_loss(sr, inputs["hr"], inputs["sm"], reference_compat=True)
    loss.backward()
    assert loss.item() == pytest.approx(expected["loss"], rel=1e-6)
    assert sr.grad.norm().item() == pytest.approx(expected["grad_norm"], rel=1e-4)


@pytest.mark.parametrize("case", ["nocrop", "cropmask"])
def test_the_registered_loss_has_the_golden_values_per_image(loss_case, case):
    inputs, values = loss_case
    mask = inputs["sm"].clone()
    if case == "cropmask":  # TR-MISR leaves out a border of the target
        inside = torch.zeros_like(mask)
        inside[..., 3:-3, 3:-3] = 1
        mask *= inside
    expected = values[f"trmisr.get_loss L2 {case}"]
    sr = inputs["sr"].clone().requires_grad_()
    decibels = []
    for i in range(3):
        decibels.append(-registered_cpsnr_loss(sr[i : i + 1], inputs["hr"][i : i + 1], mask[i : i + 1]))
    assert [value.item() for value in decibels] == pytest.approx(expected["per_item"], rel=1e-5)
    torch.stack(decibels).mean().backward()
    assert sr.grad.norm().item() == pytest.approx(expected["grad_norm"], rel=1e-4)


@pytest.mark.parametrize("shift", [(3, -3), (-2, 1), (0, 0)])
def test_the_registered_loss_forgives_shifts_within_the_border_and_brightness(shift):
    g = torch.Generator().manual_seed(1)
    target = torch.rand(2, 1, 24, 30, generator=g)
    mask = (torch.rand(2, 1, 24, 30, generator=g) > 0.3).float()
    output = target.roll(shift, (-2, -1)) + 0.05
    assert registered_cpsnr_loss(output, target, mask).item() < -110


def test_the_registered_loss_does_not_forgive_shifts_beyond_the_border():
    target = torch.rand(1, 1, 24, 30, generator=torch.Generator().manual_seed(1))
    assert registered_cpsnr_loss(target.roll(4, -1), target, torch.ones_like(target)).item() > -20


@pytest.mark.parametrize("compat", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
def test_an_image_without_clear_pixels_is_left_out(loss, compat):
    settings = {"reference_compat": True} if compat and loss is cpsnr_loss else {}
    g = torch.Generator().manual_seed(2)
    output = torch.rand(2, 1, 16, 16, generator=g).requires_grad_()
    target, mask = torch.rand(2, 1, 16, 16, generator=g), torch.ones(2, 1, 16, 16)
    mask[1] = 0
    value = loss(output, target, mask, **settings)
    value.backward()
    assert not output.grad[1].any() and output.grad[0].any() and output.grad.isfinite().all()
    if not settings:
        assert value.item() == pytest.approx(loss(output[:1], target[:1], mask[:1]).item(), rel=1e-5)
    output.grad = None
    nothing = loss(output, target, torch.zeros_like(mask), **settings)
    nothing.backward()
    assert nothing.item() == 0 and not output.grad.any()


@pytest.mark.parametrize("loss", LOSSES)
def test_identical_images_have_a_finite_loss_and_gradient(loss):
    output = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(4)).requires_grad_()
    value = loss(output, output.detach().clone(), torch.ones(1, 1, 16, 16))
    value.backward()
    assert value.isfinite() and output.grad.isfinite().all()


@pytest.mark.parametrize("loss", LOSSES)
def test_a_diverged_output_is_not_hidden(loss):
    output = torch.full((1, 1, 16, 16), torch.nan)
    assert loss(output, torch.zeros(1, 1, 16, 16), torch.ones(1, 1, 16, 16)).isnan()


@pytest.mark.parametrize("loss", LOSSES)
def test_shapes_that_would_broadcast_are_refused(loss):
    with pytest.raises(ValueError, match="one shape"):
        loss(torch.zeros(2, 1, 16, 16), torch.zeros(2, 16, 16), torch.zeros(2, 1, 16, 16))


def test_an_image_smaller_than_the_border_is_refused():
    image = torch.zeros(1, 1, 6, 16)
    with pytest.raises(ValueError, match="border of 3"):
        registered_cpsnr_loss(image, image, image)
