"""Windows, weights and the streaming blend against the reference's values and against the scene itself."""

import tracemalloc
from itertools import product

import numpy as np
import pytest

from satsr.errors import SatsrError
from satsr.upscale.windows.blend import RowBlender
from satsr.upscale.windows.seams import RAMPS, Seams, ramp, windows

GOLDEN_SEAMS = Seams(window=32, overlap=8, eliminate=2)


def grid(name, order):
    """The corners of a golden case such as ``300x200_w128_o12`` (width x height), as (column, row) pairs."""
    size, window, overlap = name.split("_")
    width, height = map(int, size.split("x"))
    columns, rows = (windows(length, int(window[1:]), int(overlap[1:])) for length in (width, height))
    return [(c, r) for r, c in product(rows, columns)] if order == "rows" else {*product(columns, rows)}


def blended(scene, seams, scale, dtype, order=None):
    """``scene`` (bands, SR height, SR width) cut into its windows and blended again; also the blocks' first rows."""
    bands, height, width = scene.shape
    blender = RowBlender((height // scale, width // scale), bands, scale, seams, dtype)
    out = np.full(scene.shape, 77, dtype)
    rows = []
    for top, left in order(blender.positions) if order else blender.positions:
        rows_of_patch = slice(scale * top, scale * (top + blender.height))
        patch = scene[:, rows_of_patch, scale * left : scale * (left + blender.width)]
        for row, block in blender.add(top, left, patch):
            out[:, row : row + block.shape[1]] = block
            rows += range(row, row + block.shape[1])
    blender.close()
    return out, rows


@pytest.fixture(scope="module")
def tile(golden):
    return golden("srgan/tile_blending.npz")


def stitch(tile, dtype, order=lambda positions: positions):
    blender = RowBlender((56, 56), 2, 2, GOLDEN_SEAMS, dtype)
    tiles = {
        (top, left): t for (left, top, _, _), t in zip(tile["stitch_windows_lr"], tile["stitch_tiles"], strict=True)
    }
    blocks = [block for top, left in order(list(tiles)) for _, block in blender.add(top, left, tiles[top, left])]
    return np.concatenate(blocks, 1)


def test_windows_are_those_of_opensr_utils(golden):
    for name, case in golden.table("srgan/utils_windows.json").items():
        found = grid(name, "rows")
        assert len(found) == case["n"], name
        assert found[:40] == [(c, r) for c, r, _, _ in case["first"]], name


def test_windows_are_those_of_the_seed_in_another_order(golden):
    for name, case in golden.table("srgan/seed_tile_windows.json").items():
        if case["uncovered"]:
            continue  # a scene smaller than the window, which the seed leaves empty
        found = grid(name, "any")
        assert len(found) == case["n"], name
        assert {tuple(corner) for corner in case["first"]} <= found, name


def test_an_axis_shorter_than_the_window_is_one_window():
    assert windows(60, 75, 8) == [0]
    assert RowBlender((60, 90), 1, 2, Seams(window=75, overlap=8)).height == 60


@pytest.mark.parametrize(("window", "overlap"), [(8, 8), (8, -1), (0, 0)])
def test_an_overlap_that_does_not_fit_the_window_is_refused(window, overlap):
    with pytest.raises(SatsrError, match="larger window or a smaller overlap"):
        windows(100, window, overlap)


@pytest.mark.parametrize("kind", RAMPS)
@pytest.mark.parametrize("n", [2, 4, 8, 24])
def test_ramps_match_the_golden_values(tile, kind, n):
    assert np.abs(ramp(n, kind) - tile[f"ramp_{kind}_{n}"]).max() < 1e-6


def test_patch_weights_match_the_golden_values(tile):
    seams = Seams(window=32, overlap=6, eliminate=2)
    first, inner, last = (seams.weight(2, 32, *sides) for sides in ((False, True), (True, True), (True, False)))
    for name, (rows, columns) in {"corner": (first, first), "inner": (inner, inner), "right": (first, last)}.items():
        tile.matches(np.outer(rows, columns), f"weight_{name}", atol=1e-6)


def test_stitched_scene_matches_the_golden_values(tile):
    tile.matches(stitch(tile, np.float32), "stitched_float32", atol=2e-3)  # of 5000: float32 sums in another order


def test_integers_are_rounded_where_the_reference_truncates(tile):
    stitched = stitch(tile, np.uint16)
    for rounded, exact in tile.pairs(stitched, "stitched_float32"):
        assert (rounded == np.rint(exact)).mean() > 0.9999
    for rounded, truncated in tile.pairs(stitched, "stitched_uint16"):
        assert set(np.unique(rounded.astype(int) - truncated)) == {0, 1}


@pytest.mark.parametrize("kind", RAMPS)
@pytest.mark.parametrize("shape", [(50, 61), (20, 90), (90, 20), (7, 9), (32, 32)])
def test_cutting_and_blending_gives_the_scene_back(kind, shape):
    scene = np.random.default_rng(0).integers(0, 65536, (3, 3 * shape[0], 3 * shape[1])).astype(np.uint16)
    out, rows = blended(scene, Seams(window=32, overlap=10, eliminate=2, kind=kind), 3, np.uint16)
    assert np.abs(out.astype(int) - scene).max() == 0
    assert rows == list(range(3 * shape[0]))


@pytest.mark.parametrize("case", range(60))
def test_every_pixel_is_covered_and_emitted_once_for_any_sizes(case):
    draw = np.random.default_rng(case)
    window = int(draw.integers(3, 25))
    overlap = int(draw.integers(2, window))
    seams = Seams(window, overlap, int(draw.integers(0, overlap // 2)), str(draw.choice(RAMPS)))
    scale, height, width = (int(n) for n in draw.integers(1, (5, 51, 51)))
    scene = np.arange(height * width * scale**2, dtype=np.float32).reshape(1, height * scale, width * scale)
    out, rows = blended(scene, seams, scale, np.float32)
    assert np.allclose(out, scene, rtol=1e-5, atol=1e-2)
    assert rows == list(range(height * scale))


def test_windows_without_overlap_are_laid_side_by_side():
    scene = np.random.default_rng(0).random((2, 40, 30)).astype(np.float32)
    out, _ = blended(scene, Seams(window=10, overlap=0, eliminate=0), 1, np.float32)
    assert np.array_equal(out, scene)


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_patches_does_not_change_a_bit(tile, seed):
    def shuffled(positions):
        return [positions[i] for i in np.random.default_rng(seed).permutation(len(positions))]

    assert np.array_equal(stitch(tile, np.float32, shuffled), stitch(tile, np.float32))
    scene = np.random.default_rng(0).random((1, 180, 200)).astype(np.float32)
    seams = Seams(window=20, overlap=12, eliminate=1)
    assert np.array_equal(blended(scene, seams, 2, np.float32, shuffled)[0], blended(scene, seams, 2, np.float32)[0])


def test_values_outside_the_type_saturate():
    scene = np.full((1, 20, 20), -5.0, np.float32)
    scene[:, :, 10:] = 70000.0
    out, _ = blended(scene, Seams(window=20), 1, np.uint16)
    assert (out[:, :, :10] == 0).all()
    assert (out[:, :, 10:] == 65535).all()


def test_memory_is_one_row_of_windows_however_high_the_scene_is():
    seams, scale, bands, width = Seams(window=32, overlap=8), 2, 2, 200

    def peak(height):
        patch = np.ones((bands, 64, 64), np.float32)
        tracemalloc.start()
        blender = RowBlender((height, width), bands, scale, seams, np.uint16)
        for top, left in blender.positions:
            blender.add(top, left, patch)
        blender.close()
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    row = bands * scale * 32 * scale * width * 4
    assert peak(1000) < 2.5 * row
    assert peak(1000) < 1.5 * peak(200)


def test_a_missing_a_repeated_and_a_foreign_patch_are_refused():
    blender = RowBlender((50, 50), 1, 2, Seams(window=32))
    patch = np.zeros((1, 64, 64), np.float32)
    blender.add(0, 0, patch)
    with pytest.raises(SatsrError, match="came twice"):
        blender.add(0, 0, patch)
    with pytest.raises(SatsrError, match="none of this scene's windows"):
        blender.add(3, 0, patch)
    with pytest.raises(SatsrError, match="1 of 4 windows were blended"):
        blender.close()


def test_a_patch_of_another_shape_or_with_missing_values_is_refused():
    blender = RowBlender((50, 50), 1, 2, Seams(window=32))
    with pytest.raises(SatsrError, match="network's scale and bands"):
        blender.add(0, 0, np.zeros((1, 128, 128), np.float32))
    patch = np.zeros((1, 64, 64), np.float32)
    patch[0, 5, 5] = np.nan
    with pytest.raises(SatsrError, match="not finite"):
        blender.add(0, 0, patch)


@pytest.mark.parametrize(
    "wrong", [{"overlap": 8, "eliminate": 4}, {"overlap": 0}, {"eliminate": -1}, {"kind": "step"}, {"window": 10}]
)
def test_seams_that_leave_gaps_are_refused(wrong):
    with pytest.raises(SatsrError):
        Seams(**wrong)


@pytest.mark.parametrize("dtype", [np.uint32, np.float64, np.complex64])
def test_types_that_float32_cannot_hold_are_refused(dtype):
    with pytest.raises(SatsrError, match="choose float32, uint16 or uint8"):
        RowBlender((50, 50), 1, 2, dtype=dtype)
