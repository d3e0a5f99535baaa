import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from models.shared.weights import load_weights, read_weights, save_weights


class Payload:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


def _network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3))


def _state(network: nn.Module) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in network.state_dict().items()}


def _equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return list(a) == list(b) and all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize("wrapper", [None, "params_ema", "params", "state_dict", "model"])
@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("suffix", [None, ".pth", ".pt", ".ckpt"])
def test_every_wrapper_of_a_checkpoint_is_understood(tmp_path, wrapper, prefix, suffix):
    source, target = _network(1), _network(2)
    content = {prefix + key: value for key, value in source.state_dict().items()}
    content = content if wrapper is None else {wrapper: content, "epoch": 7}
    if suffix is not None:
        torch.save(content, tmp_path / f"weights{suffix}")
        content = tmp_path / f"weights{suffix}"
    assert load_weights(target, content) == []
    assert _equal(_state(source), _state(target))


def test_averaged_weights_are_preferred():
    network = _network(0)
    load_weights(network, {"params": _network(1).state_dict(), "params_ema": _network(2).state_dict()})
    assert _equal(_state(network), _state(_network(2)))


def test_wrappers_may_be_nested_and_arrays_are_welcome():
    network = _network(0)
    arrays = {key: value.numpy() for key, value in _network(1).state_dict().items()}
    load_weights(network, {"state_dict": {"params": arrays}})
    assert _equal(_state(network), _state(_network(1)))


def test_mmediting_names_of_spynet_are_translated():
    named = read_weights({"spynet.basic_module.3.basic_module.4.conv.bias": torch.zeros(2)})
    assert list(named) == ["spynet.basic_module.3.basic_module.8.bias"]


def test_every_disagreement_is_in_one_message_and_nothing_is_loaded(tmp_path):
    network = _network(0)
    before = _state(network)
    content = _state(_network(1))
    content["0.weight"] = content["0.weight"][:, :1]
    content["surplus"] = content.pop("1.bias")
    path = tmp_path / "other.safetensors"
    save_file({key: value.contiguous() for key, value in content.items()}, path)
    with pytest.raises(ValueError, match="do not fit Sequential") as error:
        load_weights(network, path)
    text = str(error.value)
    assert str(path) in text
    assert "1 missing: 1.bias" in text
    assert "1 unexpected: surplus" in text
    assert "1 of another shape: 0.weight (3, 1, 3, 3) instead of (3, 2, 3, 3)" in text
    assert _equal(_state(network), before)


def test_without_strict_what_fits_is_loaded_and_the_rest_is_named():
    network, source = _network(0), _state(_network(1))
    source["0.weight"] = source["0.weight"][:1]
    before = _state(network)
    left = load_weights(network, {**source, "surplus": torch.zeros(1)}, strict=False)
    assert left == ["0.weight"]
    assert torch.equal(network.state_dict()["0.weight"], before["0.weight"])
    assert torch.equal(network.state_dict()["0.bias"], source["0.bias"])


def test_without_strict_weights_of_another_network_are_still_refused():
    with pytest.raises(ValueError, match="do not fit"):
        load_weights(_network(), {"other": torch.zeros(1)}, strict=False)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "no weights in the given mapping"),
        ({"params": {}}, "no weights in the given mapping"),
        ({"0.weight": torch.zeros(1), "epoch": 3}, "'epoch' is int"),
        ({"net": {"0.weight": torch.zeros(1)}}, "'net' is dict"),
        ({"params": "weights.pth"}, "'params' is str"),
        ({3: torch.zeros(1)}, "the name 3 is no text"),
    ],
)
def test_a_mapping_without_weights_is_refused(content, message):
    network = _network()
    before = _state(network)
    for strict in (True, False):
        with pytest.raises(ValueError, match=message):
            load_weights(network, content, strict=strict)
    assert _equal(_state(network), before)


def test_a_checkpoint_with_code_is_refused_and_the_code_never_runs(tmp_path):
    network, marker = _network(), tmp_path / "ran"
    before = _state(network)
    path = tmp_path / "evil.pth"
    contents = [{"params": _state(network), "extra": Payload(marker)}, network]
    for content in contents:
        torch.save(content, path)
        with pytest.raises(ValueError, match="could run code") as error:
            load_weights(network, path)
        assert str(path) in str(error.value) and "safetensors" in str(error.value)
    path.write_bytes(pickle.dumps(Payload(marker)))
    with pytest.raises(ValueError, match=r"evil\.pth"):
        load_weights(network, path)
    assert not marker.exists()
    assert _equal(_state(network), before)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.98])
def test_a_truncated_file_is_named(tmp_path, suffix, share):
    network, path = _network(), tmp_path / f"cut{suffix}"
    before = _state(network)
    save_file(_state(_network(1)), path) if suffix == ".safetensors" else torch.save(_state(_network(1)), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=rf"cut{suffix} cannot be read as a {suffix} file"):
        load_weights(network, path)
    assert _equal(_state(network), before)


@pytest.mark.parametrize(
    ("name", "message"), [("gone.pth", "there is no file"), ("a.bin", "must end in"), ("folder.pt", "there is no file")]
)
def test_a_path_that_is_no_file_of_weights_is_named(tmp_path, name, message):
    (tmp_path / "folder.pt").mkdir()
    with pytest.raises(ValueError, match=message) as error:
        load_weights(_network(), str(tmp_path / name))
    assert name in str(error.value)


def test_saved_weights_come_back_with_their_metadata_and_the_same_bytes(tmp_path):
    source, target = _network(1), _network(2)
    metadata = {word: word.upper() for word in ("quick", "brown", "fox", "jumps", "lazy", "dogs")}
    paths = [tmp_path / "new" / "a.safetensors", tmp_path / "b.safetensors"]
    save_weights(source, paths[0], metadata)
    save_weights(source.state_dict(), paths[1], dict(reversed(metadata.items())))
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert b'"brown":"BROWN","dogs":"DOGS"' in paths[0].read_bytes()[:400]
    with safe_open(paths[0], "pt") as file:
        assert file.metadata() == metadata
    load_weights(target, paths[0])
    assert _equal(_state(source), _state(target))
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.safetensors", "b.safetensors", "new"]


def test_tied_and_strided_tensors_can_be_saved(tmp_path):
    shared = torch.arange(6.0).reshape(2, 3)
    save_weights({"a": shared, "b": shared, "c": shared.T}, tmp_path / "tied.safetensors")
    back = read_weights(tmp_path / "tied.safetensors")
    assert torch.equal(back["a"], shared) and torch.equal(back["b"], shared) and torch.equal(back["c"], shared.T)


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.safetensors"
    save_weights({"a": torch.zeros(2)}, path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="must be text, but epoch is not"):
        save_weights({"a": torch.ones(2)}, path, {"epoch": 3})
    assert path.read_bytes() == before
    with pytest.raises(ValueError, match="are written as"):
        save_weights({"a": torch.zeros(2)}, tmp_path / "a.pth")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.safetensors"]


def test_other_dtypes_are_cast_to_the_models():
    network, source = _network(0), {key: value.double().numpy() for key, value in _network(1).state_dict().items()}
    load_weights(network, source)
    assert network[0].weight.dtype == torch.float32
    assert np.array_equal(network[0].weight.detach().numpy(), _network(1)[0].weight.detach().numpy())
