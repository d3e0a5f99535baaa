"""Configuration: what a paper's YAML says, what ``params.yaml`` changes of it, checked before any data are touched.

``pipelines/<paper>.yaml`` holds one block per profile, each with the sections of :class:`Config`. ``params.yaml`` names
the profile and changes single values of it (null: as the profile says); it is also the file that ``dvc exp run -S``,
``zenml pipeline run -c`` and ``satsr set`` edit, so that both doors always see the same configuration.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from satsr.errors import SatsrError
from satsr.files import replacing

SECTIONS = ("convert", "checks", "network", "train", "evaluate", "export", "gates")


class Section(BaseModel):
    """One section of a configuration: unknown keys and wrong types are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, protected_namespaces=())


class Convert(Section):
    """How raw imagery becomes the frame store."""

    scale: int = Field(4, ge=2, le=8)
    split: str = Field("auto", pattern="^(auto|clips|frames)$")
    val_share: float = Field(0.2, gt=0, lt=1)
    border: str = Field("mirror", pattern="^(mirror|replicate)$")
    clip_frames: int = Field(100, ge=2)
    multiple: int | None = Field(None, ge=1)
    min_lr_px: int = Field(16, ge=1)
    workers: int = Field(2, ge=0)


class Checks(Section):
    """What the validation stage tolerates."""

    max_shift_px: float = Field(0.25, gt=0)
    max_duplicate_share: float = Field(0.2, ge=0, le=1)


class Train(Section):
    """What every paper's training has; a paper adds its own keys."""

    iterations: int = Field(ge=1)
    batch: int = Field(1, ge=1)
    seed: int = Field(0, ge=0)
    precision: str = Field("32-true", pattern="^(32-true|bf16-mixed)$")
    workers: int = Field(0, ge=0)
    clip_norm: float | None = Field(None, gt=0)
    ema: float = Field(0.999, ge=0, lt=1)
    validate_every: int = Field(ge=1)
    checkpoint_every: int = Field(ge=1)
    max_bad_steps: int = Field(10, ge=1)
    threads: int | None = Field(None, ge=1)


class Evaluate(Section):
    """What the evaluation measures and shows."""

    niqe: bool = True
    panels: int = Field(3, ge=1, le=12)
    tolerance_db: float = Field(0.1, gt=0)


class Export(Section):
    """How exact the exported graph must be."""

    max_abs: float = Field(1e-4, gt=0)


class Gates(Section):
    """The gates that a model version passes before it may become champion.

    Gains are over the baseline and, where a limit is given, over the champion, if that was measured on the same data.
    """

    min_gain_psnr_db: float = 0.0
    min_gain_ssim: float = 0.0
    min_champion_gain_psnr_db: float | None = None
    min_champion_gain_ssim: float | None = None
    max_abs_parity: float = Field(1e-4, gt=0)
    max_megabytes: float | None = Field(None, gt=0)
    max_milliseconds: float | None = Field(None, gt=0)


class Config(Section):
    """A paper's whole configuration: one attribute a section."""

    paper: str
    profile: str
    data: str
    convert: Convert = Convert()
    checks: Checks = Checks()
    network: Section
    train: Train
    evaluate: Evaluate = Evaluate()
    export: Export = Export()
    gates: Gates = Gates()


def read_yaml(path: Path) -> Any:
    """The content of a YAML file as plain Python; null for an empty file.

    Raises:
        SatsrError: the file is missing or not YAML.
    """
    try:
        return YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SatsrError(f"{path} does not exist.") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise SatsrError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None


def load(model: type[Config], paper: str, root: Path) -> Config:
    """The resolved configuration of ``paper``: its profile with the changes of ``params.yaml``.

    Raises:
        SatsrError: an unknown key, a wrong type, a missing block, or data that do not exist; the message names the
            file and the key.
    """
    return resolve(model, paper, root, paper_block(paper, read_yaml(root / "params.yaml")))


def resolve(model: type[Config], paper: str, root: Path, changes: Mapping[str, Any]) -> Config:
    """The configuration of ``paper`` with ``changes``, a block of ``params.yaml``.

    Raises:
        SatsrError: as :func:`load`.
    """
    recipe_file = root / "pipelines" / f"{paper}.yaml"
    recipes = read_yaml(recipe_file) or {}
    profile = changes.get("profile", "quick")
    if profile not in recipes:
        raise SatsrError(f"{recipe_file} has no profile {profile!r}: it has {', '.join(recipes)}.")
    recipe = recipes[profile] or {}
    for key in [*(key for key in changes if key != "profile"), *recipe]:
        if key not in ("data", *SECTIONS):
            raise SatsrError(
                f"unknown key {key!r} for {paper} in params.yaml or {recipe_file.name}: "
                f"the sections are data, {', '.join(SECTIONS)}."
            )
    data = changes.get("data") or recipe.get("data")
    if not isinstance(data, str) or not (root / data).exists():
        raise SatsrError(
            f"the data of {paper} are {data!r}, which does not exist: name a dataset card (data/catalog/*.yaml) "
            "or your own folder of frames or videos, relative to the project or absolute."
        )
    merged: dict[str, Any] = {"paper": paper, "profile": profile, "data": data}
    for section in SECTIONS:
        changed = {key: value for key, value in (changes.get(section) or {}).items() if value is not None}
        merged[section] = {**(recipe.get(section) or {}), **changed}
    try:
        return model.model_validate(merged)
    except ValidationError as error:
        raise SatsrError(_sentence(error, paper, profile)) from None


def paper_block(paper: str, params: Any) -> dict[str, Any]:
    """The block of ``paper`` in the content of ``params.yaml``.

    Raises:
        SatsrError: there is none.
    """
    papers = (params or {}).get("papers") or {}
    if paper not in papers:
        raise SatsrError(f"params.yaml lists no paper {paper!r}: it lists {', '.join(papers) or 'none'}.")
    block = papers[paper] or {}
    if not isinstance(block, Mapping):
        raise SatsrError(f"papers.{paper} in params.yaml must be a block of sections, but it is {block!r}.")
    return dict(block)


def _sentence(error: ValidationError, paper: str, profile: str) -> str:
    lines = []
    for problem in error.errors():
        key = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            lines.append(f"{key} is not a key of {paper}")
        elif problem["type"] == "missing":
            lines.append(f"{key} is missing")
        else:
            lines.append(f"{key} = {problem['input']!r}: {problem['msg'][0].lower()}{problem['msg'][1:]}")
    return (
        f"the configuration of {paper} (profile {profile}) is not valid: {'; '.join(lines)}. "
        f"Look into params.yaml and pipelines/{paper}.yaml."
    )


def change(paper: str, settings: Mapping[str, Any], root: Path, model: type[Config]) -> list[str]:
    """Writes ``settings`` (dotted key -> value) into the paper's block of ``params.yaml``, comments kept.

    Choosing another profile also takes over that profile's data, unless ``data`` is given. The result is validated
    before the file is replaced, so a bad setting changes nothing.

    Returns:
        One line per value that changed, for the terminal.

    Raises:
        SatsrError: a setting is unknown or of the wrong type.
    """
    path = root / "params.yaml"
    editor = YAML()  # the round-trip loader: keeps comments, makes plain values only
    editor.preserve_quotes = True
    editor.width = 120
    read_yaml(path)
    document = editor.load(path.read_text(encoding="utf-8"))
    paper_block(paper, document)
    block = document["papers"][paper]
    settings = dict(settings)
    profile = settings.get("profile")
    if profile is not None and profile != block.get("profile") and "data" not in settings:
        recipes = read_yaml(root / "pipelines" / f"{paper}.yaml") or {}
        settings["data"] = (recipes.get(profile) or {}).get("data", block.get("data"))
    lines = [line for key, value in settings.items() for line in _assign(block, paper, key, value)]
    resolve(model, paper, root, paper_block(paper, document))
    if lines:
        with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as handle:
            editor.dump(document, handle)
    return lines


def _assign(block: Any, paper: str, key: str, value: Any) -> list[str]:
    """Sets one dotted key in a block; a line that says so, or none if it says so already."""
    *outer, last = key.split(".")
    target = block
    for name in outer:
        if target.get(name) is None:
            target[name] = {}
        target = target[name]
        if not isinstance(target, Mapping):
            raise SatsrError(f"{paper}.{key} cannot be set: {name} is a single value, not a section.")
    before = target.get(last)
    if before == value:
        return []
    target[last] = value
    return [f"params.yaml: {paper}.{key} = {value} (was {before})"]
