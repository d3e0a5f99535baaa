"""Ring correlation is its definition and finds the resolution that was put in."""

import numpy as np
import pytest

from satsr.errors import SatsrError
from satsr.metrics import clear_part, resolved_period, ring_correlation
from satsr.seeds import generator


def noise(*key: int, side: int = 128) -> np.ndarray:
    return generator(7, "frequency", *key).standard_normal((1, side, side, 1))


def low_passed(image: np.ndarray, cycles: float) -> np.ndarray:
    """Without the frequencies above ``cycles`` a pixel."""
    side = image.shape[1]
    radius = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)[None])[None, ..., None]
    return np.fft.ifft2(np.fft.fft2(image, axes=(1, 2)) * (radius <= cycles), axes=(1, 2)).real


def test_it_equals_the_definition_over_the_whole_spectrum() -> None:
    a = generator(8, "frequency").random((2, 20, 25, 3))
    b = a + 0.3 * generator(9, "frequency").random(a.shape)
    window = np.outer(np.hanning(22)[1:-1], np.hanning(27)[1:-1])
    ring = np.rint(20 * np.hypot(np.fft.fftfreq(20)[:, None], np.fft.fftfreq(25)[None]))
    f, g = (
        np.stack([np.fft.fft2((p - np.average(p, weights=window)) * window) for t in x for p in t.transpose(2, 0, 1)])
        for x in (a, b)
    )
    found = ring_correlation(a, b)
    for k in range(1, 11):
        inside = ring == k
        cross, energy, other = ((z[:, inside]).sum() for z in (f * g.conj(), abs(f) ** 2, abs(g) ** 2))
        assert found[k] == pytest.approx(cross.real / np.sqrt(energy.real * other.real), rel=1e-9)
    assert len(found) == 11


@pytest.mark.parametrize("ratio", [3.0, 1.0, 1 / 3])
def test_of_two_noisy_looks_it_is_signal_over_signal_and_noise(ratio: float) -> None:
    signal = np.sqrt(ratio) * noise(0)
    correlation = ring_correlation(signal + noise(1), signal + noise(2))
    assert np.mean(correlation[8:]) == pytest.approx(ratio / (1 + ratio), abs=0.03)  # van Heel and Schatz, eq. 7


@pytest.mark.parametrize("period", [3.0, 4.0, 8.0])
def test_the_resolved_period_is_where_the_common_detail_ends(period: float) -> None:
    scene = noise(0)
    shown = low_passed(scene, 1 / period) + 0.3 * (noise(1) - low_passed(noise(1), 1 / period))
    assert 128 / resolved_period(shown, scene) == pytest.approx(128 / period, abs=1.5)  # rings


def test_an_image_resolves_itself_to_the_grid_and_foreign_ones_nothing() -> None:
    assert resolved_period(noise(0), noise(0)) == 2
    with pytest.raises(SatsrError, match="share nothing"):
        resolved_period(-noise(0), noise(0))
    with pytest.raises(SatsrError, match="16 pixels"):
        resolved_period(noise(0, side=15), noise(0, side=15))


def test_the_largest_clear_square_is_found() -> None:
    clear = np.ones((60, 90), bool)
    assert clear_part(clear) == (slice(None), slice(None))
    clear[10, :] = clear[:, 33] = False
    rows, columns = clear_part(clear)
    assert clear[rows, columns].shape == (49, 49) and clear[rows, columns].all()
    with pytest.raises(SatsrError, match="no square of 16"):
        clear_part(np.zeros((60, 90), bool))
