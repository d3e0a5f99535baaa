"""A trained model on scenes of another kind than it was trained on: PSNR, SSIM and consistency beside bicubic's.

::

    python benchmarks/generalise.py srgan-sisr6@champion scenes
    python benchmarks/generalise.py results/breizhsr/train/ema.safetensors scenes --dates 8
    python benchmarks/generalise.py model.onnx scenes --gains 1 --degradation cubic --scaled 'landsat8*' 0.2 -1000
    python benchmarks/generalise.py model.onnx scenes --kernels --scaled 'landsat8*' 0.2 -1000

Every raster, product and NumPy archive of the folder is cut into crops, which a degradation makes smaller; the model
and bicubic (a = -0.5) enlarge them again. Red, green and blue are taken, or the first three bands where these have no
names. Bright and dark ground is rare in a few scenes, so each crop is also taken darker and brighter (``--gains``).
Crops are counted as dark, middle or bright by their mean reflectance (below 0.05, between, above 0.25).

Columns: PSNR with reflectance 1 as peak; what the model gains on bicubic, mean and standard deviation over the crops,
in PSNR and SSIM (kornia's, window 5, the crop's own range); consistency, the root mean square, in reflectance times
10000, of the result made small again minus what it was made from; ``bias``, the mean of that difference for the model;
and ``grid``, how much of the detail repeats in every coarse pixel, in reflectance times 10000.

With ``--kernels`` all crops are made small by one kernel after the other (:mod:`satsr.kinds.image.kernels`), whatever
the model was trained on, and there is a row for each kernel: the gain, that of the worst crop, the share of crops that
are below bicubic, and the gain in SSIM.
"""

import argparse
import fnmatch
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import rasterio

from satsr import load
from satsr.convert.ground.sources import below, is_scene, source
from satsr.degrade import add_noise, expose, to_native
from satsr.errors import SatsrError
from satsr.exported.model import Model
from satsr.imagery import bands
from satsr.kinds.image.kernels import weighted
from satsr.kinds.image.samples import shrunk
from satsr.metrics import psnr_float, ssim_kornia
from satsr.resize import imresize
from satsr.seeds import generator

PEAK = 10000
MARGIN = 4
"""Coarse pixels around a crop."""
DARK, BRIGHT = 500, 2500
BLUR, NOISE, OFFSET_PX = 0.3, 12.0, 0.45
"""Optics, noise and largest shift of a sensor like that of the embedded series."""
OWN = {"srgan": "bilinear", "breizhsr": "sensor"}
"""The degradation that a paper's embedded pairs have."""
HEAD = ["scene", "crops", "bicubic PSNR", "gain dB", "gain SSIM", "consistency bicubic", "model", "bias", "grid"]
KERNELS = (
    "mtf0.1",
    "mtf0.2",
    "mtf0.3",
    "bilinear",
    "mtf0.5",
    "cubic",
    "lanczos",
    "area",
    "mtf0.65",
    "mtf0.75",
    "mtf0.9",
)
"""From the softest to the sharpest; resizing programs have those with names."""
KERNEL_HEAD = ["kernel", "crops", "bicubic PSNR", "gain dB", "worst", "below bicubic", "gain SSIM"]
Shrink = Callable[[np.ndarray, tuple[float, float]], np.ndarray]


class Row(NamedTuple):
    """One crop: bicubic's PSNR, the gains, both consistencies, bias and grid."""

    psnr: float
    gain: float
    similarity: float
    theirs: float
    ours: float
    bias: float
    grid: float


def main() -> None:
    """Prints a row of Markdown for each scene, gain and brightness, and the mean of all crops; or one a kernel."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a version name, or an .onnx or .safetensors file")
    parser.add_argument("folder", type=Path, help="with the scenes, at any depth")
    parser.add_argument("--degradation", choices=("bilinear", "cubic", "sensor"), help="default: the paper's own")
    parser.add_argument("--crop", type=int, default=192, help="largest side of a crop in px")
    parser.add_argument("--gains", type=float, nargs="+", default=[1.0, 0.2, 4.0], help="factors on the reflectance")
    parser.add_argument("--dates", type=int, default=1, help="views of a series, each at an offset of its own")
    parser.add_argument("--scaled", nargs=3, action="append", default=[], help="pattern of paths, gain, offset")
    parser.add_argument(
        "--kernels", nargs="*", help=f"a row for each of these; without names, for {', '.join(KERNELS)}"
    )
    given = parser.parse_args()
    model = load(given.model, device="cpu")
    chosen = given.degradation or OWN[model.facts.paper]
    shrink, noise = degradation(chosen, model.scale), NOISE if chosen == "sensor" else 0.0
    if given.kernels is not None:
        each_kernel(model, given, noise)
        return
    print("| " + " | ".join(HEAD) + " |\n" + "|---" * len(HEAD) + "|")
    every: list[Row] = []
    for name, image in scenes(given.folder, given.scaled):
        for gain in given.gains:
            groups: dict[str, list[Row]] = {}
            for crop in crops(np.clip(image * gain, 0, PEAK), given.crop, 4 * model.scale):
                groups.setdefault(brightness(crop), []).append(measured(model, crop, shrink, noise, given.dates))
            for word, rows in groups.items():
                print(line(f"{name} x{gain:g} {word}", rows), flush=True)
                every += rows
    print(line("all", every))


def each_kernel(model: Model, given: argparse.Namespace, noise: float) -> None:
    """Prints a row of Markdown for each kernel, over all crops."""
    parts = [
        crop
        for _, image in scenes(given.folder, given.scaled)
        for gain in given.gains
        for crop in crops(np.clip(image * gain, 0, PEAK), given.crop, 4 * model.scale)
    ]
    print("| " + " | ".join(KERNEL_HEAD) + " |\n" + "|---" * len(KERNEL_HEAD) + "|")
    for name in given.kernels or KERNELS:
        shrink = mirrored(name, model.scale)
        rows = [measured(model, crop, shrink, noise, given.dates) for crop in parts]
        gains = np.array([row.gain for row in rows])
        mean = Row(*np.mean(rows, axis=0))
        cells = [
            name,
            str(len(rows)),
            f"{mean.psnr:.2f}",
            f"{mean.gain:+.2f} +- {gains.std():.2f}",
            f"{gains.min():+.2f}",
        ]
        print("| " + " | ".join([*cells, f"{(gains < 0).mean():.0%}", f"{mean.similarity:+.4f}"]) + " |", flush=True)


def scenes(folder: Path, scaled: list[list[str]]) -> Iterator[tuple[str, np.ndarray]]:
    """Name and (H, W, 3) float32, reflectance times 10000, of everything in a folder."""
    for file in below(folder):
        if not is_scene(file):
            continue
        name = file.name if file == folder else file.relative_to(folder).as_posix()
        gains = [(float(gain), float(offset)) for pattern, gain, offset in scaled if fnmatch.fnmatch(name, pattern)]
        gain, offset = gains[-1] if gains else (1.0, 0.0)
        for moment, image in enumerate(images(folder, file)):
            yield f"{name}:{moment}" if moment else name, image.astype(np.float32) * gain + offset


def images(folder: Path, file: Path) -> list[np.ndarray]:
    """All dates of a file, (H, W, 3) each; none, and a line that says so, if it cannot be read."""
    try:
        opened = source(folder, file)
        return [opened.numbers(bands.RGB, moment=moment) for moment in range(opened.extent()[0])]
    except SatsrError as error:
        if file.suffix.lower() not in (".tif", ".tiff"):
            print(f"left out: {error}", file=sys.stderr)
            return []
    with rasterio.open(file) as raster:
        return [np.moveaxis(raster.read([1, 2, 3]), 0, -1)] if raster.count >= 3 else []


def crops(image: np.ndarray, largest: int, multiple: int) -> Iterator[np.ndarray]:
    """Equal parts of an image, side by side, without those where data are missing."""
    rows, columns = (min(largest, side) // multiple * multiple for side in image.shape[:2])
    if not rows or not columns:
        return
    for top in range(0, image.shape[0] - rows + 1, rows):
        for left in range(0, image.shape[1] - columns + 1, columns):
            part = image[top : top + rows, left : left + columns]
            if (part > 0).any(axis=2).mean() > 0.99:
                yield part


def brightness(crop: np.ndarray) -> str:
    """In a word."""
    mean = float(crop.mean())
    return "dark" if mean < DARK else "bright" if mean > BRIGHT else "middle"


def degradation(name: str, scale: int) -> Shrink:
    """What makes (H, W, 3) ``scale`` times smaller, seen from an offset in coarse pixels (only of the sensor)."""
    if name == "sensor":

        def sensor(image: np.ndarray, offset: tuple[float, float]) -> np.ndarray:
            shape = (image.shape[0] // scale, image.shape[1] // scale)
            return expose(widened(image, MARGIN * scale), shape, scale, offset, BLUR)

        return sensor
    if name == "cubic":
        return lambda image, offset: imresize(image, 1 / scale)
    return lambda image, offset: shrunk(image, scale)


def mirrored(name: str, scale: int) -> Shrink:
    """A kernel, for images with margins that are their mirror image."""
    inner = slice(MARGIN, -MARGIN)
    return lambda image, offset: weighted(widened(image, MARGIN * scale), scale, name, offset)[inner, inner]


def widened(image: np.ndarray, margin: int) -> np.ndarray:
    """With mirrored margins, so that a shifted view does not look beyond the crop."""
    return np.pad(image, [(margin, margin), (margin, margin), (0, 0)], mode="symmetric")


def measured(model: Model, crop: np.ndarray, shrink: Shrink, noise: float, dates: int) -> Row:
    """The model and bicubic on one crop."""
    rng = generator(0, "generalise", crop.shape[0])
    offsets = [(0.0, 0.0), *(tuple(rng.uniform(-OFFSET_PX, OFFSET_PX, 2)) for _ in range(dates - 1))]
    views = np.stack([to_native(add_noise(shrink(crop, at), noise, rng), np.uint16) for at in offsets])
    series = model.kind == "series"
    ours = model(views, days=[5 * number for number in range(dates)]) if series else model(views[0])
    theirs = to_native(imresize(views[0], model.scale), np.uint16)
    found, bicubic, truth = (image.astype(np.float64) for image in (ours, theirs, crop))
    left = [shrink(image.astype(np.float32), (0.0, 0.0)) - views[0] for image in (bicubic, found)]
    psnrs = [psnr_float(image / PEAK, truth / PEAK, 1.0) for image in (bicubic, found)]
    reach = max(float(np.ptp(truth)), 1.0)
    alike = [ssim_kornia(image / reach, truth / reach, 1.0) for image in (bicubic, found)]
    rms = [float(np.sqrt((part.astype(np.float64) ** 2).mean())) for part in left]
    return Row(
        psnrs[0], psnrs[1] - psnrs[0], alike[1] - alike[0], *rms, float(left[1].mean()), grid(found - bicubic, model)
    )


def grid(detail: np.ndarray, model: Model) -> float:
    """Standard deviation over the pixels inside a coarse pixel of what all coarse pixels have there on average."""
    s = model.scale
    blocks = detail.reshape(detail.shape[0] // s, s, detail.shape[1] // s, s, -1)
    return float(blocks.mean(axis=(0, 2, 4)).std())


def line(name: str, rows: list[Row]) -> str:
    """A row of Markdown."""
    mean, spread = (Row(*values) for values in (np.mean(rows, axis=0), np.std(rows, axis=0)))
    cells = [name, str(len(rows)), f"{mean.psnr:.2f}", f"{mean.gain:+.2f} +- {spread.gain:.2f}"]
    cells += [f"{mean.similarity:+.4f} +- {spread.similarity:.4f}", f"{mean.theirs:.1f}", f"{mean.ours:.1f}"]
    return "| " + " | ".join([*cells, f"{mean.bias:+.1f}", f"{mean.grid:.2f}"]) + " |"


if __name__ == "__main__":
    main()
