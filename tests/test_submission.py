"""The challenge's zip is complete, exact and the same each time, or it is not written."""

import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from satsr.data.images import write_png
from satsr.errors import SatsrError
from satsr.submission import NAMES, write_submission

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
