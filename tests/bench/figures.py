"""How benches print: one JSON line per figure."""

from __future__ import annotations

import gc
import json
import statistics
import time
from collections.abc import Callable, Mapping


def report(name: str, value: float, unit: str, target: float | None = None, *, more: bool = False) -> None:
    """Print a figure; it is met if it is at most its target, or, where `more` is better, at least (None: no target)."""
    met = None if target is None else value >= target if more else value <= target
    print(json.dumps({"name": name, "value": round(value, 4), "unit": unit, "target": target, "met": met}), flush=True)


def interleaved(tasks: Mapping[str, Callable[[], Callable[[], object]]], repeats: int) -> dict[str, list[float]]:
    """CPU seconds of each task in rounds in which all take turns.

    A task is a function that prepares (not timed) and returns what is timed. Compare within rounds (`median_of`): the
    speed of a shared machine drifts by more than what is measured.
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
    return seconds


def median_of(figure: Callable[..., float], *seconds: list[float]) -> float:
    """Median over rounds of a figure of the seconds in one round."""
    return statistics.median(figure(*round_) for round_ in zip(*seconds, strict=True))
