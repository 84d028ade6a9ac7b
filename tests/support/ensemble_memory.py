"""Correlation times over the runs of an ensemble."""

from __future__ import annotations

import numpy as np

from couple.base.arrays import Floats


def memory(x: Floats, every: float, starts: range) -> Floats:
    """(S,) ms until the correlation over runs (R, T, S) is 1/e, a mean over starts."""
    out = []
    for a in starts:
        mine = x[:, a] - x[:, a].mean(axis=0)
        times = []
        for s in range(x.shape[2]):
            lag, before = 1, 1.0
            while True:
                other = x[:, a + lag, s] - x[:, a + lag, s].mean()
                now = float((mine[:, s] * other).mean() / np.sqrt((mine[:, s] ** 2).mean() * (other**2).mean()))
                if now < np.exp(-1) or a + lag + 1 >= x.shape[1]:
                    break
                lag, before = lag + 1, now
            times.append(every * (lag - 1 + (before - np.exp(-1)) / max(before - now, 1e-9)))
        out.append(times)
    return np.array(out).mean(axis=0)


def correlation_time(x: Floats, every: float, starts: range) -> Floats:
    """(S,) ms until the correlation over runs (R, T, S), a mean over starts, is 1/e; NaN where it never is."""
    y = x - x.mean(axis=0)
    deviation = np.sqrt((y**2).mean(axis=0))
    out = np.full(x.shape[2], np.nan)
    for s in range(x.shape[2]):
        before = 1.0
        for lag in range(1, x.shape[1] - max(starts)):
            each = [(y[:, a, s] * y[:, a + lag, s]).mean() / (deviation[a, s] * deviation[a + lag, s]) for a in starts]
            now = float(np.mean(each))
            if now < np.exp(-1):
                out[s] = every * (lag - 1 + (before - np.exp(-1)) / (before - now))
                break
            before = now
    return out
