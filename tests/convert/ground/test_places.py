from pathlib import Path

import numpy as np
import rasterio

from satsr.convert.ground.places import by_ground
from satsr.convert.layouts.sentinel2 import sentinel2
from satsr.convert.layouts.source import SceneSource


def scene(path: Path, east: float, side: int = 320, crs: str | None = "EPSG:32630", north: float = 5_400_000) -> None:
    """A scene whose left edge lies so many metres from where others lie, in pixels of 10 m."""
    image = np.random.default_rng(len(path.name)).integers(300, 3000, (3, side, side), dtype=np.uint16)
    place = rasterio.transform.from_origin(500_000 + east, north, 10, 10) if crs else None
    with rasterio.open(
        path, "w", driver="GTiff", count=3, height=side, width=side, dtype="uint16", crs=crs, transform=place
    ) as file:
        file.write(image)
        file.descriptions = ("B04", "B03", "B02")


def ground(source: SceneSource, east: float = 0) -> tuple[float, float]:
    """Left and right edge in metres."""
    _, left, _, width = source.meta["window"]
    return east + 10 * left, east + 10 * (left + width)


def by_file(found: list[SceneSource]) -> dict[str, set[str | None]]:
    return {
        name: {s.split for s in found if s.id.startswith(f"{name}/")} for name in {s.id.split("/")[0] for s in found}
    }


def test_scenes_are_one_place_where_they_overlap_also_by_way_of_others() -> None:
    boxes = [(0, 0, 2, 2), (10, 0, 12, 2), None, (3, 0, 5, 2), (1, 1, 4, 3), None]
    assert by_ground(boxes) == [[0, 3, 4], [1], [2], [5]]
    assert by_ground([(0, 0, 1, 1), (1, 0, 2, 1)]) == [[0], [1]]  # neighbours share an edge only


def test_another_place_tests(tmp_path: Path) -> None:
    for number in range(3):
        scene(tmp_path / f"s{number}.tif", 50_000 * number)
    found = sentinel2(tmp_path, tile_px=64)
    assert by_file(found) == {"s0": {"train", "val"}, "s1": {"train", "val"}, "s2": {"test"}}
    assert {s.why for s in found if s.split == "test"} == {"1 of 3 places that do not overlap"}


def test_two_dates_of_a_place_are_divided_alike(tmp_path: Path) -> None:
    for day in ("2018-05-03", "2018-07-12"):
        scene(tmp_path / f"{day}.tif", 0)
    found = sentinel2(tmp_path, tile_px=64)
    where = {}
    for one in found:
        where.setdefault(tuple(one.meta["window"]), set()).add(one.split)
    assert len(found) == 50 and len(where) == 25 and all(len(splits) == 1 for splits in where.values())
    assert {split for splits in where.values() for split in splits} == {"train", "val", "test"}


def test_scenes_that_overlap_on_grids_of_their_own_share_no_ground_between_splits(tmp_path: Path) -> None:
    shift = {"a": 0.0, "b": 370.0}
    for name, east in shift.items():
        scene(tmp_path / f"{name}.tif", east)
    found = sentinel2(tmp_path, tile_px=64)
    spans = [(one.split, *ground(one, shift[one.id.split("/")[0]])) for one in found]
    assert {"train", "val", "test"} == {split for split, *_ in spans}
    for split, left, right in spans:
        assert all(right <= low + 1 or high <= left + 1 for other, low, high in spans if other != split)


def test_scenes_without_coordinates_are_places_of_their_own(tmp_path: Path) -> None:
    for name in ("a", "b"):
        scene(tmp_path / f"{name}.tif", 0, crs=None)
    assert by_file(sentinel2(tmp_path, tile_px=64)) == {"a": {"train", "val"}, "b": {"test"}}
