"""The notebooks run from their first cell to their last, and what is committed of them is what they gave."""

import base64
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
RUNNER = ROOT / "docs/site/notebooks.py"
NOTEBOOKS = sorted((ROOT / "docs/notebooks").glob("*.ipynb"))
TINY = {
    "video": {"STEPS": 2, "CLIPS": 3, "SIZE": (96, 96)},
    "scene": {"STEPS": 2, "SCENES": 4, "SIDE": 128},
    "series": {"STEPS": 2, "SCENES": 3, "SIZE": (96, 96)},
    "imagesets": {"STEPS": 2, "SETS": 3, "SIZE": (60, 60)},
}
MOST_BYTES = 150_000
each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def notebooks() -> Any:
    """The module docs/site/notebooks.py, which is on no path."""
    spec = importlib.util.spec_from_file_location("notebooks", RUNNER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def cells(notebook: Any, kind: str = "code") -> list[Any]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == kind]


def pictures(notebook: Any) -> list[bytes]:
    found = [output["data"] for cell in cells(notebook) for output in cell["outputs"] if "data" in output]
    return [base64.b64decode(data["image/png"]) for data in found if "image/png" in data]


def of(*sources: str, tags: tuple[str, ...] = ()) -> dict[str, Any]:
    metadata = [{"tags": [*tags]}, *({} for _ in sources[1:])]
    code = [{"cell_type": "code", "source": s, "metadata": m} for s, m in zip(sources, metadata, strict=True)]
    return {"cells": [{"cell_type": "markdown", "source": ["# A title\n", "words"], "metadata": {}}, *code]}


def test_there_is_one_for_each_kind_of_input() -> None:
    assert {path.stem for path in NOTEBOOKS} == set(TINY)


@each
def test_it_is_a_valid_notebook_of_few_cells(path: Path) -> None:
    notebook = read(path)
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert notebook["metadata"]["kernelspec"]["name"] == "python3" and len(notebook["cells"]) <= 12
    names = [cell["id"] for cell in notebook["cells"]]
    assert len(set(names)) == len(names) and all(re.fullmatch(r"[\w-]{1,64}", name) for name in names)
    wanted = {"cell_type", "id", "metadata", "source"}
    assert all(set(cell) == wanted for cell in cells(notebook, "markdown"))
    assert all(set(cell) == wanted | {"execution_count", "outputs"} for cell in cells(notebook))
    if importlib.util.find_spec("nbformat"):
        import nbformat

        nbformat.validate(notebook)


@each
def test_it_was_run_in_order_and_shows_its_pictures_but_no_machine(path: Path) -> None:
    notebook = read(path)
    assert [cell["execution_count"] for cell in cells(notebook)] == list(range(1, len(cells(notebook)) + 1))
    shown = pictures(notebook)
    assert len(shown) >= 2 and max(map(len, shown)) <= MOST_BYTES
    assert all(cv2.imdecode(np.frombuffer(picture, np.uint8), 1).shape[1] >= 600 for picture in shown)
    assert not re.search(r"/(tmp|home|root|work|var|Users)/|Traceback|\x1b", path.read_text())


@each
def test_the_gain_that_it_shows_is_one(path: Path) -> None:
    (low,) = re.findall(r"gain_low +(\S+)\\n", path.read_text())
    assert float(low) > 0


def test_cells_share_their_names_and_give_what_they_print_and_what_their_last_line_is(notebooks: Any) -> None:
    done = notebooks.execute(of("a = 2\nprint('two')\na * 3", "if a > 1:\n    a += 1", "a"))
    first, second, third = cells(done)
    assert [output["output_type"] for output in first["outputs"]] == ["stream", "execute_result"]
    assert first["outputs"][0]["text"] == ["two\n"] and first["outputs"][1]["data"] == {"text/plain": ["6"]}
    assert second["outputs"] == [] and third["outputs"][0]["data"] == {"text/plain": ["3"]}
    assert [cell["execution_count"] for cell in cells(done)] == [1, 2, 3]


def test_the_cell_of_parameters_takes_other_values(notebooks: Any) -> None:
    done = notebooks.execute(of("n = 1", "n"), {"n": 5})
    assert cells(done)[1]["outputs"][0]["data"] == {"text/plain": ["1"]}
    done = notebooks.execute(of("n = 1", "n", tags=("parameters",)), {"n": 5})
    assert cells(done)[1]["outputs"][0]["data"] == {"text/plain": ["5"]}


def test_a_cell_that_fails_ends_the_run(notebooks: Any) -> None:
    with pytest.raises(ZeroDivisionError):
        notebooks.execute(of("1 / 0", "print('on')"))


def test_the_site_shows_words_code_text_and_pictures(notebooks: Any) -> None:
    source = "from PIL import Image\nprint('seen')\nImage.new('RGB', (4, 3))"
    page, *files = (found := notebooks.pages(notebooks.execute(of(source)), "small")).values()
    assert list(found) == ["small.md", "small-1.png"] and files[0].startswith(b"\x89PNG")
    assert page.startswith("# A title\nwords\n\n```python\nfrom PIL") and "```text\nseen\n```" in page
    assert "](small-1.png)" in page


@pytest.mark.slow
@each
def test_it_runs_in_a_fresh_process_and_leaves_the_checkout_alone(path: Path, tmp_path: Path) -> None:
    state = ["git", "status", "--porcelain", "--ignored", "--", "params.yaml", "results", "data", "mlflow.db", "mlruns"]
    before = subprocess.run(state, cwd=ROOT, capture_output=True).stdout
    settings = [word for name, value in TINY[path.stem].items() for word in ("--set", f"{name}={value}")]
    command = [sys.executable, RUNNER, path, "--out", tmp_path, *settings]
    done = subprocess.run(list(map(str, command)), cwd=path.parent, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    made = read(tmp_path / path.name)
    assert [cell["source"] for cell in made["cells"]] == [cell["source"] for cell in read(path)["cells"]]
    assert len(pictures(made)) == len(pictures(read(path)))
    assert re.search(r"gain +-?\d", (tmp_path / path.name).read_text())
    assert subprocess.run(state, cwd=ROOT, capture_output=True).stdout == before
