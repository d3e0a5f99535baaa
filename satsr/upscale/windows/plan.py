"""How a clip is cut into segments and windows, so that it fits the memory that is free."""

from dataclasses import dataclass
from itertools import pairwise
from math import ceil

from satsr.exported import memory
from satsr.exported.memory import Budget
from satsr.exported.model import Model
from satsr.upscale.options import Options
from satsr.upscale.windows.seams import Seams

LONGEST = 50  # frames of a segment: longer ones gain little, show no progress and are lost when interrupted
WINDOWS = (512, 384, 256, 192, 128, 96, 64)


@dataclass(frozen=True)
class Plan:
    """How a clip is cut.

    Attributes:
        starts: first kept frame of each segment, and the end.
        reach: frames that a segment is longer on both sides.
        seams: windows of a frame.
        bytes: memory that this takes.
    """

    starts: tuple[int, ...]
    reach: int
    seams: Seams
    bytes: int

    @property
    def segments(self) -> list[tuple[int, int]]:
        """First and last (exclusive) kept frame of each."""
        return list(pairwise(self.starts))


@dataclass(frozen=True)
class Footage:
    """A clip in numbers: frames, height and width in LR px, and bytes of a native value."""

    count: int
    height: int
    width: int
    itemsize: int


def planned(model: Model, footage: Footage, options: Options, budget: Budget) -> Plan:
    """The longest segments, and then the largest windows, that need at most half of the free memory.

    Whole frames come first; where not even a segment as long as its burn-in fits with them, frames are cut into
    windows.

    Args:
        model: of the kind ``video``, ``window`` or ``image``.
        footage: what is cut.
        options: what the user chose.
        budget: free memory, and what the network takes.
    """
    reach = {"video": options.burn_in, "window": (model.views or 5) // 2}.get(model.kind, 0)
    largest = max(footage.height, footage.width)
    sides = [options.window] if options.window else [largest, *(side for side in WINDOWS if side < largest)]

    def need(segment: int, side: int) -> int:
        return _bytes(model, footage, budget.per_pixel, (segment, reach), side)

    def fits(segment: int, side: int) -> bool:
        return need(segment, side) <= budget.free / 2

    if options.segment or model.kind != "video":
        segment = options.segment or LONGEST
    elif footage.count <= LONGEST + 2 * reach and fits(footage.count, sides[0]):
        segment = footage.count
    else:
        lengths = range(min(LONGEST, footage.count), max(reach, 1), -1)
        segment = next((length for length in lengths if fits(length, sides[0])), max(reach, 1))
    number = ceil(footage.count / segment)
    starts = tuple(round(index * footage.count / number) for index in range(number + 1))
    segment = max(end - start for start, end in pairwise(starts))
    side = next((side for side in sides if fits(segment, side)), sides[-1])
    return Plan(starts, reach, seams(model, side, options), need(segment, side))


def _bytes(model: Model, footage: Footage, per_pixel: float, frames: tuple[int, int], side: int) -> int:
    """An estimate of the memory for segments of ``frames[0]`` kept frames and ``frames[1]`` more on either side."""
    segment, reach = frames
    video = model.kind == "video"
    length = min(segment + 2 * reach, footage.count) if video else 2 * reach + 1
    kept = segment + 1 if video else 1
    high, wide = min(side, footage.height), min(side, footage.width)
    row, item = high * footage.width, footage.itemsize
    low = length * model.channels * (footage.height * footage.width * item + 8 * row)
    fine = kept * model.channels * model.scale**2
    out = fine * (footage.height * footage.width * item + row * (4 + item) + 8 * high * wide)
    return int(memory.FIXED + length * high * wide * per_pixel + low + out)


def seams(model: Model, side: int, options: Options) -> Seams:
    """Windows of a side that overlap as the user wishes, and further by the reach of the constraint."""
    reach = model.constraint(options.constraint).reach
    return fitted(side, options.overlap + 2 * reach, options.margin + reach)


def fitted(window: int, overlap: int, margin: int) -> Seams:
    """Windows whose overlap is at most half of them, and whose margin leaves something of the overlap to fade in."""
    overlap = min(overlap, window // 2)
    return Seams(window, overlap, max(min(margin, (overlap - 2) // 2), 0)) if overlap >= 2 else Seams(window, 0, 0)
