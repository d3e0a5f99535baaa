"""Changing ``params.yaml``: comments stay, and a bad setting changes nothing."""

import json
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from ruamel.yaml import YAML

from satsr.config.recipe import AdversarialTrain
from satsr.config.resolve import ROOMS, SECTIONS, merged, paper_block, read_yaml, validated
from satsr.errors import SatsrError, keys, meant
from satsr.files import write_text


def change(paper: str, settings: Mapping[str, Any], root: Path, model: type[BaseModel]) -> list[str]:
    """Writes ``settings`` (dotted key -> value) into the paper's block of ``params.yaml``, comments kept.

    Choosing another profile also takes over that profile's data, unless ``data`` is given. The result is validated
    before the file is replaced, so a bad setting changes nothing.

    Returns:
        One line per value that changed, for the terminal, and a note where what is valid is hardly meant.

    Raises:
        SatsrError: a setting is unknown or of the wrong type.
    """
    lines, text = changed(paper, settings, root, model)
    if lines:
        write_text(root / "params.yaml", text)
    return lines


def changed(paper: str, settings: Mapping[str, Any], root: Path, model: type[BaseModel]) -> tuple[list[str], str]:
    """What :func:`change` would say and write; the text is as it is where nothing changes.

    Raises:
        SatsrError: as there.
    """
    path = root / "params.yaml"
    read_yaml(path)
    before = path.read_text(encoding="utf-8")
    document = editor().load(before)
    paper_block(paper, document)
    block = document["papers"][paper]
    settings = dict(settings)
    for key in settings:
        _require_section(key, paper, model)
    profile = settings.get("profile")
    if not isinstance(profile, str | None):
        raise SatsrError(f"{paper}.profile is the name of a profile in pipelines/{paper}.yaml, not {profile!r}.")
    if profile is not None and profile != block.get("profile") and "data" not in settings:
        recipes = read_yaml(root / "pipelines" / f"{paper}.yaml") or {}
        settings["data"] = (recipes.get(profile) or {}).get("data", block.get("data"))
    lines = [line for key, value in settings.items() for line in _assign(block, paper, key, value)]
    values = merged(paper, root, paper_block(paper, document))
    config = validated(model, values, paper, values["profile"])
    if not lines:
        return [], before
    return [*lines, *_notes(getattr(config, "train", None))], dumped(document)


def _notes(train: object) -> list[str]:
    """That a training ends before its second network begins, as it does with fewer steps than the profile's."""
    if not isinstance(train, AdversarialTrain) or not train.g_pretrain_steps:
        return []
    begins = train.fusion_steps + train.g_pretrain_steps
    if train.iterations > begins:
        return []
    return [
        f"note: the adversarial phase begins after step {begins}, and train.iterations = {train.iterations} ends "
        "before: the generator learns by its content alone. Set train.g_pretrain_steps too where that is not meant."
    ]


def _require_section(key: str, paper: str, model: type[BaseModel]) -> None:
    """Refuses a key that begins with no section; the whole key that was meant is told.

    Raises:
        SatsrError: so.
    """
    if key.partition(".")[0] not in (*model.model_fields, ROOMS):
        raise SatsrError(
            f"unknown key {key!r} for {paper}{meant(key, keys(model))}: a setting is profile, data or section.key, "
            f"and the sections are {', '.join(SECTIONS)}."
        )


def editor() -> YAML:
    """The round-trip loader: keeps comments, makes plain values only."""
    made = YAML()
    made.preserve_quotes = True
    made.width = 120
    return made


def dumped(document: Any) -> str:
    """The text of a document that :func:`editor` loaded."""
    text = StringIO()
    editor().dump(document, text)
    return text.getvalue()


def _assign(block: Any, paper: str, key: str, value: Any) -> list[str]:
    """Sets one dotted key in a block; a line that says so, or none if it says so already."""
    *outer, last = key.split(".")
    if key.split(".")[0] == ROOMS:
        raise SatsrError(f"{paper}.{key} is no setting: {ROOMS} says which code a paper shares with others.")
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
    return [f"params.yaml: {paper}.{key} = {_said(value)} (was {_said(before)})"]


def _said(value: Any) -> str:
    """A value as the file has it: ``null`` and ``true``, where Python says None and True."""
    return json.dumps(value) if value is None or isinstance(value, bool) else str(value)
