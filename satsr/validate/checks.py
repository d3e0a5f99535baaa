"""The validation stage: rules about a store, run by Great Expectations, told in a report and in JSON."""

import logging
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from satsr import quiet
from satsr.errors import SatsrError
from satsr.files import finite, write_json, write_text
from satsr.pages import page
from satsr.store.store import Store
from satsr.validate.inspection import FRAME_KEYS, SCENE_KEYS, Tables, inspect
from satsr.validate.suites import Rule, Suite

SHOWN_IN_HTML = 1000


@dataclass(frozen=True)
class Offender:
    """A scene or a frame that a rule caught.

    Attributes:
        split: for instance ``test``.
        scene: the scene's id.
        role: for frames, ``lr``, ``hr``...
        index: for frames, from 0.
        value: what was found.
        origin: where it came from, as far as it was recorded.
    """

    split: str
    scene: str
    role: str | None
    index: int | None
    value: Any
    origin: str | None

    @property
    def name(self) -> str:
        """``test/003`` or ``test/003 lr 17``."""
        place = f"{self.split}/{self.scene}"
        return place if self.role is None else f"{place} {self.role} {self.index}"


@dataclass(frozen=True)
class Check:
    """The outcome of one rule.

    Attributes:
        name: of the rule.
        title: what is expected, in plain language.
        limit: what is allowed.
        observed: what was found, in plain language.
        passed: whether it is within the limit.
        unit: of the values of the offenders; empty for none.
        examined: number of scenes or frames that were looked at.
        offenders: all that differ, also those within a tolerated share.
    """

    name: str
    title: str
    limit: str
    observed: str
    passed: bool
    unit: str
    examined: int
    offenders: tuple[Offender, ...]


@dataclass(frozen=True)
class Result:
    """The outcome of a validation.

    Attributes:
        suite: the kind of data.
        success: whether every check passed.
        checks: in the order of the suite.
        overview: one row per split: scenes, frames, sizes and types.
        clips: one row per scene.
    """

    suite: str
    success: bool
    checks: tuple[Check, ...]
    overview: tuple[dict[str, Any], ...]
    clips: tuple[dict[str, Any], ...]

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that did not pass."""
        return tuple(check for check in self.checks if not check.passed)

    def message(self, report: Path, limit: int = 20) -> str:
        """What is wrong, with at most ``limit`` offenders in all; the rest is in ``report``."""
        lines = [f"the data failed {len(self.failed)} of {len(self.checks)} checks ({self.suite}):"]
        left = limit
        for check in self.failed:
            lines.append(f"  {check.title}: expected {check.limit}, found {check.observed}.")
            for offender in check.offenders[:left]:
                found = f"{shown(offender.value)} {check.unit}".rstrip()
                origin = f" ({offender.origin})" if offender.origin else ""
                lines.append(f"    {offender.name}: {found}{origin}")
            hidden = len(check.offenders) - min(len(check.offenders), left)
            lines += [f"    ... and {hidden} more"] if hidden else []
            left -= min(len(check.offenders), left)
        lines.append(f"Mend or remove these data and run again, or widen the paper's checks. All of them: {report}")
        return "\n".join(lines)


def validate(store: Store, suite: Suite, out: Path) -> Result:
    """Measures a store, checks it, and writes ``validation.html`` and ``validation.json`` into the folder ``out``.

    Both files depend on nothing but the store and the suite: no times, no paths of this machine.
    """
    result = judge(inspect(store), suite)
    write_json(out / "validation.json", as_json(result))
    html = page.render(
        "validation.html.j2",
        result=result,
        overview=page.table(result.overview),
        clips=page.table(result.clips),
        limit=SHOWN_IN_HTML,
        shown=shown,
    )
    write_text(out / "validation.html", html)
    return result


def require(result: Result, report: Path) -> None:
    """Stops a run on bad data.

    Raises:
        SatsrError: a check failed; lists the offenders and names the report.
    """
    if not result.success:
        raise SatsrError(result.message(report))


def judge(tables: Tables, suite: Suite) -> Result:
    """Checks measured tables against a suite, through Great Expectations."""
    groups: dict[tuple[str, tuple[str, ...]], list[Rule]] = {}
    for rule in suite.rules:
        groups.setdefault((rule.table, rule.roles), []).append(rule)
    outcomes: dict[str, Check] = {}
    for (name, roles), rules in groups.items():
        table: pd.DataFrame = getattr(tables, name)
        table = table[table["role"].isin(roles)] if roles else table
        table = table.reset_index(drop=True)
        for rule, (passed, rows) in zip(rules, _expect(table, rules), strict=True):
            outcomes[rule.name] = _check(rule, table, passed, rows)
    checks = tuple(outcomes[rule.name] for rule in suite.rules)
    clips = tuple(_plain(row) for row in tables.scenes.dropna(axis=1, how="all").to_dict("records"))
    return Result(suite.kind, all(check.passed for check in checks), checks, _overview(tables), clips)


def as_json(result: Result) -> dict[str, Any]:
    """A result as JSON values: every offender of every check."""
    return {
        "suite": result.suite,
        "success": result.success,
        "splits": list(result.overview),
        "checks": [asdict(check) for check in result.checks],
        "scenes": list(result.clips),
    }


def shown(value: Any) -> str:
    """A value for people: three digits after the point."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{round(value, 3):g}" if isinstance(value, float) else str(value)


def _expect(table: pd.DataFrame, rules: list[Rule]) -> list[tuple[bool, list[int]]]:
    """Runs rules on one table: for each, whether it holds, and the rows that differ."""
    if table.empty:
        return [(False, []) for _ in rules]
    quiet.apply()
    import great_expectations as gx  # takes seconds, so not at the top
    from great_expectations import expectations
    from great_expectations.data_context.types.base import ProgressBarsConfig

    logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.WARNING)  # it sets INFO itself

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("tables").add_dataframe_asset("table")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": table})
    wanted = []
    for rule in rules:
        arguments = dict(rule.arguments)
        if "column_A" not in arguments:
            arguments["column"] = rule.column
        wanted.append(getattr(expectations, rule.expectation)(**arguments, meta={"rule": rule.name}))
    answer = batch.validate(gx.ExpectationSuite(name="rules", expectations=wanted), result_format="COMPLETE")
    found = {}
    for item in answer.results:
        meta = (item.expectation_config and item.expectation_config.meta) or {}
        if item.exception_info.get("raised_exception"):
            raise RuntimeError(f"rule {meta}: {item.exception_info['exception_message']}")
        rows = sorted(int(row) for row in item.result.get("unexpected_index_list") or [])
        found[meta["rule"]] = (bool(item.success), rows)
    return [found[rule.name] for rule in rules]


def _check(rule: Rule, table: pd.DataFrame, passed: bool, rows: list[int]) -> Check:
    offenders = []
    for record in table.iloc[rows].to_dict("records"):
        row = _plain(record)
        value = f"{row['n_lr']} lr, {row['n_hr']} hr" if "column_A" in rule.arguments else row[rule.column]
        offenders.append(
            Offender(row["split"], row["scene"], row.get("role"), row.get("index"), value, row.get("origin"))
        )
    keys = FRAME_KEYS if rule.table == "frames" else SCENE_KEYS
    offenders.sort(key=lambda item: tuple(getattr(item, key) for key in keys))
    observed = _observed(rule, table, len(offenders))
    return Check(rule.name, rule.title, rule.limit, observed, passed, rule.unit, len(table), tuple(offenders))


def _observed(rule: Rule, table: pd.DataFrame, offending: int) -> str:
    """What was found, in a few words."""
    what = "frames" if rule.table == "frames" else "clips"
    if table.empty:
        return f"no {what}"
    values = table[rule.column].dropna()
    if rule.expectation == "ExpectColumnValuesToBeBetween" and len(values):
        low, high = float(values.min()), float(values.max())
        words = shown(low) if shown(low) == shown(high) else f"{shown(low)} to {shown(high)}"
        words += f" {rule.unit}" if rule.unit else ""
        words += f", {offending} of {len(table)} {what} outside" if offending else ""
        missing = len(table) - len(values)
        return words + (f" ({missing} not measurable)" if missing else "")
    if rule.expectation == "ExpectColumnDistinctValuesToContainSet":
        return " and ".join(sorted({str(value) for value in values})) or "none"
    if rule.limit == "none":
        return f"{offending or 'none'} of {len(table)} {what}"
    return f"{offending} of {len(table)} {what} differ" if offending else f"so in all {len(table)} {what}"


def _overview(tables: Tables) -> tuple[dict[str, Any], ...]:
    """One row per split and role: scenes, frames, sizes, types."""
    rows = []
    for (split, role), group in tables.frames.groupby(["split", "role"], sort=True):
        sizes = group[["width", "height", "channels"]].dropna().astype(int).itertuples(False)
        rows.append(
            {
                "split": str(split),
                "role": str(role),
                "scenes": int(group["scene"].nunique()),
                "frames": len(group),
                "size": _listed("x".join(map(str, size)) for size in sizes),
                "type": _listed(str(kind) for kind in group["dtype"].dropna()),
                "mean": round(float(group["mean"].mean()), 3),
            }
        )
    return tuple(rows)


def _listed(values: Iterable[str]) -> str:
    """The most frequent values, three at most."""
    common = sorted(Counter(values).items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(value for value, _ in common[:3]) + (f" and {len(common) - 3} more" if len(common) > 3 else "")


def _plain(row: dict[Any, Any]) -> dict[str, Any]:
    """A row with Python's own types, and None for what is missing."""
    values = {str(key): value.item() if isinstance(value, np.generic) else value for key, value in row.items()}
    plain: dict[str, Any] = finite(values)
    return plain
