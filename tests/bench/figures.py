"""How benches print: one JSON line per figure."""

from __future__ import annotations

import gc
import json
import statistics
import time
from collections.abc import Callable, Mapping


def report(name: str, value: float, unit: str, target: float | None = None) -> None:
    """Print a figure; it is met if it is at most its target (None: no target)."""
    met = None if target is None else value <= target
    print(json.dumps({"name": name, "value": round(value, 4), "unit": unit, "target": target, "met": met}), flush=True)


def interleaved(tasks: Mapping[str, Callable[[], Callable[[], object]]], repeats: int) -> dict[str, float]:
    """Median CPU seconds of each task over rounds in which all take turns.

    A task is a function that prepares (not timed) and returns what is timed.
    """
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(repeats):
        for name, prepare in tasks.items():
            gc.collect()
            timed = prepare()
            gc.disable()
            start = time.process_time()
            timed()
            seconds[name].append(time.process_time() - start)
            gc.enable()
            del timed
    return {name: statistics.median(s) for name, s in seconds.items()}
