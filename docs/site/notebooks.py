"""The notebooks of ``docs/notebooks``: run from their first cell to their last, and shown on the site.

``python docs/site/notebooks.py docs/notebooks/*.ipynb`` runs them and keeps what their cells gave: ``make notebooks``.
Nothing of Jupyter is needed: a cell is plain Python, and what its last line gives is shown as Jupyter shows it, as a
picture or as text.
"""

import argparse
import ast
import base64
import io
import json
import sys
import tempfile
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

PARAMETERS = "parameters"
"""The tag of the cell whose values a run may replace; papermill has the same."""


def execute(notebook: dict[str, Any], parameters: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The notebook with the outputs of its cells, which share one namespace and run in order.

    Args:
        notebook: as JSON.
        parameters: values in the place of those of the cell that is tagged ``parameters``.

    Raises:
        Exception: whatever a cell raises.
    """
    space: dict[str, Any] = {"__name__": "__main__"}
    cells = []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            count = 1 + sum(done["cell_type"] == "code" for done in cells)
            outputs = run(text_of(cell), space, count)
            if PARAMETERS in cell["metadata"].get("tags", ()):
                space.update(parameters or {})
            cell = {**cell, "execution_count": count, "outputs": outputs}
        cells.append(cell)
    return {**notebook, "cells": cells}


def run(source: str, space: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """What a cell prints, and what its last line gives, as outputs of a notebook."""
    tree, printed = ast.parse(source), io.StringIO()
    last = ast.Expression(tree.body.pop().value) if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    with redirect_stdout(printed):
        exec(compile(tree, f"cell {count}", "exec"), space)  # noqa: S102  # of a notebook of this project
        value = eval(compile(last, f"cell {count}", "eval"), space) if last else None  # noqa: S307
    outputs: list[dict[str, Any]] = []
    if printed.getvalue():
        outputs.append({"name": "stdout", "output_type": "stream", "text": lines(printed.getvalue())})
    if value is not None:
        result = {"data": shown(value), "execution_count": count, "metadata": {}}
        outputs.append({**result, "output_type": "execute_result"})
    return outputs


def shown(value: Any) -> dict[str, Any]:
    """A value as Jupyter shows it: a picture of Pillow as a PNG, packed as small as it goes, anything else as text."""
    if not hasattr(value, "_repr_png_"):
        return {"text/plain": lines(repr(value))}
    packed = io.BytesIO()
    value.save(packed, "png", optimize=True)
    return {"image/png": base64.b64encode(packed.getvalue()).decode("ascii") + "\n", "text/plain": ["a picture"]}


def pages(notebook: dict[str, Any], name: str) -> dict[str, str | bytes]:
    """A notebook as files of the site: its page in Markdown, and the pictures on it.

    Args:
        notebook: with outputs.
        name: of the notebook, without a suffix.
    """
    text, files = [], dict[str, str | bytes]()
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            text.append(text_of(cell))
            continue
        text.append(f"```python\n{text_of(cell)}\n```")
        for output in cell["outputs"]:
            data = output.get("data", {})
            if "image/png" in data:
                picture = f"{name}-{len(files) + 1}.png"
                files[picture] = base64.b64decode(data["image/png"])
                text.append(f"![{name}, a picture of what the cell gives]({picture})")
            else:
                text.append("```text\n" + "".join(output.get("text") or data["text/plain"]).rstrip() + "\n```")
    return {f"{name}.md": "\n\n".join(text) + "\n", **files}


def text_of(cell: Mapping[str, Any]) -> str:
    """The source of a cell."""
    source = cell["source"]
    return source if isinstance(source, str) else "".join(source)


def lines(text: str) -> list[str]:
    """A text as a notebook holds it."""
    return text.splitlines(keepends=True)


def write(path: Path, notebook: Mapping[str, Any]) -> None:
    """Writes a notebook as Jupyter does."""
    path.write_text(json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> None:
    """Runs notebooks, and writes them with their outputs to where they lie or elsewhere."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, help="folder to write to (default: where they lie)")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a value of the first cell")
    arguments = parser.parse_args()
    parameters = {name: ast.literal_eval(value) for name, _, value in (text.partition("=") for text in arguments.set)}
    with tempfile.TemporaryDirectory() as folder:  # what a notebook leaves behind goes with it
        tempfile.tempdir = folder
        for path in arguments.notebooks:
            print(path.name, file=sys.stderr, flush=True)
            done = execute(json.loads(path.read_text(encoding="utf-8")), parameters)
            write((arguments.out or path.parent) / path.name, done)


if __name__ == "__main__":
    main()
