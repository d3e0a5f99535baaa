"""``make soak``: misleading input, then stages of both doors that are killed at random moments and started again.

The exit code is 1 when anything was not as if nothing had happened; the seed and the number repeat it.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.victims import Victim, drawn


def main() -> int:
    """Kills until the time is over; a line per kill."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600.0, help="after which no further kill begins")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first kill, to repeat one")
    parser.add_argument("--door", choices=("dvc", "zenml"), help="this door only")
    parser.add_argument("--stage", help="this stage only")
    parser.add_argument(
        "--examples", type=int, default=300, help="of misleading input, each test of tests/test_fuzz.py"
    )
    arguments = parser.parse_args()
    misled = fuzzed(arguments.examples, arguments.seed)
    place, count, bad, missed = arguments.first, 0, 0, 0
    with tempfile.TemporaryDirectory(prefix="satsr-soak-") as folder:
        victim = Victim(Path(folder))
        end = time.monotonic() + arguments.seconds
        while time.monotonic() < end:
            kill = drawn(arguments.seed, place)
            if arguments.door in (None, kill.door) and arguments.stage in (None, kill.stage):
                struck = victim.strike(kill)
                found = victim.violations(kill) if struck else []
                count, bad, missed = count + struck, bad + bool(found), missed + (not struck)
                said = "; ".join(found) or ("good" if struck else "ended before it could be killed")
                print(f"{place}: {kill.door} {kill.stage} at {kill.share:.3f}: {said}", flush=True)
            place += 1
    print(f"seed {arguments.seed}: {count} kills, {bad} with a violation; {missed} that came too late")
    print(f"misleading input: {'good' if misled == 0 else 'a violation, see above'}")
    return 1 if bad or misled or not count else 0


def fuzzed(examples: int, seed: int) -> int:
    """The exit code of the tests that draw misleading input; 0 for no examples."""
    if not examples:
        return 0
    command = [sys.executable, "-m", "pytest", "tests/test_fuzz.py", f"--hypothesis-seed={seed}"]
    return subprocess.run(command, env={**os.environ, "SATSR_FUZZ": str(examples)}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
