"""Data in the form in which they were published, with full-size images and few of them, drawn on this machine."""

import pickle
from collections.abc import Callable
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from satsr.degrade import downscale_frame
from satsr.download.drawn.probav import render_imageset
from satsr.download.drawn.series import Series, render_series
from satsr.download.drawn.video import render_clip
from satsr.imagery.images import write_png
from tests.convert.layouts.test_series import write_tiff


def sat_mtb_vsr(root: Path) -> None:
    """``{train,val}/{GT,LR4xBicubic}/000/00000000.png``, 640 x 640, one clip of 631 rows as the published clip 385.

    Of five clips to train with, the last validates.
    """
    drawn = render_clip(0, 0, 12, 640, 640)  # the drawing of a town takes longer than its frames
    clips = [("train", name, 640) for name in ("000", "001", "002", "386")]
    for number, (split, name, rows) in enumerate((*clips, ("train", "385", 631), ("val", "000", 640))):
        for frame, image in enumerate(drawn[2 * number : 2 * number + 2, :rows]):
            place = Path(name) / f"{frame:08d}.png"
            write_png(root / split / "GT" / place, image)
            write_png(root / split / "LR4xBicubic" / place, downscale_frame(image[: rows // 16 * 16], 4))


def jilin_189(root: Path) -> None:
    """``{train,eval}/{GT,LR4x,Bicubic4x}/000/000.png``; the clips to measure have 192 px, since that is slow on a CPU.

    Of five clips to train with, the last validates.
    """
    drawn = render_clip(0, 0, 12, 640, 640)
    for number, (split, side) in enumerate((*[("train", 640)] * 4, ("train", 192), ("eval", 192))):
        for frame, image in enumerate(drawn[2 * number : 2 * number + 2, :side, :side]):
            place = Path(f"{number:03d}") / f"{frame:03d}.png"
            write_png(root / split / "GT" / place, image)
            write_png(root / split / "Bicubic4x" / place, image)
            write_png(root / split / "LR4x" / place, downscale_frame(image, 4, "replicate"))


def proba_v(root: Path) -> None:
    """``train/RED/imgset0000/{LR000,QM000,...,HR,SM}.png`` and ``norm.csv``, 128 x 128 and 384 x 384.

    Of the three sets the first trains; those that validate and test have 48 and 144 px, since that is slow on a CPU.
    """
    norms = []
    for number, side in enumerate((128, 48, 48)):
        name = f"imgset{number:04d}"
        scene = render_imageset(0, number, views=(9, 9), lr_px=(side, side))
        place = root / "train" / "RED" / name
        for view, (image, mask) in enumerate(zip(scene.lr, scene.qm, strict=True)):
            write_png(place / f"LR{view:03d}.png", image)
            write_png(place / f"QM{view:03d}.png", mask)
        write_png(place / "HR.png", scene.hr)
        write_png(place / "SM.png", scene.sm)
        norms.append(f"{name} 46.5\n")
    (root / "norm.csv").write_text("".join(norms))


def breizhsr(root: Path) -> None:
    """``dataset_train.pkl`` and ``dataset_test.pkl`` with GeoTIFFs of 75 x 75 and 300 x 300."""
    rows = [_row(root, number, split, "split") for number, split in enumerate(("train", "train", "val", "test"))]
    _table(root / "dataset_train.pkl", rows[:3])
    _table(root / "dataset_test.pkl", rows[3:])


def spot6_sentinel2(root: Path) -> None:
    """``dataset_stratified.pkl`` with GeoTIFFs of 75 x 75 and 300 x 300, of a land cover that is kept."""
    splits = ("train", "train", "train", "val", "test")
    rows = [_row(root, number, split, "type") for number, split in enumerate(splits)]
    _table(root / "dataset_stratified.pkl", [{**row, "Code_simplified": "Artificial Surfaces"} for row in rows])


def _row(root: Path, number: int, split: str, column: str) -> dict[str, Any]:
    """A row of a table, and its files."""
    scene: Series = render_series(0, number, lr_px=(75, 75))
    nearest = int(np.argmin(np.abs(scene.days)))
    days = [int(day) - int(scene.days[nearest]) for day in scene.days]  # the nearest on the target's own day
    target = datetime.combine(scene.target_date, time())
    files = {day: f"sen2/{number:05d}_{day}.tif" for day in days}
    for image, name in zip(scene.lr, files.values(), strict=True):
        write_tiff(root / name, image)
    write_tiff(root / f"spot6/{number:05d}.tif", scene.hr)
    return {
        "spot6_image": f"spot6/{number:05d}.tif",
        "sen2_acquisitions": files,
        "dates_sen2": [target + timedelta(days=day) for day in days],
        "dates_spot6": target,
        column: split,
    }


def _table(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_bytes(pickle.dumps(pd.DataFrame(rows), protocol=4))


WRITERS: dict[str, Callable[[Path], None]] = {
    "rasvsr": sat_mtb_vsr,
    "msdtgp": jilin_189,
    "qanet": proba_v,
    "breizhsr": breizhsr,
    "srgan": spot6_sentinel2,
}
"""By paper, what writes the data of its profile ``paper``."""
