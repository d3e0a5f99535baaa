"""Many scenes on the workers of a Dask cluster on this computer: scenes per second and memory per worker.

python -m benchmarks.spread                          # 8 scenes of 256 x 256 px on one worker, then on two
python -m benchmarks.spread --workers 1 2 4 --scenes 64 --size 1024 --model srgan-sisr7@champion
python -m benchmarks.spread --lazy                   # one array of Dask's instead of files

Each worker is a process with one thread. What a process does once (importing, opening the model) is not counted. How
many times as many scenes a second there are is told twice: by the clock, which shows the neighbours where cores are
shared, and by the workers' processor time, as if each had a core of its own.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.scene import synthesise
from satsr import load
from satsr.exported import memory
from satsr.exported.model import Model
from satsr.upscale.many import batch
from satsr.upscale.options import Options

FORMAT = "{:>7}  {:>6}  {:>8}  {:>9}  {:>17}  {:>5}  {:>5}  {:>16}"


def main() -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--scenes", type=int, default=8)
    parser.add_argument("--size", type=int, default=256, help="width and height in px")
    parser.add_argument("--model", default="zoo:srgan-quick")
    parser.add_argument("--limit", default="2GB", help="memory of a worker")
    parser.add_argument("--lazy", action="store_true", help="an array of all scenes' pixels, by load(model)(array)")
    given = parser.parse_args()
    model = load(given.model, device="cpu")
    titles = ("workers", "scenes", "wall (s)", "scenes/s", "processor/scene", "times", "(cpu)", "peak memory (GB)")
    print(FORMAT.format(*titles))
    first: tuple[float, float] = (0.0, 0.0)
    with tempfile.TemporaryDirectory(prefix="satsr-benchmark-") as name:
        sources = [Path(name) / "in" / f"{number}.tif" for number in range(given.scenes)]
        (Path(name) / "in").mkdir()
        for source in sources:
            synthesise(source, (given.size, given.size), model.channels, gap=False)
        for count in given.workers:
            apply = _array(model, given) if given.lazy else _files(model, sources, Path(name) / f"out{count}")
            seconds, spent, peaks = measured(count, given.limit, apply)
            first = first if any(first) else (seconds, spent / count)
            total, each = len(sources), f"{spent / len(sources):.1f} s"
            times = f"{first[0] / seconds:.2f}", f"{count * first[1] / spent:.2f}"
            row = (count, total, f"{seconds:.1f}", f"{total / seconds:.3f}", each, *times)
            print(FORMAT.format(*row, " ".join(f"{peak / 1e9:.2f}" for peak in peaks)), flush=True)


def measured(count: int, limit: str, apply: Callable[[str, int], None]) -> tuple[float, float, Sequence[int]]:
    """Wall time, the workers' processor time, and the peak memory of each.

    Args:
        count: of workers.
        limit: memory of each.
        apply: does it all at the address of a scheduler; or, to warm up so many workers, a little of it.
    """
    from distributed import Client, LocalCluster

    single = {"threads_per_worker": 1, "processes": True, "dashboard_address": ":0"}
    with LocalCluster(n_workers=count, memory_limit=limit, **single) as cluster, Client(cluster) as client:
        apply(cluster.scheduler_address, count)
        before, begin = client.run(time.process_time), time.monotonic()
        apply(cluster.scheduler_address, 0)
        seconds, after = time.monotonic() - begin, client.run(time.process_time)
        spent = sum(after.values()) - sum(before.values())
        return seconds, spent, sorted(client.run(memory.peak).values())


def _files(model: Model, sources: Sequence[Path], folder: Path) -> Callable[[str, int], None]:
    """``satsr upscale`` of scenes, of which each worker gets one at first."""

    def apply(address: str, warm: int) -> None:
        place = folder / ("warm" if warm else "out")
        batch.upscale(model, sources[:warm] if warm else sources, place, Options(force=True), scheduler=address)

    return apply


def _array(model: Model, given: argparse.Namespace) -> Callable[[str, int], None]:
    """``load(model)(array)``, whose result is only added up."""
    import dask.array as da

    def apply(address: str, warm: int) -> None:
        number = 4 * warm or given.scenes
        shape, chunks = (number, given.size, given.size, model.channels), (1, given.size, given.size, model.channels)
        values: Any = da.random.default_rng(0).integers(300, 2500, shape, chunks=chunks, dtype="uint16")
        print(f"mean {float(model(values).mean().compute()):.1f}", file=sys.stderr)

    return apply


if __name__ == "__main__":
    main()
