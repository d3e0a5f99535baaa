import subprocess
import sys

from satsr.seeds import generator, integer


def test_draws_depend_on_seed_purpose_and_index_alone() -> None:
    draw = generator(1, "crop", 7).random()
    generator(1, "flip", 7).random(100)
    assert generator(1, "crop", 7).random() == draw
    others = [generator(2, "crop", 7), generator(1, "flip", 7), generator(1, "crop", 8), generator(1, "crop", 7, 0)]
    assert draw not in [other.random() for other in others]


def test_draws_do_not_depend_on_the_hash_seed_of_the_process() -> None:
    code = "from satsr.seeds import integer; print(integer(0, 'x', 1))"
    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": "."},
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert printed == {f"{integer(0, 'x', 1)}\n"}
