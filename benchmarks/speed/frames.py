"""A training item of the video kind against decoding a PNG and against a NumPy memmap; PNG frames into the store."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmarks.speed.ratio import Row, Work, measure, photograph
from satsr.config.data import Convert
from satsr.convert.convert import convert
from satsr.degrade import downscale_frame
from satsr.download.card import Card, Source
from satsr.download.download import download
from satsr.files import sha256
from satsr.imagery.images import read_rgb
from satsr.kinds.sampling import Crop
from satsr.kinds.video.samples import ClipCrops
from satsr.radiometry import normalisation
from satsr.seeds import generator
from satsr.store.store import Store

FRAMES, CROP, SCALE, CLIP = 15, 64, 4, 48


def rows() -> Iterator[Row]:
    """A clip of 48 frames is written as PNG, converted, and trained on."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="satsr-benchmark-") as name:
        folder = Path(name)
        clip(folder / "data", CLIP)
        fetch(folder)
        yield from conversions(folder)
        yield from items(folder)


def conversions(folder: Path) -> Iterator[Row]:
    """A frame of the conversion, what of it is decoding, shrinking and hashing, and two threads against one."""

    def work(workers: int) -> Work:
        return lambda: converted(folder, folder / "store", workers)

    name, into = "640x640 PNG frames into the store, a frame", "threads, wall time"
    yield measure(f"{name}, one process", work(0), "png", per=CLIP, peer=3.65, target=1.2)
    file, frame, store = folder / "data/00000.png", photograph(), folder / "store/data.mdb"
    yield measure("of it: reading and checking the file", lambda: read_rgb(file), "png")
    yield measure("of it: the cubic, x4", lambda: downscale_frame(frame, SCALE), "png")
    yield measure("of it: SHA-256 of the store", lambda: sha256(store), "png", per=CLIP)
    yield measure(f"{name}, two {into}", work(2), "one thread", work(0), clock=time.monotonic)


def items(folder: Path) -> Iterator[Row]:
    """Training items, as they are handed to the loader and as the network takes them."""
    samples = ClipCrops(Store(folder / "store"), FRAMES, CROP, SCALE, 0, normalisation("unit_u8"))
    numbers, name = count(), "training item: 15 frames, LR 64 and GT 256 crops of 160/640 frames"

    def item() -> object:
        return samples.native(next(numbers) % 64)

    note = "bytes; the network's values are made of a whole batch on the device"
    yield measure(name, item, "png", peer=17.6, target=0.1, note=note, repeats=21)
    yield measure(f"{name}, and its values on the CPU", lambda: samples[next(numbers) % 64], "png", repeats=21)
    yield measure(f"{name}, against the same flips", item, "memmap", mapped(folder, True), target=2, repeats=21)
    yield measure(f"{name}, against no flips", item, "memmap", mapped(folder, False), repeats=21)


def mapped(folder: Path, turned: bool) -> Work:
    """Crops of the same sizes out of NumPy's memmaps of the raw frames, contiguous, with or without flips."""
    frames = [photograph(seed=index) for index in range(CLIP)]
    roles = [np.stack(frames), np.stack([downscale_frame(frame, SCALE) for frame in frames])]
    maps = []
    for number, array in enumerate(roles):
        array.tofile(folder / f"raw-{number}")
        maps.append((np.memmap(folder / f"raw-{number}", np.uint8, "r", shape=array.shape), (SCALE, 1)[number]))
    numbers = count()

    def item() -> object:
        random = generator(0, "memmap", next(numbers) % 64)
        crop = Crop.draw(random, (160, 160), (CROP, CROP), turns=True)
        start = int(random.integers(CLIP - FRAMES + 1))
        return [cut(array[start : start + FRAMES], crop, factor, turned) for array, factor in maps]

    return item


def cut(frames: np.ndarray, crop: Crop, factor: int, turned: bool) -> np.ndarray:
    """The crop as NumPy's views, copied once."""
    top, left = crop.top * factor, crop.left * factor
    part = frames[:, top : top + crop.height * factor, left : left + crop.width * factor]
    if turned:
        part = part[:, :, ::-1] if crop.hflip else part
        part = part[:, ::-1] if crop.vflip else part
        part = part.swapaxes(1, 2) if crop.transpose else part
    return np.array(part, order="C")


def clip(folder: Path, frames: int, side: int = 640) -> None:
    """A folder of PNG frames that all differ, of which :func:`fetch` makes a finished download."""
    folder.mkdir(parents=True)
    for index in range(frames):
        cv2.imwrite(str(folder / f"{index:05d}.png"), photograph(side, side, index))


def fetch(folder: Path) -> None:
    """``folder/raw``: the files of ``folder/data`` listed, as the download stage does."""
    card = Card(name="benchmark", source=Source.model_validate({"files": {"path": "data"}}))
    download(card, folder / "raw", base=folder)


def converted(folder: Path, store: Path, workers: int = 0) -> None:
    """``store`` made anew."""
    shutil.rmtree(store, ignore_errors=True)
    convert(folder / "raw", store, Convert(workers=workers), base=folder)
