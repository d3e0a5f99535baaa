"""Scenes go to the workers of a Dask cluster: the same results, one at a time in each, and nobody waits for nothing."""

import argparse
import os
import socket
import sys
from dataclasses import replace

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from satsr import load
from satsr.errors import SatsrError
from satsr.exported import memory, opening
from satsr.upscale import command
from satsr.upscale.many import cluster, scheduler
from satsr.upscale.many.attempt import attempt
from satsr.upscale.options import Options
from tests.tiny_graphs import image_graph, recurrent_graph

distributed = pytest.importorskip("distributed", reason='distributed is absent: pip install "satsr[dask]"')
RNG = np.random.default_rng(0)


def upscale(*words):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args([str(word) for word in words]))


def scene(path, shape=(40, 48)):
    path.parent.mkdir(exist_ok=True)
    with rasterio.open(
        path, "w", driver="GTiff", count=3, height=shape[0], width=shape[1], dtype="uint16",
        crs="EPSG:32632", transform=from_origin(600000, 5e6, 10, 10),
    ) as target:  # fmt: skip
        target.write(RNG.integers(300, 2500, (3, *shape), dtype=np.uint16))
    return path


@pytest.fixture
def scenes(tmp_path):
    """The words of a command that enlarges three scenes, of which one is broken, into a folder."""
    for name in ("a", "b", "c"):
        scene(tmp_path / "in" / f"{name}.tif")
    whole = (tmp_path / "in" / "b.tif").read_bytes()
    (tmp_path / "in" / "b.tif").write_bytes(whole[: len(whole) // 3])
    return tmp_path / "in", tmp_path / "out", "--model", image_graph(tmp_path / "model.onnx")


def started(workers, processes=False):
    return distributed.LocalCluster(
        n_workers=workers, threads_per_worker=1, processes=processes, dashboard_address=":0", memory_limit="4GB"
    )


@pytest.fixture(scope="module")
def address():
    """Of a cluster of two workers in this process."""
    with started(2) as running:
        yield running.scheduler_address


def pixels(folder):
    found = {}
    for path in sorted(folder.glob("*.tif")):
        with rasterio.open(path) as source:
            found[path.name] = source.read()
    return found


@pytest.mark.slow
def test_workers_make_what_one_process_makes_and_a_broken_scene_stops_no_other(scenes, tmp_path, address, capsys):
    with pytest.raises(SatsrError) as here:
        upscale(scenes[0], tmp_path / "alone", *scenes[2:])
    with pytest.raises(SatsrError) as there:
        upscale(*scenes, "--scheduler", address)
    heading, titles, row = str(there.value).splitlines()
    assert heading == f"2 of 3 scenes are in {scenes[1]}; these are not:" and titles.split() == ["scene", "why"]
    assert row.split()[0] == str(scenes[0] / "b.tif") and "cannot be read" in row
    assert str(here.value).splitlines()[2] == row
    alone, spread = pixels(tmp_path / "alone"), pixels(scenes[1])
    assert list(alone) == list(spread) == ["a_x2.tif", "c_x2.tif"]
    for name, values in alone.items():
        np.testing.assert_array_equal(values, spread[name])
    assert capsys.readouterr().err.count("made small again") == 4


def test_what_is_finished_is_skipped_and_named_as_the_user_named_it(scenes, address, capsys, monkeypatch):
    (scenes[0] / "b.tif").unlink()
    monkeypatch.chdir(scenes[0].parent)
    words = ("in/*.tif", "out/", *scenes[2:], "--scheduler", address)
    upscale(*words)
    assert "out/c_x2.tif" in capsys.readouterr().err.splitlines()[-1].removeprefix("written: ").split(", ")
    stamps = {path: path.stat().st_mtime_ns for path in scenes[1].iterdir()}
    upscale(*words)
    assert capsys.readouterr().err.splitlines()[-1] == "nothing was left to do"
    assert {path: path.stat().st_mtime_ns for path in scenes[1].iterdir()} == stamps
    with pytest.raises(SatsrError, match=r"(?s)0 of 2 scenes.*add --overwrite"):
        upscale(*words, "--ensemble")  # other settings, another result


def test_one_scene_goes_to_a_cluster_too_and_what_is_no_scene_does_not(scenes, tmp_path, address):
    upscale(scenes[0] / "a.tif", f"{tmp_path}/one/", *scenes[2:], "--scheduler", address)
    assert (tmp_path / "one" / "a_x2.tif").is_file()
    for words in (
        (scenes[0] / "a.tif", tmp_path / "one.tif", *scenes[2:]),
        (scenes[0], tmp_path / "clip", "--model", recurrent_graph(tmp_path / "clip.onnx")),
    ):
        with pytest.raises(SatsrError, match="--scheduler is for scenes that go into a folder"):
            upscale(*words, "--scheduler", address)


@pytest.mark.parametrize("words", ["", "nowhere", "tcp://", "ftp://127.0.0.1:8786", "tcp://127.0.0.1:1"])
def test_a_bad_address_is_one_sentence_and_nobody_waits(scenes, words, monkeypatch):
    monkeypatch.setattr(scheduler, "CONNECT", 0.2)
    with pytest.raises(SatsrError, match=r"no Dask scheduler answers at .* start one with `dask scheduler`"):
        upscale(*scenes, "--scheduler", words)
    assert not scenes[1].exists()


def test_a_password_in_an_address_is_not_said(scenes, monkeypatch):
    monkeypatch.setattr(scheduler, "CONNECT", 0.2)
    with pytest.raises(SatsrError, match="no Dask scheduler answers") as refused:
        upscale(*scenes, "--scheduler", "tcp://me:hidden-word@127.0.0.1:1")
    assert "hidden-word" not in str(refused.value)


def test_somebody_who_is_no_scheduler_is_not_waited_for(scenes, monkeypatch):
    monkeypatch.setattr(scheduler, "CONNECT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(SatsrError, match=r"no Dask scheduler answers at .*nothing was said"):
            upscale(*scenes, "--scheduler", address)


def test_a_cluster_without_workers_is_said(scenes, monkeypatch):
    monkeypatch.setattr(scheduler, "CONNECT", 0.2)
    with started(0) as empty, pytest.raises(SatsrError, match="has no workers after 0 s: start some with `dask worker"):
        upscale(*scenes, "--scheduler", empty.scheduler_address)


def test_a_worker_without_the_same_satsr_files_or_model_is_told_apart(scenes, tmp_path):
    import satsr

    file, where = scenes[0] / "a.tif", load(scenes[3], device="cpu").where
    seen = {str(path): cluster._stamp(path) for path in (file, tmp_path)}
    assert cluster._unlike(satsr.__version__, where, seen) == ""
    assert "has satsr" in cluster._unlike("9.9", where, seen)
    other = replace(where, path="/nowhere/model.onnx")
    assert cluster._unlike(satsr.__version__, other, seen).startswith("lacks the model (")
    file.write_text("another scene")
    assert cluster._unlike(satsr.__version__, where, seen).startswith(f"does not see {file}")
    file.unlink()
    assert cluster._unlike(satsr.__version__, where, seen).startswith(f"does not see {file}")


def test_without_dask_the_extra_is_named(scenes, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(SatsrError, match=r'needs distributed, .* pip install "satsr\[dask\]"'):
        upscale(*scenes, "--scheduler", "tcp://127.0.0.1:1")


def test_the_limit_of_a_worker_bounds_what_a_scene_takes():
    with memory.limited(memory.resident() + (64 << 20)):
        assert 0 < memory.available() <= 65 << 20
    with memory.limited(1):
        assert memory.available() == 1
    with memory.limited(None):
        assert memory.available() > 64 << 20


def test_a_worker_with_little_memory_makes_the_same_in_smaller_windows(scenes, tmp_path):
    model, made = load(scenes[3], device="cpu"), []
    wide = scene(tmp_path / "wide.tif", (100, 120))
    for place, limit in enumerate((None, memory.resident() + (300 << 20))):
        lines = []
        with memory.limited(limit):
            upscaled = attempt(model, wide, tmp_path / f"{place}.tif", Options(), lines.append)
        assert not upscaled.problem and f"windows of {64 if limit else 256} px" in "\n".join(lines)
        with rasterio.open(tmp_path / f"{place}.tif") as source:
            made.append(source.read().astype(int))
    assert np.abs(made[0] - made[1]).max() <= 1


def sessions():
    return os.getpid(), opening._opened.cache_info().currsize, opening.threads()


@pytest.mark.slow
def test_two_processes_compute_arrays_and_scenes_with_one_session_each(scenes, tmp_path, capsys):
    xarray = pytest.importorskip("xarray", reason="xarray is absent")
    for place in range(6):
        scene(tmp_path / "in" / f"more{place}.tif")
    values = RNG.integers(300, 9000, (3, 400, 500), dtype=np.uint16)
    cube, model = xarray.DataArray(values, dims=("band", "y", "x")), load(scenes[3], device="cpu")
    with started(2, processes=True) as running:
        with distributed.Client(running) as client:
            made = model(cube.chunk({"y": 110, "x": 120}))
            np.testing.assert_array_equal(client.compute(made).result().values, model(cube).values)
            found = client.run(sessions).values()
            assert sorted(count for _, count, _ in found) == [1, 1] and os.getpid() not in {pid for pid, _, _ in found}
            assert {threads for _, _, threads in found} == {1}
        with pytest.raises(SatsrError, match="8 of 9 scenes"):
            upscale(*scenes, "--device", "cpu", "--scheduler", running.scheduler_address)
        with distributed.Client(running) as client:
            assert sorted(count for _, count, _ in client.run(sessions).values()) == [1, 1]
    assert len(pixels(scenes[1])) == 8 and "9 of 9: " in capsys.readouterr().err
