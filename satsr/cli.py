"""``satsr``: setup, settings and summaries. Each command is a function of the library; only words are here."""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

from satsr import quiet

quiet.apply()

COMPARE = "one table and one HTML page for model versions that were measured on the same data: quality, cost, crops"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; a user's mistake is one sentence and exit code 1."""
    from satsr.errors import SatsrError, absences

    parsed = parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int | None] = parsed.command
    try:
        with absences():
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
    from satsr.upscale.command import add_arguments

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
    _review(commands)
    _compare_arguments(commands.add_parser("compare", help=COMPARE, description=COMPARE))
    submission = add(
        "submission", _submission, "super-resolve Proba-V's test sets into the zip that the challenge takes"
    )
    submission.add_argument("output", help="the zip to write")
    submission.add_argument("--model", required=True, help="name@alias, name/version, name, or an .onnx file")
    submission.add_argument(
        "--data", required=True, help="the challenge's folder, which holds imgset1160 to imgset1449"
    )
    submission.add_argument("--force", action="store_true", help="go on although values look wrong")
    text = "super-resolve a scene, a video or a set of images with a model of the registry"
    upscale = commands.add_parser("upscale", help=text, description=text)
    add_arguments(upscale)
    upscale.set_defaults(command=_upscale)
    return top


def _review(commands: Any) -> None:
    text = "list model versions beside their champion; compare, approve, reject, rollback"
    review = commands.add_parser("review", help=text, description=text)
    review.set_defaults(command=_review_list, model=None)
    review.add_argument("--model", help="one registered model; all by default")
    actions = review.add_subparsers(metavar="action")
    _compare_arguments(actions.add_parser("compare", help=COMPARE, description=COMPARE))
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
        added.set_defaults(command=_review_decide, action=action)


def _compare_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("versions", nargs="*", help="model/version, model@alias or model; all models on the same data")
    parser.add_argument("--output", default="comparison.html", help="the page (default: comparison.html)")
    parser.set_defaults(command=_compare)


def _setup(arguments: argparse.Namespace) -> None:
    from satsr.project import root
    from satsr.setup import setup

    print("\n".join(setup(root())))


def _set(arguments: argparse.Namespace) -> None:
    from satsr.project import checkout

    where = checkout()
    from satsr.config.change import change
    from steps.configuration import config_of

    lines = change(arguments.paper, dict(map(_setting, arguments.settings)), where, config_of(arguments.paper))
    print("\n".join(lines) or "params.yaml says so already")


def _upscale(arguments: argparse.Namespace) -> None:
    from satsr.upscale.command import run

    run(arguments)


def _setting(text: str) -> tuple[str, Any]:
    from satsr.config.resolve import read_value
    from satsr.errors import SatsrError

    key, equals, value = text.partition("=")
    if not equals:
        raise SatsrError(f"{text!r} is not of the form key=value.")
    return key, read_value(value)


def _show(arguments: argparse.Namespace) -> None:
    from satsr.project import checkout

    where = checkout()
    from ruamel.yaml import YAML

    from steps.configuration import configuration

    YAML().dump(configuration(arguments.paper, where).model_dump(), sys.stdout)


def _summary(arguments: argparse.Namespace) -> None:
    from satsr.project import root
    from satsr.review.summary import summary

    print(summary(root(), arguments.paper))


def _review_list(arguments: argparse.Namespace) -> None:
    from satsr.project import root
    from satsr.register import decisions
    from satsr.review.listing import listing
    from satsr.tracking.reading import reader

    client = reader(root())
    models = [arguments.model] if arguments.model else decisions.names(client)
    if not models:
        print("the registry is empty: run a pipeline first, for instance zenml pipeline run train_rasvsr")
    for model in models:
        print(listing(client, model))


def _compare(arguments: argparse.Namespace) -> None:
    from pathlib import Path

    from satsr import tracking
    from satsr.project import root
    from satsr.review.compare import common, cost_note, differences, named, table, write_comparison
    from satsr.review.listing import answers, comparison
    from satsr.review.paired import pairs

    client = tracking.client(root())
    versions = named(client, arguments.versions)
    metrics = common(versions)
    found = pairs(client, versions, metrics)
    lines = [comparison(table(versions, metrics)), "", *answers(found), "", cost_note(versions), *differences(versions)]
    print("\n".join(lines))
    write_comparison(client, Path(arguments.output), versions, found)
    print(f"wrote {arguments.output}")


def _submission(arguments: argparse.Namespace) -> None:
    from pathlib import Path

    from satsr import load
    from satsr.upscale.submission import make_submission

    data, output = Path(arguments.data), Path(arguments.output)
    make_submission(load(arguments.model), data, output, force=arguments.force, say=_say)
    print(f"wrote {output}")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _review_decide(arguments: argparse.Namespace) -> None:
    from satsr import tracking
    from satsr.project import root
    from satsr.register import decisions

    client, lock = tracking.client(root()), decisions.lock(root())
    if arguments.action == "rollback":
        decision = decisions.rollback(client, arguments.version, arguments.why, lock)
        name = arguments.version
    else:
        found = decisions.find(client, arguments.version)
        name = found.name
        if arguments.action == "approve":
            decision = decisions.approve(
                client, name, found.number, arguments.why, lock, arguments.seen, other_data=arguments.other_data
            )
        else:
            decision = decisions.reject(client, name, found.number, arguments.why, lock)
    print(f"{decision.action}: {name} version {decision.version}; the champion is version {decision.after}")


if __name__ == "__main__":
    sys.exit(main())
