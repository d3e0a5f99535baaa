"""Which scenes of different splits show one picture although their bytes differ: re-encoded, resized, retouched."""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from satsr.errors import SatsrError
from satsr.store.store import Scene

SIDE = 16
ROWS = 1024
ALIKE, SAME = 0.99, 0.95
"""Correlations: of the small pictures, for a closer look, and of the pictures themselves, for a verdict."""
Place = tuple[str, str]
Picture = npt.NDArray[np.float32]


def resembling(scenes: Sequence[Scene]) -> dict[Place, str]:
    """Scenes that look like one of another split, with its name, such as ``train/003``.

    Of each scene the middle image of role ``hr`` is compared in gray. Parts of one clip at other times are left out: of
    a sensor that stares at one place they look alike by right, and the division says so.
    """
    known = [(scene, small) for scene in scenes if (small := _small(scene)) is not None]
    found: dict[Place, str] = {}
    for a, b in _candidates(known):
        if (a.split, a.id) not in found and not _of_one_clip(a, b) and _same(a, b):
            found[a.split, a.id] = f"{b.split}/{b.id}"
            found.setdefault((b.split, b.id), f"{a.split}/{a.id}")
    return found


def _candidates(known: Sequence[tuple[Scene, Picture]]) -> Iterator[tuple[Scene, Scene]]:
    """Pairs of different splits whose small pictures are alike."""
    if not known:
        return
    table = np.stack([small.ravel() for _, small in known])
    splits = np.array([scene.split for scene, _ in known])
    for first in range(0, len(known), ROWS):
        alike = table[first : first + ROWS] @ table.T > ALIKE
        alike &= splits[first : first + ROWS, None] < splits[None]
        for row, column in np.argwhere(alike).tolist():
            yield known[first + row][0], known[column][0]


def _small(scene: Scene) -> Picture | None:
    """The middle image at 16 x 16, of mean 0 and length 1; None where there is nothing to compare."""
    try:
        picture = _gray(scene)
    except SatsrError:
        return None
    if picture is None or min(picture.shape) < SIDE or not np.isfinite(picture).all():
        return None
    return _unit(cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA))


def _gray(scene: Scene) -> Picture | None:
    count = scene.count("hr")
    if not count:
        return None
    image = scene.read("hr", count // 2)
    scene.close()  # with many scenes the pages that were read would add up
    return np.asarray(image.reshape(*image.shape[:2], -1).astype(np.float32).mean(axis=2))


def _unit(picture: np.ndarray) -> Picture | None:
    away = picture - picture.mean()
    if away.std() <= 1e-3 * abs(picture.mean()):
        return None
    return np.asarray(away / np.linalg.norm(away), dtype=np.float32)


def _same(a: Scene, b: Scene) -> bool:
    """Whether the pictures correlate, the larger one shrunk to the smaller."""
    one, other = _gray(a), _gray(b)
    assert one is not None and other is not None  # both were looked at before
    height, width = (min(sides) for sides in zip(one.shape, other.shape, strict=True))
    units = [_unit(cv2.resize(p, (width, height), interpolation=cv2.INTER_AREA)) for p in (one, other)]
    return units[0] is not None and units[1] is not None and float((units[0] * units[1]).sum()) > SAME


def _of_one_clip(a: Scene, b: Scene) -> bool:
    """Whether they are parts of one clip, at different times."""
    first, second = (scene.meta.get("frames") for scene in (a, b))
    if a.meta.get("source") != b.meta.get("source") or not first or not second:
        return False
    return bool(first[1] < second[0] or second[1] < first[0])
