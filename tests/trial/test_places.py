"""Series and image sets find their fine images: by the names of folders, or where these lie with them."""

import pytest

from satsr.errors import SatsrError
from satsr.trial.pairs import Pair
from satsr.trial.places import find
from tests.trial.test_pairs import touched


def imgsets(root, *names, views=True, fine=True):
    for name in names:
        touched(*(root / name / file for file in ("LR000.png", "QM000.png") if views))
        touched(*(root / name / file for file in ("HR.png", "SM.png") if fine))
    return root


def test_image_sets_have_their_fine_image_with_them_or_below_the_same_names(tmp_path):
    together = imgsets(tmp_path / "all", "RED/imgset10", "RED/imgset9", "NIR/imgset1")
    found = find("imageset", together, None)
    assert [pair.name for pair in found] == ["NIR/imgset1", "RED/imgset9", "RED/imgset10"]
    assert all(pair.lr == pair.hr for pair in found) and find("imageset", together, together) == found
    (one,) = find("imageset", together / "RED" / "imgset9", None)
    assert one == Pair("imgset9", together / "RED" / "imgset9", together / "RED" / "imgset9")
    views = imgsets(tmp_path / "lr", "a", "b", fine=False)
    apart = imgsets(tmp_path / "hr", "a", "b", views=False)
    assert [(pair.lr, pair.hr) for pair in find("imageset", views, apart)] == [
        (views / name, apart / name) for name in ("a", "b")
    ]
    assert find("imageset", views / "a", apart / "a") == [Pair("a", views / "a", apart / "a")]


def test_image_sets_without_a_partner_are_all_named(tmp_path):
    views = imgsets(tmp_path / "lr", "a", "b", "c", fine=False)
    imgsets(tmp_path / "lr", "c")
    (tmp_path / "lr" / "c" / "SM.png").unlink()
    with pytest.raises(
        SatsrError, match=r"\(5 found\)(?s:.*)a/HR\.png is missing(?s:.*)c/SM\.png is missing(?s:.*)--hr"
    ):
        find("imageset", views, None)
    fine = imgsets(tmp_path / "hr", "a", "b", "c", "d", views=False)
    with pytest.raises(SatsrError, match=r"\(1 found\)(?s:.*)hr/d has no views in"):
        find("imageset", views, fine)
    for path in (fine, fine / "a" / "HR.png"):
        with pytest.raises(SatsrError, match="holds no image sets: name a folder with LR000"):
            find("imageset", path, None)


def test_a_series_has_one_fine_image(tmp_path):
    dates = tmp_path / "dates"
    touched(*(dates / name for name in ("S2_2018-05-03.tif", "S2_20180510.tif", "S2_20180510_cloud.tif", "notes.txt")))
    (fine,) = touched(tmp_path / "fine" / "spot_2018-05-04.tif")
    touched(tmp_path / "fine" / "spot_2018-05-04_cloud.tif")
    for hr in (fine, fine.parent):
        assert find("series", dates, hr) == [Pair("dates", dates, fine)]
    with pytest.raises(SatsrError, match=r"dates/hr does not exist: put the fine image there"):
        find("series", dates, None)
    touched(dates / "hr" / "spot_2018-05-04.tif", tmp_path / "fine" / "2018-05-05.tif")
    assert find("series", dates, None) == [Pair("dates", dates, dates / "hr" / "spot_2018-05-04.tif")]
    with pytest.raises(SatsrError, match=r"fine holds 2 images \(\.tif, .*\): a series has one fine image"):
        find("series", dates, fine.parent)


def test_several_series_are_folders_of_one_name(tmp_path):
    for name in ("field-2", "field-10"):
        touched(tmp_path / "own" / name / "lr" / "2018-05-03.SAFE" / "MTD.xml")
        touched(tmp_path / "own" / name / "hr" / "2018-05-04.tif", tmp_path / "lr" / name / "2018-05-03.tif")
        touched(tmp_path / "folders" / name / "2018-05-04.tif", tmp_path / "files" / f"{name}_2018-05-04_hr.tif")
    names = ["field-2", "field-10"]
    for lr, hr, fine in (
        ("own", None, "own/{}/hr/2018-05-04.tif"),
        ("own", "own", "own/{}/hr/2018-05-04.tif"),
        ("lr", "own", "own/{}/hr/2018-05-04.tif"),
        ("lr", "folders", "folders/{}/2018-05-04.tif"),
        ("own", "files", "files/{}_2018-05-04_hr.tif"),
    ):
        found = find("series", tmp_path / lr, hr and tmp_path / hr)
        assert found == [Pair(name, tmp_path / lr / name, tmp_path / fine.format(name)) for name in names]
    (tmp_path / "files" / "field-2_2018-05-04_hr.tif").unlink()
    with pytest.raises(SatsrError, match=r"lr/field-2 has no partner in .*files"):
        find("series", tmp_path / "lr", tmp_path / "files")


def test_what_is_no_series_gets_a_sentence(tmp_path):
    (file,) = touched(tmp_path / "2018-05-03.tif")
    touched(tmp_path / "pictures" / "0.png")
    for kind, lr, hr, words in (
        ("series", file, file, r"2018-05-03\.tif is a file: name the folder of a series"),
        ("series", tmp_path / "pictures", file, "pictures holds no dated images"),
        ("series", tmp_path / "none", file, r"none does not exist: --lr"),
        ("imageset", tmp_path / "pictures", tmp_path / "none", r"none does not exist: --lr"),
        ("image", file, None, "--hr is missing: name the fine images"),
    ):
        with pytest.raises(SatsrError, match=words):
            find(kind, lr, hr)
