"""Measures of one record: functions of times (n,) ms and values (n,), NaN where there is none."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from couple.base.arrays import Floats
from couple.storage.records.spike_trains import spike_times

Simple = Callable[[Floats, Floats], float]


def area(time: Floats, values: Floats) -> float:
    """Integral over time, by trapezoids."""
    return float(np.trapezoid(values, time))


def time_above(time: Floats, values: Floats, threshold: float) -> float:
    """ms above a threshold, rows joined by lines."""
    high = values > threshold
    crossing = np.flatnonzero(high[:-1] != high[1:])
    share = (threshold - values[crossing]) / (values[crossing + 1] - values[crossing])
    at = time[crossing] + share * np.diff(time)[crossing]
    edges = [*([time[0]] if high[0] else []), *at, *([time[-1]] if high[-1] else [])]
    return float(sum(edges[1::2]) - sum(edges[::2]))


def decay(time: Floats, values: Floats) -> float:
    """ms from the peak until 1/e of its height above the last value is left; NaN if it never falls so far."""
    top = int(np.argmax(values))
    height = values[top] - values[-1]
    if not height > 0:
        return math.nan
    level = values[-1] + height / math.e
    after = np.flatnonzero(values[top:] <= level)
    k = top + int(after[0])
    share = (values[k - 1] - level) / (values[k - 1] - values[k])
    return float(time[k - 1] + share * (time[k] - time[k - 1]) - time[top])


MEASURES: Mapping[str, Simple] = {
    "mean": lambda t, y: area(t, y) / float(t[-1] - t[0]) if len(t) > 1 else float(y[0]),
    "sd": lambda _, y: float(np.std(y, ddof=1)) if len(y) > 1 else math.nan,
    "peak": lambda _, y: float(y.max()),
    "minimum": lambda _, y: float(y.min()),
    "last": lambda _, y: float(y[-1]),
    "area": area,
    "time_of_peak": lambda t, y: float(t[np.argmax(y)]),
    "decay": decay,
}


def of_spikes(name: str, times: Floats, duration: float, gap: float) -> float:
    """A measure of a train. times: (n,) ms; duration: of what was looked at, ms; gap: the longest inside of a burst."""
    intervals = np.diff(times)
    if name == "spikes":
        return float(len(times))
    if name == "rate":
        return 1e3 * len(times) / duration
    if name == "first_spike":
        return float(times[0]) if len(times) else math.nan
    if name == "isi_mean":
        return float(intervals.mean()) if intervals.size else math.nan
    if name == "isi_cv":
        return float(intervals.std(ddof=1) / intervals.mean()) if intervals.size > 1 else math.nan
    near = np.concatenate([[False], intervals <= gap, [False]])
    return float(np.sum(near[1:] & ~near[:-1]))


__all__ = ["MEASURES", "of_spikes", "spike_times", "time_above"]
