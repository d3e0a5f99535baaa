import re
from pathlib import Path

import pytest

from satsr import tracking
from satsr.errors import SatsrError
from satsr.files import write_text
from satsr.review.runs import Run, _asked, _stored, report_of, runs, table


def run(number: int, paper: str = "tiny", **changes: object) -> Run:
    tags = {"profile": "quick", "dataset": "drawn", "decides": "psnr,ssim"}
    tags |= {"gain.psnr": "+1.57 dB [1.33, 1.81], 95 %, 20 scenes"}
    given = {"tags": tags, "version": f"{paper}/{number}", **changes}
    return Run(f"r{number}", paper, "FINISHED", 60_000 * number, "", **{"seconds": 90.0, **given})


def test_a_line_a_run_with_its_gain_and_its_time(tmp_path: Path) -> None:
    (heading, first, second, more) = table([run(3), run(2), run(1)], tmp_path, limit=2)
    assert heading.split()[:4] == ["started", "version", "profile", "data"]
    assert re.split(" {2,}", first)[1:] == ["tiny/3", "quick", "drawn", "+1.57 dB [1.33, 1.81]", "90 s", "-"]
    assert "tiny/2" in second and more == "1 more: --all lists them"


def test_a_run_without_a_version_says_what_became_of_it(tmp_path: Path) -> None:
    killed = Run("r1", "tiny", "KILLED", 0, "")
    (_, line) = table([killed], tmp_path)
    assert line.split()[2:] == ["tiny", "-", "-", "killed", "-", "-"]


def test_the_gain_is_that_in_psnr_whatever_its_convention_is_called() -> None:
    tags = {"gain.cssim": "+0.02", "gain.cpsnr": "+3.07 dB [2.47, 3.67], 95 %, 20 scenes"}
    assert run(1, tags=tags).gain.startswith("+3.07 dB")


def test_no_run_is_told_with_what_makes_one(tmp_path: Path) -> None:
    assert table([], tmp_path) == ["no runs yet: `satsr run rasvsr` makes one"]


def test_a_paper_without_runs_is_told_with_those_that_have_some(tmp_path: Path) -> None:
    found = [run(1, "a"), run(2, "b")]
    assert table(found, tmp_path, paper="c") == ["no runs of c: there are some of a, b"]
    assert len(table(found, tmp_path, paper="b")) == 2


def test_a_database_that_cannot_be_read_or_opened_is_a_sentence(tmp_path: Path) -> None:
    write_text(tmp_path / "mlflow.db", "no database " * 99)
    with pytest.raises(SatsrError, match=r"mlflow\.db cannot be read"):
        runs(tmp_path)
    with pytest.raises(SatsrError, match=r"absent\.db cannot be read"):
        list(_stored(tmp_path / "absent.db"))


def test_the_last_report_is_found_of_a_paper_and_of_all(tmp_path: Path) -> None:
    with pytest.raises(SatsrError, match="there is no report of b"):
        report_of(tmp_path, "b")
    pages = [tmp_path / "results" / paper / "evaluation" / "report.html" for paper in "ba"]
    for page in pages:
        write_text(page, "")
    assert report_of(tmp_path, "b") == pages[0] and report_of(tmp_path) in pages


@pytest.mark.slow
def test_the_stores_own_file_says_what_mlflow_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from satsr.register import registry
    from tests.tiny_graphs import image_graph

    graph = image_graph(tmp_path / "m.onnx", normalisation="unit_u8")
    write_text(tmp_path / "report.html", "")
    with tracking.run(tmp_path, "tiny") as made:
        made.tags({"profile": "quick"})
        tags = {"decides": "psnr,ssim", "gain.psnr": "+1 dB [0, 2], 95 %, 20 scenes"}
        registry.add_version(made, "tiny", graph, tags, "A card.", facts={"scale": 2})
        registry.add_version(made, "tiny", graph, {**tags, "gain.psnr": "+2 dB"}, "A card.", facts={"scale": 2})
        made.metrics({"train_seconds": 7.0})
        made.artifact(tmp_path / "report.html", "report")
    with pytest.raises(ZeroDivisionError), tracking.run(tmp_path, "other"):
        raise ZeroDivisionError
    found = runs(tmp_path)
    assert [(row.paper, row.status, row.version) for row in found] == [
        ("other", "FAILED", ""),
        ("tiny", "FINISHED", "tiny/2"),
        ("tiny", "FINISHED", "tiny/1"),
    ]
    assert [row.gain for row in found[1:]] == ["+2 dB", "+1 dB [0, 2], 95 %, 20 scenes"]
    assert {row.tags["profile"] for row in found[1:]} == {"quick"} and {row.seconds for row in found[1:]} == {7.0}
    assert report_of(tmp_path, "tiny/1") == report_of(tmp_path, "tiny/2") == found[1].report
    monkeypatch.setattr("satsr.review.runs.PAGE", 1)  # three experiments, two runs, two versions: several answers
    asked = list(_asked(tracking.client(tmp_path)))
    assert {(row.id, row.paper, row.status, row.started, row.seconds, row.version, row.gain) for row in asked} == {
        (row.id, row.paper, row.status, row.started, row.seconds, row.version, row.gain) for row in found
    }
    assert len(asked) == len(found)
    page = report_of(tmp_path, "tiny/1").relative_to(tmp_path)
    moved = tmp_path.rename(tmp_path.with_name("moved"))
    assert report_of(moved, "tiny/1") == moved / page
    moved.rename(tmp_path)
