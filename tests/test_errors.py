import pytest

from satsr.errors import redact


@pytest.mark.parametrize(
    "text",
    [
        "https://user:hunter2secret@example.org/file.zip",
        "https://example.org/f?token=hunter2secret&x=1",
        "password = hunter2secret",
        "Authorization: Bearer hunter2secret",
    ],
)
def test_secrets_do_not_survive(text: str) -> None:
    assert "hunter2secret" not in redact(text)


def test_values_of_secret_variables_do_not_survive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "abcdefgh12345678")
    assert redact("key abcdefgh12345678 used") == "key *** used"


def test_ordinary_text_is_unchanged() -> None:
    text = "sqlite:///mlflow.db and https://example.org/a?b=1"
    assert redact(text) == text
