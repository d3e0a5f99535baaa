import importlib.util
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from satsr import quiet
from satsr.errors import Interrupted, SatsrError
from tests.stages import ROOT


@pytest.mark.parametrize(
    ("raised", "code", "words"),
    [
        ("Interrupted(2, 11)", 130, "stopped by SIGINT at step 11; the same command goes on from here\n"),
        ("SatsrError('no GPU.')", 1, "error: no GPU.\n"),
        ("RuntimeError('Pipeline run has failed due to x')", 1, "error: Pipeline run has failed due to x\n"),
    ],
)
def test_what_ends_a_tools_command_is_said_as_a_sentence(raised: str, code: int, words: str) -> None:
    program = f"from satsr import quiet; from satsr.errors import *; quiet.apply(); raise {raised}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (code, words)


def test_an_error_of_the_program_keeps_its_traceback() -> None:
    program = "from satsr import quiet; quiet.apply(); 1 / 0"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.returncode == 1 and "Traceback" in done.stderr and "ZeroDivisionError" in done.stderr


@pytest.mark.parametrize("error", [SatsrError("bad"), Interrupted(2, 3), KeyboardInterrupt()])
def test_a_step_that_stopped_with_a_sentence_is_not_logged_again(error: BaseException) -> None:
    quiet.apply()
    launcher, orchestrator = map(logging.getLogger, quiet.STEPS[::-1])
    failed = launcher.makeRecord("x", logging.ERROR, "f", 1, "Failed to run step `%s`: %s", ("train", error), None)
    raised = orchestrator.makeRecord("x", logging.ERROR, "f", 1, "failed", (), (type(error), error, None))
    assert not launcher.filter(failed) and not orchestrator.filter(raised)
    other = launcher.makeRecord("x", logging.ERROR, "f", 1, "%s", (ValueError("a bug"),), None)
    assert launcher.filter(other)


def test_a_server_that_is_not_installed_is_not_advertised() -> None:
    quiet.apply()
    logger = logging.getLogger("zenml.pipelines.pipeline_definition")
    words = "In order to try it locally, please run `zenml login --local`."
    assert not logger.filter(logger.makeRecord("x", logging.INFO, "f", 1, words, (), None))
    assert logger.filter(logger.makeRecord("x", logging.INFO, "f", 1, "Pipeline completed.", (), None))
    source = importlib.util.find_spec("zenml").submodule_search_locations[0]  # ZenML's words, without importing it
    assert "zenml login --local" in (Path(source) / "pipelines/pipeline_definition.py").read_text()


def test_the_tools_speak_again_where_it_is_wished(monkeypatch: pytest.MonkeyPatch) -> None:
    quiet.apply()
    assert logging.getLogger("zenml").level == logging.WARNING
    monkeypatch.setenv(quiet.VERBOSE, "1")
    quiet.apply()
    assert logging.getLogger("zenml").level == logging.NOTSET
    monkeypatch.delenv(quiet.VERBOSE)
    quiet.apply()
    assert logging.getLogger("zenml").level == logging.WARNING
