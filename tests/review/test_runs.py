import re
from pathlib import Path

import pytest

from satsr import tracking
from satsr.errors import SatsrError
from satsr.files import write_text
from satsr.review.runs import Run, report_of, runs, table


def run(number: int, paper: str = "tiny", **changes: object) -> Run:
    tags = {"profile": "quick", "dataset": "drawn", "decides": "psnr,ssim"}
    tags |= {"gain.psnr": "+1.57 dB [1.33, 1.81], 95 %, 20 scenes"}
    given = {"tags": tags, "version": f"{paper}/{number}", **changes}
    return Run(f"r{number}", paper, "FINISHED", 60_000 * number, 60_000 * number + 90_000, "", **given)


def test_a_line_a_run_with_its_gain_and_its_time(tmp_path: Path) -> None:
    (heading, first, second, more) = table([run(3), run(2), run(1)], tmp_path, limit=2)
    assert heading.split()[:4] == ["started", "version", "profile", "data"]
    assert re.split(" {2,}", first)[1:] == ["tiny/3", "quick", "drawn", "+1.57 dB [1.33, 1.81]", "90 s", "-"]
    assert "tiny/2" in second and more == "1 more: --all lists them"


def test_a_run_without_a_version_says_what_became_of_it(tmp_path: Path) -> None:
    killed = Run("r1", "tiny", "KILLED", 0, 1000, "")
    (_, line) = table([killed], tmp_path)
    assert line.split()[2:] == ["tiny", "-", "-", "killed", "1", "s", "-"]


def test_no_run_is_told_with_what_makes_one(tmp_path: Path) -> None:
    assert table([], tmp_path) == ["no runs yet: satsr run rasvsr makes one"]


def test_the_last_report_is_found_of_a_paper_and_of_all(tmp_path: Path) -> None:
    with pytest.raises(SatsrError, match="there is no report of b"):
        report_of(tmp_path, "b")
    pages = [tmp_path / "results" / paper / "evaluation" / "report.html" for paper in "ba"]
    for page in pages:
        write_text(page, "")
    assert report_of(tmp_path, "b") == pages[0] and report_of(tmp_path) in pages


@pytest.mark.slow
def test_the_stores_own_file_says_what_mlflow_says(tmp_path: Path) -> None:
    from satsr.register import registry
    from satsr.review.runs import _asked
    from tests.tiny_graphs import image_graph

    graph = image_graph(tmp_path / "m.onnx", normalisation="unit_u8")
    write_text(tmp_path / "report.html", "")
    with tracking.run(tmp_path, "tiny") as made:
        made.tags({"profile": "quick"})
        tags = {"decides": "psnr,ssim", "gain.psnr": "+1 dB [0, 2], 95 %, 20 scenes"}
        registry.add_version(made, "tiny", graph, tags, "A card.", facts={"scale": 2})
        made.artifact(tmp_path / "report.html", "report")
    with pytest.raises(ZeroDivisionError), tracking.run(tmp_path, "other"):
        raise ZeroDivisionError
    found = runs(tmp_path)
    assert [(row.paper, row.status, row.version) for row in found] == [
        ("other", "FAILED", ""),
        ("tiny", "FINISHED", "tiny/1"),
    ]
    assert found[1].gain == "+1 dB [0, 2], 95 %, 20 scenes" and found[1].tags["profile"] == "quick"
    assert runs(tmp_path, "tiny") == found[1:]
    assert report_of(tmp_path, "tiny/1") == found[1].report
    asked = sorted(_asked(tracking.client(tmp_path)), key=lambda row: row.started, reverse=True)
    assert [(row.id, row.paper, row.status, row.started, row.ended, row.version, row.gain) for row in asked] == [
        (row.id, row.paper, row.status, row.started, row.ended, row.version, row.gain) for row in found
    ]
