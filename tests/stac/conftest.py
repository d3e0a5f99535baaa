"""Items with real GeoTIFF and JPEG 2000 assets on a local server that misbehaves on request."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from satsr.stac.files import CACHE
from tests.download.conftest import patience, pauses, server  # noqa: F401
from tests.products import band

SIDE = 60
COMMON = {"B02": "blue", "B03": "green", "B04": "red", "B08": "nir", "B05": "rededge", "B11": "swir16"}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own."""
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def geotiff(path: Path, seed: int, metres: int = 10, epsg: int = 32632, **more: object) -> np.ndarray:
    """Writes an asset and returns its values."""
    side = SIDE * 10 // metres
    values = np.random.default_rng(seed).integers(1300, 3900, (side, side), dtype=np.uint16)
    corner = from_origin(600000, 5000000, metres, metres)
    profile = {"crs": f"EPSG:{epsg}", "transform": corner, "dtype": "uint16", "count": 1, **more}
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(path, "w", driver="GTiff", height=side, width=side, **profile) as target:
        target.write(values, 1)
    return values


def asset(folder: Path, name: str, metres: int = 10, suffix: str = ".tif", **more: object) -> tuple[dict, np.ndarray]:
    """An asset with its file, as catalogues describe it, and its values."""
    path = folder / f"{name}{suffix}"
    seed = int(name[1:3]) if name[1:3].isdigit() else 99
    values = band(path, seed, metres, size=SIDE) if suffix == ".jp2" else geotiff(path, seed, metres)
    said = {
        "href": f"./{path.name}",
        "type": "image/jp2" if suffix == ".jp2" else "image/tiff; application=geotiff",
        "roles": ["data"],
        "eo:bands": [{"name": name, "common_name": COMMON[name]}],
        "gsd": metres,
        "file:size": path.stat().st_size,
        "file:checksum": f"1220{hashlib.sha256(path.read_bytes()).hexdigest()}",
        "raster:bands": [{"nodata": 0, "scale": 0.0001, "offset": -0.1}],
    }
    return {**said, **more}, values


def item(folder: Path, assets: dict, name: str = "S2A_32TNR_20230723_0_L2A", **more: object) -> Path:
    """An item beside its assets."""
    found = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "collection": "sentinel-2-l2a",
        "geometry": None,
        "links": [],
        "properties": {"datetime": "2023-07-23T10:16:01Z", "platform": "sentinel-2a", **more},
        "assets": assets,
    }
    path = folder / f"{name}.json"
    path.write_text(json.dumps(found))
    return path


@pytest.fixture
def scene(tmp_path: Path) -> tuple[Path, dict[str, np.ndarray]]:
    """An item with bands of 10 m as GeoTIFF and JPEG 2000, bands of 20 m, a true-colour picture; and the values."""
    folder, made, values = tmp_path / "catalogue", {}, {}
    folder.mkdir()
    for name, key, metres, suffix in (
        ("B04", "red", 10, ".tif"),
        ("B03", "green", 10, ".jp2"),
        ("B02", "blue", 10, ".tif"),
        ("B08", "nir", 10, ".tif"),
        ("B05", "rededge1", 20, ".tif"),
        ("B11", "swir16", 20, ".jp2"),
    ):
        made[key], values[name] = asset(folder, name, metres, suffix)
    made["red-coarse"] = {**made["red"], "href": "./none.tif", "gsd": 60}
    made["visual"] = {"href": "./none.tif", "roles": ["visual"], "eo:bands": made["red"]["eo:bands"], "gsd": 10}
    made["scl"] = {"href": "./none.tif", "roles": ["data"], "gsd": 20}
    return item(folder, made), values


def serve(server, path: Path, under: str = "/stac") -> str:  # noqa: F811
    """Puts an item and what lies beside it on the server; the item's address."""
    for file in path.parent.iterdir():
        server.files[f"{under}/{file.name}"] = file.read_bytes()
    return f"{server.url}{under}/{path.name}"
