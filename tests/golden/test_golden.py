"""The compact golden files are what the full ones hold, are compared everywhere, and stay small."""

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

import models
from models.srgan import Discriminator, RecursiveFusion, SRResNet
from tests.golden import compact, load, make, weights
from tests.golden.load import Arrays

HERE = Path(__file__).resolve().parent
# SHA-256 of the names and bytes of the weights that the authors' networks had; the READMEs of the full files state
# the first two, the others were computed from the make_weights.py beside them.
DIGESTS = {
    "rasvsr": "99332c2de4faad58ea7ce682b84978cb1e8e4916a8bd6bdf7198bb055b47d06d",
    "msdtgp": "37307d2872ca8779702356fd49dc43d752e14d91086664a9a09cefed01cd105c",
    "qanet": "6f949ff03bd0521aefaa36a93e2cb62e6b21bfa4a0200d2cf049dc2b325e80b3",
    "rrdb": "7962219f3eea11e54280c7a8371a148b4ab9be6d5f3d98f05c989c776de0c660",
    "highresnet": "60056c726e62e357058a0dc57779642879d78fe176ba00ab6ac949e7be7a08ce",
    "highresnet_ltae": "ba6db8e7b6b2f66e28c586ef71f580c356d716de1b5cccf520513c94ceac8cd2",
    "generator": "b52cd4ead760d79082f3e55ac5f413cd2e0f97d81268383019e3515c87bf9876",
    "discriminator": "818ce2398d913f46a55990f6215e9cece6190f7531d936845fc14344b122111d",
    "fusion": "aac0e459897c82866156740dc10fcde22cb2244613e60f44d667db7fbc0cb5aa",
}
STATES = {
    "rasvsr": lambda: sorted(weights.rasvsr(weights.shapes_of(models.build("rasvsr"))).items()),
    "msdtgp": lambda: weights.msdtgp(weights.shapes_of(models.build("msdtgp"))).items(),
    "qanet": lambda: sorted(weights.qanet(weights.shapes_of(models.build("qanet"))).items()),
    "rrdb": lambda: parameters(weights.breizhsr(models.build("rrdb", num_blocks=8), 0.04)),
    "highresnet": lambda: parameters(weights.breizhsr(models.build("highresnet"), 0.05)),
    "highresnet_ltae": lambda: parameters(weights.breizhsr(models.build("highresnet_ltae"), 0.05)),
    "generator": lambda: parameters(weights.srgan(SRResNet(), 0.03)),
    "discriminator": lambda: parameters(weights.srgan(Discriminator(), 0.03)),
    "fusion": lambda: parameters(weights.srgan(RecursiveFusion(), 0.2)),
}


def parameters(network):
    return sorted((key, value.detach()) for key, value in network.named_parameters())


@pytest.fixture
def file(tmp_path, monkeypatch) -> Arrays:
    """A compact file of one array of 2 x 40 x 50 values, the full file of which is absent."""
    monkeypatch.setattr(load, "full", lambda name: None)
    np.savez(tmp_path / "case.npz", **{"y|2x40x50": compact.pack(ramp())})
    return Arrays(str(tmp_path / "case.npz"))


def ramp() -> np.ndarray:
    return np.linspace(-1, 1, 4000, dtype=np.float32).reshape(2, 40, 50)


@pytest.mark.slow
@pytest.mark.parametrize("name", DIGESTS)
def test_the_rules_give_the_weights_of_the_authors_networks(name):
    found = hashlib.sha256()
    for key, value in STATES[name]():
        found.update(key.encode() + np.asarray(value).tobytes())
    assert found.hexdigest() == DIGESTS[name]


@pytest.mark.slow
def test_the_compact_files_are_made_of_the_full_ones(golden, tmp_path):
    for name in ("rasvsr/README.txt", "rasvsr/demo_svsr"):
        golden.full(name)
    make.write(tmp_path)
    names = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*"))
    here = [str(path.relative_to(HERE)) for path in HERE.rglob("*") if path.suffix in (".npz", ".gz")]
    assert names == sorted(here)
    for name in names:
        if name.endswith(".npz"):
            with np.load(tmp_path / name) as made, np.load(HERE / name) as kept:
                assert made.files == kept.files, name
                assert all(np.array_equal(made[key], kept[key]) for key in made.files), name
        else:
            assert gzip.decompress((tmp_path / name).read_bytes()) == gzip.decompress((HERE / name).read_bytes()), name


def test_all_of_it_is_less_than_a_megabyte_and_a_half():
    assert sum(path.stat().st_size for path in HERE.rglob("*.*") if path.suffix in (".npz", ".gz")) < 1.5e6


def test_an_equal_array_matches_and_one_of_another_shape_does_not(file):
    file.matches(ramp(), "y")
    file.matches(torch.from_numpy(ramp()), "y")
    with pytest.raises(AssertionError, match=r"\(40, 100\) instead of \(2, 40, 50\)"):
        file.matches(ramp().reshape(40, 100), "y")


@pytest.mark.parametrize("place", [(0, 0, 0), (1, 39, 49), (0, 17, 23)])
def test_one_value_that_differs_anywhere_is_found(file, place):
    other = ramp()
    other[place] += 1e-2
    with pytest.raises(AssertionError, match="y"):
        file.matches(other, "y", atol=1e-4)
    file.matches(other, "y", atol=1.1e-2)


def test_a_small_change_of_everything_is_found(file):
    with pytest.raises(AssertionError):
        file.matches(ramp() * np.float32(1.001), "y", atol=1e-5)
    file.matches(ramp() * np.float32(1.001), "y", rtol=2e-3)


def test_an_array_that_is_not_kept_whole_is_a_skip_with_its_way_out(file):
    with pytest.raises(pytest.skip.Exception, match="SATSR_GOLDEN"):
        file["y"]


def test_the_full_file_is_compared_too_where_it_is(tmp_path, monkeypatch):
    other = ramp()
    untouched = np.setdiff1d(np.arange(other.size), compact.places(other.shape))
    other.flat[untouched[[10, 11]]] += (np.float32(0.5), np.float32(-0.5))  # no kept value, and no mean, is different
    np.savez(tmp_path / "case.npz", **{"y|2x40x50": compact.pack(ramp())})
    np.savez(tmp_path / "full.npz", y=ramp())
    monkeypatch.setattr(load, "full", lambda name: tmp_path / "full.npz")
    with pytest.raises(AssertionError, match="Mismatched elements: 2 / 4000"):
        Arrays(str(tmp_path / "case.npz")).matches(other, "y", atol=1e-4)
