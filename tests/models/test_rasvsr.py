import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import models
from models.rasvsr import SPyNet, load_flow, start_at_enlarged, start_flow_at_zero, without_still_flow
from models.rasvsr.alignment import SecondOrderDeformableAlignment
from models.rasvsr.losses import charbonnier
from models.rasvsr.warp import flow_warp
from tests.golden import weights

ATOL = 1e-5  # of the golden files' README
SMALL = {"mid_channels": 16, "num_blocks": 2}


def _random(seed: int, *shape: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).random(shape).astype(np.float32))


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array)


def _close(found: Tensor, expected: Tensor, atol: float = ATOL) -> None:
    torch.testing.assert_close(found, expected, rtol=0, atol=atol)


def _lively(seed: int = 0, **settings):
    """A small network with random weights that keep signals alive: flows of 2 px, frames that depend on each other."""
    torch.manual_seed(seed)
    network = models.build("rasvsr", **{**SMALL, **settings})
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            scale = 0.05 if name.endswith("bias") else (1.1 if "spynet" in name else 0.8) / parameter[0].numel() ** 0.5
            parameter.copy_(torch.randn_like(parameter) * scale)
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def shapes(golden):
    return dict(golden.shapes("rasvsr/state_dict.csv"))


@pytest.fixture(scope="module")
def network(shapes):
    network = models.build("rasvsr")
    models.load_weights(network, weights.rasvsr(shapes))
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def small():
    return _lively()


def _count(network) -> tuple[int, int]:
    return len(network.state_dict()), sum(parameter.numel() for parameter in network.parameters())


def test_names_shapes_and_counts_are_the_authors(shapes):
    network = models.build("rasvsr")
    assert {key: tuple(value.shape) for key, value in network.state_dict().items()} == shapes
    assert _count(network) == (246, 5_389_519)
    assert _count(models.build("rasvsr", is_low_res_input=False)) == (250, 5_463_375)
    assert _count(models.build("rasvsr", mid_channels=32, num_blocks=2))[1] == 2_436_783


@pytest.mark.parametrize(
    ("seed", "shape", "file"),
    [
        (1, (1, 2, 3, 64, 64), "b_2f_64x64"),
        pytest.param(3, (1, 5, 3, 68, 100), "d_5f_68x100", marks=pytest.mark.slow),
    ],
)
def test_the_golden_outputs_are_matched(network, golden, seed, shape, file):
    golden(f"rasvsr/{file}.npz").matches(network(_random(seed, *shape)), "output", atol=ATOL)


@pytest.fixture(scope="module")
def recorded(network):
    """What seven frames become on their way, by the names of the golden intermediates."""
    calls = {"deform_align": [], "fusion": []}
    hooks = [
        getattr(network, name)["backward_1"].register_forward_hook(
            lambda module, inputs, output, name=name: calls[name].append((inputs, output))
        )
        for name in calls
    ]
    x = _random(0, 1, 7, 3, 64, 64)
    to_next, to_previous = network._flows(x)
    spatial = network.feat_extract(x[0])[None]
    backward = network._propagate("backward_1", [spatial.flip(1)], to_next.flip(1))
    forward = network._propagate("forward_1", [spatial, backward.flip(1)], to_previous)
    for hook in hooks:
        hook.remove()
    # Frame 4, the third that the branch reaches: the first is not aligned.
    (inputs, aligned), (pair, fused) = calls["deform_align"][1], calls["fusion"][2]
    names = [f"dcn_backward_step2_{name}" for name in ("x", "cond", "flow1", "flow2")]
    return dict(zip(names, inputs, strict=True)) | {
        "flows_backward": to_next[:, :-1],
        "flows_forward": to_previous[:, 1:],
        "spatial_frame3": spatial[:, 3],
        "backward_1_frames_6_5_4_0": backward[:, [0, 1, 2, 6]],
        "forward_1_frames_0_1_2_6": forward[:, [0, 1, 2, 6]],
        "dcn_backward_step2_out": aligned,
        "tsa_backward_step2_in": torch.stack(pair, 1),
        "tsa_backward_step2_out": fused,
    }


@pytest.mark.slow
def test_every_golden_intermediate_is_matched(recorded, golden):
    file = golden("rasvsr/a_intermediates.npz")
    assert set(file) == set(recorded)
    for name, value in recorded.items():
        file.matches(value, name, atol=5e-5 if "flow" in name else ATOL)  # flows are pixels, up to 4


@pytest.mark.slow
def test_alignment_and_fusion_match_their_golden_calls(network, recorded, golden):
    file = golden("rasvsr/a_intermediates.npz")
    names = [f"dcn_backward_step2_{name}" for name in ("x", "cond", "flow1", "flow2")] + ["tsa_backward_step2_in"]
    # The inputs are 8 MB: without the full file, those that the test above found equal.
    *inputs, pair = (_tensor(file[name]) if file.path else recorded[name] for name in names)
    file.matches(network.deform_align["backward_1"](*inputs), "dcn_backward_step2_out", atol=ATOL)
    file.matches(network.fusion["backward_1"](*pair.unbind(1)), "tsa_backward_step2_out", atol=ATOL)


def test_warping_matches_the_golden_module(golden):
    file = golden("rasvsr/modules.npz")
    x, flow = _tensor(file["warp_x"]), _tensor(file["warp_flow"]).permute(0, 3, 1, 2)
    for padding in ("zeros", "border"):
        file.matches(flow_warp(x, flow, padding), f"warp_{padding}", atol=ATOL)


@pytest.mark.parametrize("size", [(70, 90), (64, 64), (40, 49)])
def test_flows_match_the_golden_module(network, golden, size):
    reference, support = (_random(seed, 2, 3, 70, 90)[..., : size[0], : size[1]] for seed in (11, 12))
    found = network.spynet(reference, support)
    golden("rasvsr/modules.npz").matches(found, f"spynet_{size[0]}x{size[1]}", atol=5e-5)


@pytest.mark.slow
def test_the_loss_in_double_precision_is_the_golden_one(network):
    double = models.build("rasvsr").double()
    models.load_weights(double, network.state_dict())
    with torch.no_grad():
        output = double.eval()(_random(1, 1, 2, 3, 64, 64).double())
    assert charbonnier(output, _random(6, 1, 2, 3, 256, 256).double()).item() == pytest.approx(0.354248398163, abs=1e-9)


def test_the_charbonnier_gradient_is_its_formula():
    prediction = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    target = torch.randn(3, 4, dtype=torch.float64)
    with torch.no_grad():
        target[0] = prediction[0]  # where an absolute value has no gradient
    charbonnier(prediction, target).backward()
    difference = (prediction - target).detach()
    _close(prediction.grad, difference / (difference**2 + 1e-12).sqrt() / 12, atol=1e-15)
    assert charbonnier(target, target).item() == pytest.approx(1e-6)


@pytest.mark.slow
def test_a_batch_equals_its_clips_one_by_one(small):
    x = _random(1, 2, 3, 3, 16, 20)
    _close(small(x), torch.cat([small(clip) for clip in x.split(1)]))


def test_a_single_frame_works_and_needs_no_flow(small):
    x = _random(2, 1, 1, 3, 32, 40)
    output = small(x)
    assert output.shape == (1, 1, 3, 128, 160)
    still = models.build("rasvsr", **SMALL)
    models.load_weights(still, small.state_dict())
    start_flow_at_zero(still)
    assert torch.equal(still(x), output)


@pytest.mark.slow
def test_every_frame_sees_the_whole_clip(small):
    x = _random(3, 1, 3, 3, 16, 16)
    before = small(x)
    for changed in (0, 2):
        other = x.clone()
        other[:, changed] = 1 - other[:, changed]
        assert all((small(other)[:, t] - before[:, t]).abs().max() > 1e-4 for t in range(3))


@pytest.mark.slow
def test_a_mirrored_clip_needs_no_memory_of_the_one_before(small):
    half, plain = _random(4, 1, 2, 3, 16, 20), _random(5, 1, 4, 3, 16, 20)
    mirrored = torch.cat([half, half.flip(1)], dim=1)
    to_next, to_previous = small._flows(mirrored)
    _close(to_previous[:, 1:], to_next[:, :-1].flip(1))
    first = small(plain)
    small(mirrored)
    assert torch.equal(small(plain), first)


@pytest.mark.parametrize("size", [(30, 34), (17, 24), (8, 9)])
def test_other_sizes_are_extended_and_cropped(small, size):
    x = _random(6, 1, 2, 3, *size)
    rows = torch.arange(-(-size[0] // 4) * 4).clamp(max=size[0] - 1)
    columns = torch.arange(-(-size[1] // 4) * 4).clamp(max=size[1] - 1)
    output = small(x)
    assert output.shape == (1, 2, 3, 4 * size[0], 4 * size[1])
    _close(output, small(x[..., rows, :][..., columns])[..., : 4 * size[0], : 4 * size[1]])


def test_frames_of_the_outputs_size_keep_it():
    network = _lively(is_low_res_input=False)
    assert network(_random(7, 1, 2, 3, 32, 40)).shape == (1, 2, 3, 32, 40)
    assert network(_random(7, 1, 2, 3, 45, 50)).shape == (1, 2, 3, 45, 50)


@pytest.mark.parametrize("shape", [(1, 2, 3, 7, 64), (1, 2, 4, 64, 64), (2, 3, 64, 64), (1, 0, 3, 64, 64)])
def test_an_input_that_is_no_clip_is_told_so(small, shape):
    with pytest.raises(ValueError, match=r"expects a clip \(B, T, 3, H, W\)"):
        small(torch.zeros(shape))


def test_channels_that_cannot_be_grouped_are_refused():
    with pytest.raises(ValueError, match="multiple of 8"):
        models.build("rasvsr", mid_channels=12)


def test_the_start_follows_the_paper():
    torch.manual_seed(0)
    network = models.build("rasvsr")
    block = network.reconstruction.main[2][0]
    assert block.conv1.weight.std().item() == pytest.approx(0.1 * (2 / 576) ** 0.5, rel=0.03)
    alignment = network.deform_align["forward_1"]
    assert alignment.weight.abs().max() <= 1 / 1152**0.5 and alignment.weight.std() > 0.5 / 1152**0.5
    zeros = [block.conv1.bias, block.conv2.bias, alignment.bias, *alignment.conv_offset[6].parameters()]
    assert not any(parameter.any() for parameter in zeros)


def test_at_the_start_the_alignment_samples_along_the_flow(monkeypatch):
    calls = []
    monkeypatch.setattr(
        "models.rasvsr.alignment.modulated_deform_conv", lambda *args: calls.append(args) or torch.zeros(1)
    )
    alignment = models.build("rasvsr", **SMALL).deform_align["backward_1"]
    flow_1, flow_2 = torch.randn(2, 1, 2, 8, 8)
    alignment(torch.randn(1, 32, 8, 8), torch.randn(1, 48, 8, 8), flow_1, flow_2)
    _, offset, mask, *_ = calls[0]
    assert offset.shape == (1, 288, 8, 8) and mask.shape == (1, 144, 8, 8)
    assert torch.equal(offset[:, 0:2], flow_1.flip(1)) and torch.equal(offset[:, 142:144], flow_1.flip(1))
    assert torch.equal(offset[:, 144:146], flow_2.flip(1)) and torch.equal(offset[:, 286:288], flow_2.flip(1))
    assert (mask == 0.5).all()


@pytest.mark.slow
def test_flow_that_starts_at_zero_is_zero_and_can_be_learnt():
    network = models.build("rasvsr", **SMALL)
    start_flow_at_zero(network)
    reference, support = _random(8, 2, 3, 40, 32), _random(9, 2, 3, 40, 32)
    assert not network.spynet(reference, support).any()
    network.spynet.requires_grad_(False)
    assert torch.equal(network.spynet(reference, support), torch.zeros(2, 2, 40, 32))
    network.requires_grad_(True)
    charbonnier(network(_random(10, 1, 3, 3, 32, 32)), _random(11, 1, 3, 3, 128, 128)).backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in network.spynet.last_layers())
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters())


def test_flow_is_not_skipped_before_every_level_is_zero():
    network = models.build("rasvsr", **SMALL)
    start_flow_at_zero(network)
    with torch.no_grad():
        network.spynet.last_layers()[3].fill_(0.5)  # a bias
    network.requires_grad_(False)
    assert (network.spynet(_random(8, 1, 3, 40, 32), _random(9, 1, 3, 40, 32)) > 0).all()


@pytest.mark.slow
def test_a_flow_network_that_gives_zero_is_not_exported_and_any_other_is():
    network = models.build("rasvsr", **SMALL).eval()
    assert without_still_flow(network) is network
    start_flow_at_zero(network)
    lighter, clip = without_still_flow(network), _random(8, 1, 3, 3, 32, 40)
    assert not any("spynet" in name for name, _ in lighter.named_parameters())
    assert any("spynet" in name for name, _ in network.named_parameters())
    assert torch.equal(lighter(clip), network(clip))


def test_published_flow_weights_load_without_mean_and_std(tmp_path):
    torch.manual_seed(1)
    published = {key: value for key, value in SPyNet().state_dict().items() if key not in ("mean", "std")}
    assert len(published) == 60
    torch.save({"params": published}, tmp_path / "spynet.pth")
    network = models.build("rasvsr", **SMALL)
    load_flow(network, tmp_path / "spynet.pth")
    state = network.spynet.state_dict()
    assert all(torch.equal(state[key], value) for key, value in published.items())
    del published["basic_module.0.basic_module.0.bias"]
    with pytest.raises(ValueError, match="1 missing"):
        load_flow(network, published)


@pytest.mark.slow
def test_reduced_precision_stays_close(small):
    x = _random(12, 1, 3, 3, 32, 32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = small(x)
    assert (output.float() - small(x)).abs().mean() < 0.02


@pytest.mark.slow
def test_activations_that_are_computed_again_change_no_bit():
    clip, gradients = _random(3, 1, 4, 3, 16, 16), []
    for recompute in (False, True):
        network = _lively().train().requires_grad_(True)
        network.recompute = recompute
        network(clip).square().mean().backward()
        gradients.append({name: parameter.grad for name, parameter in network.named_parameters()})
    for name, gradient in gradients[0].items():
        assert gradient is not None and torch.equal(gradient, gradients[1][name]), name


@pytest.mark.slow
def test_fewer_activations_are_kept_where_they_are_computed_again():
    def kept(recompute):
        network = _lively().requires_grad_(True)
        network.recompute, sizes = recompute, []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: sizes.append(t.numel()) or t, lambda t: t):
            network(_random(3, 1, 4, 3, 16, 16))
        return sum(sizes)

    assert kept(True) < 0.5 * kept(False)


@pytest.mark.parametrize(("alignment", "missing"), [("flow", 1_019_744), ("none", 1_019_744)])
def test_without_the_deformable_alignment_the_network_has_the_authors_count_without_it(alignment, missing):
    with torch.device("meta"):
        network = models.build("rasvsr", alignment=alignment)
    assert _count(network) == (226, 5_389_519 - missing)


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{"alignment": "flow"}, {"alignment": "none"}, {"fusion": "sum"}])
def test_an_ablation_gives_another_image_of_the_same_size_and_learns(settings, small):
    clip, network = _random(3, 1, 3, 3, 16, 16), _lively(**settings).requires_grad_(True)
    output = network(clip)
    output.mean().backward()
    assert output.shape == (1, 3, 3, 64, 64) and not torch.allclose(output, small(clip))
    assert all(parameter.grad is not None for parameter in network.backbone.parameters())


def test_unknown_ablations_are_told():
    with pytest.raises(ValueError, match="alignment is one of deformable, flow, none"):
        models.build("rasvsr", alignment="optical")


def test_a_short_training_starts_at_the_bicubic_enlargement_and_learns_from_its_first_step():
    torch.manual_seed(0)
    network = models.build("rasvsr", **SMALL, offset_groups=4, high_channels=16, enlarged="bicubic")
    start_at_enlarged(network)
    x = _random(8, 1, 3, 3, 16, 20)
    start = network(x)
    assert torch.equal(start, torch.stack([F.interpolate(x[0], scale_factor=4, mode="bicubic", align_corners=False)]))
    start.square().mean().backward()
    assert network.conv_last.weight.grad.abs().max() > 1e-3
    assert network.conv_hr.out_channels == network.conv_last.in_channels == 16


def test_fewer_offset_groups_sample_the_same_where_nothing_moves():
    torch.manual_seed(0)
    x = torch.rand(1, 32, 8, 8), torch.rand(1, 48, 8, 8), torch.zeros(1, 2, 8, 8), torch.zeros(1, 2, 8, 8)
    wide, narrow = (SecondOrderDeformableAlignment(16, groups=groups) for groups in (16, 4))
    narrow.weight, narrow.bias = wide.weight, wide.bias
    _close(narrow(*x), wide(*x))
    assert narrow.conv_offset[-1].out_channels == 4 * 27


@pytest.mark.parametrize("wrong", [{"offset_groups": 5}, {"offset_groups": 48}, {"enlarged": "nearest"}])
def test_a_setting_that_does_not_exist_is_refused(wrong):
    with pytest.raises(ValueError, match=r"offset_groups an even divisor|enlarged one of"):
        models.build("rasvsr", mid_channels=16, **wrong)
