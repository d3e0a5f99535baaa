"""``satsr upscale``: words for the command line; what is done is decided by the model's kind and the input."""

import argparse
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from satsr import quiet
from satsr.arguments import DEVICES
from satsr.errors import PREVIEW, SatsrError
from satsr.upscale.options import COMPRESSIONS, RATES, Options

if TYPE_CHECKING:
    from satsr.exported.model import Model

EIGHT = "eight turns and mirrors of the input (a diffusion model: eight seeds)"
ALL = "all"
EXAMPLES = r"""examples:
  satsr upscale frames/ sharp/
  satsr upscale S2A_MSIL2A_20230723T101601_N0509_R065_T32TNR_*.SAFE sharp.tif \
      --model srgan-sisr7@champion
  satsr upscale frames/ sharp/ --model rasvsr@champion --preview
  satsr upscale clip.mp4 sharp.mp4 --model rasvsr/3
  satsr upscale item.json sharp/ --model srgan-sisr7@champion
  satsr upscale 'scenes/*.tif' sharp/ --model srgan-sisr7@champion
  satsr upscale 'scenes/*.tif' sharp/ \
      --model srgan-sisr7@champion --scheduler tcp://10.0.0.5:8786
  satsr upscale dates/ sharp.tif \
      --model breizhsr-highresnet_ltae@champion --date 2018-07-01
  satsr upscale items.json sharp.tif --model breizhsr-highresnet_ltae@champion
  satsr upscale imgset0597/ sharp.png --model qanet@champion
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``satsr upscale``."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLES
    add = parser.add_argument
    add(
        "input",
        nargs="+",
        help="GeoTIFF, Sentinel-2 .SAFE or zip, STAC items (files or https://), frames, video, dates, or image sets; "
        "several scenes or frames, *.tif",
    )
    add("output", help="GeoTIFF; for frames a folder, a video, a .tif of pages, or a .png; in out/ files are named")
    add_applying(parser, chosen=True)
    add("--extra", choices=("drop", "bicubic"), default="drop", help="what becomes of a scene's other bands")
    add("--nodata", type=float, help='value that stands for "missing", where the file does not say')
    add("--compress", choices=COMPRESSIONS, default="zstd", help="of scenes (default: zstd; deflate for old readers)")
    add("--fps", dest="per_second", type=_within(*RATES), help="frame rate of a video (default: the input's)")
    add("--lossless", action="store_true", help="a video that loses nothing (most browsers do not play it)")
    add("--date", metavar="YYYY-MM-DD", help="wanted day of a series (default: the middle one)")
    maps = f"the result made small again minus the input; the spread over {EIGHT}"
    add("--uncertainty", type=_names, default=(), metavar="consistency,spread", help=f"also write maps: {maps}")
    add("--depth-map", action="store_true", help="also write where the input is unlike the training data")
    add("--preview", action="store_true", help="also write a before/after PNG and an HTML page")
    cluster = "of a Dask cluster whose workers make the scenes; they see the same files (tcp://10.0.0.5:8786)"
    add("--scheduler", metavar="ADDRESS", help=cluster)
    add("--overwrite", action="store_true", help="replace what satsr wrote before; other files are never replaced")


def add_applying(parser: argparse.ArgumentParser, chosen: bool = False) -> None:
    """Adds the model, which may be ``chosen`` for the user, and how it is applied; ``satsr evaluate`` has these too."""
    add = parser.add_argument
    named = "name@alias, name/version, name, zoo:name, or an .onnx or .safetensors file"
    default = " (default: the champion that fits the input, else a model of the zoo)" if chosen else ""
    add("--model", required=not chosen, help=f"{named}{default}")
    add("--backend", choices=("onnx", "torch"), default="onnx")
    add("--device", choices=DEVICES, default="auto")
    text = "for the model, in its order; all: keep the input's other bands too, enlarged by the cubic"
    add("--bands", type=_names, default=(), metavar="B04,B03,B02", help=text)
    add("--gain", type=_gain, help="the model's numbers are gain * number + offset")
    add("--offset", type=float, help="-1000 for Sentinel-2 numbers that still hold the offset of baseline 04.00")
    add("--window", type=_at_least(2), metavar="PX", help="side of a window (default: what the free memory bears)")
    add("--overlap", type=_at_least(0), default=32, metavar="PX", help="of neighbouring windows (default: 32)")
    add("--margin", type=_at_least(0), default=8, metavar="PX", help="thrown away at windows' edges (default: 8)")
    add("--batch", type=_at_least(1), default=1, help="windows of a scene that are computed at once (default: 1)")
    add("--segment", type=_at_least(1), metavar="FRAMES", help="of a video (default: what the free memory bears)")
    add("--burn-in", type=_at_least(0), metavar="FRAMES", help="more on both sides of a segment (default: 8)")
    add("--seed", type=_at_least(0), help="of the noise that a diffusion model starts from (default: 0)")
    held = "how the result is held to its input (default: as the model says; reflectances: frequency, 8 bits: none)"
    add("--constraint", choices=("none", "frequency", "backprojection"), help=held)
    add("--ensemble", action="store_true", help=f"the mean over {EIGHT}")
    add("--force", action="store_true", help="go on although the input looks wrong")


def run(arguments: argparse.Namespace) -> int | None:
    """Super-resolves what the arguments name.

    Raises:
        SatsrError: whatever a user can get wrong, in a sentence.
    """
    try:
        _run(arguments)
        return None
    except KeyboardInterrupt:
        say("interrupted: the same command goes on with what is finished")
        raise


def _run(arguments: argparse.Namespace) -> None:
    quiet.lighten()
    from satsr.upscale.results import names

    unknown = set(arguments.uncertainty) - {"consistency", "spread"}
    if unknown:
        raise SatsrError(f"--uncertainty knows consistency and spread, not {', '.join(sorted(unknown))}.")
    absent = [name for name in PREVIEW if arguments.preview and find_spec(name) is None]
    if absent:
        raise SatsrError(f'--preview needs {" and ".join(absent)}: pip install "satsr[preview]", or leave it out.')
    sources = names.inputs(arguments.input)
    model = _model(arguments, sources)
    say(f"{model.name}: {model.facts.paper}, {model.kind}, x{model.scale}, on {model.runner.device}")
    made = _upscaled(model, sources, arguments)
    say(f"written: {', '.join(map(str, made))}" if made else "nothing was left to do")


def _model(arguments: argparse.Namespace, sources: list[Path]) -> "Model":
    """The model that was named, or one that fits what was named."""
    from satsr.exported.model import load
    from satsr.upscale.choice import choose
    from satsr.upscale.results import frames, names

    loading = {"backend": arguments.backend, "device": arguments.device}
    if arguments.model:
        return load(arguments.model, **loading)
    folder = names.means_folder(arguments.output) or frames.is_folder(Path(arguments.output))
    return choose(sources, folder, options_of(arguments), loading, say)


def _upscaled(model: "Model", sources: list[Path], arguments: argparse.Namespace) -> list[Path]:
    """What was written, by the kind of the model and of what was named."""
    from satsr.upscale.many import batch
    from satsr.upscale.results import clips, names, own
    from satsr.upscale.scenes import scene

    output, folder = Path(arguments.output), names.means_folder(arguments.output)
    options, several, scheduler = options_of(arguments), len(sources) > 1, arguments.scheduler
    found = batch.scenes(sources) if model.kind == "image" else []
    if found and (several or found != sources or scheduler is not None) and (folder or not output.suffix):
        own.require_apart([source for source in sources if source.is_dir()], output)
        return batch.upscale(model, found, output, options, say, scheduler)
    if scheduler is not None:
        raise SatsrError("--scheduler is for scenes that go into a folder: name scenes, and a folder such as sharp/.")
    if _is_clip(model, sources, output, folder):
        return _clip(model, sources, output, folder, arguments)
    _require_maps(arguments, model.kind, "image sets" if model.kind == "imageset" else "")
    if model.kind == "series":
        return _series(model, sources, output, folder, options)
    if several:
        raise SatsrError(
            f"{len(sources)} inputs were named, but {model.name} makes one result of a {model.kind}: name one, or for "
            "several scenes a folder with a slash at its end."
        )
    (source,) = sources
    if model.kind == "imageset":
        from satsr.upscale.sets.imagesets import upscale_imagesets

        return upscale_imagesets(model, source, output, options, say, folder or None)
    target = names.inside(output, source, model.scale, ".tif") if folder and clips.is_one_file(source) else output
    return scene.upscale(model, source, target, options, say)


def _series(model: "Model", sources: list[Path], output: Path, folder: bool, options: Options) -> list[Path]:
    """Dates: a folder of them, a file of STAC items, or both kinds of files one by one."""
    from satsr.upscale.results import names
    from satsr.upscale.scenes.series import upscale_series

    if folder and len(sources) > 1:
        raise SatsrError(
            f"{len(sources)} dates become one result, which cannot be called after all of them: name a GeoTIFF, such "
            f"as {output / 'series.tif'}."
        )
    target = names.inside(output, sources[0], model.scale, ".tif") if folder else output
    return upscale_series(model, sources, target, options, say)


def _is_clip(model: "Model", sources: list[Path], output: Path, folder: bool) -> bool:
    """Whether frames go in.

    Raises:
        SatsrError: the model takes frames, and a scene was named.
    """
    from satsr.imagery import sentinel2
    from satsr.imagery.images import PICTURES
    from satsr.stac import item
    from satsr.upscale.results import clips

    products = [source for source in sources if sentinel2.is_product(source) or item.is_item(source)]
    if model.kind in ("video", "window"):
        if products:
            raise SatsrError(
                f"{products[0]} is one scene, but {model.name} takes a {model.kind} of frames: use a model of the kind "
                "image or series."
            )
        return True
    if model.kind != "image" or products:
        return False
    pictures = all(source.suffix.lower() in PICTURES for source in sources)
    one = output.suffix.lower() == ".png" and not folder
    return one or (pictures and (folder or len(sources) > 1)) or clips.is_sequence(sources[0])


def _clip(model: "Model", sources: list[Path], output: Path, folder: bool, arguments: argparse.Namespace) -> list[Path]:
    """Frames: a folder, a video, or files of one clip."""
    from satsr.imagery.images import PICTURES
    from satsr.upscale.clips import video
    from satsr.upscale.results import clips, names

    _require_maps(arguments, "clip", "frames")
    if len(sources) > 1 and not all(source.suffix.lower() in clips.IMAGES for source in sources):
        raise SatsrError("several inputs of a clip must be its frames, images each: name one folder, or one video.")
    given, sources = sources, names.in_order(sources)
    if given != sources:
        say(f"note: the frames are taken in the natural order of their names, from {sources[0]} to {sources[-1]}")
    if folder and len(sources) == 1 and clips.is_one_file(sources[0]) and not clips.is_sequence(sources[0]):
        suffix = ".png" if sources[0].suffix.lower() in PICTURES else ".tif"
        output, folder = names.inside(output, sources[0], model.scale, suffix), False
    return list(video.upscale(model, sources, output, options_of(arguments), say, folder or None).files)


def _require_maps(arguments: argparse.Namespace, kind: str, words: str) -> None:
    """Refuses maps that are not made of this kind of input.

    Raises:
        SatsrError: so.
    """
    refused = {"imageset": {"consistency", "spread"}, "clip": {"spread"}}.get(kind, set()) & set(arguments.uncertainty)
    if refused:
        raise SatsrError(
            f"--uncertainty {','.join(sorted(refused))} is not made of {words}: scenes and series have both maps, "
            "frames have consistency."
        )
    if kind != "image" and (arguments.extra == "bicubic" or ALL in arguments.bands):
        raise SatsrError("the other bands are kept of scenes alone: leave out --bands all, or use a model of images.")
    if arguments.depth_map and kind == "imageset":
        raise SatsrError("--depth-map is not made of image sets: scenes, series and clips have it.")


def options_of(arguments: argparse.Namespace) -> Options:
    """The arguments, and defaults where the user said nothing."""
    given = {name: value for name, value in vars(arguments).items() if value is not None}
    names = given.get("bands", ())
    given |= {"extra": given.get("extra") == "bicubic" or ALL in names}
    given |= {"bands": tuple(name for name in names if name != ALL)}
    given |= {name: name in given.get("uncertainty", ()) for name in ("consistency", "spread")}
    return Options(**{field.name: given[field.name] for field in fields(Options) if field.name in given})


def _at_least(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"a whole number of at least {least} is expected, not {text}")
        return int(text)

    return number


def _within(least: float, most: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        with suppress(ValueError):
            if least <= (found := float(text)) <= most:
                return found
        wanted = "above 0" if most == sys.float_info.max else f"from {least:g} to {most:g}"
        raise argparse.ArgumentTypeError(f"a number {wanted} is expected, not {text}")

    return number


_gain = _within(sys.float_info.min, sys.float_info.max)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def say(line: str) -> None:
    """Prints a line for the user on standard error."""
    print(line, file=sys.stderr, flush=True)
