"""Clips of any length: in segments with frames to warm up on both sides, so that memory does not grow with length.

A recurrent network carries features along a clip. A segment begins some frames early and ends some frames late (the
burn-in), and these are thrown away: what is kept has seen enough of its past and future. How much a seam still differs
is measured on the way, on frames that two segments have computed.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from satsr.exported import memory
from satsr.exported.model import Model
from satsr.files import disk_errors, require_space
from satsr.progress import track
from satsr.upscale import preview
from satsr.upscale.amounts import amount
from satsr.upscale.appraisal import checks, consistency, depth, depth_map
from satsr.upscale.appraisal.checks import Say, silent
from satsr.upscale.clips.segments import ClipWork
from satsr.upscale.options import Options
from satsr.upscale.provenance import provenance
from satsr.upscale.results import clips, frames, names, own
from satsr.upscale.results.partial import Partial, unfinished
from satsr.upscale.windows.plan import Footage, Plan, planned
from satsr.upscale.windows.seams import Seams
from satsr.upscale.work import present


@dataclass(frozen=True)
class Outcome:
    """What was made.

    Attributes:
        output: the result.
        files: it, and what was written beside it.
        seam_mean, seam_max: differences in native values where two segments meet; None where nothing was compared.
    """

    output: Path
    seam_mean: float | None
    seam_max: float | None
    files: tuple[Path, ...] = ()


def upscale(
    model: Model,
    source: Path | Sequence[Path],
    output: Path,
    options: Options | None = None,
    say: Say = silent,
    folder: bool | None = None,
) -> Outcome:
    """Super-resolves a sequence of frames.

    Args:
        model: of the kind ``video``, ``window``, or ``image`` (frame by frame).
        source: a folder of images, an image, a video file, or a TIFF of several pages; or several images.
        output: a folder, a video, a TIFF of several pages, or a PNG for one image. What satsr did not write is never
            replaced.
        options: what the user chose.
        say: takes lines for the user.
        folder: whether ``output`` is a folder; by default if it is one already or has no suffix.

    Raises:
        SatsrError: the input does not fit the model or does not look like its training data, the output cannot hold
            the frames, or the disk is too small.
    """
    options = options or Options()
    clip = clips.open_clip(source, model.bands, model.channels, options.bands)
    own.require_apart([*([source] if isinstance(source, Path) else source), *clip.files], output)
    first = clip.load(0)
    height, width = first.values.shape[1:]
    size = model.channels, model.scale * height, model.scale * width
    rate = clip.per_second or frames.FRAMES_PER_SECOND
    video = frames.Video(rate if options.per_second is None else options.per_second, options.lossless, say)
    whole = frames.is_folder(output) if folder is None else folder
    frames.require_kind(output, clip, size, first.values.dtype, video, whole)
    check(model, clip, options, say)
    footage = Footage(len(clip), height, width, first.values.itemsize)
    plan = planned(model, footage, options, memory.budget(model))
    need = 2 * first.values.nbytes * model.scale**2 * len(clip)
    require_space(
        output.parent, need, f"the result ({len(clip)} frames of {width * model.scale} x {height * model.scale} px)"
    )
    pieces = len(plan.starts) - 1
    cut = f"{pieces} segments of {plan.starts[1]} frames and {plan.reach} more on either side"
    frames_at_once = {"video": cut if pieces > 1 else "the whole clip at once"}.get(model.kind, "frame by frame")
    windowed = f"windows of {plan.seams.window} px" if plan.seams.window < max(height, width) else "whole frames"
    free = memory.available(model.runner.device)
    count = f"{len(clip)} frame{'s' if len(clip) > 1 else ''}"
    say(
        f"{count} of {width} x {height} px: {frames_at_once}, {windowed}; about {amount(plan.bytes)} "
        f"of memory (free: {amount(free)}) and at most {amount(need)} of disk"
    )
    tags = provenance(model, clip.files, options.constraint)
    key = tags | {"options": options.decisive}
    known = depth.known(model.facts, model.bands)
    beside = dict(_beside(output, options, known is not None, whole))
    folders = [beside["consistency"]] if options.consistency else []
    with (
        disk_errors(f"writing {output}"),
        unfinished(output, key, options.overwrite, folder=whole, beside=[*beside.values()], folders=folders) as partial,
    ):
        if "plan" in partial.state:
            kept = partial.state["plan"]
            plan = Plan(tuple(kept["starts"]), kept["reach"], Seams(**kept["seams"]), kept["bytes"])
        partial.save(plan=asdict(plan))
        if whole and output.suffix:
            output.mkdir(exist_ok=True)  # so that it is known as a folder, whatever its name
        worst = ClipWork(model, clip, plan, options, partial).finish(say)
        made = partial.folder / "frames"
        found, where = consistency.of_frames(model, clip, made)
        say(consistency.sentence(found, model.constraint(options.constraint).method, where))
        partial.require_steady(clip.files)
        tags |= consistency.tags(found)
        if options.consistency:
            write_maps(model, clip, made, beside["consistency"], tags, partial)
        if known and "depth" in beside:
            table = depth_map.of_clip(known, clip, options.numbers, beside["depth"], partial.placing)
            say(f"how far each frame is from the training data: {table}")
        if options.preview:
            preview.of_clip(clip, made, output, model.scale, tags, partial.placing)
        frames.collect(partial, clip.names, output, tags, video)
    return Outcome(output, *worst, files=(output, *beside.values()))


def _beside(output: Path, options: Options, known: bool, folder: bool) -> Iterator[tuple[str, Path]]:
    """What is written beside a result, by what it shows."""
    base = names.base(output, folder)
    if options.consistency:
        yield "consistency", output.with_name(f"{base}_consistency")
    if options.depth_map and known:
        yield "depth", output.with_name(f"{base}_depth.csv")
    if options.preview:
        yield from zip(("picture", "page"), preview.names(output, folder), strict=True)


def write_maps(
    model: Model, clip: clips.Clip, made: Path, target: Path, tags: Mapping[str, str], partial: Partial
) -> None:
    """Writes the frames in ``made``, made small again, minus the clip's, as a folder of float32 TIFFs."""
    with partial.placing(target, folder=True) as temporary:
        temporary.mkdir()
        for index in track(range(len(clip)), "consistency", len(clip)):
            small = consistency.small_again(model, consistency.frame(made, clip, index))
            found = consistency.difference(small, clip.load(index))
            with clip.scenes[index] if clip.scenes else nullcontext() as scene:
                frames.write_frame(temporary / clip.names[index], found, scene, 1, float("nan"))
        own.write_manifest(temporary, tags)


def check(model: Model, clip: clips.Clip, options: Options, say: Say) -> None:
    """Looks at three frames, or one of a video file, which is read from its beginning.

    Raises:
        SatsrError: they do not look like what the model was trained on, and the user does not insist.
    """
    places = {0} if clip.per_second else {0, len(clip) // 2, len(clip) - 1}
    gain, offset = options.numbers
    strips = [clip.load(place) for place in sorted(places)]
    images = [present(strip) * np.float32(gain) + np.float32(offset) for strip in strips]
    sample = np.concatenate([image.reshape(len(image), -1)[:, ::7] for image in images], axis=1)
    found = checks.problems(model.facts, sample, native=strips[0].values.dtype, gain=gain, tags=clip.tags)
    found += [] if found else depth.compare(model, images, say)
    checks.settle(found, options.force, say)
