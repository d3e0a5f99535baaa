"""A dated series and its fine image, beside what the model makes of the series.

As in the recipe of series (:mod:`satsr.kinds.series.paper`) bicubic is OpenCV's cubic of the date nearest to the fine
image's, and a fine image in 8 bits, which is another sensor's, gets the colours of that date. The dates are chosen as
``satsr upscale`` chooses them, so at least half of the nearest one is clear; what is hidden there is not measured.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from satsr.degrade import opencv_cubic
from satsr.errors import SatsrError
from satsr.exported.facts import Facts
from satsr.exported.model import Model
from satsr.imagery.dates import date_in
from satsr.imagery.raster import Raster, Strip
from satsr.radiometry import histogram_match
from satsr.trial.images import Float32, Images, Opened, opened, without_gaps
from satsr.trial.pairs import Pair
from satsr.trial.partners import require_one_unit, require_partners
from satsr.trial.scores import displayed
from satsr.upscale.appraisal.checks import Say, silent
from satsr.upscale.options import Options
from satsr.upscale.results import clips
from satsr.upscale.scenes.dated import IMAGES, MASK, clouded
from satsr.upscale.scenes.scene import find
from satsr.upscale.scenes.series import Choice, choose, upscale_series

BRIGHT = 0.01
"""Share of the fine image's values beyond the display space from which on a note says so."""


@dataclass(frozen=True)
class Sides:
    """A series and its fine image, not read yet.

    Attributes:
        choice: the dates.
        options: the user's, with the day of the fine image.
        lr: the date nearest to it.
        hr: the fine image.
    """

    choice: Choice
    options: Options
    lr: clips.Clip
    hr: clips.Clip


def look(model: Model, pair: Pair, options: Options) -> Sides:
    """Both sides of a pair, before a network is run.

    Args:
        model: of the kind ``series``.
        pair: a folder as :func:`satsr.upscale.scenes.series.upscale_series` takes it, and a dated image.
        options: what the user chose; its ``date`` goes before the one in the name.

    Raises:
        SatsrError: the dates do not fit each other, the fine image or the model; or no date is known of that.
    """
    day = options.date or date_in(pair.hr.name)
    if day is None:
        raise SatsrError(
            f"{pair.hr} has no date in its name, such as 2018-05-14, so nobody knows which date of {pair.lr} is "
            "nearest to it: rename it, or add --date."
        )
    dated = replace(options, date=str(day), extra=False)
    choice = choose(model, [pair.lr], dated)
    with choice.dates:
        pass  # so that dates off the first one's grid are a sentence by now
    nearest, fine = choice.dates.scenes[choice.dates.anchor], _fine(model, pair.hr, dated)
    sides = Sides(choice, dated, _clip(nearest), _clip(fine))
    require_partners(pair, sides.lr, sides.hr, model.scale)
    return sides


def images(model: Model, pair: Pair, options: Options, folder: Path, say: Say = silent) -> Images:
    """Applies the model to a series, as ``satsr upscale`` does, and reads what is compared.

    Args:
        model: of the kind ``series``.
        pair: as for :func:`look`.
        options: what the user chose.
        folder: that the result is written to.
        say: takes lines for the user.

    Raises:
        SatsrError: as for :func:`look`, or the input does not look like the training data.
    """
    sides = look(model, pair, options)
    lr, hr = (opened(model, clip, sides.options) for clip in (sides.lr, sides.hr))
    eight = hr.dtype == np.uint8 and model.facts.reflectance
    if not eight:
        require_one_unit(pair, lr.dtype, hr.dtype)
    (result, *_) = upscale_series(model, pair.lr, folder / "result.tif", sides.options, say)
    sr = opened(model, clips.open_clip(result, (), model.channels), sides.options)
    truth = replace(hr, values=matched(hr, lr, model.facts)) if eight else hr
    found = without_gaps(pair.name, lr, truth, sr, model.facts, opencv_cubic)
    files = [file for scene in sides.choice.dates.scenes for file in scene.files]
    notes = [*found.notes, *_notes(pair.name, sides.choice, found, model.facts, eight)]
    return replace(found, notes=notes, files=list(dict.fromkeys([*files, *sides.hr.files])))


def matched(hr: Opened, lr: Opened, facts: Facts) -> Float32:
    """An 8-bit image (1, H, W, C) with the histogram of another sensor's, band by band, in that one's numbers.

    Both are compared where they are there, in the network's stretch, as the recipe does
    (:func:`satsr.kinds.series.samples.target_values`); what is beyond the stretch is lost.
    """
    stretch, values = facts.normalisation, hr.values.copy()
    image, reference = hr.values[hr.there][None], stretch.forward(lr.values[lr.there][None])
    found = stretch.clipped(histogram_match(image.astype(np.float64), reference))
    values[hr.there] = stretch.inverse(found)[0]
    return values


def _notes(name: str, choice: Choice, found: Images, facts: Facts, eight: bool) -> list[str]:
    lines = [f"{name}: the fine image is of {choice.wanted}, bicubic enlarges {choice.nearest}."]
    if eight:
        lines.append(f"{name}: the fine image has 8 bits, so it was given the histogram of {choice.nearest}.")
    white = np.array(facts.normalisation.high, np.float32)
    if displayed(facts) and (beyond := float((found.hr > white).mean())) > BRIGHT:
        lines.append(
            f"{name}: {beyond:.0%} of the fine image is brighter than the white of the 8-bit display space, in which "
            "psnr_u8 sees no error there; psnr_reflectance does."
        )
    return lines


def _fine(model: Model, file: Path, options: Options) -> Raster:
    """The fine image, with the cloud mask beside it if there is one.

    Raises:
        SatsrError: its bands do not fit the model, which the sentence of :func:`find` says of "the file".
    """
    try:
        scene = find(model, file, options, clouds=True)
    except SatsrError as error:
        raise SatsrError(f"the fine image {file} does not fit: {error}") from None
    beside = [path for path in sorted(file.parent.iterdir()) if path.suffix.lower() in IMAGES]
    masks = [path for path in beside if MASK.search(path.stem) and MASK.sub("", path.stem) == file.stem]
    return clouded(scene, masks[0]) if masks else scene


def _clip(scene: Raster) -> clips.Clip:
    """A scene as a clip of one frame."""

    def load(index: int) -> Strip:
        with scene as source:
            return source.read(0, source.height)

    return clips.Clip([scene.files[0].stem], scene.files, load, [scene])
