import pytest
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from satsr.errors import SatsrError, absences, problems, redact


@pytest.mark.parametrize(
    "text",
    [
        "https://user:hunter2secret@example.org/file.zip",
        "https://user:p@hunter2secret@example.org",
        "https://hunter2secret@example.org",
        "https://example.org/f?token=hunter2secret&x=1",
        "password = hunter2secret",
        "my-api_key: hunter2secret",
        "Authorization: Bearer hunter2secret",
        'token="my hunter2secret"',
        "password: 'hunter2secret'",
    ],
)
def test_secrets_do_not_survive(text: str) -> None:
    assert "hunter2secret" not in redact(text)


def test_values_of_secret_variables_do_not_survive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "abcdefgh12345678")
    assert redact("key abcdefgh12345678 used") == "key *** used"


def test_a_sentence_holds_no_secret_whoever_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "abcdefgh12345678")
    error = SatsrError("no answer from https://me:hunter2secret@example.org with abcdefgh12345678: check the address.")
    assert str(error) == "no answer from https://***@example.org with ***: check the address."


def test_ordinary_text_is_unchanged() -> None:
    text = "sqlite:///mlflow.db and https://example.org/a?b=1, /data/my_secret: only images; design: good"
    assert redact(text) == text


def test_what_is_hidden_once_is_hidden_no_further() -> None:
    text = redact("https://example.org/a?token=hunter2secret: HTTP 404.")
    assert redact(text) == text == "https://example.org/a?token=***: HTTP 404."


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")

    size: int
    side: int = 0
    name: str

    @field_validator("side")
    @classmethod
    def _even(cls, side: int) -> int:
        if side % 2:
            raise ValueError("Must be even")
        return side


def test_every_wrong_value_is_a_clause() -> None:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({"size": "large", "side": 3, "colour": 1})
    assert problems(caught.value) == [
        "size: input should be a valid integer, unable to parse string as an integer (found 'large')",
        "side: must be even (found 3)",
        "name is missing",
        "unknown key colour",
    ]


@pytest.mark.parametrize(
    ("module", "extra"), [("kfp.dsl", "kubeflow"), ("dask.array", "dask"), ("jinja2", "preview"), ("torch", "train")]
)
def test_what_is_not_installed_is_told_with_the_extra_that_brings_it(module: str, extra: str) -> None:
    name = module.partition(".")[0]
    said = rf'needs {name}, which is not installed: pip install "satsr\[{extra}\]"'
    with pytest.raises(SatsrError, match=said), absences():
        raise ModuleNotFoundError(name=module)


def test_an_absent_module_that_no_extra_brings_is_a_mistake_of_the_programs() -> None:
    with pytest.raises(ModuleNotFoundError), absences():
        raise ModuleNotFoundError(name="satsr.nothing")
