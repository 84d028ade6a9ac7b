"""A Hodgkin-Huxley cell under a step of current and its seven features (Goncalves et al. 2020, eLife 9:e56261, fig. 4).

    C dV = (g_l (E_l - V) + g_Na m^3 h (E_Na - V) + g_K n^4 (E_K - V) + g_M p (E_K - V) + I) dt + sigma dW

with the kinetics of Pospischil et al. 2008, of which V_T shifts all but p. Exponential Euler: V from the gates, then
the gates at the new V.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]

C, E_NA, E_K = 1.0, 53.0, -107.0  # uF/cm2, mV
DURATION, DT, ON, OFF = 120.0, 0.01, 10.0, 110.0  # ms
CURRENT = 5e-4 / (math.pi * 70e-4**2)  # uA/cm2
START = -70.0  # mV
THRESHOLD, APART = -10.0, 0.5  # of spikes: mV, ms

TRUTH = np.array([50.0, 5.0, 0.1, 0.07, 600.0, 60.0, 0.1, 70.0])


def simulate(theta: Floats, seed: int) -> Floats:
    """(7,) features of (g_Na, g_K, g_l, g_M, tau_max, -V_T, sigma, -E_l)."""
    return features(voltage(theta, seed))


def voltage(theta: Floats, seed: int) -> Floats:
    """(12000,) mV, one for each 0.01 ms."""
    return _run(np.asarray(theta, dtype=float), seed, round(DURATION / DT))


def features(v: Floats) -> Floats:
    """(7,): spikes; mean at rest, sd of its end; mean, variance, skewness and kurtosis in the step. NaN if v is."""
    time = DT * np.arange(len(v))
    rest, end = v[time < ON], v[(time > 0.9 * ON) & (time < ON)]
    during = v[(time > ON) & (time < OFF)]
    mean, sd = during.mean(), during.std()
    if not np.isfinite(sd) or sd == 0:
        return np.full(7, np.nan)
    shape = (during - mean) / sd
    return np.array([_spikes(v, time), rest.mean(), end.std(), mean, sd**2, np.mean(shape**3), np.mean(shape**4)])


def _spikes(v: Floats, time: Floats) -> int:
    """Peaks above the threshold in the step, more than half a millisecond after the one before."""
    at = np.flatnonzero((v[1:-1] > THRESHOLD) & (v[1:-1] >= v[:-2]) & (v[1:-1] > v[2:])) + 1
    peaks = time[at]
    peaks = peaks[(peaks > ON) & (peaks < OFF)]
    return int(np.sum(np.diff(peaks, prepend=-np.inf) > APART))


@njit(cache=True)
def _efun(z: float) -> float:
    """z / (exp(z) - 1)."""
    return 1 - z / 2 if abs(z) < 1e-4 else z / math.expm1(z)


@njit(cache=True)
def _rates(v: float, v_t: float) -> tuple[float, float, float, float, float, float]:
    """Of n, m and h, to open and to close, /ms."""
    x = v - v_t
    return (
        0.032 * _efun(-0.2 * (x - 15)) / 0.2,
        0.5 * math.exp(-(x - 10) / 40),
        0.32 * _efun(-0.25 * (x - 13)) / 0.25,
        0.28 * _efun(0.2 * (x - 40)) / 0.2,
        0.128 * math.exp(-(x - 17) / 18),
        4 / (1 + math.exp(-(x - 40) / 5)),
    )


@njit(cache=True)
def _run(theta: Floats, seed: int, steps: int) -> Floats:
    g_na, g_k, g_l, g_m, tau_max, v_t, sigma, e_l = theta
    v_t, e_l = -v_t, -e_l
    np.random.seed(seed % 2**32)  # noqa: NPY002 - numba's own generator
    found = np.empty(steps)
    v = START
    a_n, b_n, a_m, b_m, a_h, b_h = _rates(v, v_t)
    n, m, h = a_n / (a_n + b_n), a_m / (a_m + b_m), a_h / (a_h + b_h)
    p = 1 / (1 + math.exp(-(v + 35) / 10))
    found[0] = v
    for k in range(1, steps):
        now = DT * (k - 1)
        current = CURRENT if ON <= now < OFF else 0.0
        current += sigma * np.random.standard_normal() / math.sqrt(DT)  # noqa: NPY002
        na, kd, km = g_na * m * m * m * h, g_k * n * n * n * n, g_m * p
        total = na + kd + km + g_l
        rest = (na * E_NA + (kd + km) * E_K + g_l * e_l + current) / total
        v = rest + (v - rest) * math.exp(-DT * total / C)
        a_n, b_n, a_m, b_m, a_h, b_h = _rates(v, v_t)
        n = a_n / (a_n + b_n) + (n - a_n / (a_n + b_n)) * math.exp(-DT * (a_n + b_n))
        m = a_m / (a_m + b_m) + (m - a_m / (a_m + b_m)) * math.exp(-DT * (a_m + b_m))
        h = a_h / (a_h + b_h) + (h - a_h / (a_h + b_h)) * math.exp(-DT * (a_h + b_h))
        p_inf = 1 / (1 + math.exp(-(v + 35) / 10))
        speed = (3.3 * math.exp((v + 35) / 20) + math.exp(-(v + 35) / 20)) / tau_max
        p = p_inf + (p - p_inf) * math.exp(-DT * speed)
        found[k] = v
    return found


if __name__ == "__main__":
    print(",".join(f"{x:.6g}" for x in simulate(TRUTH, 1)))
