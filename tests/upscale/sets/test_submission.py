"""The challenge's zip is complete, exact and the same each time, or it is not written."""

import shutil
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from satsr import load
from satsr.cli import main
from satsr.download.drawn.probav import render_imageset
from satsr.errors import SatsrError
from satsr.imagery.images import read_image, write_png
from satsr.upscale.sets.submission import NAMES, make_submission, write_submission
from tests.tiny_graphs import image_graph, imageset_graph

SETS = ("imgset1160", "imgset1306")
IMAGE = np.tile(np.arange(384, dtype=np.uint16) * 20 + 4000, (384, 1))


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All test sets in the challenge's two bands, as hard links of one image that two of them differ from."""
    folder = tmp_path_factory.mktemp("made")
    write_png(folder / "RED" / f"test_RED_{NAMES[0]}.png", IMAGE)
    for name in NAMES[1:]:
        target = folder / ("RED" if int(name[6:]) < 1306 else "NIR") / f"{name}.png"
        target.parent.mkdir(exist_ok=True)
        target.hardlink_to(folder / "RED" / f"test_RED_{NAMES[0]}.png")
    return folder


@pytest.mark.slow
def test_the_zip_holds_the_290_images_unchanged_at_its_root_and_is_the_same_again(
    complete: Path, tmp_path: Path
) -> None:
    write_submission(complete, tmp_path / "one.zip")
    write_submission(complete, tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert archive.namelist() == [f"imgset{number}.png" for number in range(1160, 1450)]
        for name in ("imgset1160.png", "imgset1449.png"):
            image = cv2.imdecode(np.frombuffer(archive.read(name), np.uint8), cv2.IMREAD_UNCHANGED)
            np.testing.assert_array_equal(image, IMAGE)


def test_a_zip_that_came_meanwhile_is_kept(tmp_path: Path) -> None:
    write_png(tmp_path / "made" / f"{NAMES[0]}.png", IMAGE)
    (tmp_path / "out.zip").write_text("mine")
    with pytest.raises(SatsrError, match="replaces nothing"):
        write_submission(tmp_path / "made", tmp_path / "out.zip", NAMES[:1])
    with pytest.raises(SatsrError, match=r"out\.zip is a file, so nothing can lie in it"):
        write_submission(tmp_path / "made", tmp_path / "out.zip" / "out.zip", NAMES[:1])
    assert (tmp_path / "out.zip").read_text() == "mine"
    (tmp_path / "out.zip").unlink()
    write_submission(tmp_path / "made", tmp_path / "out.zip", NAMES[:1])
    assert (tmp_path / "out.zip").is_file() and {path.name for path in tmp_path.iterdir()} == {"made", "out.zip"}


@pytest.mark.slow
def test_names_are_checked_before_anything_is_written(complete: Path, tmp_path: Path) -> None:
    folder = tmp_path / "made"
    for file in complete.rglob("*.png"):
        (folder / file.parent.name).mkdir(parents=True, exist_ok=True)
        (folder / file.parent.name / file.name).hardlink_to(file)
    (folder / "NIR" / "imgset1449.png").rename(folder / "NIR" / "imgset0000.png")
    (folder / "NIR" / "imgset1200.png").hardlink_to(folder / "RED" / "imgset1200.png")
    with pytest.raises(SatsrError) as error:
        write_submission(folder, tmp_path / "out.zip")
    for part in ("imgset1449.png is missing", "imgset0000.png is no test set", "imgset1200 is there 2 times"):
        assert part in str(error.value)
    assert not (tmp_path / "out.zip").exists()


@pytest.mark.slow
def test_images_that_the_challenge_would_not_take_are_named(complete: Path, tmp_path: Path) -> None:
    folder = tmp_path / "made"
    folder.mkdir()
    for file in complete.rglob("*.png"):
        (folder / file.name).hardlink_to(file)
    write_png(folder / "imgset1300.png", IMAGE[:128, :128])
    write_png(folder / "imgset1301.png", (IMAGE // 64).astype(np.uint8))
    write_png(folder / "imgset1302.png", IMAGE * 5)
    write_png(folder / "imgset1303.png", IMAGE // 64)
    with pytest.raises(SatsrError) as error:
        write_submission(folder, tmp_path / "out.zip")
    for part in (
        "imgset1300.png is uint16 (128, 128), not gray, 16 bits and 384 x 384",
        "imgset1301.png is uint8 (384, 384), not gray, 16 bits and 384 x 384",
        "imgset1302.png has a median of 39150, beyond the data's 14 bits: do not stretch",
        "imgset1303.png has no value above 182: do not reduce",
    ):
        assert part in str(error.value)
    assert not (tmp_path / "out.zip").exists() and list(tmp_path.iterdir()) == [folder]


@pytest.fixture(scope="module")
def challenge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two test sets in the challenge's layout and size, without references, and one that trains."""
    folder = tmp_path_factory.mktemp("challenge")
    for index, place in enumerate(("test/RED/imgset1160", "test/NIR/imgset1306", "train/RED/imgset0000")):
        scene = render_imageset(0, index, views=(9, 9), lr_px=(128, 128), band=place.split("/")[1])
        for view, (image, mask) in enumerate(zip(scene.lr, scene.qm, strict=True)):
            write_png(folder / place / f"LR{view:03d}.png", image)
            write_png(folder / place / f"QM{view:03d}.png", mask)
        write_png(folder / place / "SM.png", scene.sm)
    return folder


@pytest.mark.slow
def test_a_model_makes_a_submission_of_the_test_sets_alone(challenge: Path, tmp_path: Path) -> None:
    graph = imageset_graph(tmp_path / "tiny.onnx")
    make_submission(load(graph, device="cpu"), challenge, tmp_path / "out.zip", names=SETS)
    with pytest.raises(SatsrError, match="replaces nothing"):
        make_submission(load(graph, device="cpu"), challenge, tmp_path / "out.zip", names=SETS)
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert archive.namelist() == ["imgset1160.png", "imgset1306.png"]
        for name, place in zip(archive.namelist(), ("test/RED/imgset1160", "test/NIR/imgset1306"), strict=True):
            image = cv2.imdecode(np.frombuffer(archive.read(name), np.uint8), cv2.IMREAD_UNCHANGED)
            views = np.stack([read_image(file) for file in sorted((challenge / place).glob("LR*.png"))])
            clear = np.stack([read_image(file) for file in sorted((challenge / place).glob("QM*.png"))]) != 0
            mean = (views * clear).sum(axis=0) / np.maximum(clear.sum(axis=0), 1)
            assert image.dtype == np.uint16 and image.shape == (384, 384)
            assert np.abs(image[1::3, 1::3] - mean).max() <= 1


@pytest.mark.slow
def test_the_command_refuses_data_without_the_290_test_sets_before_it_computes(
    challenge: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    graph = imageset_graph(tmp_path / "tiny.onnx")
    arguments = ["--model", str(graph), "--data", str(challenge)]
    assert main(["submission", str(tmp_path / "out.zip"), *arguments]) == 1
    words = capsys.readouterr().err
    assert "290 test sets of Proba-V are wanted" in words and "imgset1161 is missing" in words
    assert "(288 found)" in words and "and 278 more" in words and "data/catalog/proba-v.yaml" in words
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.onnx"]


@pytest.mark.slow
def test_sets_that_are_there_twice_and_models_of_another_kind_are_refused(challenge: Path, tmp_path: Path) -> None:
    copies = tmp_path / "data"
    for place in ("one", "two"):
        shutil.copytree(challenge / "test/RED/imgset1160", copies / place / "imgset1160")
    sets = load(imageset_graph(tmp_path / "tiny.onnx"), device="cpu")
    with pytest.raises(SatsrError, match="imgset1160 is there 2 times"):
        make_submission(sets, copies, tmp_path / "out.zip", names=SETS[:1])
    images = load(image_graph(tmp_path / "image.onnx"), device="cpu")
    with pytest.raises(SatsrError, match=r"of the kind image, x2: a submission needs a model of image sets x3"):
        make_submission(images, challenge, tmp_path / "out.zip", names=SETS)
    assert not (tmp_path / "out.zip").exists()
