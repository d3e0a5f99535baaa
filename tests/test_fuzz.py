"""Input of others that was made to mislead, at random: a sentence or a right result, and nothing outside of the output.

No example takes half a minute, all of a test together 512 MB of memory, and none asks a server. These are the same few
examples at every run, unless ``SATSR_FUZZ`` says how many a test takes, as ``make soak`` does.
``python -m tests.guided`` looks for others by the code that they reach.
"""

import copy
import faulthandler
import io
import json
import os
import shutil
import socket
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import cv2
import lmdb
import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from satsr.convert.layouts import basicsr_lmdb
from satsr.download.archive import extract
from satsr.download.card import Card, Limits, load_card
from satsr.errors import SatsrError
from satsr.exported import facts, file, memory
from satsr.imagery import geotiff, images, npz, sentinel2
from satsr.stac import item, series
from satsr.store.store import Store, StoreWriter
from tests import products
from tests.tiny_graphs import image_graph

ROOT = Path(__file__).resolve().parents[1]
MORE = int(os.environ.get("SATSR_FUZZ", "0"))
QUIET = list(HealthCheck)
SLOWEST = timedelta(seconds=30)
MOST = 512 << 20
"""Bytes of memory that the examples of a test take more than there was before."""


def few(count: int) -> Callable[..., Any]:
    """The settings of a test that takes so many examples in the quick loop."""
    return settings(
        max_examples=MORE or count, derandomize=not MORE, deadline=SLOWEST, database=None, suppress_health_check=QUIET
    )


@pytest.fixture(autouse=True)
def no_server_is_asked_and_memory_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What asks a server, by Python or by GDAL, comes by here; a test that hangs for an hour ends the process."""
    faulthandler.dump_traceback_later(3600, exit=True)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{server.getsockname()[1]}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")  # the peak of the tests before
        before = memory.peak()
        yield
        assert memory.peak() - before < MOST
        with pytest.raises(BlockingIOError):
            server.accept()
    faulthandler.cancel_dump_traceback_later()


WORDS = st.sampled_from(
    ["", "x", "../x", "/etc/passwd", "C:\\x", "a/b", "NaN", "1e999", "!!python/object:os.system", "\0"]
)
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | WORDS
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def altered(draw: Any, document: Any) -> Any:
    """A document (JSON values) in which a few values are others, or are missing."""
    found = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        place = found
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            key = draw(st.sampled_from(keys)) if keys else "more"
            if keys and isinstance(place[key], dict | list) and place[key] and draw(st.booleans()):
                place = place[key]
                continue
            break
        if isinstance(place, list) and not keys:
            place.append(draw(VALUES))
        elif draw(st.integers(0, 4)):
            place[key] = draw(VALUES)
        elif keys:
            del place[key]
    return found


@st.composite
def damaged(draw: Any, content: bytes) -> bytes:
    """Bytes of which some are others, were cut off, or came twice; most at the beginning, where headers lie."""
    found = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        end = draw(st.sampled_from([16, 64, 512, len(found)]))
        place = draw(st.integers(0, max(0, min(end, len(found)) - 1)))
        what = draw(st.sampled_from(["flip", "flip", "set", "cut", "insert"]))
        if what == "cut":
            del found[place:]
        elif what == "insert":
            found[place:place] = draw(st.binary(max_size=8))
        elif found:
            found[place] = (
                found[place] ^ (1 << draw(st.integers(0, 7))) if what == "flip" else draw(st.integers(0, 255))
            )
    return bytes(found)


def fresh(folder: Path) -> Path:
    """An empty folder; all examples of a test have the same."""
    inside = folder / "example"
    shutil.rmtree(inside, ignore_errors=True)
    inside.mkdir()
    return inside


def files(folder: Path) -> set[str]:
    return {found.relative_to(folder).as_posix() for found in folder.rglob("*")}


CARD = {
    "name": "a",
    "papers": ["rasvsr"],
    "source": {"urls": [{"name": "a.zip", "urls": ["https://example.org/a.zip"], "size": 9}]},
    "layout": "frames",
    "scale": 4,
    "options": {"low": "made"},
    "limits": {"max_files": 10, "max_ratio": 100.0},
}


@pytest.mark.slow
@given(st.data())
@few(30)
def test_a_dataset_card_is_valid_or_a_sentence(tmp_path: Path, data: Any) -> None:
    path = fresh(tmp_path) / "a.yaml"
    if data.draw(st.booleans()):
        path.write_text(json.dumps(data.draw(altered(CARD))))
    else:
        path.write_bytes(data.draw(damaged(json.dumps(CARD, indent=1).encode())))
    with suppress(SatsrError):
        assert isinstance(load_card(path), Card)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As much of the project as ``satsr set`` reads."""
    root = tmp_path_factory.mktemp("checkout")
    for name in ("params.yaml", "dvc.yaml", "pipelines/msdtgp.yaml"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes((ROOT / name).read_bytes())
    return root


KEYS = st.sampled_from(
    ["train.iterations", "network", "train", "data", "profile", "rooms", "x", "gates.max_megabytes.y", ""]
)
GIVEN = (
    VALUES.map(json.dumps)
    | st.text(max_size=12)
    | st.sampled_from(["[", "{a: ", "!!set {1}", "&a *a", "? [1]", "- -", "!!bool x"])
)


@pytest.mark.slow
@given(KEYS, GIVEN, st.sampled_from(["msdtgp", "msdtgp", "msdtgp", "../x", "chain", "__init__", ""]))
@few(8)
def test_a_setting_is_taken_or_refused_and_then_nothing_changed(
    checkout: Path, key: str, value: str, paper: str
) -> None:
    from satsr.cli import main
    from steps.configuration import configuration

    params = checkout / "params.yaml"
    before, there = params.read_bytes(), files(checkout)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SATSR_ROOT", str(checkout))
        code = main(["set", paper, f"{key}={value}"])
    assert code == 1 or configuration(paper, checkout)
    assert code == 0 or params.read_bytes() == before
    assert files(checkout) == there
    params.write_bytes(before)


def _encoded(suffix: str) -> bytes:
    image = cv2.resize(np.random.default_rng(0).integers(0, 255, (4, 4, 3), np.uint8), (24, 16))
    return bytes(cv2.imencode(suffix, image)[1])


ENCODED = {suffix: _encoded(suffix) for suffix in (".png", ".jpg", ".tif")}


@given(st.data())
@few(30)
@pytest.mark.slow
def test_an_image_is_read_or_a_sentence(tmp_path: Path, data: Any) -> None:
    suffix = data.draw(st.sampled_from(sorted(ENCODED)))
    path = fresh(tmp_path) / f"a{suffix}"
    path.write_bytes(data.draw(damaged(ENCODED[suffix])))
    with suppress(SatsrError):
        height, width = images.read_size(path)
        assert height > 0 and width > 0
    with suppress(SatsrError):
        read = images.read_rgb(path, max_pixels=1 << 20)
        assert read.ndim == 3 and read.shape[2] == 3 and read.dtype == np.uint8


def _geotiff() -> bytes:
    values = np.arange(4 * 20 * 30, dtype=np.uint16).reshape(4, 20, 30)
    options = {"driver": "GTiff", "count": 4, "height": 20, "width": 30, "dtype": "uint16", "crs": "EPSG:32632"}
    with rasterio.MemoryFile() as memory:
        with memory.open(transform=rasterio.Affine(10, 0, 6e5, 0, -10, 5e6), nodata=0, **options) as target:
            target.write(values)
            target.descriptions = ("B04", "B03", "B02", "B08")
        return bytes(memory.read())


GEOTIFF = _geotiff()


@given(damaged(GEOTIFF))
@few(15)
def test_a_geotiff_is_read_or_a_sentence(tmp_path: Path, content: bytes) -> None:
    path = fresh(tmp_path) / "a.tif"
    path.write_bytes(content)
    for read in (geotiff.size, geotiff.bounds, geotiff.band_names, lambda path: geotiff.thumbnail(path, (8, 8))):
        with suppress(SatsrError):
            read(path)
    with suppress(SatsrError):
        if np.prod(geotiff.size(path)) < 1 << 20:
            geotiff.read(path, ("B04", "B03", "B02"))


def _npz() -> bytes:
    with io.BytesIO() as memory:
        np.savez_compressed(memory, lr=np.arange(60, dtype=np.uint16).reshape(3, 4, 5), dates=np.array(["2024-01-01"]))
        return memory.getvalue()


NPZ = _npz()


@given(damaged(NPZ))
@few(30)
def test_arrays_of_a_file_are_read_or_a_sentence(tmp_path: Path, content: bytes) -> None:
    path = fresh(tmp_path) / "a.npz"
    path.write_bytes(content)
    with suppress(SatsrError):
        assert all(isinstance(array, np.ndarray) for array in npz.read_arrays(path).values())


DESCRIPTION = {
    "paper": "tiny",
    "kind": "image",
    "normalisation": "normalise_10k",
    "scale": 2,
    "bands": ["B04", "B03", "B02"],
    "smallest": 16,
    "channels": 3,
    "dates": 8,
    "constraint": {"method": "none"},
    "statistics": {"mean": [1.0, 2.0, 3.0], "std": [1.0, 1.0, 1.0]},
    "depth": {"limit": 3.0, "blocks": [1, 2]},
}


ITEM = {
    "type": "Feature",
    "stac_version": "1.0.0",
    "id": "a",
    "properties": {
        "platform": "sentinel-2a",
        "s2:processing_baseline": "05.09",
        "earthsearch:boa_offset_applied": True,
    },
    "assets": {
        "red": {
            "href": "./a.tif",
            "roles": ["data"],
            "gsd": 10,
            "eo:bands": [{"name": "B04", "common_name": "red"}],
            "raster:bands": [{"scale": 1e-4, "offset": -0.1, "nodata": 0}],
            "file:size": 5,
            "file:checksum": "1220" + "0" * 64,
            "proj:transform": [10, 0, 0, 0, -10, 0],
        },
        "B03_10m": {"href": "b.jp2", "bands": [{"name": "B03", "gsd": 10}], "raster:scale": 1},
    },
}


@given(altered(ITEM) | VALUES)
@few(150)
def test_a_stac_item_is_understood_or_a_sentence(document: Any) -> None:
    with suppress(SatsrError):
        found = item.parse(document, "a.json")
        assert all(band.index >= 1 and band.href and band.name for band in found.bands)
        assert [band.name for band in found.pick(["B04", "B03"], "a.json")] == ["B04", "B03"]


@given(altered({"type": "FeatureCollection", "features": [ITEM, ITEM], "links": [{"rel": "next"}]}))
@few(50)
def test_a_folder_with_a_search_of_stac_items_is_understood_or_a_sentence(tmp_path: Path, document: Any) -> None:
    path = fresh(tmp_path) / "a.json"
    path.write_text(json.dumps(document))
    with suppress(SatsrError):
        assert set(series.inside(path.parent).items) <= {path}
        assert len(series.days(path)) == len(series.search(path).items)


@given(altered(DESCRIPTION) | VALUES, st.booleans())
@few(50)
def test_the_description_of_a_model_is_understood_or_a_sentence(description: Any, apart: bool) -> None:
    metadata = {"satsr": json.dumps(description)}
    if apart and isinstance(description, dict):
        metadata = {key: json.dumps(value) for key, value in description.items()}
    with suppress(SatsrError):
        found = facts.parse(facts.decode(metadata, "m.onnx"), "m.onnx")
        assert found.kind in facts.KINDS and found.scale >= 1 and found.smallest >= 1 and found.channels >= 1


@given(st.data())
@few(30)
def test_an_onnx_file_is_taken_or_a_sentence(tmp_path: Path, data: Any) -> None:
    path = image_graph(fresh(tmp_path) / "m.onnx")
    content = data.draw(damaged(path.read_bytes()))
    path.write_bytes(content)
    with suppress(SatsrError):
        assert file.whole(path) == content


def _store(path: Path) -> list[np.ndarray]:
    arrays = [np.random.default_rng(place).integers(0, 255, (8, 9, 3), np.uint8) for place in range(4)]
    with StoreWriter(path, {"name": "a"}) as writer:
        for place, array in enumerate(arrays):
            writer.put("train", "a", "hr", place, array)
    return arrays


@given(st.data())
@few(15)
def test_a_store_with_other_bytes_is_never_taken_for_whole(tmp_path: Path, data: Any) -> None:
    path = fresh(tmp_path) / "s"
    arrays = _store(path)
    name = data.draw(st.sampled_from(["data.mdb", "manifest.json"]))
    before = (path / name).read_bytes()
    if name == "manifest.json":
        (path / name).write_text(json.dumps(data.draw(altered(json.loads(before)))))
    else:
        (path / name).write_bytes(data.draw(damaged(before)))
    with suppress(SatsrError):
        store = Store(path)
        store.verify()
        assert name == "manifest.json" or (path / name).read_bytes() == before
        for scene in store.scenes("train"):
            for place in range(min(scene.count("hr"), 4)):
                read = scene.read("hr", place)
                assert scene.id != "a" or read.tobytes() == arrays[place].tobytes()


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An LMDB of BasicSR's with two levels of pages, and values inside them and beside."""
    folder = tmp_path_factory.mktemp("lmdb")
    with lmdb.open(str(folder), map_size=1 << 22) as env, env.begin(write=True) as transaction:
        for place in range(120):
            transaction.put(f"clip/{place:08d}".encode(), ENCODED[".png"] * (1 + 9 * (place % 40 == 0)))
    return (folder / "data.mdb").read_bytes()


@pytest.mark.slow
@given(st.data())
@few(30)
def test_a_foreign_lmdb_is_read_or_a_sentence(tmp_path: Path, foreign: bytes, data: Any) -> None:
    folder = fresh(tmp_path) / "GT.lmdb"
    folder.mkdir()
    (folder / "meta_info.txt").write_text("".join(f"clip/{place:08d}.png (16,24,3) 1\n" for place in range(120)))
    content = bytearray(foreign)
    for _ in range(data.draw(st.integers(1, 4))):
        page = 4096 * data.draw(st.integers(0, len(content) // 4096 - 1))
        place = page + data.draw(st.integers(0, 15) | st.integers(0, 255) | st.integers(0, 4095))
        content[place] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        content = bytearray(data.draw(damaged(bytes(content))))
    (folder / "data.mdb").write_bytes(content)
    with suppress(SatsrError):
        for frame in (frame for scene in basicsr_lmdb.scenes(folder) for frame in scene.roles["hr"]):
            with suppress(SatsrError):
                assert frame.load().ndim == 3


NAMES = st.sampled_from(
    ["a.png", "b/a.png", "../a", "/tmp/a", "b/../../a", "a.png/b", "", ".", "C:/a", "b\\a", "a\0b", "é"]
)


@given(st.lists(st.tuples(NAMES, st.binary(max_size=20)), max_size=4), st.booleans(), st.data())
@few(30)
def test_an_archive_is_unpacked_inside_its_folder_or_refused(
    tmp_path: Path, entries: list[tuple[str, bytes]], tarred: bool, data: Any
) -> None:
    folder = fresh(tmp_path) / "inside"
    folder.mkdir()
    archive = folder / ("a.tar" if tarred else "a.zip")
    _packed(archive, entries, tarred)
    if data.draw(st.booleans()):
        archive.write_bytes(data.draw(damaged(archive.read_bytes())))
    around = files(folder.parent)
    with suppress(SatsrError):
        for made in extract(archive, folder / "out", Limits(max_bytes=10_000)):
            assert made.resolve().is_relative_to((folder / "out").resolve()) and made.is_file()
    new = files(folder.parent) - around
    assert all(name.startswith(f"{folder.name}/out") for name in new)


def _packed(archive: Path, entries: list[tuple[str, bytes]], tarred: bool) -> None:
    if tarred:
        with tarfile.open(archive, "w") as target:
            for name, content in entries:
                member = tarfile.TarInfo(name)
                member.size = len(content)
                target.addfile(member, io.BytesIO(content))
        return
    with zipfile.ZipFile(archive, "w") as target:
        for name, content in entries:
            info = zipfile.ZipInfo("a")
            info.filename = name or "?"  # which zipfile would not write
            target.writestr(info, content)


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return products.make(tmp_path_factory.mktemp("product"), "L1C")[0]


@given(st.data())
@few(15)
def test_a_product_is_read_or_a_sentence(product: Path, data: Any) -> None:
    name = data.draw(st.sampled_from(["MTD_MSIL1C.xml", "MTD_MSIL1C.xml", "*_B04.jp2"]))
    (place,) = product.rglob(name)
    before = place.read_bytes()
    try:
        place.write_bytes(data.draw(damaged(before)))
        with suppress(SatsrError), sentinel2.raster(product, ("B04", "B03", "B02")) as found:
            assert found.height > 0 and found.width > 0
    finally:
        place.write_bytes(before)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Duplicate name")
@given(st.data())
@few(15)
def test_a_product_in_a_zip_is_read_or_a_sentence(tmp_path: Path, product: Path, data: Any) -> None:
    path = fresh(tmp_path) / "a.zip"
    if data.draw(st.booleans()):
        path.write_bytes(data.draw(damaged(products.zipped(product, path).read_bytes())))
    else:
        contents = {file.relative_to(product.parent).as_posix(): file.read_bytes() for file in _inside(product)}
        name = data.draw(st.sampled_from([name for name in contents if name.endswith((".xml", "_B04.jp2"))]))
        contents[name] = data.draw(damaged(contents[name]))
        other = data.draw(st.sampled_from([*contents, *(f"{name}{end}" for end in (".aux.xml", ".ovr", ".msk"))]))
        _packed(path, [*contents.items(), (other, data.draw(st.sampled_from([b"", PAM, VRT])))], tarred=False)
    with suppress(SatsrError), sentinel2.raster(path, ("B04", "B03", "B02")) as found:
        assert found.height > 0 and found.width > 0
    assert files(path.parent) == {"a.zip"}


def _inside(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file())


ADDRESS = "/vsicurl/http://example.org/a.tif"
PAM = (
    f'<PAMDataset><Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">{ADDRESS}</MDI></Metadata></PAMDataset>'
).encode()
VRT = (
    '<VRTDataset rasterXSize="9" rasterYSize="9"><VRTRasterBand dataType="UInt16" band="1"><SimpleSource>'
    f"<SourceFilename>{ADDRESS}</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>"
).encode()


@given(damaged(GEOTIFF), st.lists(st.sampled_from([".aux.xml", ".ovr", ".msk", ".OVR"])), st.sampled_from([PAM, VRT]))
@few(15)
def test_what_lies_beside_a_geotiff_asks_no_server(
    tmp_path: Path, content: bytes, suffixes: list[str], beside: bytes
) -> None:
    path = fresh(tmp_path) / "a.tif"
    path.write_bytes(content)
    for suffix in suffixes:
        Path(f"{path}{suffix}").write_bytes(beside)
    with suppress(SatsrError):
        geotiff.thumbnail(path, (2, 3))
