"""``python -m tests.guided``: the targets of tests/test_fuzz.py, led by Atheris to code that was not reached before.

Atheris is not among this project's dependencies: ``pip install atheris`` (wheels for Linux, Python 3.11 to 3.13). It
changes what is imported so that it sees the way through it, and keeps what leads elsewhere; what Hypothesis draws is
made of its bytes. A crash, an example of more than a minute or more than 4 GB end it, with the bytes in a file.
"""

import argparse
import inspect
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

TESTS = "tests/test_fuzz.py"


class Guided:
    """A plugin of pytest that gives a test's body to Atheris instead of calling it."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> None:
        """Never comes back: Atheris ends the process."""
        import atheris

        handle = pyfuncitem.obj.hypothesis
        strategies = handle._given_kwargs
        names = inspect.signature(handle.inner_test).parameters
        fixtures = {name: pyfuncitem.funcargs[name] for name in names if name not in strategies}

        @settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(**strategies)
        def target(**drawn: Any) -> None:
            handle.inner_test(**fixtures, **drawn)

        options = [f"-max_total_time={self.seconds}", "-timeout=60", "-rss_limit_mb=4096", "-print_final_stats=1"]
        atheris.Setup([TESTS, "-max_len=20000", "-len_control=0", *options], target.hypothesis.fuzz_one_input)
        atheris.Fuzz()


def main() -> int:
    """One test in this process, or each of them in one of its own; 1 if something was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.guided", description=__doc__)
    parser.add_argument("test", nargs="?", help="its name; all by default")
    parser.add_argument("--seconds", type=int, default=120, help="for each test")
    given = parser.parse_args()
    if given.test:
        import atheris

        with atheris.instrument_imports(include=["satsr"], enable_loader_override=False):
            return pytest.main(
                ["-q", "-s", "-n0", "-p", "no:cacheprovider", f"{TESTS}::{given.test}"], [Guided(given.seconds)]
            )
    names = [line.split("(")[0][4:] for line in Path(TESTS).read_text().splitlines() if line.startswith("def test_")]
    found = []
    for name in names:
        print(f"{name}, {given.seconds} s", flush=True)
        command = [sys.executable, "-m", "tests.guided", name, "--seconds", str(given.seconds)]
        with suppress(KeyboardInterrupt):
            found += [name] if subprocess.run(command, check=False).returncode else []
    print(f"found something: {', '.join(found) or 'none'}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
