"""``satsr run`` and what a person sees of it, with the real tools, in a copy of the project."""

import fcntl
import os
import pty
import re
import select
import signal
import sqlite3
import struct
import subprocess
import termios
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import pytest
from urllib3 import PoolManager

from satsr.dashboard.command import require_free
from tests.papers import project_of
from tests.project import STAGES, Project
from tests.s3 import free_port
from tests.warm import Started, warm

pytestmark = pytest.mark.slow
HIDDEN = "hunter2secret"
CONTROL = re.compile(r"\x1b\[[?0-9;]*[A-Za-z]")
STAGE = re.compile(r"(\w+) +(up to date|\d+ s|\d+ min)  (.+)")
NOISE = ("Traceback", "zenml login", "Updating lock file", "fontManager", "Using stack", "Step ", "computing hashes")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Trained once, with the settings of ``params.yaml``."""
    made = project_of("msdtgp", tmp_path_factory.mktemp("everyday") / "first place")
    made.environment |= {"TERM": "xterm", "MLFLOW_DISABLE_TELEMETRY": "true", "HF_TOKEN": HIDDEN}
    card = made.root / "data/catalog/tiny.yaml"
    card.write_text(
        re.sub(
            r"(?m)^(title|licence): .*$", rf"\1: from https://me:{HIDDEN}@example.org?token={HIDDEN}", card.read_text()
        )
    )
    made.environment.pop("COLUMNS", None)
    return made


def terminal(project: Project, columns: int, *command: str, interrupt: str = "") -> tuple[int, str]:
    """Exit code and output on a terminal; Ctrl-C is pressed when the output holds ``interrupt``."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    process = Started(warm().address, command, project.root, project.environment, Path(os.ttyname(theirs)))
    text = b""
    while True:
        if select.select([ours], [], [], 0.1)[0]:
            text += os.read(ours, 65536)
        elif process.poll() is not None:
            break
        if interrupt and interrupt.encode() in text:
            os.write(ours, b"\x03")
            interrupt = ""
    os.close(ours)
    os.close(theirs)
    return process.wait(), text.decode()


def stages(text: str) -> list[str]:
    """The stages of which a line tells, in order."""
    lines = [STAGE.fullmatch(line) for line in CONTROL.sub("", text).replace("\r", "\n").split("\n")]
    return [line[1] for line in lines if line and line[1] in STAGES]


def stopped(text: str) -> int:
    """The step that the last line names."""
    last = CONTROL.sub("", text).strip().splitlines()[-1]
    found = re.search(r"stopped by SIGINT at step (\d+); the same command goes on from here$", last)
    assert found, text
    return int(found[1])


def test_on_a_narrow_terminal_a_run_is_a_line_a_stage_and_a_bar_that_fits(project: Project) -> None:
    code, text = terminal(project, 80, "satsr", "run", "msdtgp")
    assert code == 0, text
    assert stages(text) == list(STAGES)
    lines = re.split(r"[\r\n]+", CONTROL.sub("", text))
    wide = [line for line in lines if len(line) > 80 and str(project.root) not in line]
    assert not wide and not [word for word in NOISE if word in text]
    bars = [line for line in lines if line.startswith("train") and "%" in line]
    assert bars and all("left" in bar or "0%" in bar for bar in bars)
    assert "http://127.0.0.1:5000/#/models?workflowType=machine_learning" in text


def test_settings_of_a_run_are_gone_after_it_and_the_pipe_has_no_colours(project: Project) -> None:
    before = (project.root / "params.yaml").read_bytes()
    project.environment |= {"NO_COLOR": "1", "TERM": "dumb"}
    text = project.run("satsr", "run", "msdtgp", "train.iterations=3", "--device", "cpu")
    project.environment |= {"TERM": "xterm"}
    del project.environment["NO_COLOR"]
    assert "\x1b" not in text and stages(text) == list(STAGES) and not [word for word in NOISE if word in text]
    assert "for this run: msdtgp.train.iterations = 3 (was 4)" in text and "3 steps" in text
    assert (project.root / "params.yaml").read_bytes() == before
    assert "papers.msdtgp.train" in project.run("dvc", "status", "train@msdtgp")


def test_runs_are_listed_and_their_reports_found(project: Project) -> None:
    text = project.run("satsr", "runs")
    assert [line.split()[2] for line in text.splitlines()[1:3]] == ["msdtgp/2", "msdtgp/1"]
    page = Path(project.run("satsr", "open", "--print", "msdtgp/1").strip())
    assert page.is_file() and "mlruns" in str(page)
    assert Path(project.run("satsr", "open", "--print").strip()).name == "report.html"


def test_no_file_that_a_run_leaves_holds_a_secret_of_the_environment_or_of_the_card(project: Project) -> None:
    """MLflow's and ZenML's stores, manifests, reports, models, DVC's cache."""
    project.run("satsr", "run", "msdtgp")
    ours = {project.root / "data/catalog/tiny.yaml"}
    files = [path for path in project.root.rglob("*") if path.is_file() and path not in ours]
    names = {path.relative_to(project.root).parts[0] for path in files}
    assert {".dvc", ".zenml", "data", "dvc.lock", "mlflow.db", "results"} <= names
    contents = {path: path.read_bytes() for path in files}
    assert [path for path, content in contents.items() if b"https://***@example.org" in content]
    assert not [path for path, content in contents.items() if HIDDEN.encode() in content]


def rows(project: Project) -> dict[str, list[tuple]]:
    """All of ZenML's store, by table, apart from when somebody last looked."""
    place = project.root / ".zenml/local_stores/default_zen_store/zenml.db"
    with closing(sqlite3.connect(f"file:{place}?mode=ro", uri=True)) as store:
        store.execute("pragma query_only = 1")
        tables = [name for (name,) in store.execute("select name from sqlite_master where type = 'table'")]
        found = {name: store.execute(f'select * from "{name}" order by 1').fetchall() for name in tables}
    found["server_settings"] = [row[:8] for row in found["server_settings"]]
    return found


@pytest.mark.skipif(find_spec("uvicorn") is None, reason='ZenML\'s server is not here: pip install "satsr[server]"')
def test_zenmls_dashboard_shows_the_runs_changes_nothing_and_leaves_nothing(project: Project, tmp_path: Path) -> None:
    before, config = rows(project), (project.root / ".zenml/config.yaml").read_bytes()
    port, http = free_port(), PoolManager()
    url, command = f"http://127.0.0.1:{port}", ("satsr", "dashboard", "--print", "--port", str(port))
    (tmp_path / "tmp").mkdir()
    process = subprocess.Popen(
        command,
        cwd=project.root,
        env={**project.environment, "TMPDIR": str(tmp_path / "tmp")},
        stdout=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # which shells ignore in the background
    )
    try:
        assert process.stdout is not None and url in process.stdout.readline().decode()
        assert http.request("GET", url, redirect=False).headers["location"] == "/projects/default/runs"
        page = http.request("GET", f"{url}/projects/default/runs")
        assert b"ZenML Dashboard" in page.data and "connect-src 'self';" in page.headers["content-security-policy"]
        runs = http.request("GET", f"{url}/api/v1/runs?size=100").json()["items"]
        assert runs and len(runs) == len(before["pipeline_run"])
        assert {run["resources"]["pipeline"]["name"] for run in runs} == {"train_msdtgp"}
        (report, *_) = http.request("GET", f"{url}/api/v1/artifact_versions?artifact=report").json()["items"]
        shown = http.request("GET", f"{url}/api/v1/artifact_versions/{report['id']}/visualize").json()
        assert shown["type"] == "html" and "bicubic" in shown["value"]
        info = http.request("GET", f"{url}/api/v1/info").json()
        assert info["auth_scheme"] == "NO_AUTH" and info["analytics_enabled"] is False
        user = http.request("GET", f"{url}/api/v1/current-user").json()
        assert (
            user["body"]["email_opted_in"] is False and user["metadata"]["user_metadata"]["finished_onboarding_survey"]
        )
        assert http.request("DELETE", f"{url}/api/v1/runs/{runs[0]['id']}").status == 405
        assert http.request("PUT", f"{url}/api/v1/current-user", json={"full_name": "me"}).status == 405
        assert http.request("GET", f"{url}/api/v1/info", headers={"Host": "evil.example"}).status == 400
        assert f"port {port} of this computer is taken" in project.run(*command, code=1)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()
    require_free(port)
    assert list((tmp_path / "tmp").glob("satsr-*")) == []
    assert rows(project) == before and (project.root / ".zenml/config.yaml").read_bytes() == config


@pytest.mark.parametrize(
    ("variables", "codes"), [({"NO_COLOR": "1"}, re.compile(r"\x1b\[[\d;]*m")), ({"TERM": "dumb"}, re.compile(r"\x1b"))]
)
def test_a_wide_terminal_that_wants_no_colours_gets_none(
    variables: dict[str, str], codes: re.Pattern[str], project: Project
) -> None:
    before = dict(project.environment)
    project.environment |= variables
    code, text = terminal(project, 120, "satsr", "run", "msdtgp", "train.seed=5")
    project.environment.clear()
    project.environment |= before
    assert code == 0 and stages(text) == list(STAGES) and not codes.search(text)
    lines = re.split(r"[\r\n]+", CONTROL.sub("", text))
    assert not [line for line in lines if len(line) > 120 and str(project.root) not in line]
    assert not [word for word in NOISE if word in text]


def test_ctrl_c_ends_with_its_sentence_and_resume_goes_on_from_there(project: Project) -> None:
    before = (project.root / "params.yaml").read_bytes()
    command = ("satsr", "run", "msdtgp", "train.iterations=100000", "train.validate_every=100000")
    code, text = terminal(project, 120, *command, interrupt="loss=")
    assert code == 130 and "Traceback" not in text
    reached = stopped(text)
    assert (project.root / "params.yaml").read_bytes() == before
    code, text = terminal(project, 120, "satsr", "run", "msdtgp", "--resume", interrupt="loss=")
    assert code == 130 and "for this run: msdtgp.train.iterations = 100000 (was 4)" in text
    assert f"train: going on from step {reached}\n" in text.replace("\r", "") and stopped(text) > reached
    assert (project.root / "params.yaml").read_bytes() == before


def test_a_failure_ends_with_its_sentence(project: Project) -> None:
    before = (project.root / "params.yaml").read_bytes()
    for command in (("satsr", "run", "msdtgp"), ("zenml", "pipeline", "run", "train_msdtgp")):
        if command[0] == "zenml":
            project.params(**{"train.lr": 1e30, "train.max_bad_steps": 1})
            text = project.run(*command, code=1)
        else:
            text = project.run(*command, "train.lr=1e30", "train.max_bad_steps=1", code=1)
        assert "Traceback" not in text and text.count("the loss was not finite") == 1
        assert text.strip().splitlines()[-1].startswith("error: the loss was not finite")
    (project.root / "params.yaml").write_bytes(before)


def test_a_moved_checkout_goes_on_where_it_was(project: Project) -> None:
    project.run("satsr", "setup")
    project.run("zenml", "pipeline", "run", "train_msdtgp")  # the tests before may have left another state
    old, new = project.root, project.root.parent / "zweiter örtlicher Ort"
    old.rename(new)
    project.root = new
    project.environment |= {"PYTHONPATH": str(new), "ZENML_CONFIG_PATH": str(new / ".zenml")}
    text = project.run("zenml", "pipeline", "run", "train_msdtgp")
    assert text.count("up to date") == len(STAGES) and f"this checkout was at {old}" in text
    assert not old.exists()
    _, text = terminal(project, 120, "satsr", "doctor")
    assert "ok     paths" in text and "ok     databases" in text and "this checkout was" not in text
    assert "version 1" in project.run("satsr", "summary", "msdtgp")
    assert project.run("satsr", "open", "--print", "msdtgp/1").startswith(str(new))
    load = "import satsr; print(satsr.load('msdtgp/1').facts.kind)"
    assert project.run("python", "-c", load).strip() in ("video", "window")
