"""From a scene on disk to a super-resolved, geo-referenced one, whatever its size."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from satsr.errors import SatsrError
from satsr.exported import memory
from satsr.exported.model import Model
from satsr.files import disk_errors, require_space
from satsr.imagery import geotiff, sentinel2
from satsr.imagery.raster import Raster, finer
from satsr.stac import item
from satsr.upscale import beside, preview
from satsr.upscale.amounts import amount
from satsr.upscale.appraisal import checks, consistency, depth, depth_map
from satsr.upscale.appraisal.checks import Say, silent
from satsr.upscale.options import Options
from satsr.upscale.provenance import chosen, provenance
from satsr.upscale.results import own, style
from satsr.upscale.results.partial import Partial, unfinished
from satsr.upscale.results.profile import TiffProfile
from satsr.upscale.scenes import mixed
from satsr.upscale.scenes.rows import write_rows
from satsr.upscale.work import Work


def upscale(
    model: Model, source: Path, output: Path, options: Options | None = None, say: Say = silent, again: bool = False
) -> list[Path]:
    """Super-resolves a GeoTIFF, or a Sentinel-2 product, into a Cloud-Optimised GeoTIFF.

    The result has the CRS, type, nodata value and band names of the input, ``scale`` times its pixels over the same
    ground, and tags that name model, version and hashes. Its numbers mean what the input's mean: a product's offset
    stays in them, and a scale and offset that the file declares are kept.

    Args:
        model: of the kind ``image``.
        source: what to make sharper.
        output: the GeoTIFF to write; other maps are written beside it. What satsr did not write is never replaced.
        options: what the user chose.
        say: takes lines for the user.
        again: a result that is there, of this model and input, is no obstacle: what is missing beside it is made.

    Returns:
        The files that were written, the result first.

    Raises:
        SatsrError: the input does not fit the model or does not look like its training data, or the disk is too small.
    """
    options = options or Options()
    require_tiff(output)
    own.require_apart([source], output)
    with find(model, source, options) as scene:
        if other := mixed.left_out(source, scene):
            say(f"note: left out: {', '.join(other)} (--bands all keeps them)")
        checks.require_content(scene.height * scene.width, scene.hollow, options.force)
        work = Work(model, scene, options)
        check(work, say)
        return run(work, output, say, again)


def require_tiff(output: Path) -> None:
    """Refuses a name that is no GeoTIFF's.

    Raises:
        SatsrError: so.
    """
    if output.suffix.lower() not in (".tif", ".tiff"):
        raise SatsrError(
            f"a scene becomes a GeoTIFF, which {output} is not the name of: name a .tif, or a folder with a slash at "
            f"its end, in which the file is named for you ({output}/)."
        )


def find(model: Model, source: Path, options: Options, *, clouds: bool = False) -> Raster:
    """The bands of a scene that a model takes, not opened yet.

    Raises:
        SatsrError: nothing is there, or its bands do not fit the model.
    """
    if not source.exists():
        raise SatsrError(f"{source} does not exist: name a GeoTIFF, a .SAFE folder or zip, or a STAC item.")
    if item.is_item(source):
        return mixed.of_item(model, source, options)
    if sentinel2.is_product(source):
        return mixed.of_product(model, source, options, clouds)
    if source.is_dir():
        raise SatsrError(f"{source} is a folder but no Sentinel-2 product: name the image, or the .SAFE folder itself.")
    scene = geotiff.raster(source, model.bands, model.channels, given=options.bands, extra=options.extra)
    return scene if options.nodata is None else replace(scene, nodata=options.nodata)


def check(work: Work, say: Say) -> None:
    """Looks at samples of the scene.

    Raises:
        SatsrError: it does not look like what the model was trained on, and the user does not insist.
    """
    scene = work.scene
    samples = [strip for _, strip in scene.samples()]
    images = [image for strip in samples for image in work.images(strip)]
    flat = np.concatenate([image.reshape(len(image), -1) for image in images], axis=1)
    gain = float(work.gains[0, 0, 0])
    found = checks.problems(work.model.facts, flat, native=scene.dtype, gain=gain, tags=scene.tags)
    found += [] if found else depth.compare(work.model, images, say)
    checks.settle(found, work.options.force, say)
    zeros = None
    if scene.nodata is None and not scene.masked:
        zeros = float(np.mean([(strip.values == 0).all(axis=0).mean() for strip in samples]))
    for note in checks.notes(work.model.facts, flat, zeros):
        say(f"note: {note}")


def run(work: Work, output: Path, say: Say, again: bool = False) -> list[Path]:
    """Enlarges, or goes on where an earlier run of the same stopped, and writes the maps that were asked for."""
    scene, model, options = work.raster, work.model, work.options
    profile = described(work)
    spread = replace(
        profile, bands=1, dtype=np.dtype(np.float32), nodata=float("nan"), names=["spread"], colours=(), gains=()
    )
    maps = beside.maps(model, output, options)
    outputs = {output: profile} | ({maps["spread"]: spread} if options.spread else {})
    there = again and all(beside.same(path, profile.tags) for path in outputs)
    larger = 0 if there else sum(item.bytes for item in outputs.values())
    smaller = 4 * scene.height * scene.width * len(scene.layers) if "consistency" in maps else 0  # float32
    need = 4 * (larger + smaller) // 3  # with overviews, if nothing can be compressed
    what = "what is missing beside the result" if there else "the result"
    require_space(output.parent, need, f"{what} ({profile.width} x {profile.height} px)")
    say(
        f"{scene.width} x {scene.height} px, {len(scene.layers)} bands of {scene.dtype} -> {profile.width} x "
        f"{profile.height} px; windows of {work.seams.window} px; about {amount(work.bytes(work.seams))} of memory "
        f"(free: {amount(memory.available(model.runner.device))}) and at most {amount(need)} of disk"
    )
    with (
        disk_errors(f"writing {output}"),
        unfinished(
            output,
            {**profile.tags, "options": options.decisive},
            options.overwrite,
            again=again,
            beside=beside.files(model, output, options),
        ) as partial,
    ):
        if there:
            partial.save(published=True)
        write_rows(work, partial, outputs, say)
        made = [*outputs, *_maps(work, output, maps, partial, profile.tags)]
        if options.preview:
            made += preview.of_scene(scene, output, model.scale, dict(profile.tags), partial.placing)
        partial.require_free(style.beside(output))
        made.append(style.write(output, preview.colours([layer.name for layer in work.layers]), profile.tags))
    return made


def _maps(
    work: Work, output: Path, maps: Mapping[str, Path], partial: Partial, tags: Mapping[str, str]
) -> Iterator[Path]:
    """Writes the maps that are made of the finished result."""
    made = {name: text for name, text in tags.items() if name.startswith(own.MARK)}
    if "consistency" in maps:
        place = partial.folder / "consistency.tif"
        differences = consistency.write_map(work.model, work.raster, output, place, work.options.compress, made)
        partial.require_free(maps["consistency"])
        differences.publish(maps["consistency"])
        yield maps["consistency"]
    known = depth.known(work.model.facts, work.model.bands)
    if known and "depth" in maps:
        yield depth_map.of_scene(known, work, maps["depth"], made, partial.placing)


def described(work: Work) -> TiffProfile:
    """What the result says about itself."""
    scene, model, layers = work.raster, work.model, work.layers
    names = [
        f"{layer.name or f'band {layer.index}'} (bicubic)" if place >= model.channels else layer.name
        for place, layer in enumerate(layers)
    ]
    declared = any((layer.gain, layer.offset) != (1.0, 0.0) for layer in layers)
    kept = {name: text for name, text in scene.tags.items() if not name.startswith(("AREA_OR_POINT", own.MARK))}
    return TiffProfile(
        height=scene.height * model.scale,
        width=scene.width * model.scale,
        bands=len(layers),
        dtype=scene.dtype,
        crs=scene.crs,
        transform=finer(scene.transform, model.scale),
        nodata=work.nodata,
        names=names,
        colours=[layer.colour for layer in layers],
        gains=[layer.gain / 10000 for layer in layers] if declared else (),
        offsets=[layer.offset / 10000 for layer in layers] if declared else (),
        tags=kept | provenance(model, work.scene.files, work.options.constraint) | chosen(work.options),
    )
