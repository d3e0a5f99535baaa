"""Which model an input gets where the user names none: the champion that fits it, else the zoo's model that does."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from satsr import zoo
from satsr.errors import SatsrError, absences
from satsr.exported.facts import KINDS
from satsr.exported.model import Model, load
from satsr.files import files_below
from satsr.imagery import sentinel2
from satsr.imagery.gdal import opened
from satsr.imagery.imageset import VIEW
from satsr.stac import item, series
from satsr.tracking.versions import VersionName, registered
from satsr.upscale.appraisal.checks import Say, silent
from satsr.upscale.clips import video
from satsr.upscale.many import batch
from satsr.upscale.options import Options
from satsr.upscale.results import clips
from satsr.upscale.scenes import dated, scene
from satsr.upscale.work import Work

CLIPS = ("video", "window", "image")
"""Kinds of models that enlarge 8-bit frames, the best first."""
GAIN = re.compile(r"([+-]\d+\.\d+) dB")


@dataclass
class _Asked:
    """What is asked for, and what was found out on the way.

    Attributes:
        kinds: of models, the best first.
        sources: what was named.
        options: what the user chose.
        loading: arguments of :func:`satsr.exported.model.load`.
        models: loaded already, None where that failed, by name.
        reasons: why models did not fit, with their names.
    """

    kinds: Sequence[str]
    sources: Sequence[Path]
    options: Options
    loading: Mapping[str, Any]
    models: dict[str, Model | None] = field(default_factory=dict)
    reasons: dict[str, list[str]] = field(default_factory=dict)

    def fitting(self, name: str, kind: str) -> Model | None:
        """The model of that name, if it is of the kind and fits; else the reason is kept."""
        try:
            if name not in self.models:
                self.models[name] = None
                self.models[name] = load(name, **self.loading)
            model = self.models[name]
            if model is None or model.kind != kind:
                return None
            require(model, self.sources, self.options, clip=self.kinds == CLIPS)
        except SatsrError as error:
            self.reasons.setdefault(str(error), []).append(name)
            return None
        return model

    def passed(self) -> str:
        """A line for each reason why a model was passed over."""
        return "".join(f"note: {', '.join(names)} was passed over: {why}\n" for why, names in self.reasons.items())


def choose(sources: Sequence[Path], folder: bool, options: Options, loading: Mapping[str, Any], say: Say) -> Model:
    """The model for an input, and a line that says which it is and why.

    Args:
        sources: what was named.
        folder: whether the results go into a folder.
        options: what the user chose.
        loading: arguments of :func:`satsr.exported.model.load`.
        say: takes the line.

    Raises:
        SatsrError: there is nothing, or no model fits; the sentence says why, and what to do.
    """
    _require_content(sources[0])
    asked = _Asked(kinds_of(sources, folder), sources, options, loading)
    champions = _champions(say)
    for kind in asked.kinds:
        for name in champions:
            if (model := asked.fitting(name, kind)) is not None:
                say(f"{asked.passed()}{model.name} is the champion that fits {KINDS[kind].words}")
                return model
    for kind in asked.kinds:
        for entry in (entry for entry in zoo.entries() if entry.kind == kind):
            if (model := asked.fitting(f"{zoo.PREFIX}{entry.name}", kind)) is not None:
                none = "no champion here fits" if champions else "no champion here"
                gain = f"{entry.test.gain.mean:+.2f} dB on its test scenes"
                say(f"{asked.passed()}{none}; used the zoo's {entry.name}, {gain}; see `satsr zoo`")
                return model
    raise SatsrError(_nothing(asked))


def _require_content(source: Path) -> None:
    """Refuses a folder in which nothing is that any model takes.

    Raises:
        SatsrError: so.
    """
    kinds = (*clips.IMAGES, *clips.VIDEOS, *dated.IMAGES, *item.SUFFIXES)
    product = source.is_dir() and sentinel2.is_product(source)
    if source.is_dir() and not product and not any(file.suffix.lower() in kinds for file in files_below(source)):
        raise SatsrError(f"{source} holds no images, videos, scenes or image sets: name the folder in which they lie.")


def kinds_of(sources: Sequence[Path], folder: bool) -> tuple[str, ...]:
    """Kinds of models that an input may be for, the best first.

    Folders of views with quality maps are image sets; pictures, videos, TIFFs of pages and of 8 bits are clips; a
    folder of several dates, or several STAC items, are a series where one result is wanted, and so is a folder that has
    dates in ``lr``, and a file of several items; all other rasters, products and items are scenes.

    Raises:
        SatsrError: a STAC item is no JSON, or it is none or has no date where that decides.
    """
    first = sources[0]
    if any(VIEW.fullmatch(file.name) for file in _below(first)):
        return ("imageset",)
    paired = (first / "lr").is_dir()
    scenes = batch.scenes([first / "lr"] if paired else sources)
    if not scenes:
        return CLIPS
    if scenes[0].suffix.lower() in batch.RASTERS and (_paged(scenes[0]) or _in_bytes(scenes[0])):
        return CLIPS
    if paired or (len(scenes) == 1 and item.is_item(scenes[0]) and series.several(scenes[0])):
        return ("series",)
    one = not folder and (len(sources) == 1 or all(map(item.is_item, sources)))
    several = one and len(scenes) > 1 and len(set().union(*map(dated.days, scenes))) > 1
    return ("series",) if several else ("image",)


def _below(path: Path) -> list[Path]:
    return files_below(path) if path.is_dir() and not sentinel2.is_product(path) else []


def _paged(path: Path) -> bool:
    return path.suffix.lower() in clips.TIFFS and clips.is_sequence(path)


def _in_bytes(path: Path) -> bool:
    with opened(path) as raster:
        return set(raster.dtypes) == {"uint8"}


def _champions(say: Say) -> list[str]:
    """Version names of the champions of this checkout's registry, those of the largest gain first."""
    registry = _registry(say)
    if registry is None:
        return []
    found = []
    for model in registry.search_registered_models(max_results=1000):
        version = registered(registry, VersionName(model.name, alias="champion"))
        if version is not None:
            found.append((-_gain(version.tags), f"{model.name}@champion"))
    return [name for _, name in sorted(found)]


def _registry(say: Say) -> Any:
    """What reads the registry; None outside a checkout, where there is none, and where it does not answer."""
    from satsr.project import root
    from satsr.tracking import DATABASE, local, uri
    from satsr.tracking.reading import reader

    with suppress(SatsrError):
        place = root()
        if uri(place) == local(place) and not (place / DATABASE).is_file():
            return None
        try:
            with absences():
                return reader(place)
        except SatsrError as error:
            say(f"note: the registry was not asked: {error}")
    return None


def _gain(tags: Mapping[str, str]) -> float:
    """In dB, of a version's tags: ``+1.87 dB [1.63, 2.11], 95 %, 20 scenes``; 0 where they do not say."""
    said = [GAIN.match(text) for name, text in tags.items() if name.startswith("gain.")]
    return max((float(found[1]) for found in said if found), default=0.0)


def require(model: Model, sources: Sequence[Path], options: Options, clip: bool) -> None:
    """Looks whether a model fits an input: samples of a clip, the first of several scenes.

    Raises:
        SatsrError: its bands, or its numbers, are not those of the model, or it does not look like its training data.
    """
    if KINDS[model.kind].merged:
        return
    if clip:
        if model.facts.reflectance:
            raise SatsrError("these are pictures, but the model takes reflectances.")
        source = sources[0] if len(sources) == 1 else sources
        video.check(model, clips.open_clip(source, model.bands, model.channels, options.bands), options, silent)
        return
    first = batch.scenes(sources)[0]
    with scene.find(model, first, options) as opened_scene:
        if model.facts.normalisation.native[1] == 255 and opened_scene.dtype != np.uint8:
            raise SatsrError(f"{first} does not hold 8-bit values, which the model takes.")
        scene.check(Work(model, opened_scene, options), silent)


def _nothing(asked: _Asked) -> str:
    why = "".join(f"\n- {reason} ({', '.join(names)})" for reason, names in asked.reasons.items())
    return (
        f"{asked.sources[0]} was taken as {KINDS[asked.kinds[0]].words}, and neither a champion nor a model of the zoo "
        "takes it. Mend what is said of the input below, name a model with --model (`satsr zoo` lists those that are "
        f"installed), or train one on such data (`satsr run`).{why}"
    )
