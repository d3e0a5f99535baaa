"""The one error a user meets, a sentence that says what was expected, what was found and what to do; no secrets."""

import difflib
import os
import re
import signal
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, get_args

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

SECRET_NAME = re.compile(r"(SECRET|TOKEN|PASSWORD|PASSWD|API_?KEY|CREDENTIAL|PRIVATE_KEY)", re.IGNORECASE)
KEY = r"(?:token|secret|password|passwd|api_?key|signature|sig|access_key)"
VALUE = r"(?:\"[^\"\n]+\"|'[^'\n]+'|[^\s&,;'\"]*[^\s&,;:.'\"])"
"""Of a secret: between quotes, or to the end of the word, without what ends a sentence."""
PATTERNS = (
    (re.compile(r"(\w+://)[^/\s'\"]+@"), r"\1***@"),
    (re.compile(rf"({KEY}\s*=\s*){VALUE}", re.IGNORECASE), r"\1***"),
    (re.compile(rf"(?<![\w/.-])([\w-]*{KEY}\s*:\s*){VALUE}", re.IGNORECASE), r"\1***"),  # no path's name
    (re.compile(r"\b(AKIA|ASIA)[A-Z0-9]{16}\b"), "***"),
    (re.compile(r"\b(ghp|gho|github_pat|hf|glpat|xoxb)[_-][A-Za-z0-9_-]{16,}"), "***"),
    (re.compile(r"(Bearer\s+)[A-Za-z0-9._~+/=-]+", re.IGNORECASE), r"\1***"),
)


CHECKOUT = ("benchmarks", "models", "pipelines", "steps")
"""What only a checkout of the repository has."""
PREVIEW = ("PIL", "jinja2")
DASK = ("dask", "distributed", "xarray")
KUBEFLOW = ("boto3", "kfp", "kfp_server_api", "kubernetes", "s3fs")
TRAIN = (
    *("alembic", "dvc", "great_expectations", "lightning_fabric", "lmdb", "mlflow", "onnx", "onnxscript", "pandas"),
    *("markupsafe", "psutil", "pydantic", "rich", "ruamel", "safetensors", "scipy", "sqlalchemy", "torch", "zenml"),
)
"""What only an extra brings (``pip install "satsr[train]"``), as it is imported."""


class SatsrError(Exception):
    """Bad input or a broken environment, told as a sentence with its fix.

    The doors (``python -m steps``, ``satsr``) print it without a traceback and exit with code 1. Library code raises it
    for whatever a user can cause; programming errors stay ordinary exceptions. Whoever shows it shows no secrets: its
    sentence is redacted when it is made.
    """

    def __init__(self, sentence: str = "") -> None:
        super().__init__(redact(sentence))


class Undefined(SatsrError):
    """A metric has no value for these images, whoever asks for it: the sentence says why."""


class Interrupted(Exception):
    """Training stopped on a signal after saving; ``code`` is the exit code that shells expect."""

    def __init__(self, number: int, step: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name} at step {step}; the same command goes on from here")
        self.code = 128 + number


@contextmanager
def absences() -> Iterator[None]:
    """Turns the absence of what only an extra or a checkout has into sentences.

    Raises:
        SatsrError: so.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if module in CHECKOUT:
            raise SatsrError(
                f"this needs {module}/, which only a checkout of the repository has: run it there, installed by make "
                "install. ONNX files are applied anywhere."
            ) from None
        extras = {"preview": PREVIEW, "dask": DASK, "kubeflow": KUBEFLOW, "train": TRAIN}
        extra = next((name for name, modules in extras.items() if module in modules), "")
        if not extra:
            raise
        raise SatsrError(
            f'this needs {module}, which is not installed: pip install "satsr[{extra}]", or in a checkout make '
            "install. ONNX files are applied without."
        ) from None


def listed(claim: str, problems: Sequence[str], limit: int = 200) -> str:
    """A message with one problem a line."""
    more = [f"... and {len(problems) - limit} more"] if len(problems) > limit else []
    return "\n  ".join([f"{claim} ({len(problems)} found):", *problems[:limit], *more])


def redact(text: str) -> str:
    """``text`` without user information in URLs, tokens, and the values of secret environment variables."""
    for name, value in os.environ.items():
        if len(value) >= 8 and SECRET_NAME.search(name):
            text = text.replace(value, "***")
    return hidden(text)


def hidden(text: str) -> str:
    """``text`` without user information in URLs and without tokens, whatever the environment holds."""
    for pattern, replacement in PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def meant(word: str, known: Iterable[str]) -> str:
    """`` (did you mean train.iterations?)``, or nothing where no known word is near.

    Args:
        word: that is not known, such as ``iteration`` or ``train.iteration``.
        known: the words, or dotted keys.
    """
    names, (section, _, last) = list(known), word.rpartition(".")
    beside = {name.rpartition(".")[2]: name for name in names if name.rpartition(".")[0] == section}
    near = [name for name in names if name.endswith(f".{word}")]
    near += [beside[name] for name in difflib.get_close_matches(last, beside, 1)]
    near += difflib.get_close_matches(word, names, 1, 0.8)
    return f" (did you mean {near[0]}?)" if near else ""


def keys(model: "type[BaseModel]", place: str = "") -> Iterator[str]:
    """The dotted keys that a model takes, sections and what they hold."""
    for name, about in model.model_fields.items():
        yield place + name
        for kind in (about.annotation, *get_args(about.annotation)):
            if hasattr(kind, "model_fields"):
                yield from keys(kind, f"{place}{name}.")


def problems(error: "ValidationError", place: str = "", model: "type[BaseModel] | None" = None) -> list[str]:
    """What pydantic found wrong, a clause for each value, that begins with its key and ends with what was found.

    Args:
        error: what pydantic raised.
        place: stands before the keys, such as ``train.``.
        model: that was to be made; then an unknown key is told with the one that was meant.
    """
    known = list(keys(model, place)) if model else []
    lines = []
    for problem in error.errors():
        key = place + ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            lines.append(f"unknown key {key}{meant(key, known)}")
        elif problem["type"] == "missing":
            lines.append(f"{key} is missing")
        else:
            message = problem["msg"].removeprefix("Value error, ")
            lines.append(f"{key}: {message[0].lower()}{message[1:]} (found {_shown(problem['input'])})")
    return lines


def _shown(value: object) -> str:
    """A value as Python writes it, or its beginning: a card's may be as long as the card."""
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."
