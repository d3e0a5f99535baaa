"""Small Sentinel-2 products as they are downloaded, with real JPEG 2000 inside."""

import zipfile
from functools import cache
from pathlib import Path

import numpy as np
from rasterio.io import MemoryFile
from rasterio.transform import from_origin

SIZE = 60
BANDS = ("B02", "B03", "B04", "B08")


def band(path, seed, metres=10, dtype=np.uint16, values=None, size=SIZE):
    """A JPEG 2000 file without loss; returns its values."""
    path.parent.mkdir(parents=True, exist_ok=True)
    side = size * 10 // metres
    if values is None:
        values = np.random.default_rng(seed).integers(1300, 3900, (side, side)).astype(dtype)
    path.write_bytes(_jpeg_2000(values.tobytes(), side, metres, np.dtype(dtype).str))
    return values


@cache
def _jpeg_2000(values: bytes, side: int, metres: int, dtype: str) -> bytes:
    """The file of square values; the same few products are asked for many times."""
    lossless = {"QUALITY": 100, "REVERSIBLE": "YES"}
    place = {"crs": "EPSG:32632", "transform": from_origin(600000, 5000000, metres, metres)}
    size = {"count": 1, "height": side, "width": side, "dtype": dtype}
    with MemoryFile(ext=".jp2") as file:
        with file.open(driver="JP2OpenJPEG", **size, **place, **lossless) as target:
            target.write(np.frombuffer(values, dtype).reshape(side, side), 1)
        return file.read()


def metadata(level, baseline, offset):
    """What matters of MTD_MSIL1C.xml and MTD_MSIL2A.xml, in their own words."""
    name = {"L1C": "RADIO", "L2A": "BOA"}[level]
    offsets = "".join(f'<{name}_ADD_OFFSET band_id="{number}">{offset}</{name}_ADD_OFFSET>' for number in range(13))
    quantity = {
        "L1C": '<QUANTIFICATION_VALUE unit="none">10000</QUANTIFICATION_VALUE>',
        "L2A": '<QUANTIFICATION_VALUES_LIST><BOA_QUANTIFICATION_VALUE unit="none">10000</BOA_QUANTIFICATION_VALUE>'
        '<AOT_QUANTIFICATION_VALUE unit="none">1000.0</AOT_QUANTIFICATION_VALUE></QUANTIFICATION_VALUES_LIST>',
    }[level]
    return (
        f'<?xml version="1.0"?><n1:User_Product xmlns:n1="https://psd-14.sentinel2.eo.esa.int/"><n1:General_Info>'
        f"<PROCESSING_BASELINE>{baseline}</PROCESSING_BASELINE>{quantity}"
        f"{offsets if offset else ''}</n1:General_Info></n1:User_Product>"
    )


def make(folder: Path, level="L2A", baseline="05.09", offset=-1000, *, size=SIZE, day="20230723"):
    """``folder/S2A_...SAFE`` in the layout of a level, and the values of its 10 m bands."""
    stem = f"T32TNR_{day}T101601"
    number = baseline.replace(".", "")
    root = folder / f"S2A_MSI{level}_{day}T101601_N{number}_R065_T32TNR_{day}T120000.SAFE"
    images = root / "GRANULE" / f"{level}_T32TNR_A042213_{day}T101600" / "IMG_DATA"
    found = {}
    for seed, name in enumerate(BANDS):
        path = images / "R10m" / f"{stem}_{name}_10m.jp2" if level == "L2A" else images / f"{stem}_{name}.jp2"
        found[name] = band(path, [int(day), seed], size=size)
    if level == "L2A":
        for seed, name in enumerate(("AOT", "TCI", "WVP")):
            band(images / "R10m" / f"{stem}_{name}_10m.jp2", 90 + seed, size=size)
        for seed, name in enumerate(("B02", "B03", "B04", "B05", "B8A")):
            band(images / "R20m" / f"{stem}_{name}_20m.jp2", 20 + seed, 20, size=size)
        classes = np.full((size // 2, size // 2), 4, np.uint8)
        classes[:5, :7] = 9
        band(images / "R20m" / f"{stem}_SCL_20m.jp2", 0, 20, np.uint8, classes, size)
    else:
        band(images / f"{stem}_B05.jp2", 20, 20, size=size)
        band(images / f"{stem}_TCI.jp2", 90, size=size)
    (root / f"MTD_MSI{level}.xml").write_text(metadata(level, baseline, offset))
    return root, found


def zipped(root: Path, target: Path, compression: int = zipfile.ZIP_DEFLATED) -> Path:
    """A product as one file."""
    with zipfile.ZipFile(target, "w", compression) as archive:
        for file in root.rglob("*"):
            archive.write(file, file.relative_to(root.parent))
    return target


def stacked(values, names=("B04", "B03", "B02")):
    """(H, W, C) of a product's numbers."""
    return np.stack([values[name] for name in names], axis=-1)
