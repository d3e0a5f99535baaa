"""Reviewing model versions: listing them beside the champion, approving, rejecting, going back.

A promotion moves one alias, in one call, under a lock, and only if nothing else was promoted since the reviewer looked.
Every decision is kept: who, when, why, as tags of the registered model and as an artifact of the version's run.
"""

import getpass
import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import Any

from satsr.errors import SatsrError, meant
from satsr.locks import locked
from satsr.register.markdown import escaped
from satsr.register.registry import CHALLENGER, CHAMPION, DECISIONS, alias, drop_alias, facts_of, set_alias
from satsr.tracking import Run
from satsr.tracking.versions import parsed

HISTORY = "history."
COMPARABLE = ("data.sha256", "dataset", "conventions")
FIRST = "first version that passed its gates"


@dataclass(frozen=True)
class Version:
    """One version of a registered model, as a reviewer sees it.

    ``tags`` are those of the version and the parameters of its logged model.
    """

    name: str
    number: int
    aliases: tuple[str, ...]
    tags: Mapping[str, str]
    created: datetime
    run: str

    def metric(self, name: str) -> float | None:
        """A metric of the version, or None if it is missing or not finite."""
        try:
            value = float(self.tags[name])
        except (KeyError, ValueError):
            return None
        return value if isfinite(value) else None

    @property
    def decides(self) -> list[str]:
        """Names of the PSNR and the SSIM that count, the PSNR first."""
        return [name for name in self.tags.get("decides", "").split(",") if name]


@dataclass(frozen=True)
class Decision:
    """One entry of the history."""

    action: str
    version: int
    before: int | None
    after: int | None
    who: str
    when: str
    why: str


def lock(root: Path) -> Path:
    """What is held on this machine while aliases of a project move (:func:`satsr.locks.locked`)."""
    return root / "scratch" / "registry.lock"


def names(client: Any) -> list[str]:
    """All registered models."""
    return sorted(model.name for model in client.search_registered_models(max_results=1000))


def versions(client: Any, name: str) -> list[Version]:
    """The versions of a model, newest first.

    Raises:
        SatsrError: the registry has no such model.
    """
    known = names(client)
    if name not in known:
        raise SatsrError(
            f"the registry has no model {name!r}{meant(name, known)}: it has {', '.join(known) or 'none'}. "
            "Run its pipeline first, for instance: zenml pipeline run train_rasvsr."
        )
    bearers: dict[str, Any] = client.get_registered_model(name).aliases  # search_model_versions leaves aliases empty
    rows = []
    for found in client.search_model_versions(f"name = '{name}'", max_results=1000):
        number = int(found.version)
        rows.append(
            Version(
                name,
                number,
                tuple(sorted(word for word, bearer in bearers.items() if int(bearer) == number)),
                {**facts_of(client, found.source), **found.tags},
                datetime.fromtimestamp(found.creation_timestamp / 1000, UTC),
                found.run_id,
            )
        )
    return sorted(rows, key=lambda row: -row.number)


def version(client: Any, name: str, number: int) -> Version:
    """One version.

    Raises:
        SatsrError: it does not exist.
    """
    found = versions(client, name)
    for row in found:
        if row.number == number:
            return row
    raise SatsrError(f"{name} has no version {number}: it has {', '.join(str(row.number) for row in found)}.")


def find(client: Any, name: str) -> Version:
    """The version that ``model/3`` or ``model@champion`` names.

    Raises:
        SatsrError: it is of another form, or does not exist.
    """
    wanted = parsed(name)
    if wanted is None or wanted.bare:
        raise SatsrError(f"{name!r} names no version: write model/version or model@alias, for instance rasvsr/2.")
    number = alias(client, wanted.name, wanted.alias) if wanted.alias else wanted.number
    if number is None:
        raise SatsrError(f"no version of {wanted.name} bears the alias {wanted.alias!r}: look at satsr review.")
    return version(client, wanted.name, number)


def objections(candidate: Version, champion: Version | None) -> list[str]:
    """Why ``candidate`` must not be promoted: sentences, none if it may be."""
    reasons = []
    for metric in candidate.decides or ["psnr", "ssim"]:
        if candidate.metric(metric) is None:
            reasons.append(f"{metric} of version {candidate.number} is missing or not a finite number")
    if candidate.tags.get("gates") != "passed":
        failed = candidate.tags.get("gates.failed", "?").rstrip(".")
        reasons.append(f"version {candidate.number} has not passed its gates: {failed}")
    if candidate.tags.get("onnx.parity") != "passed":
        reasons.append(f"the ONNX graph of version {candidate.number} has not passed its parity check")
    if champion is None or champion.number == candidate.number:
        return reasons
    for tag in COMPARABLE:
        if candidate.tags.get(tag) != champion.tags.get(tag):
            reasons.append(
                f"{tag} differs: {candidate.tags.get(tag)} here, {champion.tags.get(tag)} for the champion "
                f"(version {champion.number}), so their metrics cannot be compared"
            )
    if reasons:
        return reasons
    metric = candidate.decides[0]
    ours, theirs = candidate.metric(metric), champion.metric(metric)
    if ours is not None and theirs is not None and ours <= theirs:
        reasons.append(
            f"{metric} is {ours:.4f}, not better than {theirs:.4f} of the champion (version {champion.number})"
        )
    return reasons


def approve(
    client: Any, name: str, number: int, why: str, lock: Path, seen: int | None = None, *, other_data: bool = False
) -> Decision:
    """Makes a version the champion.

    Args:
        client: MLflow's client.
        name: the registered model.
        number: the version.
        why: the reviewer's reason, which must not be empty.
        lock: a file that promotions on this machine hold while they work.
        seen: the champion the reviewer compared with, if he says so.
        other_data: promote although the champion was measured on other data (a new data set, a new convention).

    Raises:
        SatsrError: the version must not be promoted, the reason is empty, or another promotion came in between.
    """
    why = _reasoned(why)
    with _alone(lock):
        candidate = version(client, name, number)
        current = alias(client, name, CHAMPION)
        if seen is not None and seen != current:
            raise SatsrError(
                f"another promotion happened in between: the champion of {name} is version {current}, not {seen}. "
                "Look at it with satsr review and decide again."
            )
        if current == number:
            raise SatsrError(f"{name} version {number} is the champion already.")
        champion = version(client, name, current) if current is not None else None
        reasons = objections(candidate, None if other_data else champion)
        if reasons:
            raise SatsrError(f"{name} version {number} is not promoted: {'; '.join(reasons)}.")
        decision = _record(client, candidate, "approve", current, number, why)
        if CHALLENGER in candidate.aliases:
            drop_alias(client, name, CHALLENGER)
        set_alias(client, name, CHAMPION, number)
        return decision


def reject(client: Any, name: str, number: int, why: str, lock: Path) -> Decision:
    """Marks a version as rejected; it loses ``challenger`` and cannot be the champion.

    Raises:
        SatsrError: it is the champion, or the reason is empty.
    """
    why = _reasoned(why)
    with _alone(lock):
        candidate = version(client, name, number)
        current = alias(client, name, CHAMPION)
        if current == number:
            raise SatsrError(f"{name} version {number} is the champion: approve or roll back to another one first.")
        decision = _record(client, candidate, "reject", current, current, why)
        if CHALLENGER in candidate.aliases:
            drop_alias(client, name, CHALLENGER)
        return decision


def rollback(client: Any, name: str, why: str, lock: Path) -> Decision:
    """Brings back the champion that was there before the last promotion.

    Raises:
        SatsrError: there is no such model or no earlier champion, or the reason is empty.
    """
    why = _reasoned(why)
    wanted = parsed(name)
    if wanted is None or not wanted.bare:
        raise SatsrError(f"{name!r} is no model: a rollback takes the model alone, for instance rasvsr.")
    versions(client, name)
    with _alone(lock):
        current = alias(client, name, CHAMPION)
        moves = [entry for entry in history(client, name) if entry.before != entry.after]
        earlier = [entry for entry in moves if entry.after == current]
        if not earlier or earlier[-1].before is None:
            raise SatsrError(f"{name} has no earlier champion to go back to (now: version {current}).")
        previous = version(client, name, earlier[-1].before)
        decision = _record(client, previous, "rollback", current, previous.number, why)
        set_alias(client, name, CHAMPION, previous.number)
        return decision


def history(client: Any, name: str) -> list[Decision]:
    """All decisions on a model, oldest first."""
    tags = client.get_registered_model(name).tags
    return [Decision(**json.loads(tags[key])) for key in sorted(tags) if key.startswith(HISTORY)]


def undecided(client: Any, name: str, number: int | None = None) -> bool:
    """Whether there is no champion and never was one: where a person has decided, the pipeline does not.

    Args:
        client: MLflow's client.
        name: the registered model.
        number: the version that is being registered; that it was about to become the first champion is no decision.
    """
    decided = [entry for entry in history(client, name) if (entry.version, entry.why) != (number, FIRST)]
    return alias(client, name, CHAMPION) is None and not decided


def first_champion(client: Any, name: str, number: int) -> None:
    """The pipeline itself makes a version the first champion, and notes it in the history."""
    _record(client, version(client, name, number), "approve", None, number, FIRST)
    set_alias(client, name, CHAMPION, number)


def forget_first(client: Any, name: str, number: int) -> None:
    """Drops the note that a version was to be the first champion, if it is the last one: the version goes."""
    entries = history(client, name)
    if entries and (entries[-1].version, entries[-1].why) == (number, FIRST):
        client.delete_registered_model_tag(name, f"{HISTORY}{len(entries):04d}")
        _list(client, name, entries[:-1])


def _record(client: Any, about: Version, action: str, before: int | None, after: int | None, why: str) -> Decision:
    """Notes a decision before its alias moves, so that a command killed in between can be given again."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    decision = Decision(action, about.number, before, after, getpass.getuser(), now, why)
    known = history(client, about.name)
    if known and replace(known[-1], when=now) == decision and before != after:  # noted, but killed before it moved
        known.pop()
    entries = [*known, decision]
    key = f"{HISTORY}{len(entries):04d}"
    client.set_registered_model_tag(about.name, key, json.dumps(vars(decision), sort_keys=True))
    _list(client, about.name, entries)
    words = {about.number: {"approve": "approved", "reject": "rejected", "rollback": "approved"}[action]}
    if action == "rollback" and before is not None:
        words[before] = "rolled back"
    for number, word in words.items():
        tags = {"review": word, "review.why": why, "review.who": decision.who, "review.when": now}
        for tag, value in tags.items():
            client.set_model_version_tag(about.name, number, tag, value)
    text = json.dumps([vars(entry) for entry in entries], indent=2)
    Run(client, about.run, "").text(text, f"review/{about.name}-history.json")
    return decision


def _list(client: Any, name: str, entries: list[Decision]) -> None:
    """Puts the decisions, newest first, at the end of the model's description, where MLflow shows them."""
    lines = [
        f"- {entry.when[:16].replace('T', ' ')} UTC, {entry.who}: {entry.action} version {entry.version} "
        f"(champion: {entry.before or 'none'} → {entry.after or 'none'}). {escaped(entry.why)}"
        for entry in reversed(entries)
    ]
    described = client.get_registered_model(name).description or ""
    decided = DECISIONS + "\n".join(lines) if lines else ""
    client.update_registered_model(name, description=described.partition(DECISIONS)[0] + decided)


def _reasoned(why: str) -> str:
    """The reason on one line: a line break would let it pass for another entry of the history."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in why).split())
    if not line:
        raise SatsrError('a decision needs a reason: add --why "...".')
    return line


def _alone(lock: Path) -> AbstractContextManager[None]:
    return locked(lock, timeout=0, busy="another promotion is under way on this machine: try again when it is done.")
