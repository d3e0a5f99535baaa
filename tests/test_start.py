"""Commands import what they need and no more, and the wheel is enough to apply an ONNX file."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from satsr.constraint import METHODS
from satsr.errors import CHECKOUT, DASK, PREVIEW, TRAIN, SatsrError, absences
from tests.tiny_graphs import cubic_graph, image_graph, imageset_graph, series_graph, window_graph

ROOT = Path(__file__).resolve().parents[1]
ABSENT = (*CHECKOUT, *DASK, *PREVIEW, *TRAIN)
DECLARED = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RUN = """
import sys
class Refusal:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Refusal())
from satsr.cli import main
code = main(sys.argv[1:])
print("imported", *sorted({{name.partition(".")[0] for name in sys.modules}}))
sys.exit(code)
"""


def satsr(
    *arguments: object, where: Path, code: int = 0, absent: tuple[str, ...] = ABSENT, library: Path = ROOT
) -> str:
    """What a command says, with what ``absent`` names not installed."""
    command = [sys.executable, "-c", RUN.format(absent=absent), *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(library)}
    done = subprocess.run(command, cwd=where, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def frame(path: Path) -> Path:
    rng = np.random.default_rng(0)
    cv2.imwrite(str(path), cv2.resize(rng.integers(0, 255, (8, 8, 3), np.uint8), (32, 32)))
    return path


def scene(path: Path) -> Path:
    import rasterio

    values = np.random.default_rng(0).integers(200, 3000, (3, 40, 40), np.uint16)
    values[:, 5:9, 5:9] = 0
    size = {"height": 40, "width": 40, "count": 3, "dtype": "uint16", "nodata": 0, "crs": "EPSG:32632"}
    with rasterio.open(path, "w", "GTiff", transform=rasterio.Affine(10, 0, 6e5, 0, -10, 5e6), **size) as file:
        file.write(values)
    return path


@pytest.mark.slow
def test_a_frame_needs_no_package_of_training(tmp_path: Path) -> None:
    frame(tmp_path / "low.png")
    graph = image_graph(tmp_path / "m.onnx", normalisation="unit_u8")
    said = satsr("upscale", "low.png", "high.png", "--model", graph, where=tmp_path)
    assert "written: high.png" in said
    assert cv2.imread(str(tmp_path / "high.png")).shape == (64, 64, 3)


@pytest.mark.slow
def test_a_frame_imports_none_of_them_where_they_are_installed(tmp_path: Path) -> None:
    frame(tmp_path / "low.png")
    graph = image_graph(tmp_path / "m.onnx", normalisation="unit_u8")
    said = satsr("upscale", "low.png", "high.png", "--model", graph, where=tmp_path, absent=())
    (imported,) = (line.split()[1:] for line in said.splitlines() if line.startswith("imported "))
    assert {"cv2", "onnxruntime"} <= set(imported)
    assert not {*ABSENT, "boto3"} & set(imported)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_a_scene_is_held_to_its_input_without_them_and_has_the_same_pixels(method: str, tmp_path: Path) -> None:
    import rasterio

    scene(tmp_path / "low.tif")
    graph = cubic_graph(tmp_path / "m.onnx")
    results = []
    for name, absent in (("without.tif", ABSENT), ("with.tif", ())):
        arguments = ("low.tif", name, "--model", graph, "--constraint", method, "--bands", "1,2,3", "--force")
        satsr("upscale", *arguments, where=tmp_path, absent=absent)
        with rasterio.open(tmp_path / name) as file:
            results.append(file.read())
    assert results[0].shape == (3, 160, 160)
    np.testing.assert_array_equal(*results)


@pytest.mark.slow
def test_the_kinds_of_clips_series_and_image_sets_are_imported_without_them(tmp_path: Path) -> None:
    for place, graph in enumerate((window_graph, series_graph, imageset_graph)):
        graph(tmp_path / f"{place}.onnx")
    code = (
        "import numpy as np, satsr\n"
        "a = np.full((5, 20, 20, 3), 90, np.uint8)\n"
        "print(satsr.load('0.onnx')(a).shape, satsr.load('1.onnx')(a[:4].astype(np.uint16)).shape)\n"
        "print(satsr.load('2.onnx')(np.full((9, 20, 20), 90, np.uint16)).shape)\n"
        "import satsr.upscale.scenes.series, satsr.upscale.sets.imagesets, satsr.upscale.sets.submission"
    )
    hidden = RUN.format(absent=ABSENT).partition("from satsr.cli")[0] + code
    command = [sys.executable, "-c", hidden]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.split("\n")[:2] == ["(5, 40, 40, 3) (40, 40, 3)", "(60, 60)"], done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("review",), "not inside a satsr checkout"),
        (("show", "rasvsr"), "not inside a satsr checkout"),
        (("compare",), 'needs markupsafe, .*"satsr.train."'),
        (("evaluate", "--model", "zoo:rasvsr", "--lr", "low.png", "--hr", "low.png"), 'needs .*"satsr.train."'),
        (("dashboard",), "not inside a satsr checkout"),
        (("runs",), "not inside a satsr checkout"),
        (("open",), "not inside a satsr checkout"),
        (("summary", "rasvsr"), "not inside a satsr checkout"),
        (("doctor",), "not inside a satsr checkout"),
        (("run", "rasvsr"), "not inside a satsr checkout"),
        (("upscale", "low.png", "x.png", "--model", "m.safetensors"), 'needs torch, .*"satsr.train."'),
        (("upscale", "low.png", "x.png", "--model", "m.onnx", "--preview"), 'needs PIL.*"satsr.preview."'),
    ],
)
def test_what_is_not_installed_is_told_with_its_fix(arguments: tuple[str, ...], words: str, tmp_path: Path) -> None:
    frame(tmp_path / "low.png")
    (tmp_path / "m.safetensors").touch()
    assert re.search(words, satsr(*arguments, where=tmp_path, code=1))


def test_recipes_and_networks_are_looked_for_in_a_checkout() -> None:
    with pytest.raises(SatsrError, match="needs models/, which only a checkout"), absences():
        raise ModuleNotFoundError(name="models.shared")
    with pytest.raises(ModuleNotFoundError), absences():
        raise ModuleNotFoundError(name="satsr.nothing")


@pytest.mark.parametrize("arguments", [("--help",), ("upscale", "--help"), ("evaluate", "--help")])
def test_help_imports_neither_numpy_nor_anything_else_that_is_heavy(arguments: tuple[str, ...]) -> None:
    code = RUN.format(absent=(*ABSENT, "numpy", "cv2", "onnxruntime", "rasterio", "asyncio"))
    command = [sys.executable, "-c", code, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "usage: " in done.stdout


def test_what_is_told_of_as_training_s_is_what_training_brings() -> None:
    modules = {"ruamel.yaml": "ruamel", "satsr": "jinja2"}
    brought = {line.split(">")[0].split("=")[0].split("[")[0] for line in DECLARED["optional-dependencies"]["train"]}
    named = {modules.get(name, name.replace("-", "_")) for name in brought}
    indirect = {"alembic", "markupsafe", "sqlalchemy"}
    assert named - {"jinja2"} == set(TRAIN) - indirect
    base = {line.split(">")[0] for line in DECLARED["dependencies"]}
    assert base == {"numpy", "opencv-python-headless", "onnxruntime", "rasterio", "filelock"}


def test_what_dask_brings_is_told_with_its_extra() -> None:
    declared = " ".join(DECLARED["optional-dependencies"]["dask"])
    for module in DASK:
        assert module in declared
        with pytest.raises(SatsrError, match=rf'needs {module}, .* pip install "satsr\[dask\]"'), absences():
            raise ModuleNotFoundError(name=f"{module}.array")


def test_the_command_offers_every_constraint() -> None:
    from satsr.cli import parser

    for method in METHODS:
        asked = ["upscale", "a", "b", "--model", "m", "--constraint", method]
        assert parser().parse_args(asked).constraint == method


@pytest.mark.slow
def test_the_wheel_holds_satsr_alone_and_applies_a_model(tmp_path: Path) -> None:
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in filter(None, names.split("\0")):
        if name.startswith(("satsr/", "models/", "steps/", "pyproject", "README", "LICENSE")):
            (tmp_path / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "source" / name).write_bytes((ROOT / name).read_bytes())
    options = ["-q", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(tmp_path)]
    pip = [sys.executable, "-m", "pip", "wheel", *options, str(tmp_path / "source")]
    subprocess.run(pip, cwd=tmp_path, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("satsr-*.whl")
    with zipfile.ZipFile(wheel) as file:
        tops = {name.partition("/")[0] for name in file.namelist()}
        file.extractall(tmp_path / "site")
    assert {top for top in tops if not top.endswith(".dist-info")} == {"satsr"}
    frame(tmp_path / "low.png")
    graph = image_graph(tmp_path / "m.onnx", normalisation="unit_u8")
    satsr("upscale", "low.png", "high.png", "--model", graph, where=tmp_path, library=tmp_path / "site")
    said = satsr("upscale", "low.png", "sharp.png", "--force", where=tmp_path, library=tmp_path / "site")
    assert "no champion here; used the zoo's" in said and cv2.imread(str(tmp_path / "sharp.png")).shape == (128, 128, 3)
    assert "real imagery" in satsr("zoo", where=tmp_path, library=tmp_path / "site")
    assert (tmp_path / "site/satsr/pages/templates/base.html.j2").exists()


@pytest.mark.slow
def test_the_registry_is_listed_without_mlflow_as_mlflow_lists_it(tmp_path: Path) -> None:
    from mlflow.tracking import MlflowClient

    from satsr import tracking
    from satsr.register import decisions, registry
    from satsr.tracking.reading import REVISION, Reading, reader

    for name in ("params.yaml", "dvc.yaml"):
        (tmp_path / name).touch()
    graph = image_graph(tmp_path / "m.onnx", normalisation="unit_u8")
    client = tracking.client(tmp_path)
    tags = {"decides": "psnr,ssim", "psnr": 30, "ssim": 0.9, "gates": "passed", "review": "pending"}
    for _ in range(4):
        with tracking.run(tmp_path, "tiny") as run:
            number = registry.add_version(run, "tiny", graph, tags, "A card.", facts={"scale": 2})
    client.delete_model_version("tiny", "4")
    client.delete_logged_model(client.get_model_version("tiny", "3").source.rpartition("/")[2])
    registry.set_alias(client, "tiny", "champion", 2)
    read = reader(tmp_path)
    assert isinstance(read, Reading) and isinstance(client, MlflowClient) and read.revision() == REVISION
    assert decisions.names(read) == decisions.names(client) == ["tiny"]
    assert decisions.versions(read, "tiny") == decisions.versions(client, "tiny")
    assert [row.number for row in decisions.versions(read, "tiny")] == [3, 2, 1] and number == 4
    said = satsr("review", where=tmp_path, absent=(*ABSENT, "cv2", "numpy"))
    assert "champion" in said
    frame(tmp_path / "low.png")
    assert "tiny/2: tiny" in satsr("upscale", "low.png", "high.png", "--model", "tiny@champion", where=tmp_path)
    assert "has no 'best'" in satsr("upscale", "low.png", "x.png", "--model", "tiny@best", where=tmp_path, code=1)
    assert "no model 'big'" in satsr("upscale", "low.png", "x.png", "--model", "big", where=tmp_path, code=1)
    del os.environ["MLFLOW_TRACKING_URI"]  # which names the former place, as no user does
    before, moved = (tmp_path / "mlflow.db").read_bytes(), tmp_path.rename(tmp_path.with_name("moved"))
    assert "tiny/2: tiny" in satsr("upscale", "low.png", "y.png", "--model", "tiny@champion", where=moved)
    assert (moved / "mlflow.db").read_bytes() == before
    moved.rename(tmp_path)
