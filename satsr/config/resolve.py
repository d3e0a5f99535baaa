"""From ``pipelines/<paper>.yaml`` and ``params.yaml`` to plain values, and from these to a model that checked them."""

from collections.abc import Mapping
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from satsr.errors import SatsrError, meant, problems

SECTIONS = ("convert", "checks", "network", "train", "evaluate", "export", "gates")
ROOMS = "rooms"
"""Key of a paper's block in ``params.yaml`` that is no setting: ``dvc.yaml`` reads there what code it depends on."""
LONGEST = 1 << 20
"""Characters of a YAML text: the files of this project have a few thousand."""
LARGEST = 100_000
"""Values of a YAML text: aliases of aliases make billions out of a page."""
Model = TypeVar("Model", bound=BaseModel)


def read_yaml(path: Path) -> Any:
    """The content of a YAML file as plain Python; null for an empty file.

    Raises:
        SatsrError: the file is missing, cannot be read, is not YAML, or is larger than any that is meant.
    """
    try:
        with path.open(encoding="utf-8") as file:
            return _plain(file.read(LONGEST + 1))
    except FileNotFoundError:
        raise SatsrError(f"{path} does not exist.") from None
    except OSError as error:
        raise SatsrError(f"{path} cannot be read: {error.strerror}. It must be a YAML file.") from None
    except (YAMLError, ValueError, TypeError, RecursionError) as error:
        raise SatsrError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None


def read_value(text: str) -> Any:
    """A single value as YAML has it: a number, a word, a list, true, null.

    Raises:
        SatsrError: the text is not YAML, or has a tag.
    """
    try:
        return _plain(text)
    except (YAMLError, ValueError, TypeError, RecursionError) as error:  # 2024-99-99; [] as a key; a thousand brackets
        told = getattr(error, "problem", None) or str(error).partition(' in "')[0]  # no line, no column: it is short
        raise SatsrError(f"{text!r} is no plain YAML value: {' '.join(told.split())}.") from None


def _plain(text: str) -> Any:
    """The values of a text, of which neither the length nor what its aliases multiply is without a limit."""
    if len(text) > LONGEST:
        raise ValueError(f"it has more than the {LONGEST:,} characters that are read")
    return deepcopy(_parsed(text))


@lru_cache(maxsize=64)
def _parsed(text: str) -> Any:
    """A command asks for the same few files many times: by their text, so that an edit counts at once."""
    if "*" in text and _count(YAML(typ="safe").compose(text), {}) > LARGEST:
        raise ValueError(f"its aliases stand for more than {LARGEST:,} values, or for themselves: write them out")
    try:
        return YAML(typ="safe").load(text)
    except LookupError:
        raise ValueError("a value is not what its tag (!!) says: leave the tag out") from None


def _count(node: Any, known: dict[int, int]) -> int:
    """How many values a node stands for where every alias is written out; one that holds itself is too large."""
    if id(node) not in known:
        known[id(node)] = LARGEST + 1
        inside = [] if node is None or isinstance(node.value, str) else node.value
        known[id(node)] = 1 + sum(
            sum(_count(part, known) for part in item) if isinstance(item, tuple) else _count(item, known)
            for item in inside
        )
    return known[id(node)]


def merged(paper: str, root: Path, changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The plain values of ``paper``'s configuration: ``paper``, ``profile``, ``data``, and each section merged.

    Args:
        paper: as in ``pipelines/<paper>.yaml``.
        root: the project's root.
        changes: a block of ``params.yaml`` instead of the one that is there.

    Raises:
        SatsrError: a missing file or block, an unknown profile or section, or data that do not exist.
    """
    if changes is None:
        changes = paper_block(paper, read_yaml(root / "params.yaml"))
    recipe_file = root / "pipelines" / f"{paper}.yaml"
    recipes = read_yaml(recipe_file) or {}
    profile = changes.get("profile", "quick")
    if not isinstance(profile, str) or profile not in recipes:
        raise SatsrError(
            f"{recipe_file} has no profile {profile!r}{meant(str(profile), recipes)}: it has {', '.join(recipes)}."
        )
    recipe = recipes[profile] or {}
    for key in [*(key for key in changes if key not in ("profile", ROOMS)), *recipe]:
        if key not in ("data", *SECTIONS):
            raise SatsrError(
                f"unknown key {key!r} for {paper} in params.yaml or {recipe_file.name}{meant(key, SECTIONS)}: "
                f"the sections are data, {', '.join(SECTIONS)}."
            )
    data = changes.get("data") or recipe.get("data")
    if not isinstance(data, str) or not (root / data).exists():
        raise SatsrError(
            f"the data of {paper} are {data!r}, which does not exist: name a dataset card (data/catalog/*.yaml) "
            "or your own folder of frames or videos, relative to the project or absolute."
        )
    values: dict[str, Any] = {"paper": paper, "profile": profile, "data": data}
    for section in SECTIONS:
        changed = _keys(changes, section, "params.yaml", paper)
        values[section] = {
            **_keys(recipe, section, recipe_file.name, profile),
            **{key: value for key, value in changed.items() if value is not None},
        }
    return values


def _keys(block: Mapping[str, Any], section: str, file: str, owner: str) -> Mapping[str, Any]:
    """The settings of one section of a block; none where it is absent or null."""
    found = block.get(section)
    if found is not None and not isinstance(found, Mapping):
        raise SatsrError(
            f"{owner}.{section} in {file} must be a section of settings, found {found!r}: name one of its keys, as in "
            f"{owner}.{section}.<key>."
        )
    return found or {}


def section(model: type[Model], name: str, paper: str, root: Path) -> Model:
    """One section of ``paper``'s configuration, without a look at the others.

    Raises:
        SatsrError: as :func:`merged`, or the section has an unknown key or a wrong value.
    """
    values = merged(paper, root)
    return validated(model, values[name], paper, values["profile"], f"{name}.")


def validated(model: type[Model], values: Mapping[str, Any], paper: str, profile: str, place: str = "") -> Model:
    """The values as ``model``; ``place`` stands before the keys in messages.

    Raises:
        SatsrError: an unknown key or a wrong value; all are named.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        found = "; ".join(problems(error, place, model))
        raise SatsrError(
            f"the configuration of {paper} (profile {profile}) is not valid: {found}. "
            f"Look into params.yaml and pipelines/{paper}.yaml."
        ) from None


def paper_block(paper: str, params: Any) -> dict[str, Any]:
    """The block of ``paper`` in the content of ``params.yaml``.

    Raises:
        SatsrError: there is none.
    """
    papers = (params or {}).get("papers") or {}
    if paper not in papers:
        raise SatsrError(
            f"params.yaml lists no paper {paper!r}{meant(paper, papers)}: it lists {', '.join(papers) or 'none'}."
        )
    block = papers[paper] or {}
    if not isinstance(block, Mapping):
        raise SatsrError(f"papers.{paper} in params.yaml must be a block of sections, but it is {block!r}.")
    return dict(block)
