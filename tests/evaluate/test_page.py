"""What the report of a run is told of its curves and methods."""

from pathlib import Path

import cv2
import numpy as np

from satsr.evaluate.measure import Sample
from satsr.evaluate.page import curves, divided, foremost, heads, told_apart
from satsr.pages.report import charts
from satsr.project import Places
from satsr.seeds import generator
from satsr.store.store import StoreWriter


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


def test_the_report_says_how_the_data_were_divided(tmp_path: Path) -> None:
    places = Places(tmp_path, "rasvsr")
    how = {"val": "1 scene: those between.", "test": "1 scene: another place.", "train": "2 scenes: the first."}
    with StoreWriter(places.store, {"name": "toy"}, division=how) as writer:
        writer.put("train", "a", "hr", 0, np.zeros((8, 8, 3), np.uint8))
    assert divided(places) == "train: 2 scenes: the first; val: 1 scene: those between; test: 1 scene: another place."


def sample(name: str, share: float) -> Sample:
    """A frame whose lower right quarter is by this share nearer to the reference than the baseline is."""
    hr = generator(0, "page", len(name)).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    bicubic = cv2.GaussianBlur(hr, (0, 0), 3)
    ours = bicubic.copy()
    ours[64:, 64:] = cv2.addWeighted(hr, share, bicubic, 1 - share, 0)[64:, 64:]
    return Sample(name, 0, {"lr": hr[::4, ::4], "bicubic": bicubic, "ema": ours, "hr": hr}, {}, {})


def test_the_first_picture_is_of_the_sample_and_of_the_part_that_gain_most() -> None:
    samples = [sample("one", 0.2), sample("second", 0.6), sample("third", 0.4)]
    assert foremost(samples).scene == "second"
    (head,) = heads(samples)
    assert head.title.startswith("second, frame 0: the part in which the error falls most")
    assert {image.shape for image in head.images.values()} == {(288, 288, 3)} and heads([]) == []
    rows, columns = np.nonzero((head.where == (255, 204, 0)).all(axis=2))  # the outline, in the frame's lower right
    assert head.where.shape == (192, 192, 3) and min(rows.min(), columns.min()) > 80
