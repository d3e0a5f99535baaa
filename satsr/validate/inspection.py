"""What is in a store, measured: a table with a row per frame and a table with a row per scene."""

import hashlib
import zlib
from collections.abc import Iterator
from datetime import date
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd

from satsr.errors import SatsrError
from satsr.progress import Bar
from satsr.shift import measure_shift
from satsr.store.store import Scene, Store
from satsr.validate.likeness import resembling

FRAME_KEYS = ["split", "scene", "role", "index"]
SCENE_KEYS = ["split", "scene"]
IMAGE_ROLES = ("hr", "lr")
MASKS = {"qm": "lr", "sm": "hr", "cloud": "lr"}
"""Roles of masks, and the role whose images they belong to."""
MIN_PX = 8
MAPPED = 32
"""Frames after which the map is given back: until then what was read counts as memory of this process."""
CONTRAST = {False: 1.0, True: 1e-3}
"""Standard deviation from which frames are compared, for integers and for floats: below it rounding decides."""
FRAME_COLUMNS = [
    *FRAME_KEYS,
    *("intact", "height", "width", "side", "channels", "dtype", "min", "max", "mean", "std", "digest"),
    *("constant", "not_finite", "saturated_share", "duplicate_of", "repeats_previous", "also_in"),
    *(
        "mask_ratio",
        "ratio",
        "shift_y",
        "shift_x",
        "shift",
        "coherence",
        "similarity",
        "level_difference",
        "best_match",
        "origin",
    ),
]


class Tables(NamedTuple):
    """What :func:`inspect` measured.

    Attributes:
        frames: one row per array of the store. ``intact`` (readable, and its CRC-32 is the recorded one), ``height``,
            ``width``, ``side`` (the smaller) in pixels, ``channels``, ``dtype``; ``min``, ``max``, ``mean``, ``std``
            over the finite values in native units; ``digest`` of shape, type and bytes; ``constant``; ``not_finite``
            (holds NaN or infinity); ``saturated_share`` (values at the type's maximum, 1 for floats). For images (roles
            hr and lr) that are not constant: ``duplicate_of``, the first equal frame; ``repeats_previous``;
            ``also_in``, an equal frame of another split. For lr: ``ratio``, the sides of hr divided by those of lr,
            such as ``4x4``, and against the hr frame averaged down to lr's size ``shift_y``, ``shift_x``, ``shift``
            and ``coherence`` (:class:`satsr.shift.Shift`, lr pixels), ``similarity`` (correlation),
            ``level_difference`` (of the means, the worst channel, native units), and ``best_match`` (0, or -1 or +1
            where the hr frame before or after fits better). For masks: ``mask_ratio``, the sides of the image divided
            by theirs, ``1x1`` where they fit. ``origin``: where the frame came from, as far as it was
            recorded. Missing where it does not apply.
        scenes: one row per scene: ``n_<role>`` arrays of each role, ``sizes`` (the most sizes within one role),
            ``repeated_share`` (frames equal to the one before, of all that have one before), ``also_in_other_split``
            (number of frames), ``resembles`` (a scene of another split that shows the same picture, re-encoded or
            resized), ``max_shift`` in lr pixels. Of the dates of a series: ``n_dates`` (of days where only
            these are known, 1 for a single image, which needs none), ``ascending``, and ``days_fit`` (the signed days
            are dates minus target date).
    """

    frames: pd.DataFrame
    scenes: pd.DataFrame


def inspect(store: Store) -> Tables:
    """Measures every frame of a store, a few at a time: of each a row stays, so memory hardly grows with them."""
    scenes = [scene for split in store.splits for scene in store.scenes(split)]
    rows: list[dict[str, Any]] = []
    with Bar("validate", len(scenes)) as bar:
        for scene in scenes:
            for row in _scene_rows(scene):
                rows.append(row)
                if len(rows) % MAPPED == 0:
                    store.close()
            bar.advance(note=scene.id)
    frames = pd.DataFrame(rows, columns=FRAME_COLUMNS)
    _compare(frames)
    return Tables(frames, _scene_table(scenes, frames))


def _scene_rows(scene: Scene) -> Iterator[dict[str, Any]]:
    """The rows of one scene; the comparison of lr with hr goes into the rows of lr."""
    for role in scene.roles:
        pairs = _Pairs(scene)
        for index in range(scene.count(role)):
            place = {"split": scene.split, "scene": scene.id, "role": role, "index": index}
            row = {**place, "intact": False, "origin": _origin(scene, role, index)}
            try:
                image = scene.read(role, index)
                row |= _frame(image)
                row["intact"] = zlib.crc32(image.tobytes()) == scene.crc32(role, index)
                if role == "lr":
                    row |= pairs.compare(image, index)
                if index < scene.count(MASKS.get(role, "")):
                    row["mask_ratio"] = _ratio(scene.shape(MASKS[role], index), image.shape)
            except SatsrError:
                row["intact"] = False
            yield row


def _frame(image: np.ndarray) -> dict[str, Any]:
    """What one array says about itself."""
    height, width = image.shape[:2]
    flat = image.reshape(height, -1)
    good = flat[np.isfinite(flat)] if flat.dtype.kind == "f" else flat
    low, high = (float(good.min()), float(good.max())) if good.size else (np.nan, np.nan)
    mean, std = _moments(good) if good.size else (np.nan, np.nan)
    full = np.iinfo(image.dtype).max if image.dtype.kind in "ui" else 1
    digest = hashlib.sha256(f"{image.dtype.str} {image.shape} ".encode())
    digest.update(image.tobytes())
    return {
        "height": height,
        "width": width,
        "side": min(height, width),
        "channels": image.shape[2] if image.ndim == 3 else 1,
        "dtype": str(image.dtype),
        "min": low,
        "max": high,
        "mean": mean,
        "std": std,
        "digest": digest.hexdigest(),
        "constant": not high > low,
        "not_finite": good.size < flat.size,
        "saturated_share": float(np.count_nonzero(good >= full) / flat.size),
    }


def _moments(values: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation; through OpenCV for 8 and 16 bits, where it is a hundred times faster."""
    if values.dtype in (np.uint8, np.uint16) and values.ndim == 2:
        mean, std = cv2.meanStdDev(values)
        return float(mean[0, 0]), float(std[0, 0])
    return float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64))


class _Pairs:
    """The lr frames of a scene against its hr frames, of which three at a time are kept, averaged down."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.count = scene.count("hr")
        self.small: dict[tuple[int, tuple[int, int]], npt.NDArray[np.float32]] = {}

    def compare(self, image: np.ndarray, index: int) -> dict[str, Any]:
        """The columns that compare lr with hr; none where they have no common size."""
        twin = 0 if self.count == 1 else index
        if twin >= self.count:
            return {}
        shape = self.scene.shape("hr", twin)
        down, right = (big / small for big, small in zip(shape[:2], image.shape[:2], strict=True))
        columns: dict[str, Any] = {"ratio": _ratio(shape, image.shape)}
        channels = (shape[2:] or (1,))[0], (image.shape[2:] or (1,))[0]
        if down != right or down < 1 or down % 1 or min(image.shape[:2]) < MIN_PX or channels[0] != channels[1]:
            return columns
        size = image.shape[1], image.shape[0]
        frame = image.reshape(*image.shape[:2], -1).astype(np.float32)
        target = self._shrunk(twin, size)
        if not (np.isfinite(frame).all() and np.isfinite(target).all()):
            return columns
        shift = measure_shift(frame.mean(axis=2), target.mean(axis=2))
        columns |= {"shift_y": shift.y, "shift_x": shift.x, "shift": shift.length, "coherence": shift.coherence}
        columns["similarity"] = _correlation(frame, target, CONTRAST[image.dtype.kind == "f"])
        columns["level_difference"] = float(np.abs(frame.mean((0, 1)) - target.mean((0, 1))).max())
        if self.count > 1:
            columns["best_match"] = self._best_match(frame, twin, size)
        return columns

    def _best_match(self, frame: npt.NDArray[np.float32], twin: int, size: tuple[int, int]) -> int:
        """-1, 0 or +1: which hr frame resembles ``frame`` most; a neighbour must be better by a tenth."""
        best, offset = 0.9 * float(np.abs(frame - self._shrunk(twin, size)).mean()), 0
        for step in (-1, 1):
            if 0 <= twin + step < self.count and self.scene.shape("hr", twin + step) == self.scene.shape("hr", twin):
                error = float(np.abs(frame - self._shrunk(twin + step, size)).mean())
                if error < best:
                    best, offset = error, step
        return offset

    def _shrunk(self, index: int, size: tuple[int, int]) -> npt.NDArray[np.float32]:
        """The hr frame as the means of blocks, (h, w, C): the half-pixel grid that the cubic of lr has too."""
        self.small = {key: small for key, small in self.small.items() if abs(key[0] - index) <= 2 and key[1] == size}
        if (index, size) not in self.small:
            image = self.scene.read("hr", index)
            image = image if image.dtype in (np.uint8, np.uint16, np.float32) else image.astype(np.float32)
            small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
            self.small[index, size] = small.reshape(size[1], size[0], -1).astype(np.float32)
        return self.small[index, size]


def _ratio(large: tuple[int, ...], small: tuple[int, ...]) -> str:
    """Height over height and width over width, such as ``4x4``."""
    return f"{large[0] / small[0]:.4g}x{large[1] / small[1]:.4g}"


def _correlation(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32], contrast: float) -> float:
    """Pearson's correlation over all values; NaN where one of the frames has a smaller deviation than ``contrast``."""
    a, b = a - a.mean(), b - b.mean()
    deviations = float(a.std()), float(b.std())
    return float((a * b).mean()) / (deviations[0] * deviations[1]) if min(deviations) >= contrast else float("nan")


def _compare(frames: pd.DataFrame) -> None:
    """Fills the columns that compare frames with each other, by digest."""
    first: dict[str, str] = {}
    holders: dict[str, dict[str, str]] = {}
    places = []
    for split, scene, role, index, digest, constant in frames[[*FRAME_KEYS, "digest", "constant"]].itertuples(False):
        place = f"{split}/{scene}/{role}/{index}"
        usable = role in IMAGE_ROLES and isinstance(digest, str) and not constant
        places.append((place, split, digest if usable else None))
        if usable:
            first.setdefault(digest, place)
            holders.setdefault(digest, {}).setdefault(split, place)
    duplicates: list[str | None] = []
    leaks: list[str | None] = []
    for place, split, digest in places:
        duplicates.append(first[digest] if digest and first[digest] != place else None)
        others = [held for name, held in holders.get(digest, {}).items() if name != split] if digest else []
        leaks.append(others[0] if others else None)
    frames["duplicate_of"] = pd.Series(duplicates, dtype=object)
    frames["also_in"] = pd.Series(leaks, dtype=object)
    before = frames.groupby(["split", "scene", "role"], sort=False)["digest"].shift()
    usable_rows = np.array([digest is not None for _, _, digest in places], dtype=bool)
    frames["repeats_previous"] = usable_rows & (frames["digest"] == before)


def _scene_table(scenes: list[Scene], frames: pd.DataFrame) -> pd.DataFrame:
    """One row per scene, from the rows of its frames."""
    roles = sorted({"hr", "lr", *(role for scene in scenes for role in scene.roles)})
    groups = dict(iter(frames.groupby(SCENE_KEYS, sort=False)))
    copies = resembling(scenes)
    rows = []
    for scene in scenes:
        own = groups.get((scene.split, scene.id), frames.iloc[:0])
        images = own[own["role"] == ("hr" if scene.count("hr") > 1 else "lr")]
        sizes = own.drop_duplicates(["role", "height", "width", "channels"]).groupby("role").size()
        rows.append(
            {
                "split": scene.split,
                "scene": scene.id,
                **{f"n_{role}": scene.count(role) for role in roles},
                "sizes": int(sizes.max()) if len(sizes) else 0,
                "repeated_share": float(images["repeats_previous"].sum()) / max(len(images) - 1, 1),
                "also_in_other_split": int(own["also_in"].notna().sum()),
                "resembles": copies.get((scene.split, scene.id)),
                "max_shift": float(own["shift"].astype(float).max()) if len(own) else float("nan"),
                **_dates(scene),
            }
        )
    names = [*SCENE_KEYS, *(f"n_{role}" for role in roles)]
    measured = ["sizes", "repeated_share", "also_in_other_split", "resembles", "max_shift"]
    return pd.DataFrame(rows, columns=[*names, *measured, "n_dates", "ascending", "days_fit"])


def _dates(scene: Scene) -> dict[str, Any]:
    """What the dates of a series say about themselves; missing where there are none."""
    dates, target = scene.meta.get("dates") or [], scene.meta.get("target_date")
    if not dates:
        known = 1 if scene.count("lr") == 1 else None
        return {"n_dates": len(scene.meta.get("days") or []) or known, "ascending": None, "days_fit": None}
    taken = [date.fromisoformat(day) for day in dates]
    days = [(day - date.fromisoformat(target)).days for day in taken] if target else None
    return {"n_dates": len(dates), "ascending": taken == sorted(taken), "days_fit": scene.meta.get("days") == days}


def _origin(scene: Scene, role: str, index: int) -> str | None:
    """Where an array came from: a file, or a clip and a number, as the metadata say.

    Meta ``origin`` is a path, a list of them by index, or either of these by role; else ``source`` names a clip and
    ``frames`` its first and last frame.
    """
    origin = scene.meta.get("origin")
    if isinstance(origin, dict):
        origin = origin.get(role)
    if isinstance(origin, list):
        origin = origin[index] if index < len(origin) else None
    if origin is None and "source" in scene.meta:
        first, last = scene.meta.get("frames") or (None, None)
        clip = str(scene.meta["source"])
        return clip if first is None or last is None else f"{clip}, frame {first + index}"
    return origin if isinstance(origin, str) else None
