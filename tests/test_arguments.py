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
        (("review", "lst"), "error: satsr review has no action 'lst': did you mean `satsr review list`?"),
        (("stack", "kubernets"), "error: satsr stack has no kind 'kubernets': did you mean `satsr stack kubernetes`?"),
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
    ("arguments", "words"),
    [
        (("run", "p", "--dat", "d", "--what"), "satsr run does not take --what: `satsr run --help`"),
        (("runs", "p", "a=1"), "satsr runs does not take a=1: `satsr runs --help`"),
        (("run", "p", "--x=1"), "satsr run does not take --x=1: `satsr run --help`"),
        (("open", "--prnt"), "satsr open does not take --prnt: did you mean --print? `satsr open --help`"),
        (("review", "approve", "a/1", "--wy", "x"), "satsr review approve does not take --wy x: did you mean --why?"),
        (("run",), "satsr run: the following arguments are required: paper; `satsr run --help`"),
        (("upscale", "a.tif"), "satsr upscale: the following arguments are required: output; `satsr upscale --help`"),
        (("upscale", "a", "b", "--window", "1"), "satsr upscale: argument --window: a whole number of at least 2"),
    ],
)
def test_what_no_command_takes_is_a_sentence(
    arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture
) -> None:
    code, told = said(capsys, *arguments)
    assert code == 2 and told.startswith(f"error: {words}") and told.count("\n") == 1


def test_every_command_stands_on_one_line_with_its_words(capsys: pytest.CaptureFixture) -> None:
    _, told = said(capsys)
    commands = told.partition("  command\n")[2].partition("\n\n")[0].splitlines()
    named = [line.split() for line in commands if line[4:5] != " "]
    assert [words[0] for words in named][:3] == ["upscale", "evaluate", "zoo"] and all(
        len(words) > 1 for words in named
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "rasvr"), "error: no paper is called 'rasvr' (did you mean rasvsr?)"),
        (("run", "rasvsr", "train.iters=3"), "unknown key train.iters (did you mean train.iterations?)"),
        (("show", "rasvr"), "error: params.yaml lists no paper 'rasvr' (did you mean rasvsr?)"),
        (("summary", "rasvr"), "error: params.yaml lists no paper 'rasvr' (did you mean rasvsr?)"),
        (("run", "rasvsr", "3"), "error: '3' is not of the form key=value."),
        (("run", "rasvsr", "--resume", "train.seed=3"), "error: --resume takes the settings of the run"),
    ],
)
def test_a_run_that_cannot_start_says_why(
    arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture
) -> None:
    code, told = said(capsys, *arguments)
    assert code == 1 and words in told
