"""The container image: what it is built of, and where podman is, the image itself."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
IMAGE = "localhost/satsr:test"


def pins(path: Path) -> dict[str, str]:
    """Normalised name -> version."""
    found = re.findall(r"^([\w.-]+)==(\S+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in found}


def test_the_image_has_the_versions_that_are_tested() -> None:
    image, tested = pins(ROOT / "stacks/requirements.lock"), pins(ROOT / "requirements.lock")
    assert {name for name in image if image[name] != tested.get(name)} <= {"satsr"}


def test_the_image_has_what_the_stages_and_the_clusters_clients_need_and_no_tools_of_developers() -> None:
    image = pins(ROOT / "stacks/requirements.lock")
    assert {"zenml", "mlflow", "torch", "dvc", "dvc-s3", "s3fs", "boto3", "kfp", "kfp-kubernetes"} <= image.keys()
    assert not {"pytest", "ruff", "mypy", "hypothesis"} & image.keys()


def test_the_file_copies_the_library_and_the_lock_and_ends_as_an_ordinary_user() -> None:
    text = (ROOT / "Dockerfile").read_text()
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE)
    assert " ".join(copied).split() == ["stacks/requirements.lock", "pyproject.toml", "README.md", "LICENSE", "satsr"]
    assert re.findall(r"^USER (\w+)$", text, re.MULTILINE) == ["1000"]
    assert "--editable" not in text and re.search(r"^ARG BASE=python:3\.11-slim$", text, re.MULTILINE)
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert sent == set(" ".join(copied).split())
    assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*"


@pytest.fixture(scope="module")
def podman() -> list[str]:
    """The command, where there is podman and an image of this name: building it takes minutes and a network."""
    if shutil.which("podman") is None:
        pytest.skip("podman is not installed")
    command = ["podman", "--runtime", "runc"]
    if subprocess.run([*command, "image", "exists", IMAGE], capture_output=True).returncode:
        pytest.skip(f"there is no image {IMAGE}: podman build --tag {IMAGE} .")
    return command


def inside(podman: list[str], *command: str, options: tuple[str, ...] = ()) -> str:
    run = [*podman, "run", "--rm", "--network", "none", *options, IMAGE, *command]
    done = subprocess.run(run, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_zenml_is_imported_in_an_empty_folder_by_an_ordinary_user(podman: list[str]) -> None:
    code = "import os, zenml, satsr.stack.kubeflow; print(os.getuid(), os.getcwd(), os.listdir())"
    assert inside(podman, "python", "-c", code).splitlines()[-1] == "1000 /app []"


@pytest.mark.slow
def test_the_code_that_arrives_goes_before_what_is_installed(podman: list[str]) -> None:
    arrive = "import pathlib; p = pathlib.Path('/app/code/satsr'); p.mkdir(parents=True); (p / '__init__.py').touch()"
    code = f"import zenml, sys; {arrive}; sys.path.insert(0, '/app/code'); import satsr; print(satsr.__file__)"
    assert inside(podman, "python", "-c", code).splitlines()[-1] == "/app/code/satsr/__init__.py"


@pytest.mark.slow
@pytest.mark.parametrize("user", ["1000", "4711"])
def test_whoever_runs_it_may_write_where_code_and_state_go(podman: list[str], user: str) -> None:
    code = "import pathlib; pathlib.Path('/app/code').mkdir(); (pathlib.Path.home() / 'x').touch(); print('written')"
    assert inside(podman, "python", "-c", code, options=("--user", user)) == "written\n"


@pytest.mark.slow
def test_the_image_holds_no_sources_history_or_cache(podman: list[str]) -> None:
    found = inside(podman, "sh", "-c", "ls /app /build 2>/dev/null | wc -l; pip list --format freeze | wc -l")
    files, packages = map(int, found.split())
    assert files <= 2 and packages >= len(pins(ROOT / "stacks/requirements.lock"))
