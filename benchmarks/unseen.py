"""A model on imagery that no training saw: drawn scenes of another seed, and real imagery where it is at hand.

Real imagery is looked for in the folder that ``SATSR_SAMPLES`` names: frames of a video in ``video/<clip>``, which go
through ``satsr evaluate``'s own measurement (:mod:`satsr.trial.measure`; the interval is over the frames, in blocks);
scenes in ``s2``, cut and shrunk as :mod:`benchmarks.generalise` does it (the interval is over the files); and image
sets made of a scene in ``s2`` under real cloud masks (the layout ``probav_surrogate``; the interval is over the sets).
"""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks import generalise
from satsr import zoo
from satsr.convert.convert import convert
from satsr.degrade import to_native
from satsr.download.card import Card, Files, Source, load_card
from satsr.download.download import download
from satsr.errors import SatsrError
from satsr.evaluate.intervals import interval_of_mean
from satsr.evaluate.measure import Evaluation, measure
from satsr.export.cases import seen
from satsr.exported.model import Model
from satsr.imagery.images import PICTURES, read_rgb, write_png
from satsr.paper import Paper
from satsr.project import root
from satsr.resize import imresize
from satsr.scores import BASELINE, EXPORTED, Interval
from satsr.store.store import Scene, Store
from satsr.trial import measure as trial
from satsr.trial import scores
from satsr.trial.pairs import Pair
from satsr.upscale.appraisal import depth
from satsr.upscale.options import Options
from steps.job import Job

SEED = 1000
"""Added to the seed of a data set: other scenes of the same kinds."""
SCALED = [["landsat8*", "0.2", "-1000"]]
"""Landsat's numbers as reflectance times 10000."""
CROP = 192
DATES = 8
SETS: dict[str, bool | int | float | str] = {"masks": "eolearn_timeseries_x0-50.npz", "scenes": "dsen2*.npz"}


class Exported(nn.Module):
    """The exported graph in a network's place, so that the file itself is measured."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model, self.nowhere = model, nn.Parameter(torch.zeros(0))

    def forward(self, **inputs: torch.Tensor) -> torch.Tensor:
        """What the graph gives for these inputs."""
        wanted = {name: value.numpy() for name, value in inputs.items() if name in self.model.runner.inputs}
        return torch.from_numpy(self.model.runner.run(wanted))


class Every(Store):
    """A store all of whose scenes were seen by no training."""

    def scenes(self, split: str) -> list[Scene]:
        """All of them."""
        return self._scenes


def measurements(work: Job, model: Model) -> Iterator[zoo.Measured]:
    """The model on imagery that no training saw."""
    card = load_card(work.config.data, root())
    assert card.source.embedded is not None
    seed = card.source.embedded.seed + SEED
    fresh = card.source.embedded.model_copy(update={"train": 2, "val": 1, "seed": seed})
    drawn = card.model_copy(update={"source": card.source.model_copy(update={"embedded": fresh})})
    yield _by_protocol(work, model, drawn, zoo.DRAWN, f"{card.name} drawn with the seed {seed}", Store)
    samples = os.environ.get("SATSR_SAMPLES")
    if samples:
        yield REAL[model.kind](work, model, Path(samples).resolve())


def _by_protocol(
    work: Job, model: Model, card: Card, imagery: str, data: str, store: Callable[[Path], Store]
) -> zoo.Measured:
    """A data set made, and the graph measured on it as the evaluation stage does."""
    less = work.config.evaluate.model_copy(update={"metrics": [], "niqe": False})
    paper = type(work.paper)(work.config.model_copy(update={"evaluate": less}))
    with tempfile.TemporaryDirectory(prefix="satsr-zoo-") as folder:
        raw, place = Path(folder, "raw"), Path(folder, "store")
        download(card, raw)
        convert(raw, place, work.config.convert)
        opened = store(place)
        evaluation = measure(paper, opened, {EXPORTED: Exported(model)})
        share = np.mean([refused(model, _seen(paper, scene)) for scene in opened.scenes("test")])
    return zoo.Measured(imagery, data, gains_of(evaluation, paper.decides), float(share))


def _on_video(work: Job, model: Model, samples: Path) -> zoo.Measured:
    """The frames of a real video, shrunk by the antialiased cubic."""
    (clip,) = sorted(path for path in (samples / "video").iterdir() if path.is_dir())
    files = sorted(path for path in clip.iterdir() if path.suffix in PICTURES)
    with tempfile.TemporaryDirectory(prefix="satsr-zoo-") as folder:
        coarse = Path(folder, clip.name)
        for file in files:
            write_png(coarse / file.name, to_native(imresize(read_rgb(file), 1 / model.scale), np.uint8))
        pair, stopped = Pair(clip.name, coarse, clip), False
        try:
            found = trial.measure(model, [pair])
        except SatsrError as error:
            print(f"{model.name}: {error}", flush=True)
            found, stopped = trial.measure(model, [pair], Options(force=True)), True
    gains = gains_of(found.evaluation, scores.decides(model.facts))
    return zoo.Measured(zoo.REAL, f"{clip.name}; made coarse by cubic", gains, float(stopped))


def _on_scenes(work: Job, model: Model, samples: Path) -> zoo.Measured:
    """Files of real scenes, each the mean of its crops, shrunk as the paper's own pairs are."""
    kind = generalise.OWN[model.facts.paper]
    shrink, noise = generalise.degradation(kind, model.scale), generalise.NOISE if kind == "sensor" else 0.0
    dates = DATES if model.kind == "series" else 1
    rows: dict[str, list[tuple[float, ...]]] = {}
    for name, image in generalise.scenes(samples / "s2", SCALED):
        for crop in generalise.crops(np.clip(image, 0, generalise.PEAK), CROP, 4 * model.scale):
            row = generalise.measured(model, crop, shrink, noise, dates)
            given = np.moveaxis(shrink(crop, (0.0, 0.0)), -1, 0)
            found = (row.psnr, row.gain, row.similarity, refused(model, [given]))
            rows.setdefault(name.partition(":")[0], []).append(found)
    psnr, gain, alike, share = np.array([np.mean(found, axis=0) for found in rows.values()]).T
    gains = [
        gain_of("psnr_max1", float(psnr.mean()), interval_of_mean(list(gain)), "files"),
        gain_of("ssim_kornia5_range", None, interval_of_mean(list(alike)), "files"),
    ]
    data = f"{', '.join(sorted({name.split('/')[0].split('.')[0] for name in rows}))}; made coarse by {kind}"
    return zoo.Measured(zoo.REAL, data, gains, float(share.mean()))


def _on_image_sets(work: Job, model: Model, samples: Path) -> zoo.Measured:
    """Image sets made of a real scene and of real cloud masks."""
    source = Source(files=Files(path=str(samples / "s2")))
    card = Card(name="image-sets", source=source, layout="probav_surrogate", scale=model.scale, options=SETS)
    data = f"image sets made of {SETS['scenes']} under the clouds of {SETS['masks']}"
    return _by_protocol(work, model, card, zoo.REAL, data, Every)


REAL: dict[str, Callable[[Job, Model, Path], zoo.Measured]] = {
    "video": _on_video,
    "window": _on_video,
    "image": _on_scenes,
    "series": _on_scenes,
    "imageset": _on_image_sets,
}
"""How real imagery is measured, by the model's kind."""


def refused(model: Model, images: Sequence[np.ndarray]) -> bool:
    """Whether ``satsr upscale`` would refuse images, (C, h, w) native values each, as unlike the training data."""
    known = depth.known(model.facts, model.bands)
    return known is not None and bool(depth.examine(known, images).refused)


def _seen(paper: Paper[Any], scene: Scene) -> list[np.ndarray]:
    """The images that a network sees of a scene, NaN where they are not clear."""
    images, clear = seen(paper, paper.inputs(scene))
    return list(np.where(clear, images, np.nan))


def gains_of(evaluation: Evaluation, names: Sequence[str]) -> list[zoo.Gain]:
    """The exported network's gains in these metrics."""
    baseline, found = evaluation.methods()[BASELINE], evaluation.gains()
    return [gain_of(name, baseline[name], found[name]) for name in names]


def gain_of(name: str, baseline: float | None, found: Interval, unit: str | None = None) -> zoo.Gain:
    """A gain for the table.

    Raises:
        SatsrError: it has no interval.
    """
    if found.mean is None or found.low is None or found.high is None:
        raise SatsrError(f"the gain in {name} has no interval: measure it on more scenes.")
    return zoo.Gain(name, baseline, found.mean, found.low, found.high, found.count, unit or found.unit)
