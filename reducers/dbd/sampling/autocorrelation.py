"""Means of Markov chains with errors that allow for how slowly they forget.

The variance of a mean over T values is 2τ Var / T with the integrated autocorrelation time τ = 1/2 + Σ_t ρ(t), summed
over a window of six τ (Madras & Sokal 1988).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from couple.base.arrays import Floats

WINDOW = 6.0
"""Of the sum over autocorrelations, in autocorrelation times."""


@dataclass(frozen=True)
class ChainMean:
    """value, error: of the mean. time: integrated autocorrelation time, in intervals between values (1/2: none).

    settled: whether the values are long enough for both: a chain of fifty autocorrelation times or more.
    """

    value: float
    error: float
    time: float
    settled: bool

    @classmethod
    def of(cls, values: Floats) -> ChainMean:
        """values: (chains, T), independent chains of equal length."""
        length = values.shape[1]
        rho = autocorrelation(values)
        time = 0.5
        for t in range(1, length):
            time += float(rho[t])
            if t >= WINDOW * time:
                break
        time = max(time, 0.5)
        error = float(np.sqrt(2.0 * time * values.var() / values.size))
        return cls(float(values.mean()), error, time, length >= 50.0 * time)


def autocorrelation(values: Floats) -> Floats:
    """(T,) ρ(t) of values (chains, T), about the mean of all chains; 0 where nothing varies."""
    centred, length = values - values.mean(), values.shape[1]
    spectrum = np.abs(np.fft.rfft(centred, 2 * length, axis=1)) ** 2
    sums = np.fft.irfft(spectrum.mean(axis=0), 2 * length)[:length] / (length - np.arange(length))
    return np.asarray(sums / sums[0] if sums[0] > 0 else np.zeros(length))
