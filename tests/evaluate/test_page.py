"""What the report of a run is told of its curves and methods."""

from pathlib import Path

from satsr.evaluate.page import curves, told_apart
from satsr.pages.report import charts


def written(folder: Path, average: tuple[float, float]) -> Path:
    """The curves of a training of 20 steps, with these values of the averaged weights."""
    (folder / "loss.csv").write_text("step,loss,lr,says_real\n10,0.5,0.004,\n20,0.25,0.0000001,\n")
    rows = [f"{step},{value},{mean}" for step, value, mean in zip((10, 20), (26.0, 27.0), average, strict=True)]
    (folder / "validation.csv").write_text("\n".join(["step,val_psnr,val_ema_psnr", *rows]) + "\n")
    return folder


def test_the_average_and_the_last_weights_share_a_chart_that_says_which_is_which(tmp_path: Path) -> None:
    found = curves(written(tmp_path, (26.5, 27.5)))
    assert list(found) == ["loss", "lr", "ours/val_psnr", "last weights/val_psnr"]
    assert found["ours/val_psnr"] == [(10.0, 26.5), (20.0, 27.5)]
    titles = [chart["title"] for chart in charts(found)]
    assert titles == [
        "loss falls from 0.5000 to 0.2500",
        "learning rate falls from 0.00400 to 1e-07",
        "PSNR of ours rises from 26.500 to 27.500 dB",
    ]


def test_a_training_without_an_average_has_one_curve(tmp_path: Path) -> None:
    assert list(curves(written(tmp_path, (26.0, 27.0)))) == ["loss", "lr", "val_psnr"]


def test_the_last_weights_are_a_method_only_where_they_differ() -> None:
    methods = {"bicubic": {"psnr": 1.0}, "network": {"psnr": 2.0}, "ema": {"psnr": 2.0}}
    assert list(told_apart(methods)) == ["bicubic", "ema"]
    assert list(told_apart({**methods, "ema": {"psnr": 2.5}})) == ["bicubic", "network", "ema"]
