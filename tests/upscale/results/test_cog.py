"""Cloud-Optimised GeoTIFFs in one go: laid out as the format wants it, with true overviews, interrupted or not."""

import struct
from itertools import pairwise

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from satsr.errors import SatsrError
from satsr.upscale.options import COMPRESSIONS
from satsr.upscale.results.cog import CogWriter
from satsr.upscale.results.profile import TiffProfile
from satsr.upscale.results.pyramid import halved, shapes


def profile(values, **more):
    bands, height, width = values.shape
    place = {"crs": "EPSG:32632", "transform": from_origin(600000, 5000000, 10, 10)}
    return TiffProfile(height, width, bands, values.dtype, **place, **more)


def raster(bands, height, width, dtype=np.uint16):
    """A slope with noise; no two rows are the same."""
    noise = np.random.default_rng(0).integers(1, 50, (bands, height, width))
    return (noise + np.arange(height)[:, None] + np.arange(width) // 4).astype(dtype)


def written(path, values, compress="zstd", rows=200, **more):
    with CogWriter(path, profile(values, **more), compress) as writer:
        for top in range(0, values.shape[1], rows):
            writer.write(values[:, top : top + rows])
        writer.finish()
    return writer


def levels(path):
    """Offset of the directory, and offsets and sizes of all tiles in their order, of the raster and its overviews."""
    with rasterio.open(path) as source:
        count = len(source.overviews(1))
    found = []
    for options in [{}, *({"overview_level": level} for level in range(count))]:
        with rasterio.open(path, **options) as source:
            assert source.block_shapes[0] == (512, 512)
            rows, columns = (-(-side // 512) for side in source.shape)
            names = [f"{column}_{row}" for row in range(rows) for column in range(columns)]
            tiles = [
                tuple(int(source.get_tag_item(f"BLOCK_{what}_{name}", "TIFF", bidx=1)) for what in ("OFFSET", "SIZE"))
                for name in names
            ]
            found.append((int(source.get_tag_item("IFD_OFFSET", "TIFF", bidx=1)), tiles))
    return found


def require_cloud_optimised(path):
    """The rules of GDAL's validate_cloud_optimized_geotiff.py, with its full check of the tiles' order and sizes."""
    content, found = path.read_bytes(), levels(path)
    big = content[2] == 43
    begin = 16 if big else 8
    note = content[begin : begin + 43].decode()
    assert note.startswith("GDAL_STRUCTURAL_METADATA_SIZE=") and note.endswith(" bytes\n")
    size = int(note[30:36])
    text = content[begin + 43 : begin + 43 + size].decode()
    assert "LAYOUT=IFDS_BEFORE_DATA\n" in text and text.endswith("KNOWN_INCOMPATIBLE_EDITION=NO\n ")
    directories = [place for place, _ in found]
    assert directories[0] == begin + 43 + size + (43 + size) % 2 and directories == sorted(directories)
    first = [tiles[0][0] for _, tiles in found]
    assert first[-1] > directories[-1] and first == sorted(first, reverse=True)
    for _, tiles in found:
        assert all(there[0] < after[0] for there, after in pairwise(tiles))
        for offset, length in tiles:
            assert struct.unpack("<I", content[offset - 4 : offset])[0] == length
            assert content[offset + length : offset + length + 4] == content[offset + length - 4 : offset + length]


@pytest.mark.slow
@pytest.mark.parametrize("compress", COMPRESSIONS)
def test_the_file_is_cloud_optimised_and_holds_the_rows(tmp_path, compress):
    values = raster(3, 1300, 1100)
    written(tmp_path / "a.tif", values, compress, nodata=0, names=["B04", "B03", "B02"])
    require_cloud_optimised(tmp_path / "a.tif")
    with rasterio.open(tmp_path / "a.tif") as found:
        np.testing.assert_array_equal(found.read(), values)
        structure = found.tags(ns="IMAGE_STRUCTURE")
        assert structure["LAYOUT"] == "COG" and structure.get("COMPRESSION", "none").lower() == compress
        assert found.overviews(1) == [2, 4] and found.nodata == 0 and found.crs.to_epsg() == 32632
        assert found.descriptions == ("B04", "B03", "B02") and found.res == (10, 10)


def test_overviews_are_means_of_what_is_below_them(tmp_path):
    values = raster(2, 1301, 1105)
    written(tmp_path / "a.tif", values)
    for level in range(2):
        values = halved(values, None)
        with rasterio.open(tmp_path / "a.tif", overview_level=level) as found:
            np.testing.assert_array_equal(found.read(), values)
    assert values.shape == (2, *shapes(1301, 1105)[2])


@pytest.mark.slow
def test_nothing_lies_between_the_levels_of_a_finished_file(tmp_path):
    """The room that was kept for overviews without compression is given back."""
    written(tmp_path / "a.tif", raster(3, 1500, 1500))
    tiles = sum(length + 8 for _, level in levels(tmp_path / "a.tif") for _, length in level)
    assert (tmp_path / "a.tif").stat().st_size < tiles * 1.05 + 30_000


@pytest.mark.parametrize("rows", [100, 464, 1500])
def test_the_same_rows_give_the_same_bytes_however_they_come(tmp_path, rows):
    values = raster(3, 1500, 700)
    written(tmp_path / "a.tif", values, rows=512)
    written(tmp_path / "b.tif", values, rows=rows)
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(0, marks=pytest.mark.slow),
        600,
        pytest.param(1200, marks=pytest.mark.slow),
        1900,
        pytest.param(2600, marks=pytest.mark.slow),
    ],
)
def test_an_interrupted_file_goes_on_and_ends_with_the_same_bytes(tmp_path, after):
    values = raster(2, 2600, 600)
    values[:, 700:1500, 100:300] = 0
    written(tmp_path / "whole.tif", values, nodata=0)
    path, given = tmp_path / "a.tif", profile(values, nodata=0)
    with CogWriter(path, given) as first:
        for top in range(0, after, 100):
            first.write(values[:, top : top + 100])
        while first.taken // 512 > first.done // 512 or (after == 2600 and first.done < after):
            pass  # what is under way is finished; what is waiting for a whole tile is lost
    with CogWriter(path, given, state=first.state) as second:
        assert second.taken == second.done == (after if after == 2600 else after // 512 * 512)
        second.write(values[:, second.taken :])
        second.finish()
    assert path.read_bytes() == (tmp_path / "whole.tif").read_bytes()


class Killed(Exception):
    """Stands for the end of the process."""


@pytest.mark.slow
@pytest.mark.parametrize("steps", [0, 1, 2, 3])
def test_a_file_that_was_being_moved_together_goes_on_and_ends_with_the_same_bytes(tmp_path, steps):
    values = raster(3, 2100, 2100)
    written(tmp_path / "whole.tif", values)
    path, left = tmp_path / "a.tif", steps

    def save():
        nonlocal left
        left -= 1
        if left < 0:
            raise Killed

    with CogWriter(path, profile(values)) as first:
        first.write(values)
        with pytest.raises(Killed):
            first.finish(save)
    with CogWriter(path, profile(values), state=first.state) as second:
        second.finish()
    assert path.read_bytes() == (tmp_path / "whole.tif").read_bytes()


def test_a_file_that_lost_tiles_is_not_gone_on_with(tmp_path):
    values = raster(2, 1100, 600)
    writer = written(tmp_path / "a.tif", values)
    content = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(content[: len(content) // 2])
    with pytest.raises(SatsrError, match="not complete"):
        CogWriter(tmp_path / "a.tif", profile(values), state=writer.state)


def test_tags_that_are_known_last_fit_in(tmp_path):
    values = raster(3, 600, 600)
    writer = written(tmp_path / "a.tif", values, tags={"FIRST": "1"})
    writer.tag({"LAST": "2"})
    require_cloud_optimised(tmp_path / "a.tif")
    with rasterio.open(tmp_path / "a.tif") as found:
        assert (found.tags()["FIRST"], found.tags()["LAST"]) == ("1", "2")
        np.testing.assert_array_equal(found.read(), values)
    with pytest.raises(SatsrError, match="shorten them"):
        writer.tag({"LAST": "2" * 100_000})


def test_a_large_file_is_a_bigtiff(tmp_path, monkeypatch):
    monkeypatch.setattr("satsr.upscale.results.cog.LARGE", 1000)
    values = raster(3, 1100, 600)
    written(tmp_path / "a.tif", values)
    require_cloud_optimised(tmp_path / "a.tif")
    assert (tmp_path / "a.tif").read_bytes()[2] == 43
    with rasterio.open(tmp_path / "a.tif") as found:
        np.testing.assert_array_equal(found.read(), values)


def test_a_finished_file_takes_the_place_of_another(tmp_path):
    (tmp_path / "b.tif").write_text("old")
    written(tmp_path / "a.tif", raster(1, 40, 30)).publish(tmp_path / "b.tif")
    assert [path.name for path in tmp_path.iterdir()] == ["b.tif"]
    require_cloud_optimised(tmp_path / "b.tif")
