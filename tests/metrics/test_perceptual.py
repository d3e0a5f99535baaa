"""LPIPS against its own package (lpips 0.1.4), which was run with the weights of tests/lpips.py."""

from pathlib import Path

import numpy as np
import pytest
import torch

from satsr.errors import SatsrError
from satsr.metrics import lpips, lpips_weights
from satsr.metrics.perceptual import HEADS, TRUNK, VARIABLE
from tests.lpips import weights_folder

PACKAGE = {(64, 80): 0.008329007774591446, (45, 31): 0.007380755618214607}
"""What the package gives."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return weights_folder(tmp_path_factory.mktemp("lpips") / "weights")


@pytest.fixture
def folder(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the two files, which the environment names."""
    monkeypatch.setenv(VARIABLE, str(made))
    return made


def pair(size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    return image, np.clip(image.astype(int) + rng.integers(-40, 41, image.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("size", PACKAGE)
def test_the_distance_is_that_of_the_package(size: tuple[int, int], folder: Path) -> None:
    image, other = pair(size)
    assert lpips(image, other) == pytest.approx(PACKAGE[size], rel=1e-5)
    assert lpips(image, image) == 0


def test_the_bits_do_not_depend_on_the_number_of_cores(folder: Path) -> None:
    found = set()
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        found.add(lpips(*pair((64, 80))))
        assert torch.get_num_threads() == threads
    torch.set_num_threads(1)
    assert len(found) == 1


@pytest.mark.parametrize("shape", [(64, 80), (30, 80, 3)])
def test_images_that_it_is_not_defined_for_are_a_sentence(shape: tuple[int, ...], folder: Path) -> None:
    with pytest.raises(SatsrError, match="three bands and at least 31 pixels a side"):
        lpips(np.zeros(shape, np.uint8), np.zeros(shape, np.uint8))


@pytest.mark.slow
def test_files_that_are_missing_damaged_or_others_are_sentences(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty, cut, other, cache = (tmp_path_factory.mktemp(name) for name in ("empty", "cut", "other", "cache"))
    for place in (cut, other, cache / "satsr" / "lpips"):
        place.mkdir(parents=True, exist_ok=True)
        for name in (TRUNK, HEADS):
            (place / name).write_bytes((folder / name).read_bytes())
    (cut / HEADS).write_bytes((cut / HEADS).read_bytes()[:200])
    torch.save({"lin0.model.1.weight": torch.zeros(1, 3, 1, 1)}, other / HEADS)
    for place, said in (
        (empty, "needs alexnet-owt"),
        (cut, "cannot be read"),
        (other, r"has the shape \(1, 3, 1, 1\)"),
    ):
        monkeypatch.setenv(VARIABLE, str(place))
        with pytest.raises(SatsrError, match=said):
            lpips_weights()
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    with pytest.raises(SatsrError, match=r"SHA-256 should begin with 7be5be79"):
        lpips_weights()
