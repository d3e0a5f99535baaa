"""All seven steps where they share nothing but S3, an MLflow server and ZenML's server, as on a cluster."""

import copy
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

import pytest

from steps import STAGES
from steps.inputs import recorded
from tests.conftest import MakeStore
from tests.isolated import WARM
from tests.papers import project_of
from tests.project import NAMESPACE, Project
from tests.s3 import BUCKET, KEY, SECRET, Server, answers, free_port, serving
from tests.warm import warm

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        find_spec("tldextract") is None, reason='ZenML\'s server is not here: pip install "zenml[server]"'
    ),
    pytest.mark.skipif(
        subprocess.run([*NAMESPACE, "mkdir", "-p", "/app"], capture_output=True).returncode != 0,
        reason="this user has no mount namespaces, or no folder /app, where ZenML's steps begin",
    ),
]
PAPER = "msdtgp"
PASSWORD = "password of this test alone"
REGISTER = f"""
import sys
from satsr import quiet
quiet.apply()
from zenml.client import Client
from zenml.enums import StackComponentType as Type
client = Client()
client.create_flavor("isolated.IsolatedFlavor", Type.ORCHESTRATOR)
client.create_stack_component("isolated", "isolated", Type.ORCHESTRATOR, {{"folder": sys.argv[1]}})
keys = {{"key": "{KEY}", "secret": "{SECRET}", "client_kwargs": {{"endpoint_url": sys.argv[2]}}}}
client.create_stack_component("s3", "s3", Type.ARTIFACT_STORE, {{"path": "s3://{BUCKET}/zenml", **keys}})
client.create_stack("apart", {{Type.ORCHESTRATOR: "isolated", Type.ARTIFACT_STORE: "s3"}})
client.activate_stack("apart")
"""

ASKED = """
import os
import sys
from pathlib import Path
from satsr import quiet
quiet.apply()
from pipelines.apart import require_reachable
from satsr.config.change import change
from satsr.errors import SatsrError
from steps.configuration import config_of
paper, outside, root = sys.argv[1], sys.argv[2], Path.cwd()
def asked():
    try:
        require_reachable(paper, root)
        print("it may begin")
    except SatsrError as error:
        print(error)
asked()
server = os.environ.pop("MLFLOW_TRACKING_URI")
asked()
os.environ["MLFLOW_TRACKING_URI"] = server
config = (root / ".dvc/config").read_text()
(root / ".dvc/config").write_text("")
asked()
(root / ".dvc/config").write_text(config)
params = (root / "params.yaml").read_text()
change(paper, {"data": outside}, root, config_of(paper))
asked()
(root / "params.yaml").write_text(params)
"""


def zenml_server(folder: Path, stack: ExitStack) -> dict[str, str]:
    """A running ZenML server; what a client of its service account is told."""
    from urllib3 import PoolManager

    port, http = free_port(), PoolManager()
    url = f"http://127.0.0.1:{port}"
    settings = {
        "ZENML_CONFIG_PATH": str(folder / "server"),
        "ZENML_STORE_TYPE": "sql",
        "ZENML_STORE_URL": f"sqlite:///{folder / 'server.db'}",
        "ZENML_SERVER": "true",
        "ZENML_SERVER_AUTO_ACTIVATE": "1",
        "ZENML_SERVER_AUTH_SCHEME": "OAUTH2_PASSWORD_BEARER",
        "ZENML_SERVER_DEPLOYMENT_TYPE": "other",
        "ZENML_DEFAULT_USER_NAME": "default",
        "ZENML_DEFAULT_USER_PASSWORD": PASSWORD,
        "ZENML_SERVER_JWT_SECRET_KEY": "0123456789abcdef" * 2,
    }
    command = [sys.executable, "-m", "uvicorn", "zenml.zen_server.zen_server_api:app", "--port", str(port)]
    answers(port, started(command, folder / "zenml.log", stack, folder, settings))

    def asked(path: str, headers: dict[str, str], **content: object) -> dict:
        answer = http.request("POST", f"{url}/api/v1/{path}", headers=headers, **content)
        assert answer.status == 200, answer.data
        return answer.json()

    form = {"fields": {"username": "default", "password": PASSWORD}, "encode_multipart": False}
    token = {"Authorization": f"Bearer {asked('login', {}, **form)['access_token']}"}
    account = asked("service_accounts", token, json={"name": "group", "active": True})
    key = asked(f"service_accounts/{account['id']}/api_keys", token, json={"name": "test"})
    return {"ZENML_STORE_URL": url, "ZENML_STORE_API_KEY": key["body"]["key"]}


def mlflow_server(folder: Path, stack: ExitStack, mlflow_store: MakeStore) -> dict[str, str]:
    """A running MLflow server that keeps artifacts too."""
    port = free_port()
    store = ["--backend-store-uri", mlflow_store(folder)]
    kept = ["--serve-artifacts", "--artifacts-destination", str(folder / "artifacts")]
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1", *store, *kept]
    answers(
        port, started(command, folder / "mlflow.log", stack, folder, {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"})
    )
    return {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{port}"}


def started(
    command: list[str], log: Path, stack: ExitStack, folder: Path, settings: dict[str, str]
) -> subprocess.Popen[bytes]:
    """Runs a server until the end of the tests."""
    told = stack.enter_context(log.open("w"))
    environment = {**os.environ, **settings}
    environment.pop("PYTEST_CURRENT_TEST", None)
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=told, stderr=told, start_new_session=True)
    stack.callback(lambda: (os.killpg(process.pid, 9), process.wait()))
    return process


Cluster = tuple[Project, Path, Server]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, mlflow_store: MakeStore) -> Iterator[Cluster]:
    """A checkout whose stack is of such steps, the folder in which their pods are, and the bucket."""
    folder = tmp_path_factory.mktemp("cluster")
    (folder / "pods").mkdir()
    with ExitStack() as stack, serving(folder / "s3", BUCKET) as server:
        mlflow, zenml = mlflow_server(folder, stack, mlflow_store), zenml_server(folder, stack)
        project = project_of(PAPER, folder / "clone")
        for name in ("isolated.py", "warm.py"):
            shutil.copy(Path(__file__).with_name(name), project.root / name)
        project.environment |= {**server.environment, **mlflow, **zenml, "ZENML_CONFIG_PATH": str(folder / "client")}
        project.environment[WARM] = warm().address
        project.run(sys.executable, "-c", REGISTER, str(folder / "pods"), server.endpoint)
        project.run("satsr", "setup", "--remote", f"s3://{BUCKET}/dvc")
        yield project, folder / "pods", server


def clones(pods: Path) -> dict[str, Path]:
    """The newest run's clones, by their steps."""
    newest = max(pods.iterdir(), key=lambda run: run.stat().st_mtime)
    return {stage: newest / stage / "app" for stage in STAGES}


def files(clone: Path) -> set[str]:
    """What the stages made that is in a clone."""
    found = (path for place in ("data/raw", "data/lmdb", "results") for path in (clone / place).rglob("*"))
    return {path.relative_to(clone).as_posix() for path in found if path.is_file()}


def outputs(root: Path, stage: str) -> dict[str, str]:
    """The hashes of what a stage made, by path."""
    return {one["path"]: one["md5"] for one in recorded(root / "dvc.lock", stage, PAPER)["outs"]}


def test_a_run_that_would_not_find_its_data_its_cache_or_its_registry_is_refused_before_it_begins(
    cluster: Cluster, tmp_path: Path
) -> None:
    project, pods, _ = cluster
    (tmp_path / "frames").mkdir()
    told = project.run(sys.executable, "-c", ASKED, PAPER, str(tmp_path / "frames"))
    well, registry, cache, data = [line for line in told.splitlines() if line]
    assert well == "it may begin"
    assert "put a server's address into MLFLOW_TRACKING_URI" in registry
    assert "`satsr setup --remote s3://bucket/prefix`" in cache
    assert f"{tmp_path / 'frames'} is neither in git nor kept by DVC" in data
    assert list(pods.iterdir()) == []


def test_seven_steps_that_share_nothing_but_servers_give_what_one_machine_gives(
    cluster: Cluster, tmp_path: Path
) -> None:
    project, pods, _ = cluster
    project.run("zenml", "pipeline", "run", f"train_{PAPER}")
    apart = clones(pods)
    made = {path for stage, clone in apart.items() for path in outputs(clone, stage)}
    for stage, clone in apart.items():
        reads = {one["path"] for one in recorded(clone / "dvc.lock", stage, PAPER)["deps"]}
        declared = (reads & made) | set(outputs(clone, stage))
        assert all((clone / path).exists() for path in declared)
        assert all(any(name == path or name.startswith(f"{path}/") for path in declared) for name in files(clone))
    alone = project_of(PAPER, tmp_path / "alone")
    for stage in STAGES:
        alone.run("python", "-m", "steps", stage, PAPER)
    alone.run("dvc", "commit", "-f", "-q")
    evaluation = f"results/{PAPER}/evaluation"
    for stage in STAGES[:-1]:
        found, expected = outputs(apart[stage], stage), outputs(alone.root, stage)
        assert {path for path in found if found[path] != expected[path]} <= {evaluation}
    for path in (apart["evaluate"] / evaluation).rglob("*.*"):
        if path.name != "report.html":  # it names the commit
            assert (
                path.read_bytes()
                == (alone.root / evaluation / path.relative_to(apart["evaluate"] / evaluation)).read_bytes()
            )
    commit = project.run("git", "rev-parse", "HEAD").strip()
    assert f"{commit[:8]}" in (apart["evaluate"] / evaluation / "report.html").read_text()
    logs = "".join(log.read_text() for log in apart["train"].parents[1].glob("*.log"))
    assert SECRET not in logs and KEY not in logs
    pulls_all_of_it(alone, project, tmp_path / "fresh")


def pulls_all_of_it(alone: Project, sent: Project, place: Path) -> None:
    """A fresh clone has every output by ``dvc pull`` from the remote that steps filled, and nothing is left to do."""
    shutil.copy(sent.root / ".dvc/config", alone.root / ".dvc/config")
    alone.environment |= {name: value for name, value in sent.environment.items() if name.startswith("AWS_")}
    alone.run("dvc", "push", "-q")  # its evaluation names another commit, its registration another version
    alone.run("git", "add", "--all")
    alone.run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "made on one machine")
    alone.run("git", "clone", "-q", ".", str(place))
    fresh = copy.copy(alone)
    fresh.root = place
    kept = {path for stage in STAGES for path in outputs(place, stage) if (place / path).exists()}
    assert kept == {f"results/{PAPER}/metrics.json", f"results/{PAPER}/headline.json"}
    fresh.run("dvc", "pull", "-q")
    assert files(place) == files(alone.root)
    assert "Data and pipelines are up to date." in fresh.run("dvc", "status")


def test_a_changed_gate_reuses_six_stages_in_fresh_clones_and_registers_no_second_version(cluster: Cluster) -> None:
    project, pods, _ = cluster
    before = clones(pods)
    project.params(**{"gates.min_gain_ssim": -1.5})
    project.run("zenml", "pipeline", "run", f"train_{PAPER}")
    after = clones(pods)
    assert before["train"] != after["train"]
    told = {stage: (after[stage].parents[1] / f"{stage}.log").read_text() for stage in STAGES}
    assert [stage for stage in STAGES if "up to date" not in told[stage]] == ["register"]
    assert not (after["train"] / f"data/lmdb/{PAPER}").exists()  # what need not run fetches nothing to read
    registered = f"results/{PAPER}/register/registration.json"
    found = [json.loads((run["register"] / registered).read_text()) for run in (before, after)]
    assert found[0]["version"] == found[1]["version"] == 1 and found[0]["gates"] != found[1]["gates"]


def test_a_second_run_in_fresh_clones_reuses_all_seven_stages_and_registers_nothing(cluster: Cluster) -> None:
    project, pods, _ = cluster
    before = clones(pods)
    project.run("zenml", "pipeline", "run", f"train_{PAPER}")
    after = clones(pods)
    assert before["train"] != after["train"]
    told = {stage: (after[stage].parents[1] / f"{stage}.log").read_text() for stage in STAGES}
    assert [stage for stage in STAGES if "up to date" not in told[stage]] == []
    assert outputs(after["register"], "register") == outputs(before["register"], "register")


def test_a_run_that_fails_in_its_pods_is_a_sentence_and_an_exit_code_where_it_was_submitted(cluster: Cluster) -> None:
    project, pods, server = cluster
    store = outputs(clones(pods)["convert"], "convert")[f"data/lmdb/{PAPER}"]
    (server.folder / BUCKET / "dvc/files/md5" / store[:2] / store[2:]).unlink()
    project.params(**{"train.iterations": 5})
    told = project.run("zenml", "pipeline", "run", f"train_{PAPER}", code=1)
    said = next(line for line in told.splitlines() if line.startswith("error: the run"))
    assert "failed. convert: the remote" in said and f"data/lmdb/{PAPER} (md5 {store})" in said
