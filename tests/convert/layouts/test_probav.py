from pathlib import Path

import numpy as np
import pytest

from satsr.convert.convert import convert
from satsr.convert.guess import guess
from satsr.convert.layouts.probav import probav, published_split
from satsr.download.card import Card, Source
from satsr.download.download import download
from satsr.download.drawn.probav import render_imageset
from satsr.errors import SatsrError
from satsr.imagery.images import write_png
from tests.golden.load import Golden

RNG = np.random.default_rng(0)


def publish(root: Path, numbers: range, band: str = "RED", *, views: int = 2, reference: bool = True) -> None:
    """Image sets in ESA's layout, the masks with values as various as non-zero."""
    for number in numbers:
        folder = root / ("train" if reference else "test") / band / f"imgset{number:04d}"
        for view in range(views):
            write_png(folder / f"LR{view:03d}.png", np.full((4, 4), 100 * number + view, np.uint16))
            write_png(folder / f"QM{view:03d}.png", np.array([[0, 1], [128, 255]], np.uint8).repeat(2, 0).repeat(2, 1))
        write_png(folder / "SM.png", np.full((12, 12), 1, np.uint8))
        if reference:
            write_png(folder / "HR.png", np.full((12, 12), 7000 + number, np.uint16))


@pytest.mark.parametrize(("band", "numbers"), [("RED", range(594)), ("NIR", range(594, 1160))])
def test_the_published_validation_split_is_reproduced(golden: Golden, band: str, numbers: range) -> None:
    names = [f"imgset{number:04d}" for number in numbers]
    train, val = published_split(list(RNG.permutation(names)))
    assert val == golden.table(f"qanet/val_{band}_split.txt")
    assert sorted(train + val) == names
    assert len(train) == {"RED": 415, "NIR": 396}[band]


def test_esas_layout_is_read_with_masks_dates_and_norms(tmp_path: Path) -> None:
    root = tmp_path / "probav_data"
    publish(root, range(10))
    publish(root, range(10, 16), "NIR")
    publish(root, range(16, 18), "RED", reference=False)
    (root / "norm.csv").write_text("".join(f"imgset{number:04d} {45 + number / 8}\n" for number in range(18)))
    assert guess(tmp_path) == "probav"
    found = {scene.id: scene for scene in probav(tmp_path)}
    assert len(found) == 16  # ESA's test sets have no reference
    scene = found["imgset0012"]
    assert (scene.meta["band"], scene.meta["norm"], scene.form) == ("NIR", 46.5, "series")
    assert [frame.load().max() for frame in scene.roles["lr"]] == [1200, 1201]
    np.testing.assert_array_equal(scene.roles["qm"][1].load()[::2, ::2], [[0, 255], [255, 255]])
    assert (scene.roles["hr"][0].load()[0, 0], scene.roles["sm"][0].load()[0, 0]) == (7012, 255)
    assert scene.meta["origin"]["lr"][0] == "probav_data/train/NIR/imgset0012/LR000.png"
    for band, numbers in (("RED", range(10)), ("NIR", range(10, 16))):
        train, published = published_split([f"imgset{number:04d}" for number in numbers])
        held = {
            split: [name for name in sorted(found) if (found[name].split, found[name].meta["band"]) == (split, band)]
            for split in ("val", "test")
        }
        assert held["test"] == published  # on which the literature measures
        assert len(held["val"]) == 1 and set(held["val"]) < set(train)


@pytest.mark.slow
def test_what_the_folders_say_stays_and_the_rest_is_drawn(tmp_path: Path) -> None:
    publish(tmp_path, range(20))
    publish(tmp_path, range(20, 40), "NIR")
    for name in ("imgset0003", "imgset0023"):
        band = "RED" if name == "imgset0003" else "NIR"
        (tmp_path / "val" / band).mkdir(parents=True)
        (tmp_path / "train" / band / name).rename(tmp_path / "val" / band / name)
    found = probav(tmp_path)
    assert {scene.id for scene in found if scene.split == "val"} == {"imgset0003", "imgset0023"}
    test = [scene for scene in found if scene.split == "test"]
    assert sorted(scene.meta["band"] for scene in test) == ["NIR"] * 4 + ["RED"] * 4
    assert {scene.why for scene in test} == {"image sets drawn with a seed from those that would train, in each band"}


def test_what_is_incomplete_is_listed_at_once(tmp_path: Path) -> None:
    publish(tmp_path, range(4))
    sets = tmp_path / "train" / "RED"
    (sets / "imgset0000" / "QM001.png").unlink()
    (sets / "imgset0001" / "LR000.png").unlink()
    (sets / "imgset0002" / "SM.png").unlink()
    (tmp_path / "norm.csv").write_text("imgset0000 45\nimgset0001 45\nimgset0002 45\n")
    with pytest.raises(SatsrError, match="4 found") as caught:
        probav(tmp_path)
    for words in ("LR001.png has no quality map", "QM000.png has no view", "no SM.png", "not in norm.csv"):
        assert words in str(caught.value)
    (tmp_path / "norm.csv").write_text("imgset0000,45\n")
    with pytest.raises(SatsrError, match="line 1"):
        probav(tmp_path)


def test_a_view_of_8_bits_is_refused(tmp_path: Path) -> None:
    publish(tmp_path, range(1))
    path = tmp_path / "train" / "RED" / "imgset0000" / "LR000.png"
    write_png(path, np.zeros((4, 4), np.uint8))
    (scene,) = probav(tmp_path)
    with pytest.raises(SatsrError, match="16 bits"):
        scene.roles["lr"][0].load()


def test_embedded_sets_pass_download_and_convert_unchanged(tmp_path: Path) -> None:
    embedded = {"kind": "probav", "train": 2, "val": 1, "test": 1, "frames": 10, "size": [48, 48]}
    card = Card(name="tiny", layout="probav", scale=3, source=Source.model_validate({"embedded": embedded}))
    download(card, tmp_path / "raw")
    store = convert(tmp_path / "raw", tmp_path / "store")
    assert [scene.meta["band"] for scene in store.scenes("train")] == ["RED", "NIR"]
    (held_out,) = store.scenes("val")
    truth = render_imageset(0, 2, views=(9, 10), lr_px=(16, 16), band="RED")
    assert held_out.id == "imgset0002"
    assert (held_out.count("lr"), held_out.count("qm")) == (len(truth.lr),) * 2
    np.testing.assert_array_equal(held_out.read("lr", 8), truth.lr[8])
    np.testing.assert_array_equal(held_out.read("qm", 8), truth.qm[8])
    np.testing.assert_array_equal(held_out.read("hr", 0), truth.hr)
    np.testing.assert_array_equal(held_out.read("sm", 0), truth.sm)
