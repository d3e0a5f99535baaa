import pytest

from satsr.cli import main, parser


def said(capsys: pytest.CaptureFixture, *arguments: str) -> tuple[int, str]:
    try:
        code = main(arguments)
    except SystemExit as end:
        code = int(end.code or 0)
    told = capsys.readouterr()
    return code, told.out + told.err


def test_the_bare_command_prints_its_help(capsys: pytest.CaptureFixture) -> None:
    code, words = said(capsys)
    assert code == 0 and "usage: satsr" in words and "doctor" in words


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture) -> None:
    from importlib.metadata import version

    assert said(capsys, "--version") == (0, f"satsr {version('satsr')}\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("upscal",), "error: satsr has no command 'upscal': did you mean `satsr upscale`?"),
        (("review", "aprove"), "error: satsr review has no action 'aprove': did you mean `satsr review approve`?"),
        (("frobnicate",), "error: satsr has no command 'frobnicate': `satsr --help` lists them."),
    ],
)
def test_a_mistyped_command_is_understood(
    arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture
) -> None:
    code, told = said(capsys, *arguments)
    assert code == 2 and told.startswith(words) and "usage" not in told


def test_the_help_of_a_run_says_what_becomes_of_the_settings(capsys: pytest.CaptureFixture) -> None:
    code, words = said(capsys, "run", "--help")
    assert code == 0 and "dvc.lock keeps the run with the settings that" in words and "--keep" in words


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "p", "--data", "d", "a=1", "b.c=2"),
        ("run", "p", "a=1", "--data", "d", "b.c=2"),
        ("run", "--data", "d", "p", "a=1", "b.c=2"),
    ],
)
def test_settings_stand_wherever_people_write_them(arguments: tuple[str, ...]) -> None:
    found = parser().parsed(arguments)
    assert (found.paper, found.data, found.settings) == ("p", "d", ["a=1", "b.c=2"])


@pytest.mark.parametrize(
    "arguments", [("run", "p", "--dat", "d", "--what"), ("runs", "p", "a=1"), ("run", "p", "--x=1")]
)
def test_what_no_command_takes_is_refused(arguments: tuple[str, ...], capsys: pytest.CaptureFixture) -> None:
    code, told = said(capsys, *arguments)
    assert code == 2 and "unrecognized arguments" in told


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "rasvr"), "error: no paper is called 'rasvr'"),
        (("run", "rasvsr", "train.iters=3"), "unknown key train.iters"),
        (("run", "rasvsr", "3"), "error: '3' is not of the form key=value."),
        (("run", "rasvsr", "--resume", "train.seed=3"), "error: --resume takes the settings of the run"),
    ],
)
def test_a_run_that_cannot_start_says_why(
    arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture
) -> None:
    code, told = said(capsys, *arguments)
    assert code == 1 and words in told
