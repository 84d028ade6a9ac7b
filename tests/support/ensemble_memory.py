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
