"""What is known of metrics by their names."""

import pytest

from satsr.pages.page import FAMILIES
from satsr.scores import direction, lower_is_better


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("psnr_rgb_u8", 1),
        ("ema/val_cpsnr", 1),
        ("ssim_kornia5_max1", 1),
        ("shift_mae_u8", -1),
        ("sam_reflectance", -1),
        ("probav_score", -1),
        ("train_loss", -1),
        ("samples", 0),
        ("sharpness", 0),
    ],
)
def test_a_metrics_direction_is_known_by_the_first_words_of_its_name(name: str, side: int) -> None:
    assert direction(name) == side
    assert lower_is_better(name) is (side < 0)


def test_every_metric_with_a_label_has_a_direction() -> None:
    assert all(direction(family) for family in FAMILIES)
