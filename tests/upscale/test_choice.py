"""Which model an input gets where none is named: by what it is, a champion before the zoo, and nobody if none fits."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from satsr import tracking, zoo
from satsr.errors import SatsrError
from satsr.imagery.images import write_png
from satsr.register import registry
from satsr.upscale.choice import CLIPS, choose, kinds_of
from satsr.upscale.options import Options
from tests.tiny_graphs import image_graph, recurrent_graph

LOADING = {"backend": "onnx", "device": "cpu"}
FORCED = Options(force=True)


def picture(path: Path, channels: int = 3) -> Path:
    values = np.random.default_rng(0).integers(60, 180, (20, 24, channels), np.uint8)
    write_png(path, values.squeeze())
    return path


def raster(path: Path, dtype: str = "uint16", bands: int = 3) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(0).integers(0, 250, (bands, 20, 24)).astype(dtype)
    size = {"count": bands, "height": 20, "width": 24, "dtype": dtype, "crs": "EPSG:32632"}
    with rasterio.open(path, "w", driver="GTiff", transform=from_origin(6e5, 5e6, 10, 10), **size) as target:
        target.write(values if dtype == "uint8" else 400 + values)
    return path


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Outside any checkout."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SATSR_ROOT", raising=False)
    return tmp_path


def chosen(source: Path, options: Options = FORCED, folder: bool = False) -> tuple[str, str]:
    """The model's name, and what was said."""
    said: list[str] = []
    return choose([source], folder, options, LOADING, said.append).name, "\n".join(said)


def test_what_an_input_is_decides_the_kind(tmp_path: Path) -> None:
    for index in (1, 2):
        picture(tmp_path / f"frames/{index}.png")
        raster(tmp_path / f"bytes/{index}.tif", "uint8")
        raster(tmp_path / f"dates/2018-05-0{index}.tif")
        raster(tmp_path / f"series/lr/2018-05-0{index}.tif")
        raster(tmp_path / f"scenes/{index}.tif")
        picture(tmp_path / f"sets/imgset0001/LR00{index}.png", 1)
    (tmp_path / "clip.mp4").touch()
    (tmp_path / "S2A.SAFE").mkdir()
    for name, one_file, in_folder in (
        ("frames", CLIPS, CLIPS),
        ("frames/1.png", CLIPS, CLIPS),
        ("clip.mp4", CLIPS, CLIPS),
        ("bytes", CLIPS, CLIPS),
        ("bytes/1.tif", CLIPS, CLIPS),
        ("dates", ("series",), ("image",)),
        ("series", ("series",), ("series",)),
        ("scenes", ("image",), ("image",)),
        ("scenes/1.tif", ("image",), ("image",)),
        ("S2A.SAFE", ("image",), ("image",)),
        ("sets", ("imageset",), ("imageset",)),
        ("sets/imgset0001", ("imageset",), ("imageset",)),
    ):
        assert kinds_of([tmp_path / name], folder=False) == one_file, name
        assert kinds_of([tmp_path / name], folder=True) == in_folder, name
    assert kinds_of(sorted((tmp_path / "dates").iterdir()), folder=False) == ("image",)
    (tmp_path / "item.json").write_text('{"type": "Feature"}')
    assert kinds_of([tmp_path / "item.json"], folder=True) == ("image",)


@pytest.mark.parametrize("name", ["frames", "scenes/1.tif", "dates", "sets"])
def test_without_a_champion_the_zoos_first_model_of_the_kind_is_taken(elsewhere: Path, name: str) -> None:
    for index in (1, 2):
        picture(elsewhere / f"frames/{index}.png")
        raster(elsewhere / f"dates/2018-05-0{index}.tif")
        picture(elsewhere / f"sets/imgset0001/LR00{index}.png", 1)
    raster(elsewhere / "scenes/1.tif")
    kind = kinds_of([elsewhere / name], folder=False)[0]
    wanted = next(entry for entry in zoo.entries() if entry.kind == kind)
    found, said = chosen(elsewhere / name)
    assert found == f"zoo:{wanted.name}"
    gain = f"{wanted.test.gain.mean:+.2f} dB on its test scenes"
    assert said == f"no champion here; used the zoo's {wanted.name}, {gain}; see `satsr zoo`"


def test_an_input_out_of_its_depth_is_refused_by_name_and_goes_on_if_forced(elsewhere: Path) -> None:
    values = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    write_png(elsewhere / "noise.png", values)
    with pytest.raises(SatsrError, match=r"(?s)taken as a clip of frames.*noisier than 99 %.*\(zoo:"):
        chosen(elsewhere / "noise.png", Options())
    assert chosen(elsewhere / "noise.png")[0].startswith("zoo:")


def test_a_folder_without_anything_to_enlarge_is_said_to_be_so(elsewhere: Path) -> None:
    (elsewhere / "notes").mkdir()
    (elsewhere / "notes/a.txt").touch()
    with pytest.raises(SatsrError, match="notes holds no images, videos, scenes or image sets"):
        chosen(elsewhere / "notes")


def test_bands_that_no_model_takes_are_a_sentence(elsewhere: Path) -> None:
    with pytest.raises(SatsrError, match=r"(?s)taken as one image.*name a model with --model.*5 bands.*\(zoo:"):
        chosen(raster(elsewhere / "five.tif", bands=5))
    found, _ = chosen(elsewhere / "five.tif", Options(force=True, bands=("3", "2", "1")))
    assert found.startswith("zoo:")
    with pytest.raises(SatsrError, match=r"(?s)taken as a clip of frames.*has 1 channels"):
        chosen(picture(elsewhere / "gray.png", 1))


@pytest.mark.slow
def test_a_champion_that_fits_comes_before_the_zoo(elsewhere, mlflow_store, monkeypatch) -> None:
    for name in ("params.yaml", "dvc.yaml"):
        (elsewhere / name).write_text("{}\n")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    frame, scene = picture(elsewhere / "frame.png"), raster(elsewhere / "scene.tif")
    assert chosen(frame)[1].startswith("no champion here; used the zoo's")
    assert not (elsewhere / tracking.DATABASE).exists()  # nothing is made by asking
    mlflow_store(elsewhere)
    graphs = {
        "weak": recurrent_graph(elsewhere / "weak.onnx"),
        "strong": recurrent_graph(elsewhere / "strong.onnx"),
        "other": image_graph(elsewhere / "other.onnx", channels=4, normalisation="normalise_10k"),
    }
    for name, path in graphs.items():
        with tracking.run(elsewhere, name) as run:
            gain = {"gain.psnr_rgb_u8": f"+{len(name)}.50 dB [0.10, 9.00], 95 %, 20 scenes"}
            registry.add_version(run, name, path, gain, "card")
    assert chosen(frame)[0].startswith("zoo:")  # versions that are no champions
    for name in graphs:
        registry.set_alias(tracking.client(elsewhere), name, registry.CHAMPION, 1)
    assert chosen(frame) == ("strong/1", "strong/1 is the champion that fits a clip of frames")
    found, said = chosen(scene)
    assert found.startswith("zoo:") and "other@champion was passed over" in said and "no champion here fits" in said
