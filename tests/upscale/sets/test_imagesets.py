"""Views of one place become one image: the right ones are chosen, by quality or by coverage."""

import zlib

import numpy as np
import pytest
import rasterio

from satsr.errors import SatsrError
from satsr.files import read_json
from satsr.imagery.images import read_image, write_png
from satsr.kinds.imageset.paper import SELECTION_SEED
from satsr.kinds.imageset.views import select_by_coverage
from satsr.upscale.options import Options
from satsr.upscale.sets.imagesets import upscale_imagesets
from tests.tiny_graphs import imageset_graph

OPTIONS = Options(window=64, overlap=16, margin=4, date="2018-06-15")


def quiet(line):
    """Takes no notice."""


def read(path):
    with rasterio.open(path) as source:
        return source.read()


def imageset(folder, views, level=1000):
    """Views of which the second half is clouded in the upper half."""
    for index in range(views):
        write_png(folder / f"LR{index:03d}.png", np.full((32, 32), level + 100 * index, np.uint16))
        clear = np.full((32, 32), 255, np.uint8)
        clear[:16] = 0 if index >= views // 2 else 255
        write_png(folder / f"QM{index:03d}.png", clear)


def test_the_clearest_views_of_an_image_set_count(tiny, tmp_path):
    imageset(tmp_path / "imgset0007", 12)
    upscale_imagesets(tiny(imageset_graph), tmp_path / "imgset0007", tmp_path / "out.png", Options(), quiet)
    sr = read_image(tmp_path / "out.png")
    # The nine clearest: views 0 to 5, which are whole, and 6 to 8, which are clear in the lower half.
    assert sr.dtype == np.uint16 and sr.shape == (96, 96)
    assert (sr[:48] == 1250).all() and (sr[48:] == 1400).all()


def test_views_are_chosen_by_coverage_where_the_finer_grid_is_known(tiny, tmp_path):
    folder = tmp_path / "imgset0007"
    imageset(folder, 12)
    write_png(folder / "SM.png", np.full((96, 96), 255, np.uint8))
    upscale_imagesets(tiny(imageset_graph), folder, tmp_path / "out.png", Options(), quiet)
    masks = np.stack([read_image(file) for file in sorted(folder.glob("QM*.png"))])
    chosen = select_by_coverage(
        masks, read_image(folder / "SM.png"), seed=SELECTION_SEED, index=zlib.crc32(b"imgset0007")
    )
    levels = 1000 + 100 * chosen
    sr = read_image(tmp_path / "out.png")
    assert np.abs(sr[48:] - levels.mean()).max() <= 1 and np.abs(sr[:48] - levels[chosen < 6].mean()).max() <= 1


def test_an_image_set_says_how_far_it_is_from_the_mean_of_its_clearest_views(tiny, tmp_path):
    imageset(tmp_path / "imgset0007", 12)
    lines = []
    upscale_imagesets(tiny(imageset_graph), tmp_path / "imgset0007", tmp_path / "out", Options(), lines.append)
    # Above 1250 and below 1400, where the six views that are clear everywhere have a mean of 1250.
    assert "+75 in 1 (bias)" in lines[-1] and "on 1 sampled image set; constraint: none" in lines[-1]
    tags = read_json(tmp_path / "out" / "satsr.json")
    assert tags["SATSR_CONSISTENCY_BIAS_1"] == "75" and tags["SATSR_CONSTRAINT"] == "none"


def test_many_image_sets_become_a_folder(tiny, tmp_path):
    for index, band in enumerate(("NIR", "RED", "RED")):
        imageset(tmp_path / "in" / band / f"imgset{index:04d}", 9 - index, 1000 * (index + 1))
    upscale_imagesets(tiny(imageset_graph), tmp_path / "in", tmp_path / "out", Options(), quiet)
    names = sorted(file.name for file in (tmp_path / "out").glob("*.png"))
    assert names == ["NIR_imgset0000.png", "RED_imgset0001.png", "RED_imgset0002.png"]


def test_an_image_set_that_is_not_whole_gets_a_sentence(tiny, tmp_path):
    model = tiny(imageset_graph)
    imageset(tmp_path / "in", 9)
    (tmp_path / "in" / "QM003.png").unlink()
    with pytest.raises(SatsrError, match=r"QM003\.png"):
        upscale_imagesets(model, tmp_path / "in", tmp_path / "out.png", Options(), quiet)
    with pytest.raises(SatsrError, match="0 image sets"):
        upscale_imagesets(model, tmp_path / "nothing", tmp_path / "out", Options(), quiet)
