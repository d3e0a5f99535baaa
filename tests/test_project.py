"""Where things lie, and a project beside the checkout."""

from pathlib import Path

import pytest

from satsr.config.change import change
from satsr.errors import SatsrError
from satsr.project import apart, root
from steps.code import code_sha256
from steps.configuration import config_of, configuration

ROOT = Path(__file__).resolve().parents[1]


def test_a_project_apart_has_the_code_and_the_settings_but_neither_data_nor_results(tmp_path: Path) -> None:
    made = apart(tmp_path / "apart")
    assert code_sha256("train", "qanet", made) == code_sha256("train", "qanet", ROOT)
    assert configuration("qanet", made) == configuration("qanet", ROOT)
    assert not [name for name in ("results", "data/raw", "data/lmdb", "mlflow.db", ".git") if (made / name).exists()]
    assert not list(made.rglob("__pycache__"))


def test_what_is_changed_in_a_project_apart_is_not_changed_in_the_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (ROOT / "params.yaml").read_bytes()
    made = apart(tmp_path)
    change("qanet", {"train.iterations": 7}, made, config_of("qanet"))
    assert configuration("qanet", made).train.iterations == 7 and (ROOT / "params.yaml").read_bytes() == before
    monkeypatch.setenv("SATSR_ROOT", str(made))
    assert root() == made


def test_outside_a_checkout_there_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SATSR_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SatsrError, match="not inside a satsr checkout"):
        root()
