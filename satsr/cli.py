"""``satsr``: setup, settings and summaries. Each command is a function of the library; only words are here."""

import argparse
import sys
from collections.abc import Sequence
from textwrap import fill
from typing import Any

from satsr import arguments as words
from satsr import quiet
from satsr.arguments import Command

quiet.calm()


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; a user's mistake is one sentence and exit code 1."""
    from satsr.errors import Interrupted, SatsrError, absences
    from satsr.files import disk_errors

    parsed = parser().parsed(arguments)
    command: Command = parsed.command
    try:
        with absences(), disk_errors("the command"):
            return command(parsed) or 0
    except SatsrError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except Interrupted as error:
        print(error, file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        print(getattr(parsed, "stopped", "stopped"), file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 0


def parser() -> words.Parser:
    """All commands."""
    from satsr.trial import command as trial
    from satsr.upscale.command import add_arguments

    text = "Satellite super-resolution as reproducible pipelines."
    top = words.Parser(prog="satsr", description=text, formatter_class=words.Columns)
    top.add_argument("--version", action=words.Version, nargs=0, help="print the version")
    top.set_defaults(command=lambda parsed: top.print_help())
    commands = top.add_subparsers(metavar="command")

    def add(name: str, command: Command, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(command=command)
        return added

    text = "super-resolve a scene, a video or a set of images, with the model that fits or one that is named"
    upscale = commands.add_parser("upscale", help=text, description=fill(text, 80))
    add_arguments(upscale)
    upscale.set_defaults(command=_upscale)
    text = "measure a model on pairs of one's own, coarse and fine images, against bicubic"
    evaluate = commands.add_parser("evaluate", help=text, description=fill(text, 80))
    trial.add_arguments(evaluate)
    evaluate.set_defaults(command=_evaluate)
    add("zoo", _zoo, "list the models that are installed with satsr: what they take, and what they gain")
    text = "create ZenML, DVC and MLflow state in this repository (safe to repeat)"
    add("setup", _setup, text).add_argument(
        "--remote", metavar="ADDRESS", help="a DVC remote for this project, such as s3://bucket/prefix or a folder"
    )
    words.run_arguments(add("run", _run, words.RUN))
    words.stack_arguments(add("stack", _stack, words.STACK))
    words.looking_arguments(add, _runs, _open, _doctor)
    words.dashboard_arguments(add, _dashboard)
    setter = add("set", _set, "change params.yaml, for instance: satsr set rasvsr data=my/frames train.iterations=300")
    setter.add_argument("paper")
    setter.add_argument("settings", nargs="+", metavar="key=value")
    shower = add("show", _show, "print the resolved configuration of a paper")
    shower.add_argument("paper")
    summariser = add("summary", _summary, "print the summary of a paper's last finished run")
    summariser.add_argument("paper")
    words.review_arguments(commands, _review_list, _compare, _review_decide)
    words.compare_arguments(commands.add_parser("compare", help=words.COMPARE, description=words.COMPARE), _compare)
    submission = add(
        "submission", _submission, "super-resolve Proba-V's test sets into the zip that the challenge takes"
    )
    submission.add_argument("output", help="the zip to write")
    submission.add_argument("--model", required=True, help="name@alias, name/version, name, or an .onnx file")
    submission.add_argument(
        "--data", required=True, help="the challenge's folder, which holds imgset1160 to imgset1449"
    )
    submission.add_argument("--force", action="store_true", help="go on although values look wrong")
    return top


def _setup(arguments: argparse.Namespace) -> None:
    from satsr.project import root
    from satsr.setup import setup

    print("\n".join(setup(root(), arguments.remote)))


def _set(arguments: argparse.Namespace) -> None:
    from satsr.project import checkout

    where = checkout()
    from satsr.config.change import change
    from steps.configuration import config_of

    lines = change(arguments.paper, dict(map(_setting, arguments.settings)), where, config_of(arguments.paper))
    print("\n".join(lines) or "params.yaml says so already")


def _run(arguments: argparse.Namespace) -> None:
    import os

    from satsr.project import checkout

    where = checkout()
    if arguments.verbose:
        os.environ[quiet.VERBOSE] = "1"
    quiet.apply()
    from satsr import running
    from satsr.errors import SatsrError
    from satsr.setup import setup
    from steps.configuration import config_of

    given = {"profile": arguments.profile, "data": arguments.data and running.placed(arguments.data, where)}
    settings = {key: value for key, value in given.items() if value} | dict(map(_setting, arguments.settings))
    keep = arguments.keep
    if arguments.resume:
        if settings:
            raise SatsrError("--resume takes the settings of the run that was stopped: give no others.")
        settings, keep = running.unfinished(where, arguments.paper)
    running.use(arguments.device)
    with running.settings_of_a_run(where, arguments.paper, settings, config_of(arguments.paper), keep) as lines:
        print(*lines, sep="\n", end="\n" if lines else "", flush=True)
        setup(where)
        from pipelines.chain import start

        start(arguments.paper)


def _stack(arguments: argparse.Namespace) -> None:
    from satsr.project import checkout

    checkout()
    from satsr.stack.command import run

    def pipeline(paper: str) -> Any:
        from pipelines.chain import train

        return train(paper)

    run(arguments, pipeline)


def _runs(arguments: argparse.Namespace) -> None:
    from satsr.project import root
    from satsr.review.runs import runs, table

    print("\n".join(table(runs(root()), root(), None if arguments.all else 20, arguments.paper)))


def _open(arguments: argparse.Namespace) -> None:
    from satsr.browser import shown
    from satsr.project import root
    from satsr.review.runs import report_of

    page = report_of(root(), arguments.what)
    print(page)
    if not arguments.only and not shown(page.resolve().as_uri()):
        _say("there is no display here: copy this file, or open it in an editor that shows HTML")


def _dashboard(arguments: argparse.Namespace) -> None:
    from satsr.project import root

    root()
    quiet.apply()
    from satsr.dashboard.command import dashboard

    dashboard(arguments.port, not arguments.only)


def _doctor(arguments: argparse.Namespace) -> int:
    from satsr.project import root

    where = root()
    from satsr.doctor import doctor

    wrong = 0
    for finding in doctor(where, arguments.mend):
        print(finding, flush=True)
        wrong += not finding.fine
    return int(wrong > 0)


def _zoo(arguments: argparse.Namespace) -> None:
    from satsr import zoo
    from satsr.zoo.tables import text

    print(text(zoo.entries()))


def _upscale(arguments: argparse.Namespace) -> None:
    from satsr.upscale.command import run

    run(arguments)


def _evaluate(arguments: argparse.Namespace) -> None:
    from satsr.trial.command import run

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

    where = root()
    from satsr.review.summary import summary

    print(summary(where, arguments.paper))


def _review_list(arguments: argparse.Namespace) -> None:
    from satsr.project import root
    from satsr.register import decisions
    from satsr.review.listing import listing
    from satsr.tracking.reading import reader

    client = reader(root())
    models = [arguments.model] if arguments.model else decisions.names(client)
    if not models:
        print("the registry is empty: `satsr run rasvsr` trains a model and registers it")
    for model in models:
        print(listing(client, model))


def _compare(arguments: argparse.Namespace) -> None:
    from pathlib import Path

    from satsr import tracking
    from satsr.checkout import moved
    from satsr.project import root
    from satsr.review.compare import common, cost_note, differences, named, table, write_comparison
    from satsr.review.listing import answers, comparison
    from satsr.review.paired import pairs

    if notice := moved.notice(root()):
        _say(notice)
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
    from satsr.upscale.sets.submission import make_submission

    data, output = Path(arguments.data), Path(arguments.output)
    make_submission(load(arguments.model), data, output, force=arguments.force, say=_say)
    print(f"wrote {output}")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _review_decide(arguments: argparse.Namespace) -> None:
    from satsr import tracking
    from satsr.project import root
    from satsr.register import decisions

    quiet.apply()
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
