import os
import pickle
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from satsr.convert.ground.pickled_table import read_table, save_table
from satsr.convert.ground.shares import Shares
from satsr.convert.guess import guess
from satsr.convert.layouts import read_scenes
from satsr.convert.layouts.tables import breizhsr, by_land_cover, pairs
from satsr.convert.splits import divide
from satsr.errors import SatsrError
from tests.convert.layouts.test_series import write_tiff


class Harmful:
    """What a harmful pickle holds."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def dump(path: Path, value: Any, protocol: int = 4) -> None:
    path.write_bytes(pickle.dumps(value, protocol=protocol))


def sample_table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "spot6_image": ["a.tif", "b.tif"],
            "sen2_acquisitions": [{5: "x.tif", -3: "y.tif"}, {}],
            "dates_sen2": [[datetime(2018, 5, 8), pd.Timestamp("2018-04-30")], np.array([], "datetime64[ns]")],
            "dates_spot6": [datetime(2018, 5, 3), pd.NaT],
            "split": ["train", None],
            "alpha": np.array([1.5, np.nan]),
        }
    )


ROWS = [
    {
        "spot6_image": "a.tif",
        "sen2_acquisitions": [[5, "x.tif"], [-3, "y.tif"]],
        "dates_sen2": ["2018-05-08", "2018-04-30"],
        "dates_spot6": "2018-05-03",
        "split": "train",
        "alpha": 1.5,
    },
    {
        "spot6_image": "b.tif",
        "sen2_acquisitions": [],
        "dates_sen2": [],
        "dates_spot6": None,
        "split": None,
        "alpha": None,
    },
]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("texts", [object, "str"])
def test_a_table_comes_out_of_its_pickle_as_plain_rows(tmp_path: Path, protocol: int, texts: Any) -> None:
    table = sample_table().astype({"spot6_image": texts, "split": texts})
    dump(tmp_path / "t.pkl", table, protocol)
    assert read_table(tmp_path / "t.pkl") == ROWS
    dump(tmp_path / "t.pkl", table.iloc[[0]], protocol)
    assert read_table(tmp_path / "t.pkl") == ROWS[:1]


def test_pickles_under_the_names_of_older_versions_are_read(tmp_path: Path) -> None:
    data = pickle.dumps(sample_table().astype({"spot6_image": object, "split": object}), protocol=2)
    moved = {
        b"cnumpy._core.multiarray\n": b"cnumpy.core.multiarray\n",
        b"cpandas\nDataFrame\n": b"cpandas.core.frame\nDataFrame\n",
        b"cpandas\nIndex\n": b"cpandas.core.indexes.base\nIndex\n",
        b"cpandas\nRangeIndex\n": b"cpandas.core.indexes.range\nRangeIndex\n",
        b"cpandas._libs.internals\n_unpickle_block\n": b"cpandas.core.internals.blocks\nnew_block\n",
    }
    for new, old in moved.items():
        assert new in data
        data = data.replace(new, old)
    (tmp_path / "t.pkl").write_bytes(data)
    assert read_table(tmp_path / "t.pkl") == ROWS


def test_a_pickle_that_wants_more_is_refused_and_never_run(tmp_path: Path) -> None:
    trap = tmp_path / "sprung"
    for value in (Harmful(trap), [Harmful(trap)], pd.DataFrame({"a": [Harmful(trap)]})):
        dump(tmp_path / "t.pkl", value)
        with pytest.raises(SatsrError, match="mkdir, which no table of scenes needs"):
            read_table(tmp_path / "t.pkl")
    # State given to a class would change pandas for the whole process.
    evil = b"cpandas\nDataFrame\nN}X\x06\x00\x00\x00to_csvK\x01s\x86b."
    (tmp_path / "t.pkl").write_bytes(evil)
    with pytest.raises(SatsrError, match="the state of"):
        read_table(tmp_path / "t.pkl")
    assert callable(pd.DataFrame.to_csv)
    # A dotted name would reach any attribute of an allowed module.
    (tmp_path / "t.pkl").write_bytes(b"\x80\x04\x8c\x06pandas\x8c\x13DataFrame.to_pickle\x93.")
    with pytest.raises(SatsrError, match="refused"):
        read_table(tmp_path / "t.pkl")
    assert not trap.exists()


@pytest.mark.parametrize("value", [{"a": 1}, 5, [1, 2]])
def test_another_pickle_than_a_table_is_refused(tmp_path: Path, value: Any) -> None:
    dump(tmp_path / "t.pkl", value)
    with pytest.raises(SatsrError, match="a pandas table is expected"):
        read_table(tmp_path / "t.pkl")


def test_damaged_and_missing_tables_are_told(tmp_path: Path) -> None:
    data = pickle.dumps(sample_table())
    for broken in (b"", data[: len(data) // 2], b"\0" + data, data[:-1]):
        (tmp_path / "t.pkl").write_bytes(broken)
        with pytest.raises(SatsrError, match="damaged"):
            read_table(tmp_path / "t.pkl")
    with pytest.raises(SatsrError, match="does not exist"):
        read_table(tmp_path / "other.pkl")
    (tmp_path / "t.json").write_text("{")
    with pytest.raises(SatsrError, match="not valid JSON"):
        read_table(tmp_path / "t.json")


def test_a_table_kept_as_json_is_the_same(tmp_path: Path) -> None:
    dump(tmp_path / "t.pkl", sample_table())
    rows = read_table(tmp_path / "t.pkl")
    save_table(rows, tmp_path / "t.json")
    assert read_table(tmp_path / "t.json") == rows == ROWS


def tile(rng: np.random.Generator, side: int, dtype: Any) -> np.ndarray:
    return rng.integers(0, 250, (side, side, 3)).astype(dtype)


def publish_breizhsr(root: Path, *, test: bool = True) -> dict[str, np.ndarray]:
    """A miniature of BreizhSR: targets of 36 pixels (32 are used), series of 9 (8 are used), one image too small."""
    rng = np.random.default_rng(0)
    rows = []
    files = {}
    for number, split in enumerate(("train", "train", "val", "test")):
        name = f"spot6/{number:03d}.tif"
        files[name] = tile(rng, 36, np.uint8)
        keys, days = [40, 2, 11], [datetime(2018, 3, 24), datetime(2018, 5, 1), datetime(2018, 5, 14)]
        acquisitions = {key: f"sen2/{number:03d}_{key}.tif" for key in keys}
        for key, path in acquisitions.items():
            files[path] = tile(rng, 7 if (number, key) == (1, 40) else 9, np.uint16)
        spot_day = datetime(2018, 5, 3)
        rows.append(
            {
                "spot6_image": name,
                "sen2_acquisitions": acquisitions,
                "dates_sen2": days,
                "dates_spot6": spot_day,
                "split": split,
            }
        )
    for name, image in files.items():
        write_tiff(root / name, image)
    dump(root / "dataset_train.pkl", pd.DataFrame(rows[:3]))
    if test:
        dump(root / "dataset_test.pkl", pd.DataFrame(rows[3:]))
    return files


def test_breizhsr_is_read_as_published(tmp_path: Path) -> None:
    files = publish_breizhsr(tmp_path)
    assert guess(tmp_path) == "breizhsr"
    found = breizhsr(tmp_path)
    assert [(scene.split, scene.id) for scene in found] == [
        ("train", "spot6/000"), ("train", "spot6/001"), ("val", "spot6/002"), ("test", "spot6/003"),
    ]  # fmt: skip
    assert found[3].why == "the rows of dataset_test, on which the published figures are measured"
    whole, short = found[:2]
    assert whole.meta["days"] == [-40, -2, 11]
    assert (whole.meta["sisr"], whole.meta["target_date"]) == (1, "2018-05-03")
    np.testing.assert_array_equal(whole.roles["hr"][0].load(), files["spot6/000.tif"][:32, :32])
    assert [frame.load().shape for frame in whole.roles["lr"]] == [(8, 8, 3)] * 3
    np.testing.assert_array_equal(whole.roles["lr"][2].load(), files["sen2/000_11.tif"][:8, :8])
    assert whole.roles["lr"][0].load().dtype == np.uint16
    # The image that is too small goes with its date.
    assert short.meta["days"] == [-2, 11] and short.meta["sisr"] == 0
    assert short.meta["origin"]["lr"] == ["sen2/001_2.tif", "sen2/001_11.tif"]


def test_breizhsr_comes_in_the_order_of_its_dates_whatever_the_tables_order(tmp_path: Path) -> None:
    files = publish_breizhsr(tmp_path)
    rows = read_table(tmp_path / "dataset_train.pkl")
    for row in rows:
        row["sen2_acquisitions"], row["dates_sen2"] = row["sen2_acquisitions"][::-1], row["dates_sen2"][::-1]
    save_table(rows, tmp_path / "dataset_train.json")
    (whole, *_) = breizhsr(tmp_path)
    assert whole.meta["days"] == [-40, -2, 11]
    assert whole.meta["dates"] == ["2018-03-24", "2018-05-01", "2018-05-14"]
    assert whole.meta["origin"]["lr"] == ["sen2/000_40.tif", "sen2/000_2.tif", "sen2/000_11.tif"]
    # The image of the smallest key, as before.
    single = whole.roles["lr"][whole.meta["sisr"]].load()
    np.testing.assert_array_equal(single, files["sen2/000_2.tif"][:8, :8])


def test_the_first_eight_in_the_stored_order_are_taken_before_they_are_sorted(tmp_path: Path) -> None:
    publish_breizhsr(tmp_path)
    rows = read_table(tmp_path / "dataset_train.pkl")[:1]
    keys = [30, 27, 24, 21, 18, 15, 12, 9, 6, 3]
    for key in keys:
        write_tiff(tmp_path / f"sen2/s{key}.tif", np.full((9, 9, 3), key, np.uint16))
    rows[0]["sen2_acquisitions"] = [[key, f"sen2/s{key}.tif"] for key in keys]
    rows[0]["dates_sen2"] = [str(date(2018, 5, 3) + timedelta(days=key)) for key in keys]
    save_table(rows, tmp_path / "dataset_train.json")
    (scene, *_) = breizhsr(tmp_path)
    assert scene.meta["days"] == sorted(keys[:8])
    assert scene.roles["lr"][scene.meta["sisr"]].load().max() == 9


def test_images_of_which_only_some_have_dates_are_refused(tmp_path: Path) -> None:
    publish_breizhsr(tmp_path)
    rows = read_table(tmp_path / "dataset_train.pkl")
    rows[0]["dates_sen2"][1] = None
    save_table(rows, tmp_path / "dataset_train.json")
    with pytest.raises(SatsrError, match=r"spot6/000\.tif: 1 of 3 Sentinel-2 images have no date"):
        breizhsr(tmp_path)


def test_breizhsr_without_its_test_table_leaves_the_test_to_be_taken_from_train(tmp_path: Path) -> None:
    publish_breizhsr(tmp_path, test=False)
    found = breizhsr(tmp_path)
    assert [(scene.split, scene.id) for scene in found][2:] == [("val", "spot6/002")]
    pieces, _ = divide(found, "auto", Shares(0.1, 0.2), 100)
    assert (pieces[0].split, pieces[0].id) == ("test", "spot6/001")


def test_breizhsr_unpacked_into_folders_beside_its_tables_is_found(tmp_path: Path) -> None:
    publish_breizhsr(tmp_path / "record")
    (tmp_path / "record" / "images").mkdir()
    for name in ("spot6", "sen2"):
        (tmp_path / "record" / name).rename(tmp_path / "record" / "images" / name)
    found = breizhsr(tmp_path)
    assert len(found) == 4 and found[0].roles["hr"][0].load().shape == (32, 32, 3)


def test_rows_that_do_not_fit_their_files_are_all_listed(tmp_path: Path) -> None:
    publish_breizhsr(tmp_path)
    (tmp_path / "sen2" / "000_2.tif").unlink()
    rows = read_table(tmp_path / "dataset_train.pkl")
    rows[1]["spot6_image"] = "../../etc/passwd"
    rows.append({**rows[0], "sen2_acquisitions": [["soon", "sen2/000_11.tif"]], "dates_sen2": ["2018-05-14"]})
    rows.append({**rows[0], "dates_sen2": ["2018-05-14"]})
    save_table(rows, tmp_path / "dataset_train.json")
    with pytest.raises(SatsrError, match="4 found") as caught:
        breizhsr(tmp_path)
    for words in ("000_2.tif does not exist", "leads out of the folder", "'soon'", "3 Sentinel-2 images with 1 dates"):
        assert words in str(caught.value)


def test_pairs_keep_near_rows_in_one_split_each(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = []
    for number, (kind, keys) in enumerate(
        [("train", ["-9", "4"]), ("train", ["30", "-11"]), ("val", ["0"]), ("test", ["10"]), ("train", [])]
    ):
        acquisitions = {key: f"s2/{number}_{key}.tif" for key in keys}
        for key, path in acquisitions.items():
            write_tiff(tmp_path / path, tile(rng, 9 if key == "-9" else 8, np.uint16))
        write_tiff(tmp_path / f"spot/{number}.tif", tile(rng, 32, np.uint8))
        rows.append({"spot6_image": f"spot/{number}.tif", "sen2_acquisitions": acquisitions, "type": kind})
    dump(tmp_path / "dataset_stratified.pkl", pd.DataFrame(rows))
    assert guess(tmp_path) == "pairs"
    found = pairs(tmp_path)
    assert [(scene.split, scene.id) for scene in found] == [("train", "spot/0"), ("val", "spot/2"), ("test", "spot/3")]
    assert found[0].meta["day_distances"] == [4, 9] and found[0].meta["days"] == [4, -9]
    assert found[0].roles["hr"][0].load().shape == (32, 32, 3)
    # 9 x 9 is resized to the quarter of the target.
    assert [frame.load().shape for frame in found[0].roles["lr"]] == [(8, 8, 3)] * 2


def test_pairs_are_filtered_as_the_card_says(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = []
    covers = ["Agricultural Areas", "Wetlands", "Forests", None]
    for number, keys in enumerate([["-3", "8"], ["1"], ["12", "20"], ["2"]]):
        acquisitions = {key: f"s2/{number}_{key}.tif" for key in keys}
        for path in acquisitions.values():
            write_tiff(tmp_path / path, tile(rng, 8, np.uint16))
        write_tiff(tmp_path / f"spot/{number}.tif", tile(rng, 32, np.uint8))
        row = {"spot6_image": f"spot/{number}.tif", "sen2_acquisitions": acquisitions, "type": "train"}
        rows.append(row | {"Code_simplified": covers[number]})
    dump(tmp_path / "dataset_stratified.pkl", pd.DataFrame(rows))

    def kept(**options: Any) -> list[int]:
        return [int(scene.id.removeprefix("spot/")) for scene in read_scenes("pairs", tmp_path, options)]

    assert kept() == [0, 1, 3]
    assert kept(max_days=9999) == [0, 1, 2, 3]
    assert kept(max_days=2) == [1, 3]
    assert kept(min_images=2, max_days=20) == [0, 2]
    assert kept(stratify="land_cover", max_days=20) == [0, 2]
    with pytest.raises(SatsrError, match="land_cover or none"):
        kept(stratify="soil")


def test_agriculture_may_outweigh_the_second_cover_by_a_hundred() -> None:
    covers = ["Agricultural Areas"] * 300 + ["Forests"] * 40 + ["Water Bodies"] * 90 + ["Artificial Surfaces"] * 60
    rows = [{"Code_simplified": cover, "number": number} for number, cover in enumerate(covers)]
    chosen = by_land_cover(rows)
    counts = pd.Series([row["Code_simplified"] for row in chosen]).value_counts().to_dict()
    assert counts == {"Agricultural Areas": 160, "Artificial Surfaces": 60, "Forests": 40}
    numbers = [row["number"] for row in chosen]
    assert numbers == sorted(numbers) and numbers[:160] != list(range(160))
    assert chosen == by_land_cover(rows) != by_land_cover(rows, seed=1)
    assert by_land_cover(chosen) == chosen
    with pytest.raises(SatsrError, match="no column Code_simplified"):
        by_land_cover([{"number": 1}])


def test_a_folder_without_the_table_is_told_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(SatsrError, match=r"no dataset_train\.pkl"):
        breizhsr(tmp_path)
    dump(tmp_path / "dataset_stratified.pkl", pd.DataFrame({"a": [1]}))
    with pytest.raises(SatsrError, match="sen2_acquisitions, spot6_image"):
        pairs(tmp_path)
