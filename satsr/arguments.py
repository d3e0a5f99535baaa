"""What commands are called and take: words for the terminal, and the errors of those who mistype them."""

import argparse
import difflib
import re
import sys
import textwrap
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

Command = Callable[[argparse.Namespace], int | None]
RUN = "run the seven stages of a paper, as `zenml pipeline run train_<paper>` does, with settings of its own"
RUN_DETAILS = """\
Settings are those of `satsr set`: profile, data, or section.key, for instance
  satsr run rasvsr --data my/frames train.iterations=300
They hold for this run: params.yaml has them while it lasts and is as before
when it ends, fails or is stopped. dvc.lock keeps the run with the settings that
it really had, and results/<paper> what it made. So after a run with settings of
its own `dvc status` says that the paper has changed, and `dvc repro` brings
back what belongs to params.yaml, from the cache or by running. With --keep
params.yaml keeps them, as after `satsr set`, and nothing is out of step.

A stage whose settings, data and code are those of an earlier run is not run
again, on whatever device that was. A training that was stopped goes on with the
same command, or with --resume, which takes the settings of the stopped run."""
STACK = "register where the pipelines run (this machine, Kubernetes, Kubeflow) from one YAML file, and make it active"
STACK_DETAILS = """\
A stack is one YAML file; those in stacks/ say what can be set. Copy one, change
it, and give it with --file. The same command again brings the stack up to date.
Secrets are never in the file: it names variables of the environment, of which
this command makes a ZenML secret, and Kubernetes secrets."""
DEVICES = ("auto", "cpu", "cuda")
COMPARE = "one table and one HTML page for model versions that were measured on the same data: quality, cost, crops"


class Parser(argparse.ArgumentParser):
    """A parser whose errors are sentences, with what was meant."""

    def parsed(self, arguments: Sequence[str] | None = None) -> argparse.Namespace:
        """The arguments; settings may stand before, between and after options, which argparse refuses."""
        found, more = self.parse_known_args(arguments)
        if more and hasattr(found, "settings") and all("=" in word and word[0] != "-" for word in more):
            found.settings = [*found.settings, *more]
        elif more:
            self._unknown(more, list(sys.argv[1:] if arguments is None else arguments))
        return found

    def error(self, message: str) -> NoReturn:
        """Says what is wrong; a command that is none is compared with those that are."""
        found = re.fullmatch(r"argument (\S+): invalid choice: '(.*)' \(choose from (.*)\)", message)
        if found is None or found[1] not in ("command", "action", "kind"):
            self.exit(2, f"error: {self.prog}: {message}; `{self.prog} --help` tells what it takes.\n")
        near = difflib.get_close_matches(found[2], re.split(r"'?, '?", found[3].strip("'")), 1)
        meant = f"did you mean `{self.prog} {near[0]}`? " if near else ""
        self.exit(2, f"error: {self.prog} has no {found[1]} {found[2]!r}: {meant}`{self.prog} --help` lists them.\n")

    def _unknown(self, words: Sequence[str], arguments: Sequence[str]) -> NoReturn:
        """Says which words the command does not take, and which option was meant."""
        command = self._of(arguments)
        options = [name for action in command._actions for name in action.option_strings]
        near = difflib.get_close_matches(words[0].partition("=")[0], options, 1, 0.7)
        meant = f"did you mean {near[0]}? " if near else ""
        takes = f"{meant}`{command.prog} --help` tells what it takes"
        self.exit(2, f"error: {command.prog} does not take {' '.join(words)}: {takes}.\n")

    def _of(self, arguments: Sequence[str]) -> argparse.ArgumentParser:
        """The parser of the command, and of its action, that some arguments name."""
        found: argparse.ArgumentParser = self
        for word in arguments:
            inner = next((one.choices for one in found._actions if isinstance(one.choices, dict)), {})
            found = inner.get(word, found)
        return found


class Columns(argparse.HelpFormatter):
    """Help in which the longest command stands on the line of its words."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog)
        self._action_max_length = 14  # argparse forgets that commands are indented


class Version(argparse.Action):
    """Prints the version, which is looked up only then."""

    def __call__(self, parser: argparse.ArgumentParser, *rest: object) -> None:
        """Prints it and ends."""
        from importlib.metadata import version

        print("satsr", version("satsr"))
        parser.exit()


def run_arguments(parser: argparse.ArgumentParser) -> None:
    """Of ``satsr run``."""
    parser.formatter_class, parser.epilog = argparse.RawDescriptionHelpFormatter, RUN_DETAILS
    parser.description = textwrap.fill(RUN, 80)
    parser.set_defaults(stopped="stopped; the same command goes on with the stage that was stopped")
    parser.add_argument("paper")
    parser.add_argument("settings", nargs="*", default=[], metavar="key=value", help="settings of this run")
    parser.add_argument("--data", help="a dataset card, or a folder of your own")
    parser.add_argument("--profile", help="a profile of pipelines/<paper>.yaml")
    parser.add_argument("--keep", action="store_true", help="the settings stay in params.yaml")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="auto: a GPU if there is one")
    parser.add_argument("--resume", action="store_true", help="go on with the settings of the run that was stopped")
    parser.add_argument("--verbose", action="store_true", help="show what ZenML, DVC and the others say as well")


def stack_arguments(parser: argparse.ArgumentParser) -> None:
    """Of ``satsr stack``."""
    parser.formatter_class, parser.epilog = argparse.RawDescriptionHelpFormatter, STACK_DETAILS
    parser.add_argument("kind", choices=("local", "kubernetes", "kubeflow"))
    parser.add_argument("--file", help="the stack (default: stacks/<kind>.yaml)")
    parser.add_argument("--compile", metavar="PAPER", dest="paper", help="kubeflow: write a paper's pipeline as YAML")
    parser.add_argument("--output", help="where to write it (default: kubeflow-<paper>.yaml)")


def looking_arguments(
    add: Callable[[str, Command, str], argparse.ArgumentParser], runs: Command, show: Command, doctor: Command
) -> None:
    """Of ``satsr runs``, ``satsr open`` and ``satsr doctor``."""
    lister = add("runs", runs, "list the runs, newest first: gain, time of training, and where the report is")
    lister.add_argument("paper", nargs="?", help="one paper; all by default")
    lister.add_argument("--all", action="store_true", help="more than the last twenty")
    opener = add("open", show, "open a report in the browser; print where it is if there is no display")
    opener.add_argument(
        "what", nargs="?", metavar="paper", help="a paper or a version (rasvsr/3); the last run by default"
    )
    opener.add_argument("--print", action="store_true", dest="only", help="print where it is and open nothing")
    healer = add("doctor", doctor, "look for what a move, another user, a killed run or another version left")
    healer.add_argument("--mend", action="store_true", help="repair what can be repaired")


def dashboard_arguments(add: Callable[[str, Command, str], argparse.ArgumentParser], show: Command) -> None:
    """Of ``satsr dashboard``."""
    text = "show ZenML's dashboard of this project's runs in the browser, until Ctrl-C"
    shower = add("dashboard", show, text)
    shower.add_argument("--port", type=_port, default=8237, help="of this computer (default: 8237)")
    shower.add_argument("--print", action="store_true", dest="only", help="print the address and open nothing")


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"a number from 1 to 65535 is expected, not {text}")
    return int(text)


def review_arguments(commands: Any, listing: Command, compare: Command, decide: Command) -> None:
    """Of ``satsr review`` and its actions."""
    text = "list model versions beside their champion; compare, approve, reject, rollback"
    review = commands.add_parser("review", help=text, description=text)
    review.set_defaults(command=listing, model=None)
    review.add_argument("--model", help="one registered model; all by default")
    actions = review.add_subparsers(metavar="action")
    words = "list model versions beside their champion, as without an action"
    lister = actions.add_parser("list", help=words, description=words)
    lister.add_argument("model", nargs="?", help="one registered model; all by default")
    lister.set_defaults(command=listing)
    compare_arguments(actions.add_parser("compare", help=COMPARE, description=COMPARE), compare)
    for action, words in (
        ("approve", "make a version the champion"),
        ("reject", "mark a version as rejected"),
        ("rollback", "bring back the champion before the last promotion"),
    ):
        added = actions.add_parser(action, help=words, description=words)
        added.add_argument("version", help="model" if action == "rollback" else "model/version or model@alias")
        added.add_argument("--why", default="", help="the reason, kept in the history")
        if action == "approve":
            added.add_argument("--seen", type=int, help="the champion you compared with; refused if it has changed")
            added.add_argument("--other-data", action="store_true", help="the champion was measured on other data")
        added.set_defaults(command=decide, action=action)


def compare_arguments(parser: argparse.ArgumentParser, compare: Command) -> None:
    """Of ``satsr compare``."""
    parser.add_argument("versions", nargs="*", help="model/version, model@alias or model; all models on the same data")
    parser.add_argument("--output", default="comparison.html", help="the page (default: comparison.html)")
    parser.set_defaults(command=compare)
