"""BreizhSR's networks for one image and for a dated series: golden outputs, and what the paper's text promises."""

import numpy as np
import pytest
import torch

import models
from models.breizhsr.fusion import RecursiveFusion
from models.breizhsr.series import closest_anchor, median_anchor
from tests.golden import weights

torch.set_num_threads(1)

NETWORKS = {
    "rrdb15": ("rrdb", {}, 2_738_755),
    "rrdb8": ("rrdb", {"num_blocks": 8}, 1_478_755),
    "highresnet": ("highresnet", {}, 590_221),
    "highresnet_ltae": ("highresnet_ltae", {}, 246_538),
    "rrdb_ltae": ("rrdb_ltae", {}, 3_377_219),
    "rrdb_highresnet": ("rrdb_highresnet", {}, 6_359_078),
    "srdiff_rrdb": ("srdiff", {"backbone": "rrdb"}, 13_234_022),
    "srdiff_highresnet": ("srdiff", {"backbone": "highresnet"}, 12_214_416),
    "srdiff_highresnet_ltae": ("srdiff", {"backbone": "highresnet_ltae"}, 11_870_733),
    "srdiff_rrdb_ltae": ("srdiff", {"backbone": "rrdb_ltae"}, 14_870_342),
    "srdiff_no_encoder": ("srdiff", {"backbone": "none"}, 11_374_339),
}
DAYS = torch.tensor([[-61.0, -36, -21, -6, 4, 19, 44, 89], [-80.0, -45, -30, -3, 2, 12, 30, 30]])
SMALL = {"channels": 16, "res_layers": 1, "d_model": 32, "heads": 4}
SMALL_RRDB = {"num_blocks": 1, "nf": 16, "gc": 8}


def tensors(file, *names):
    return [torch.from_numpy(file[name]) for name in names]


def series(batch=2, views=8, height=8, width=8):
    generator = torch.Generator().manual_seed(views)
    return torch.rand(batch, views, 3, height, width, generator=generator) * 2 - 1


def assert_close(actual, expected, atol=1e-4):
    torch.testing.assert_close(actual, expected, atol=atol, rtol=0)


def assert_gradients_match(network, output, file):
    loss = (output - torch.from_numpy(file["target"])).abs().mean()
    assert abs(loss.item() - float(file["l1"])) < 1e-6
    loss.backward()
    keys, norms = file["grad_keys"], file["grad_norms"]
    parameters = dict(network.named_parameters())
    assert sorted(keys) == sorted(parameters)
    actual = [parameters[key].grad.double().norm().item() for key in keys]
    # One activation next to zero on the other side of a PReLU moves the small norms by up to 5e-7.
    np.testing.assert_allclose(actual, norms, rtol=2e-3, atol=1e-6)


@pytest.mark.parametrize("name", NETWORKS)
def test_keys_shapes_and_parameter_counts_are_the_authors(name, golden):
    network, kwargs, count = NETWORKS[name]
    built = models.build(network, **kwargs)
    rows = golden.table(f"breizhsr/{name}_state_dict.csv")
    expected = {row["key"]: (row["shape"], row["dtype"], row["kind"]) for row in rows}
    parameters = dict(built.named_parameters())
    actual = {
        key: (
            "x".join(map(str, value.shape)) or "scalar",
            str(value.dtype)[6:],
            "param" if key in parameters else "buffer",
        )
        for key, value in built.state_dict().items()
    }
    assert actual == expected
    assert sum(value.numel() for value in parameters.values()) == count


def test_rrdb_matches_the_golden_image_features_and_gradients(golden):
    file = golden("breizhsr/rrdb8.npz")
    (x,) = tensors(file, "x")
    network = weights.breizhsr(models.build("rrdb", num_blocks=8), 0.04).eval()
    output = network(x)
    features = network.features((x + 1) / 2)
    assert len(features) == 9
    file.matches(output, "y", atol=1e-4)
    file.matches(features[0], "feas_first", atol=1e-4)
    file.matches(features[-1], "feas_last", atol=1e-4)
    assert_gradients_match(network, output, file)


@pytest.mark.parametrize("reference_compat", [False, True])
def test_highresnet_matches_the_golden_image_and_gradients(reference_compat, golden):
    file = golden("breizhsr/highresnet.npz")
    x, alphas, odd = tensors(file, "x", "alphas", "x_odd5")
    network = weights.breizhsr(models.build("highresnet", reference_compat=reference_compat), 0.05).eval()
    output = network(x, alphas)
    file.matches(output, "y", atol=1e-4)
    file.matches(network.condition(x, alphas=alphas), "fea", atol=1e-4)
    assert_gradients_match(network, output, file)
    for found, expected in file.pairs(network(odd, torch.ones(2, 5)), "y_odd5"):
        assert np.allclose(found, expected, atol=1e-4) == reference_compat


def test_ltae_network_matches_the_golden_image_and_gradients(golden):
    file = golden("breizhsr/highresnet_ltae_median.npz")
    x, dates = tensors(file, "x", "dates")
    network = weights.breizhsr(models.build("highresnet_ltae", anchor="median"), 0.05).eval()
    output = network(x, dates)
    file.matches(output, "y", atol=1e-4)
    file.matches(network.condition(x, dates), "fea", atol=1e-4)
    file.matches(network(x, dates.int(), torch.ones(2, 8)), "y", atol=1e-4)
    assert_gradients_match(network, output, file)


def test_ltae_matches_the_golden_features_attention_and_date_encoding(golden):
    file = golden("breizhsr/highresnet_ltae_median.npz")
    network = weights.breizhsr(models.build("highresnet_ltae"), 0.05).eval()
    for part in ("_pixels", "") if file.path else ("_pixels",):  # sixteen pixels anywhere, all where the file is
        encoded, dates = tensors(file, f"ltae_in{part}", "dates")
        fused, attention = network.temporal_encoder(encoded, dates[:1])
        file.matches(fused, f"ltae_out{part}", atol=1e-4)
        file.matches(attention, f"ltae_att{part}", atol=1e-5)
    encodings = golden("breizhsr/encodings.npz")
    encoder = network.temporal_encoder.positional_encoder
    encodings.matches(encoder.divisors, "pe_denom", atol=1e-6)
    encodings.matches(encoder(*tensors(encodings, "dates")), "pe", atol=1e-6)


def test_closest_anchor_of_a_batch_is_each_samples_own():
    x = series()
    network = models.build("highresnet_ltae", anchor="closest", **SMALL).eval()
    singles = torch.cat([network(x[i : i + 1], DAYS[i : i + 1]) for i in range(2)])
    assert_close(network(x, DAYS), singles, 1e-5)
    assert torch.equal(closest_anchor(x, DAYS), torch.stack([x[0, 4], x[1, 4]]))
    assert torch.equal(closest_anchor(x, DAYS.int()), closest_anchor(x, DAYS))


def test_reference_compat_takes_the_closest_anchor_of_the_sample_before():
    x, days = series(3), torch.tensor([[5, 1, 9], [1, 2, 3], [7, 8, -1]])
    anchors = closest_anchor(x[:, :3], days, reference_compat=True)
    assert torch.equal(anchors, torch.stack([x[0, 1], x[0, 0], x[1, 2]]))
    network = models.build("highresnet_ltae", reference_compat=True, **SMALL).eval()
    right = models.build("highresnet_ltae", **SMALL).eval()
    right.load_state_dict(network.state_dict())
    compat, default = network(x[:, :3], days), right(x[:, :3], days)
    assert_close(compat[0], default[0], 1e-6)
    assert not torch.allclose(compat[1], default[1], atol=1e-4)


def test_median_anchor_is_the_lower_middle_of_the_real_views():
    x = series(1, 4)
    assert torch.equal(median_anchor(x), x.median(1).values)
    assert torch.equal(median_anchor(x, torch.tensor([[1, 1, 1, 0]])), x[:, :3].median(1).values)


@pytest.mark.parametrize("name", ["highresnet_ltae", "rrdb_ltae"])
@pytest.mark.parametrize("anchor", ["closest", "median"])
def test_padded_views_have_no_influence_when_alphas_say_so(name, anchor):
    small = SMALL if name == "highresnet_ltae" else {**SMALL_RRDB, "d_model": 32, "heads": 4}
    network = models.build(name, anchor=anchor, **small).eval()
    x, days = series(), DAYS.clone()
    alphas = torch.ones(2, 8)
    alphas[:, 5:] = 0
    days[:, 5:] = 0
    short = network(x[:, :5], days[:, :5])
    assert_close(network(x, days, alphas), short, 1e-5)
    assert not torch.allclose(network(x, days), short, atol=1e-4)
    attention = network.temporal_encoder(torch.rand(2, 8, 16, 2, 3), days, alphas)[1]
    assert attention.shape == (4, 2, 8, 2, 3)
    assert attention[:, :, 5:].abs().max() == 0
    assert_close(attention.sum(2), torch.ones(4, 2, 2, 3), 1e-5)


def test_attention_at_a_pixel_does_not_depend_on_the_tiles_shape():
    network = models.build("highresnet_ltae", **SMALL).eval()
    encoded = torch.rand(2, 8, 16, 3, 5)
    fused, _ = network.temporal_encoder(encoded, DAYS)
    for row, column in ((0, 4), (2, 1)):
        pixel, _ = network.temporal_encoder(encoded[..., row : row + 1, column : column + 1], DAYS)
        assert_close(pixel[..., 0, 0], fused[..., row, column], 1e-5)


@pytest.mark.parametrize("views", [1, 2, 3, 5, 6, 7])
def test_every_view_counts_in_the_recursive_fusion(views):
    fusion = RecursiveFusion(4)
    x = torch.rand(1, views, 4, 5, 6, requires_grad=True)
    fusion(x, torch.ones(1, views)).square().sum().backward()
    assert (x.grad.abs().amax((0, 2, 3, 4)) > 0).all()


def test_five_views_are_fused_like_eight_of_which_three_are_padding():
    fusion = RecursiveFusion(4)
    x = torch.rand(2, 8, 4, 5, 6)
    alphas = torch.tensor([[1.0] * 5 + [0.0] * 3] * 2)
    assert_close(fusion(x[:, :5], torch.ones(2, 5)), fusion(x, alphas), 1e-6)


def test_rrdb_highresnet_is_in_minus_one_to_one_unless_it_follows_the_reference():
    network = models.build("rrdb_highresnet", **SMALL_RRDB).eval()
    compat = models.build("rrdb_highresnet", reference_compat=True, **SMALL_RRDB).eval()
    compat.load_state_dict(network.state_dict())
    x, alphas = series(1), torch.ones(1, 8)
    assert_close(network(x, alphas), compat(x, alphas) * 2 - 1, 1e-6)
    assert compat(x, alphas).min() >= 0
    assert network(x, alphas).min() < 0


@pytest.mark.parametrize("size", [(1, 1), (5, 9), (12, 7)])
def test_any_height_and_width_is_enlarged_four_times(size):
    height, width = size
    x = series(1, 3, height, width)
    days, alphas, expected = torch.tensor([[-9, 0, 30]]), torch.ones(1, 3), (1, 3, 4 * height, 4 * width)
    assert models.build("rrdb", **SMALL_RRDB)(x[:, 0]).shape == expected
    assert models.build("highresnet", channels=8)(x, alphas).shape == expected
    assert models.build("rrdb_highresnet", **SMALL_RRDB)(x, alphas).shape == expected
    assert models.build("highresnet_ltae", **SMALL).eval()(x, days).shape == expected
    assert models.build("rrdb_ltae", **SMALL_RRDB).eval()(x, days).shape == expected


def test_another_target_date_gives_another_image():
    network = models.build("highresnet_ltae", anchor="median", **SMALL).eval()
    x = series()
    assert (network(x, DAYS) - network(x, DAYS - 120)).abs().max() > 1e-4


def test_wrong_settings_and_shapes_are_refused_with_a_sentence():
    with pytest.raises(ValueError, match="anchor is one of closest, median, but it is 'mean'"):
        models.build("highresnet_ltae", anchor="mean")
    with pytest.raises(ValueError, match="multiples of heads 16"):
        models.build("highresnet_ltae", channels=24)
    network = models.build("highresnet_ltae", **SMALL)
    with pytest.raises(ValueError, match=r"days has one value per view, shape \(2, 8\), but it is \(2, 7\)"):
        network(series(), DAYS[:, :7])
    with pytest.raises(ValueError, match="a series has the shape"):
        network(series()[:, 0], DAYS)
    with pytest.raises(ValueError, match="one has alpha 0 for all of its views"):
        network(series(), DAYS, torch.tensor([[1.0] * 8, [0.0] * 8]))
    with pytest.raises(ValueError, match="give days"):
        network.condition(series())
    with pytest.raises(ValueError, match="alphas has one value per view"):
        models.build("highresnet", channels=8)(series(), torch.ones(2, 5))
