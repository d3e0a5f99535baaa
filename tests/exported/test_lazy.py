"""Arrays of Dask are enlarged later, chunk by chunk, to what the whole array would have become, in any process."""

import pickle

import numpy as np
import pytest

from satsr import load
from satsr.errors import SatsrError
from satsr.exported import lazy, opening
from satsr.exported.model import Model, reopened
from tests.tiny_graphs import (
    cubic_graph,
    diffusion_graph,
    image_graph,
    imageset_graph,
    recurrent_graph,
    series_graph,
    window_graph,
)

xarray = pytest.importorskip("xarray", reason='xarray is absent: pip install "satsr[dask]"')
da = pytest.importorskip("dask.array", reason='dask is absent: pip install "satsr[dask]"')
RNG = np.random.default_rng(0)
SCENE = RNG.integers(300, 9000, (150, 210, 3), dtype=np.uint16)


def labelled(values=SCENE):
    """A scene as rioxarray opens it: bands first, named, with its place."""
    rows, columns = values.shape[:2]
    cube = xarray.DataArray(
        values.transpose(2, 0, 1),
        dims=("band", "y", "x"),
        coords={
            "band": ["B04", "B03", "B02"],
            "y": ("y", 5000 - 5 - 10.0 * np.arange(rows), {"units": "metre", "resolution": -10.0}),
            "x": ("x", 5 + 10.0 * np.arange(columns), {"units": "metre", "resolution": 10.0}),
            "time": np.datetime64("2023-07-23", "ns"),
        },
        attrs={"long_name": "reflectance", "transform": (10.0, 0.0, 0.0, 0.0, -10.0, 5000.0), "res": (10.0, 10.0)},
        name="S2",
    )
    cube = cube.assign_coords(spatial_ref=xarray.DataArray(0, attrs={"GeoTransform": "0 10 0 5000 0 -10"}))
    cube.encoding = {"grid_mapping": "spatial_ref", "_FillValue": 0, "preferred_chunks": {"y": 64}, "source": "a.tif"}
    return cube


@pytest.fixture
def small_windows(monkeypatch):
    """Windows of 96 px, so that chunks of a small scene have several."""
    monkeypatch.setattr(lazy, "WINDOW", 96)


@pytest.mark.parametrize(
    "chunks",
    [
        {"y": 80, "x": 75},
        {"y": 150, "x": 210},
        {"band": 1, "y": 64, "x": 200},  # a remainder of 10 px, bands apart
        {"y": 7, "x": 210},
    ],
)
@pytest.mark.parametrize("constraint", ["none", "frequency"])
@pytest.mark.usefixtures("small_windows")
def test_chunks_equal_the_whole_within_one_count(tiny, chunks, constraint):
    model, scene = tiny(image_graph), labelled()
    whole = model(scene, constraint=constraint)
    found = model(scene.chunk(chunks), constraint=constraint).compute(scheduler="synchronous")
    assert found.dtype == np.uint16 and found.dims == whole.dims
    assert np.abs(found.values.astype(int) - whole.values).max() <= (constraint != "none")


@pytest.mark.usefixtures("small_windows")
def test_nothing_is_computed_before_it_is_asked_for(tiny):
    computed = []

    def part(block_id=()):
        computed.append(block_id)
        return SCENE[75 * block_id[0] :][:75]

    cube = da.map_blocks(part, chunks=((75, 75), 210, 3), dtype=np.uint16, meta=np.empty((0, 0, 0), np.uint16))
    scene = xarray.DataArray(cube, dims=("y", "x", "band"))
    made = tiny(image_graph)(scene)
    assert isinstance(made.data, da.Array) and made.shape == (300, 420, 3) and made.chunks[0] == (150, 150)
    assert computed == []
    made[:20].compute(scheduler="synchronous")
    assert (0, 0, 0) in computed


def test_a_result_has_the_place_the_names_and_the_kind_of_its_input(tiny):
    model, scene = tiny(image_graph), labelled()
    whole, later = model(scene), model(scene.chunk({"y": 100}))
    xarray.testing.assert_identical(later.compute(scheduler="synchronous"), whole)
    for made in (whole, later):
        assert made.dims == ("band", "y", "x") and made.name == "S2" and list(made.band.values) == ["B04", "B03", "B02"]
        assert made.x[0] == 2.5 and made.y[0] == 5000 - 2.5 and float(made.y[1] - made.y[0]) == -5
        assert made.y.attrs == {"units": "metre", "resolution": -5.0} and made.time == scene.time
        assert made.spatial_ref.attrs["GeoTransform"] == "0.0 5.0 0.0 5000.0 0.0 -5.0"
        assert made.attrs["transform"] == (5.0, 0.0, 0.0, 0.0, -5.0, 5000.0) and made.attrs["res"] == (5.0, 5.0)
        assert made.encoding == {"grid_mapping": "spatial_ref", "_FillValue": 0}
    assert scene.attrs["res"] == (10.0, 10.0) and scene.spatial_ref.attrs["GeoTransform"] == "0 10 0 5000 0 -10"


def test_dasks_own_arrays_have_the_forms_of_numpys(tiny):
    model = tiny(image_graph)
    several = np.stack([SCENE, SCENE[::-1]])
    found = model(da.from_array(several, chunks=(1, 80, 100, 3)))
    assert isinstance(found, da.Array) and found.chunks[0] == (1, 1)
    np.testing.assert_array_equal(found.compute(scheduler="synchronous"), model(several))
    gray = tiny(cubic_graph, channels=1)
    found = gray(da.from_array(SCENE[..., 0], chunks=80))
    np.testing.assert_array_equal(found.compute(scheduler="synchronous"), gray(SCENE[..., 0]))


def test_dates_become_one_image_and_frames_stay_frames(tiny):
    dates = RNG.integers(300, 3000, (5, 120, 130, 3), dtype=np.uint16)
    for graph, values, more in (
        (series_graph, dates, {"days": [-90, -5, 3, 40, 80]}),
        (window_graph, (dates // 16).astype(np.uint8), {}),
        (recurrent_graph, (dates // 16).astype(np.uint8), {}),
    ):
        model = tiny(graph)
        cube = xarray.DataArray(values, dims=("time", "y", "x", "band"), coords={"time": np.arange(5)})
        whole, later = model(cube, **more), model(cube.chunk({"time": 2, "y": 60}), **more)
        assert later.dims == whole.dims and later.shape == whole.shape
        xarray.testing.assert_identical(later.compute(scheduler="synchronous"), whole)


@pytest.mark.usefixtures("small_windows")
def test_the_noise_of_a_diffusion_network_belongs_to_its_place(tiny):
    model = tiny(diffusion_graph)
    whole = model(SCENE // 8, seed=3)
    found = model(da.from_array(SCENE // 8, chunks=(100, 110, 3)), seed=3).compute(scheduler="synchronous")
    assert np.abs(found.astype(int) - whole).max() <= 1


@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
def test_each_scheduler_gives_the_same(tiny, scheduler):
    model, scene = tiny(image_graph), labelled()
    made = model(scene.chunk({"y": 80, "x": 80}))
    np.testing.assert_array_equal(made.compute(scheduler=scheduler), model(scene))


@pytest.mark.slow
def test_other_processes_open_the_model_by_themselves(tiny):
    model, scene = tiny(image_graph), labelled()
    made = model(scene.chunk({"y": 80, "x": 80}))
    np.testing.assert_array_equal(made.compute(scheduler="processes", num_workers=2), model(scene))


def test_a_graph_holds_where_the_model_lies_and_not_the_model(tmp_path):
    path = image_graph(tmp_path / "large.onnx", weights="x" * 300_000)
    made = load(path, device="cpu")(da.from_array(SCENE, chunks=(80, 80, 3))[:1])
    tasks = [value for key, value in dict(made.__dask_graph__()).items() if str(key).startswith("('satsr-")]
    assert path.stat().st_size > 300_000 and tasks
    assert max(len(pickle.dumps(task)) for task in tasks) < 3000


def test_a_process_opens_a_model_once_and_only_the_same_one(tmp_path):
    model = load(image_graph(tmp_path / "m.onnx"), device="cpu")
    where = pickle.loads(pickle.dumps(model.where))
    assert reopened(where) is model  # while it lives
    del model
    again = reopened(where)
    assert reopened(where) is again
    opening._opened.cache_clear()
    del again
    cubic_graph(tmp_path / "m.onnx")
    with pytest.raises(SatsrError, match=r"m\.onnx is another model on process "):
        reopened(where)
    (tmp_path / "m.onnx").unlink()
    with pytest.raises(SatsrError, match=r"cannot open m\.onnx, which is /.*m\.onnx elsewhere: there is no model file"):
        reopened(where)


def test_what_lies_elsewhere_here_is_found_by_its_name_if_it_is_the_same():
    found = load("zoo:srgan-quick", device="cpu").where
    moved = opening.Opening("/nowhere/srgan-quick.onnx", found.name, found.backend, found.device, found.digest)
    assert reopened(moved).digest == found.digest
    other = opening.Opening("/nowhere/m.onnx", found.name, found.backend, found.device, "0" * 64)
    with pytest.raises(SatsrError, match=r"zoo:srgan-quick is another model on process .*install the same version"):
        reopened(other)


def test_values_that_are_plainly_others_are_refused_when_they_are_looked_at(tiny):
    model = tiny(image_graph)
    shares = da.from_array((SCENE / 10000).astype(np.float32), chunks=80)
    for made, words in (
        (model(shares), "add gain=10000 for numbers in 0..1"),
        (model(da.from_array((SCENE >> 8).astype(np.uint8), chunks=80)), "give the original product"),
        (model(da.from_array(np.where(SCENE > 8990, np.nan, SCENE), chunks=80)), "not finite"),
    ):
        with pytest.raises(SatsrError, match=words):
            made.compute(scheduler="synchronous")
    found = model(shares, gain=10000).compute(scheduler="synchronous")
    assert 0.4 < found.mean() < 0.5


def test_a_dark_chunk_of_a_bright_scene_is_no_mistake(tiny):
    values = SCENE.astype(np.float32)
    values[:40, :40] = 1.5
    model = tiny(image_graph)
    made = model(da.from_array(values, chunks=(40, 40, 3))).compute(scheduler="synchronous")
    np.testing.assert_allclose(made, model(values), atol=0.01)


def test_what_cannot_be_enlarged_is_said_before_anything_is_computed(tiny):
    cube = da.from_array(SCENE, chunks=80)
    model, sets = tiny(image_graph), tiny(imageset_graph)
    unknown = cube[cube[:, 0, 0] > 5]
    parts = Model(model.facts, model.runner)
    for apply, words in (
        (lambda: model(cube[..., :2]), "takes 3 band"),
        (lambda: model(cube, gain=0), "gain=0 is no gain"),
        (lambda: model(cube, constraint="hard"), "found 'hard'"),
        (lambda: model(unknown), r"compute_chunk_sizes\(\)"),
        (lambda: sets(da.zeros((9, 20, 20), np.uint16)), r"clearest views.*give it array\.compute\(\)"),
        (lambda: parts(cube), r"not loaded by satsr\.load"),
    ):
        with pytest.raises(SatsrError, match=words):
            apply()


def test_bands_in_another_order_are_refused_by_their_names(tiny):
    model, scene = tiny(image_graph), labelled()
    with pytest.raises(SatsrError, match=r"B02, B03, B04, but .* B04, B03, B02: give array\.sel\(band=\['B04', 'B03'"):
        model(scene.sel(band=["B02", "B03", "B04"]))
    with pytest.raises(SatsrError, match="use another model"):
        model(scene.assign_coords(band=["B05", "B06", "B07"]))
    for names in (["red", "green", "blue"], ["a", "b", "c"], [1, 2, 3]):
        assert model(scene.assign_coords(band=names)).shape == (3, 300, 420)


def test_a_dataset_of_bands_is_told_how_it_becomes_one_array(tiny):
    model, scene = tiny(image_graph), labelled().chunk({"y": 80})
    dataset = scene.to_dataset("band")
    with pytest.raises(SatsrError, match=r'give dataset\.to_array\("band"\)'):
        model(dataset)
    cube = dataset[["B04", "B03", "B02"]].to_array("band")
    np.testing.assert_array_equal(model(cube).compute(scheduler="synchronous"), model(scene.compute()))
