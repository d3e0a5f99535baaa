"""A training on several cores against the same training on one: steps of the quick RASVSR, by the clock on the wall.

Every figure is of a process of its own that may use so many cores and no more; its weights are those of one core. The
parts of a batch are as many as the cores (``train.shares``; the profile has two), on one core too. Only on cores that
nothing else keeps busy does this say how it scales.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.speed.ratio import Row

ROOT = Path(__file__).parents[2]
STEPS, REPEATS = 60, 3
COUNTS = (2, 4)
"""Numbers of cores; a batch has four samples."""


def rows() -> Iterator[Row]:
    """A row for each number of cores that this process may use."""
    own = sorted(os.sched_getaffinity(0))
    for count in COUNTS:
        if count > len(own):
            continue
        pairs = [(seconds(own[:count], count), seconds(own[:1], count)) for _ in range(REPEATS)]
        ratios = [many / one for many, one in pairs]
        each = [1000 * statistics.median(found) / STEPS for found in zip(*pairs, strict=True)]
        note = (
            f"{each[0]:.0f} and {each[1]:.0f} ms by the clock on the wall; train.shares={count}; 1/{count} is the limit"
        )
        work = f"rasvsr, quick: a training step on {count} cores"
        yield Row(work, statistics.median(ratios), "one core", min(ratios), max(ratios), note=note)


def seconds(cores: list[int], shares: int) -> float:
    """How long the steps take on these cores."""
    asked = [sys.executable, "-m", "benchmarks.speed.cores", str(shares), *map(str, cores)]
    return float(subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()[-1])


def train(shares: int) -> float:
    """Half of the steps on single frames and half on clips, as in the profile; seconds by the clock on the wall."""
    from benchmarks.gpu import store_of
    from benchmarks.speed.ratio import photograph
    from pipelines import rasvsr
    from pipelines.configs.rasvsr import CONFIG
    from satsr.config.recipe import resolved
    from satsr.config.resolve import merged
    from satsr.train.loop import fit

    settings = {"iterations": STEPS, "still_until": STEPS // 2, "validate_every": STEPS, "checkpoint_every": STEPS}
    changes = {"profile": "quick", "train": {**settings, "shares": shares}}
    recipe = rasvsr.PAPER(resolved(CONFIG, "rasvsr", merged("rasvsr", ROOT, changes)))
    with tempfile.TemporaryDirectory(prefix="satsr-benchmark-") as name:
        store = store_of([photograph(256, 256, seed) for seed in range(10)], Path(name) / "store")
        objective = recipe.objective(recipe.network())
        return fit(objective, recipe.samples(store), recipe.config.train, Path(name) / "x", lambda networks: {}).seconds


if __name__ == "__main__":
    os.sched_setaffinity(0, {int(core) for core in sys.argv[2:]})
    print(train(int(sys.argv[1])))
