"""``satsr``: setup, settings and summaries. Each command is a function of the library; only words are here."""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

from satsr import quiet

quiet.apply()


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; a user's mistake is one sentence and exit code 1."""
    from satsr.errors import SatsrError

    parsed = parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int | None] = parsed.command
    try:
        return command(parsed) or 0
    except SatsrError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 0


def parser() -> argparse.ArgumentParser:
    """All commands."""
    top = argparse.ArgumentParser(prog="satsr", description="Satellite super-resolution as reproducible pipelines.")
    commands = top.add_subparsers(required=True, metavar="command")

    def add(name: str, command: Callable[[argparse.Namespace], int | None], text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(command=command)
        return added

    add("setup", _setup, "create ZenML, DVC and MLflow state in this repository (safe to repeat)")
    setter = add("set", _set, "change params.yaml, for instance: satsr set rasvsr data=my/frames train.iterations=300")
    setter.add_argument("paper")
    setter.add_argument("settings", nargs="+", metavar="key=value")
    shower = add("show", _show, "print the resolved configuration of a paper")
    shower.add_argument("paper")
    summariser = add("summary", _summary, "print the summary of a paper's last finished run")
    summariser.add_argument("paper")
    return top


def _setup(arguments: argparse.Namespace) -> None:
    from satsr.root import root
    from satsr.setup import setup

    print("\n".join(setup(root())))


def _set(arguments: argparse.Namespace) -> None:
    from satsr.config import change
    from satsr.root import root
    from steps.recipes import recipe

    lines = change(arguments.paper, dict(map(_setting, arguments.settings)), root(), recipe(arguments.paper).config)
    print("\n".join(lines) or "params.yaml says so already")


def _setting(text: str) -> tuple[str, Any]:
    from ruamel.yaml import YAML

    from satsr.errors import SatsrError

    key, equals, value = text.partition("=")
    if not equals:
        raise SatsrError(f"{text!r} is not of the form key=value.")
    return key, YAML(typ="safe").load(value)


def _show(arguments: argparse.Namespace) -> None:
    from ruamel.yaml import YAML

    from satsr.root import root
    from steps.recipes import job

    YAML().dump(job(arguments.paper, root()).config.model_dump(), sys.stdout)


def _summary(arguments: argparse.Namespace) -> None:
    from satsr.root import root
    from satsr.summary import summary

    print(summary(root(), arguments.paper))


if __name__ == "__main__":
    sys.exit(main())
