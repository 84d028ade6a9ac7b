"""Made-up ensembles for `couple compare`: correlated courses, whole numbers, and spikes that fail at random."""

from __future__ import annotations

import math

import numpy as np

from couple.analysis.compare.sides import Series, Side


def noise(rng: np.random.Generator, runs: int, times: int, tau: float = 20.0) -> np.ndarray:
    """(runs, times) stationary fluctuations of sd 1 with a correlation time of `tau` rows."""
    x = rng.standard_normal((runs, times))
    keep = math.exp(-1 / tau)
    for k in range(1, times):
        x[:, k] = keep * x[:, k - 1] + math.sqrt(1 - keep**2) * x[:, k]
    return x


def spiking_spine(label: str, runs: int, rng: np.random.Generator, shift: float = 0.0, times: int = 100) -> Side:
    """A side of a voltage, free calcium and open channels; the last two are moved by `shift` standard deviations."""
    time = np.arange(times) * 0.5
    centres = time[-1] * np.array([0.2, 0.5, 0.8]) + rng.normal(0, 1, (runs, 3))
    pulses = np.exp(-((time - centres[..., None]) ** 2)) * (rng.random((runs, 3, 1)) < 0.5)
    series = (
        Series("V soma", "V", "mV", -65 + 0.5 * noise(rng, runs, times, 5.0) + 100 * pulses.sum(axis=1)),
        Series("head Ca", "calcium", "uM", 10 + 2 * (noise(rng, runs, times) + shift)),
        Series("head open", "observable", "count", np.maximum(np.round(2 + noise(rng, runs, times) + shift), 0)),
    )
    return Side(label, label, time, "ms", {s.name: s for s in series}, fixed=False)
