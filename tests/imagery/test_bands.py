import pytest

from satsr.errors import SatsrError
from satsr.imagery.bands import assumed, canonical, find, pick, places, red_and_nir


@pytest.mark.parametrize(
    ("name", "expected"),
    [("b4", "B04"), ("B04", "B04"), ("Band 4", "B04"), ("B4_10m", "B04"), ("RED", "B04"), ("b8a", "B8A"),
     ("nir", "B08"), ("green", "B03"), (" B12 ", "B12"), ("pan", ""), (None, ""), ("B4x", "")],
)  # fmt: skip
def test_names_of_bands_are_one_grammar(name: str | None, expected: str) -> None:
    assert canonical(name) == expected


def test_bands_are_found_by_name_in_the_order_wanted() -> None:
    assert places(["B02", None, "red", "B4"], ["B04", "B02", "B11"]) == [2, 0]
    assert find(4, ["blue", "green", "red", "nir"], ["B04", "B03", "B02"], "a.tif") == [2, 1, 0]


@pytest.mark.parametrize(("count", "red", "nir"), [(3, 0, None), (4, 0, 3), (10, 3, 7), (13, 3, 7)])
def test_bands_without_names_have_them_by_custom(count: int, red: int, nir: int | None) -> None:
    names = [None] * count
    assert find(count, names, ["B04"], "a.tif") == [red]
    assert red_and_nir(count, names, "a.tif") == (["RED"] if nir is None else ["RED", "NIR"])
    assert nir is None or find(count, names, ["B08"], "a.tif") == [nir]
    assert len(assumed(count, names, "a.tif")) == count


def test_what_cannot_be_told_or_is_not_there_is_a_sentence() -> None:
    with pytest.raises(SatsrError, match=r"a.tif has 5 bands without names: call them B04, B03 and B02"):
        find(5, [None] * 5, ["B04"], "a.tif")
    with pytest.raises(SatsrError, match=r"B11, B8A, of which red, green and blue \(B04, B03, B02\) are not all there"):
        find(2, ["B11", "B8A"], ["B04", "B03", "B02"], "a.tif")
    with pytest.raises(SatsrError, match=r"neither red \(B04\) nor near infrared"):
        red_and_nir(2, ["B11", "B8A"], "a.tif")


def test_names_that_mean_nothing_do_not_all_mean_the_first_band() -> None:
    assert pick([None, None], ["pan", "thermal"], 2) == [0, 1]
    with pytest.raises(SatsrError, match="--bands names 'blue', but the file has 2 bands: B04, B03"):
        pick(["B04", "B03"], ["B04"], 1, given=["blue"])
