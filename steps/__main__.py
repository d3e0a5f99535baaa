"""``python -m steps <stage> <paper>``: one stage, as ``dvc.yaml`` runs it."""

import argparse
import os
import sys
import time
from importlib import import_module

from satsr import quiet

quiet.apply()


def main() -> int:
    """Runs the stage; a user's mistake is one sentence and exit code 1."""
    from satsr.errors import Interrupted, SatsrError
    from satsr.files import disk_errors
    from satsr.locks import turn
    from satsr.project import Places, lent, root
    from steps import STAGES

    parser = argparse.ArgumentParser(prog="python -m steps", description=__doc__, epilog="example: train rasvsr")
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("paper")
    arguments = parser.parse_args()
    begin = time.monotonic()
    try:
        where = root()
        if lent(where).exists():  # seldom: no stage depends on the code that looks into it
            from satsr.checkout.lent import require_own

            require_own(where, arguments.paper)
        place = turn(Places(where, arguments.paper).scratch, arguments.stage, arguments.paper)
        with disk_errors(f"{arguments.stage} of {arguments.paper}"), place:
            if "DVC_STAGE" in os.environ:  # `dvc repro`, which knows what the earlier stages wrote
                from steps.inputs import require_unaltered

                require_unaltered(arguments.stage, arguments.paper, where)
            stage = import_module(f"steps.{arguments.stage}")
            stage.run(arguments.paper, where)
            if hasattr(stage, "finished"):
                stage.finished(arguments.paper, where)
            if "DVC_STAGE" in os.environ:  # which takes its lock again now, and gives the result up after three seconds
                from satsr.checkout.lockfile import at_rest

                with at_rest(where):
                    pass
        _tell(arguments.stage, arguments.paper, time.monotonic() - begin)
    except SatsrError as error:
        number = os.environ.get("RANK", "0")  # of several processes (torchrun)
        print(f"error{'' if number == '0' else f' (process {number})'}: {error}", file=sys.stderr)
        return 1
    except Interrupted as error:
        if os.environ.get("RANK", "0") == "0":
            print(f"{arguments.stage}: {error}", file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        print(f"{arguments.stage}: stopped; the same command starts it again", file=sys.stderr)
        return 130
    return 0


def _tell(stage: str, paper: str, seconds: float) -> None:
    """How long it took; what came out says ``satsr summary``, whose code no stage depends on."""
    from satsr.progress import duration

    if os.environ.get("RANK", "0") == "0":
        print(
            f"{stage:<8}  {duration(seconds):>10}{f'  see: satsr summary {paper}' if stage == 'register' else ''}",
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main())
