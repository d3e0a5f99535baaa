"""An image set and its fine image, beside what the model makes of the views: Proba-V's own protocol.

As in the recipe of image sets (:mod:`satsr.kinds.imageset.paper`) the baseline is the challenge's bicubic mean of the
clearest views, and what the status map calls unclear does not count.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from satsr.convert.layouts.probav import BANDS
from satsr.degrade import probav_baseline
from satsr.errors import SatsrError
from satsr.exported.model import Model
from satsr.imagery.images import read_image, read_size
from satsr.imagery.imageset import VIEW
from satsr.kinds.imageset.views import clearest, mean_of_clearest
from satsr.metrics.pixels import SHIFT_BORDER
from satsr.trial.images import Images
from satsr.trial.pairs import Pair
from satsr.trial.partners import require_memory, require_one_unit
from satsr.trial.places import REFERENCE, STATUS
from satsr.upscale.appraisal.checks import Say, silent
from satsr.upscale.options import Options
from satsr.upscale.sets.imagesets import read_views, upscale_imagesets

SCALE = 3
BYTES, VIEW_BYTES = 380, 8
"""Of memory for each fine pixel, and more for each view: measured 465 with 12 views and 559 with 24 of 512 x 512 px."""
Array = npt.NDArray[Any]


def look(model: Model, pair: Pair, options: Options) -> tuple[Array, Array, Array, Array]:
    """Views, quality maps, fine image and status map, before a network is run.

    Args:
        model: of the kind ``imageset``.
        pair: a folder with views and quality maps, and the one with ``HR.png`` and ``SM.png``.
        options: what the user chose.

    Raises:
        SatsrError: views lack their map, sizes do not fit, values have other units, or memory is short.
    """
    if model.scale != SCALE:
        raise SatsrError(
            f"the baseline of image sets is the challenge's, x{SCALE}, and {model.name} is x{model.scale}."
        )
    files = [pair.hr / REFERENCE, pair.hr / STATUS]
    numbers = [file for file in sorted(pair.lr.iterdir()) if VIEW.fullmatch(file.name)]
    height, width = (SCALE * side for side in read_size(numbers[0]))
    for file in files:
        if (found := read_size(file)) != (height, width):
            raise SatsrError(
                f"{file} has {found[1]} x {found[0]} px, but the model makes {width} x {height} px of the views in "
                f"{pair.lr} (x{SCALE}): it belongs to another set, or was cut."
            )
    require_memory(pair, height * width * (BYTES + VIEW_BYTES * len(numbers)))
    views, quality = read_views(pair.lr)
    hr, status = map(read_image, files)
    if hr.ndim != 2 or status.ndim != 2:
        raise SatsrError(f"{files[0]} and {files[1]} must be gray, found {hr.shape} and {status.shape}.")
    inner = status[2 * SHIFT_BORDER : -2 * SHIFT_BORDER, 2 * SHIFT_BORDER : -2 * SHIFT_BORDER]
    if np.count_nonzero(inner) < 2:
        raise SatsrError(
            f"{files[1]} calls next to nothing clear (not 0), so nothing can be compared: leave the set out."
        )
    require_one_unit(pair, views.dtype, hr.dtype)
    return views, quality, hr, status


def images(model: Model, pair: Pair, options: Options, folder: Path, say: Say = silent) -> Images:
    """Applies the model to an image set, as ``satsr upscale`` does, and reads what is compared.

    Args:
        model: of the kind ``imageset``.
        pair: as for :func:`look`.
        options: what the user chose.
        folder: that the result is written to.
        say: takes lines for the user.

    Raises:
        SatsrError: as for :func:`look`, or the input does not look like the training data.
    """
    views, quality, hr, status = look(model, pair, options)
    upscale_imagesets(model, pair.lr, folder / "result.png", options, say)
    mean, clear = mean_of_clearest(views, quality)
    bicubic = np.rint(model.facts.normalisation.inverse(probav_baseline(views, quality)))
    shown = views[clearest(quality, 1)[0]]
    return Images(
        pair.name,
        lr=_layer(mean),
        hr=_layer(hr),
        sr=_layer(read_image(folder / "result.png")),
        bicubic=_layer(bicubic),
        clear=np.asarray(status[None] != 0),
        clear_lr=clear[None],
        shown=_layer(shown),
        band=next((band for band in BANDS if band == pair.lr.resolve().parent.name), None),
        files=[*sorted(pair.lr.glob("[LQ][RM]*.png")), pair.hr / REFERENCE, pair.hr / STATUS],
    )


def _layer(image: Array) -> npt.NDArray[np.float32]:
    """(H, W) as (1, H, W, 1)."""
    return np.asarray(image[None, ..., None], np.float32)
