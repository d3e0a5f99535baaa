"""What is written beside a result takes no place that somebody else took while the result was made."""

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from satsr.depth.training import describe
from satsr.errors import SatsrError
from satsr.imagery.images import write_png
from satsr.upscale.clips import video
from satsr.upscale.options import Options
from satsr.upscale.scenes import scene
from satsr.upscale.sets import imagesets
from tests.tiny_graphs import image_graph, imageset_graph, recurrent_graph

RNG = np.random.default_rng(0)
SCENE = RNG.integers(300, 2500, (3, 64, 72), dtype=np.uint16)
FRAMES = RNG.integers(0, 256, (3, 40, 48, 3), dtype=np.uint8)
ALL = Options(force=True, consistency=True, depth_map=True, preview=True)


def trained(images, top):
    return {"trained": describe([image.astype(np.float64) for image in images], [top] * 3)}


def write_scene(path):
    with rasterio.open(
        path, "w", driver="GTiff", count=3, height=64, width=72, dtype="uint16",
        crs="EPSG:32632", transform=from_origin(600000, 5e6, 10, 10),
    ) as target:  # fmt: skip
        target.write(SCENE)
    return path


def write_frames(folder):
    for index, frame in enumerate(FRAMES):
        write_png(folder / f"{index}.png", frame)
    return folder


def write_views(folder):
    for index in range(9):
        write_png(folder / f"LR{index:03d}.png", RNG.integers(900, 2000, (32, 32), dtype=np.uint16))
        write_png(folder / f"QM{index:03d}.png", np.full((32, 32), 255, np.uint8))
    return folder


def comes_meanwhile(path):
    """Puts a file of the user's at ``path`` once the result is made and measured."""

    def say(line):
        if "made small again" in line:
            path.parent.mkdir(exist_ok=True)
            path.write_text("mine")

    return say


@pytest.mark.slow
@pytest.mark.parametrize("name", ["_consistency.tif", "_depth.tif", "_preview.png", "_preview.html"])
def test_a_file_that_came_beside_a_scene_meanwhile_is_kept(tiny, tmp_path, name):
    model, mine = tiny(image_graph, depth=trained([SCENE], 9999)), tmp_path / f"out{name}"
    with pytest.raises(SatsrError, match=f"{name} exists, and satsr did not write it"):
        scene.upscale(model, write_scene(tmp_path / "in.tif"), tmp_path / "out.tif", ALL, comes_meanwhile(mine))
    assert mine.read_text() == "mine"
    mine.unlink()
    scene.upscale(model, tmp_path / "in.tif", tmp_path / "out.tif", ALL)  # the same command goes on
    assert mine.is_file() and not list(tmp_path.glob(".*"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["_consistency/mine.txt", "_depth.csv", "_preview.png", "_preview.html"])
def test_a_file_that_came_beside_a_clip_meanwhile_is_kept(tiny, tmp_path, name):
    model, mine = tiny(recurrent_graph, depth=trained(np.moveaxis(FRAMES, 3, 1), 255)), tmp_path / f"out{name}"
    source = write_frames(tmp_path / "in")
    with pytest.raises(SatsrError, match="satsr did not write"):
        video.upscale(model, source, tmp_path / "out", ALL, comes_meanwhile(mine))
    assert mine.read_text() == "mine" and not (tmp_path / "out").exists()
    mine.unlink()
    made = video.upscale(model, source, tmp_path / "out", ALL)  # the same command goes on
    assert all(file.exists() for file in made.files) and not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("name", ["_preview.png", "_preview.html"])
def test_a_file_that_came_beside_an_image_set_meanwhile_is_kept(tiny, tmp_path, name):
    mine, source = tmp_path / f"out{name}", write_views(tmp_path / "imgset0001")
    with pytest.raises(SatsrError, match=f"{name} exists, and satsr did not write it"):
        imagesets.upscale_imagesets(
            tiny(imageset_graph), source, tmp_path / "out.png", Options(preview=True), comes_meanwhile(mine)
        )
    assert mine.read_text() == "mine" and not (tmp_path / "out.png").exists()


def test_a_result_of_another_input_that_was_moved_there_meanwhile_is_kept(tiny, tmp_path):
    model = tiny(recurrent_graph)

    def stop(line):
        if "made small again" in line:
            raise KeyboardInterrupt

    source, output = write_frames(tmp_path / "in"), tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        video.upscale(model, source, output, ALL, stop)
    other = write_frames(tmp_path / "other")
    write_png(other / "0.png", FRAMES[1])
    video.upscale(model, other, tmp_path / "there", ALL)
    (tmp_path / "there").rename(output)
    before = (output / "0.png").read_bytes()
    with pytest.raises(SatsrError, match="add --overwrite"):
        video.upscale(model, source, output, ALL)
    assert (output / "0.png").read_bytes() == before
