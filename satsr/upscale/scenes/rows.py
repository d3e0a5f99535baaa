"""The rows of a result, from the network into files that survive an interruption until they are whole."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import numpy as np

from satsr.errors import SatsrError
from satsr.progress import Bar
from satsr.upscale.appraisal import consistency
from satsr.upscale.appraisal.checks import Say
from satsr.upscale.results.cog import CogWriter
from satsr.upscale.results.partial import Partial
from satsr.upscale.results.profile import TiffProfile
from satsr.upscale.windows import strips
from satsr.upscale.windows.seams import Seams, windows
from satsr.upscale.work import Work


def write_rows(work: Work, partial: Partial, outputs: Mapping[Path, TiffProfile], say: Say) -> None:
    """The results, in files that survive an interruption until they are whole."""
    if partial.state.get("published") and all(output.exists() for output in outputs):
        say("the result is there already; what is missing beside it follows")
        return
    with ExitStack() as stack:
        writers = [stack.enter_context(writer) for writer in begun(work, partial, list(outputs.values()))]
        try:
            enlarge(work, writers, partial, say)
            for writer in writers:
                writer.finish(lambda: keep(partial, writers))
        finally:
            stack.close()  # waits for what is under way
            keep(partial, writers)
        measure(work, writers[0], say)
        partial.require_steady(work.scene.files)
        for output in outputs:
            partial.require_free(output)
        for writer, output in zip(writers, outputs, strict=True):
            writer.publish(output)
        partial.save(published=True)


def begun(work: Work, partial: Partial, profiles: Sequence[TiffProfile]) -> list[CogWriter]:
    """Writers that go on where an earlier run stopped, if it left what it noted."""
    states = partial.state.get("writers", [{}] * len(profiles))

    def made(place: int, profile: TiffProfile) -> CogWriter:
        return CogWriter(partial.folder / f"{place}.tif", profile, work.options.compress, states[place])

    try:
        writers = [made(*given) for given in enumerate(profiles)]
    except SatsrError:
        states = [{}] * len(profiles)
        writers = [made(*given) for given in enumerate(profiles)]
    if min(writer.done for writer in writers):
        work.seams = Seams(**partial.state["seams"])  # the free memory may have changed since then
    partial.save(seams=asdict(work.seams))
    return writers


def keep(partial: Partial, writers: Sequence[CogWriter]) -> None:
    """Notes how far the writers are."""
    partial.save(writers=[writer.state for writer in writers])


def measure(work: Work, writer: CogWriter, say: Say) -> None:
    """Says and notes how far the result, made small again, is from its input."""
    found, where = consistency.of_scene(work.model, work.raster, writer.path)
    writer.tag(consistency.tags(found))
    say(consistency.sentence(found, work.model.constraint(work.options.constraint).method, where))


def enlarge(work: Work, writers: Sequence[CogWriter], partial: Partial, say: Say) -> None:
    """All rows that the writers do not have yet."""
    scene, scale = work.scene, work.model.scale
    done, height = min(writer.done for writer in writers), scene.height * scale
    if done == height:
        return
    if done:
        say(f"going on at row {done} of {height}")
    begin = strips.restart(scene.height, work.seams, done // scale) if done else 0
    task = strips.Enlargement(
        shape=(scene.height, scene.width),
        bands=len(work.layers) + work.options.spread,
        scale=scale,
        seams=work.seams,
        read=scene.read,
        enlarge=work.enlarge,
        dtype=np.float32 if work.options.spread else scene.dtype,
        batch=work.options.batch,
    )
    columns = len(windows(scene.width, work.seams.window, work.seams.overlap))
    starts = windows(scene.height, work.seams.window, work.seams.overlap)
    with Bar("upscale", len(starts) * columns, sum(start < begin for start in starts) * columns) as bar:
        for rows in strips.stitched(task, begin, bar):
            for block, writer in zip(work.finished(rows), writers, strict=True):
                first = max(writer.taken - rows.top, 0)
                if first < block.shape[1]:
                    writer.write(block[:, first:])
            keep(partial, writers)
