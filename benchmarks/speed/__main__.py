"""Measures the parts that are named, or all, and keeps the rows: ``python -m benchmarks.speed [part ...]``.

``benchmarks/results.json`` holds the rows of every part with the commit and the machine they were measured on; the
table of ``docs/speed.md`` is made of it. Parts that are not measured now keep their rows. ``networks:RRDB`` measures
the rows of the networks that are called so and keeps nothing.
"""

import importlib
import json
import platform
import re
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.speed.ratio import Row, table

ROOT = Path(__file__).parents[2]
RESULTS, PAGE = ROOT / "benchmarks/results.json", ROOT / "docs/speed.md"
TITLES = {
    "networks": "Networks",
    "runtime": "ONNX Runtime",
    "export": "Exporting",
    "diffusion": "SRDiff",
    "metrics": "Metrics",
    "frames": "Frames and the store",
    "scene": "Whole scenes",
    "start": "Starting",
    "pipeline": "Pipelines with nothing to do",
    "memory": "Memory and growth",
    "growth": "Memory of scenes, folders and registries",
    "linear": "Growth with pixels, frames and dates",
    "cores": "Training on several cores",
}


def main(parts: list[str]) -> None:
    """Runs the parts one after another."""
    kept: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    now = commit()  # before the results change
    unknown = sorted({named.partition(":")[0] for named in parts} - TITLES.keys())
    if unknown:
        sys.exit(f"{', '.join(unknown)}: no such part; there are {', '.join(TITLES)}.")
    for named in parts or list(TITLES):
        part, _, only = named.partition(":")
        rows = []
        for row in importlib.import_module(f"benchmarks.speed.{part}").rows(*filter(None, [only])):
            print(f"{row.work}: {row.ratio:.3g} {row.unit} {row.note}", flush=True)
            rows.append(asdict(row))
        if only:
            continue
        kept[part] = {"commit": now, "machine": machine(), "rows": rows}
        RESULTS.write_text(json.dumps({name: kept[name] for name in TITLES if name in kept}, indent=2) + "\n")
    write_page(kept)


def write_page(kept: dict[str, Any]) -> None:
    """Puts the tables between the marks of the page."""
    sections = []
    for part, title in TITLES.items():
        if part in kept:
            rows = [Row(**row) for row in kept[part]["rows"]]
            said = f"Commit {kept[part]['commit']}, {kept[part]['machine']}."
            sections.append(f"### {title}\n\n{table(rows)}\n\n{said}")
    made = "<!-- make bench -->\n" + "\n\n".join(sections) + "\n<!-- end -->"
    page = re.sub(r"<!-- make bench -->.*<!-- end -->", lambda _: made, PAGE.read_text(), flags=re.DOTALL)
    PAGE.write_text(page)


def commit() -> str:
    """The commit that is measured, with a + where files differ from it."""
    told = subprocess.run(
        ["git", "describe", "--always", "--dirty=+"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return told.stdout.strip()


def machine() -> str:
    """The processor, its cores and Python."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {len(names)} cores, Python {platform.python_version()}"


if __name__ == "__main__":
    main(sys.argv[1:])
