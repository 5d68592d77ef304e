"""What the benchmarks share: contestants that take turns in one process, so that a busy machine slows all alike.

What counts is CPU time, and of that the median. A benchmark imports this first: it sets the libraries to one thread.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy's, read when it is first imported
os.environ.setdefault("OMP_NUM_THREADS", "1")  # PyTorch's

import argparse
import gc
import json
import statistics
import time
from collections.abc import Callable

from minitransformer.memory import keep_memory

Step = Callable[[], object]
Row = dict[str, object]


def run(description: str, measure: Callable[[int], list[Row]], rounds: int) -> None:
    """The command line of a benchmark: measure, and print one line for each row, or one JSON document."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    keep_memory()
    rows = measure(arguments.rounds)
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        print("   ".join(f"{name} {shown(value)}" for name, value in row.items()))


def shown(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def medians(steps: dict[str, Step], rounds: int) -> dict[str, float]:
    """CPU seconds of one step of each contestant."""
    return {name: statistics.median(times) for name, times in interleaved(steps, rounds).items()}


def interleaved(steps: dict[str, Step], rounds: int, least_seconds: float = 0.01) -> dict[str, list[float]]:
    """CPU seconds of one step, `rounds` times for each contestant, in turns; short steps are repeated within a turn."""
    repeats = {}
    for name, step in steps.items():
        for _ in range(3):
            step()
        repeats[name] = max(1, round(least_seconds / max(cpu_seconds(step, 1), 1e-7)))
    times: dict[str, list[float]] = {name: [] for name in steps}
    gc.disable()
    for _ in range(rounds):
        for name, step in steps.items():
            times[name].append(cpu_seconds(step, repeats[name]))
    gc.enable()
    return times


def cpu_seconds(step: Step, repeats: int) -> float:
    start = time.process_time()
    for _ in range(repeats):
        step()
    return (time.process_time() - start) / repeats
