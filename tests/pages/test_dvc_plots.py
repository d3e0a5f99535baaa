"""The page of `dvc plots show`, made by DVC's own renderer, in a real browser that may not fetch anything."""

import html
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.pages.test_browser import BROWSER, FLAGS, ROOT

TEMPLATE = ROOT / "satsr/pages/templates/dvc_plots.html"
CURVE = [
    {"step": str(step), "loss": str(value), "rev": rev}
    for rev, values in {"HEAD": (3, 2, 1), "workspace": (3, 1.5, 0.5)}.items()
    for step, value in zip((10, 200, 1000), values, strict=True)
]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no chromium, google-chrome or chrome is on PATH"),
]


def shown(tmp_path: Path, points: list[dict[str, Any]], **properties: str) -> str:
    """What the page is after its scripts ran, without them."""
    from dvc_render import VegaRenderer, render_html

    renderer = VegaRenderer(points, "results/rasvsr/loss.csv", **properties)
    page = Path(render_html([renderer], tmp_path / "index.html", TEMPLATE))
    assert "<script src" not in page.read_text() and "{" + "plot_divs}" not in page.read_text()
    command = [str(BROWSER), *FLAGS, f"--user-data-dir={tmp_path / 'browser'}", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return html.unescape(re.sub("<script.*?</script>", "", done.stdout, flags=re.DOTALL))


def test_every_revision_is_a_line_from_end_to_end(tmp_path: Path) -> None:
    page = shown(tmp_path, CURVE, x="step", y="loss", title="rasvsr: <loss>", x_label="training step")
    lines = re.findall(r'<polyline points="([^"]+)"', page)
    assert [len(line.split()) for line in lines] == [3, 3]
    ends = [[float(place) for pair in line.split() for place in pair.split(",")] for line in lines]
    assert all(end[0] < end[2] < end[4] and end[1] < end[3] < end[5] for end in ends)  # down the page: the loss falls
    assert ends[0][:2] == ends[1][:2] and ends[1][5] > ends[0][5]
    assert all(word in page for word in ("<h2>rasvsr: <loss></h2>", ">training step<", ">HEAD<", ">workspace<"))


def test_what_has_no_numbers_says_how_to_see_it(tmp_path: Path) -> None:
    points = [{"actual": "town", "predicted": "field", "rev": "HEAD"}]
    page = shown(tmp_path, points, x="actual", y="predicted", template="confusion")
    assert "<polyline points" not in page and 'dvc config --local plots.html_template ""' in page
