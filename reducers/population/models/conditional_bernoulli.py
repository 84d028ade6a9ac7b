"""Bernoulli variables given their sum: normaliser, inclusion probabilities and draws, exact, by dynamic programming.

p(x | K = k) = exp(Σ x_i l_i) / e_k, e_k = Σ_{|x| = k} exp(Σ x_i l_i): the elementary symmetric polynomial of the odds.
A common factor of the odds changes nothing but e_k, so the odds are scaled until Σ p_i = k; then e_k is Π(1 + odds)
times the probability of k successes, which is of order 1/√n (Chen, Dempster & Liu, Biometrika 81:457, 1994). All sums
are of positive terms. l_i = ±∞ stands for a variable that is never, or always, 1.
"""

from __future__ import annotations

import math

import numpy as np

from couple.base.arrays import Bools, Floats, Ints, Words
from couple.cache.kernels import njit
from couple.rng.streams import uniform
from reducers.population.patterns.patterns import Bits

NEGLIGIBLE = 1e-290
"""Probabilities below are none: numbers near the smallest are slow."""


@njit(cache=True)
def scale_odds(logits: Floats, k: int, p: Floats, q: Floats) -> float:
    """θ with Σ p_i = k, p (n,) the probabilities of logits + θ and q = 1 - p; NaN if no pattern has k ones."""
    n = len(logits)
    always, free = 0, 0
    for i in range(n):
        if logits[i] == math.inf:
            always += 1
        elif logits[i] > -math.inf:
            free += 1
    if k < always or k > always + free:
        return math.nan
    left = k - always
    low, high, mean = math.inf, -math.inf, 0.0
    for i in range(n):
        if -math.inf < logits[i] < math.inf:
            low, high = min(low, logits[i]), max(high, logits[i])
            mean += logits[i] / free
    theta = 0.0
    if 0 < left < free:
        middle = math.log(left / (free - left))
        low, high = middle - high, middle - low
        theta = middle - mean
        for _ in range(200):
            total, slope = 0.0, 0.0
            for i in range(n):
                if -math.inf < logits[i] < math.inf:
                    one = 1.0 / (1.0 + math.exp(-(logits[i] + theta)))
                    total += one
                    slope += one * (1.0 - one)
            if total > left:
                high = theta
            else:
                low = theta
            if abs(total - left) < 1e-10 * left or high - low < 1e-13:
                break
            step = theta - (total - left) / slope if slope > 0.0 else math.inf
            theta = step if low < step < high else 0.5 * (low + high)
    for i in range(n):
        p[i] = 1.0 / (1.0 + math.exp(-(logits[i] + theta)))
        q[i] = 1.0 / (1.0 + math.exp(logits[i] + theta))
        if -math.inf < logits[i] < math.inf and (left == 0 or left == free):
            p[i], q[i] = (0.0, 1.0) if left == 0 else (1.0, 0.0)
    return theta


@njit(cache=True, python=True)
def fill_table(p: Floats, q: Floats, k: int, table: Floats) -> None:
    """table[i, j]: probability that the first i variables have j ones, where k can still be reached; (n + 1, > k)."""
    n = len(p)
    table[0, : k + 1] = 0.0
    table[0, 0] = 1.0
    for i in range(n):
        first, last = max(0, k - (n - 1 - i)), min(i + 1, k)
        before, now, one, zero = table[i], table[i + 1], p[i], q[i]
        if first == 0:
            now[0] = before[0] * zero
        for j in range(max(first, 1), last + 1):
            value = before[j] * zero + before[j - 1] * one
            now[j] = value if value > NEGLIGIBLE else 0.0
        if last < k:
            now[last + 1] = 0.0


@njit(cache=True)
def include(logits: Floats, k: int, inclusion: Floats, table: Floats, later: Floats) -> float:
    """ln e_k, with inclusion (n,) the probabilities of x_i = 1 given k ones; -inf if no pattern has k.

    table (n + 1, n + 1) and later (n + 2,): scratch.
    """
    n = len(logits)
    p, q = np.empty(n), np.empty(n)
    theta = scale_odds(logits, k, p, q)
    if math.isnan(theta):
        inclusion[:] = 0.0
        return -math.inf
    fill_table(p, q, k, table)
    whole = table[n, k]
    later[: k + 2] = 0.0
    later[k] = 1.0
    for i in range(n - 1, -1, -1):
        first, last = max(0, k - (n - 1 - i)), min(i + 1, k)
        total, before = 0.0, table[i]
        for j in range(max(first, 1), last + 1):
            total += before[j - 1] * later[j]
        inclusion[i] = min(p[i] * total / whole, 1.0)
        if abs(logits[i]) == math.inf:
            inclusion[i] = 1.0 if logits[i] > 0.0 else 0.0
        for j in range(max(0, first - 1), min(i, k) + 1):
            value = later[j] * q[i] + later[j + 1] * p[i]
            later[j] = value if value > NEGLIGIBLE else 0.0
    found: float = math.log(whole) - k * theta
    for i in range(n):
        if -math.inf < logits[i] < math.inf:
            found += logits[i] + theta if q[i] == 0.0 else -math.log(q[i])
        elif logits[i] == math.inf:
            found += theta  # its odds are left out, and are not scaled either
    return found


@njit(cache=True)
def include_all(logits: Floats, wanted: Bools, inclusion: Floats) -> Floats:
    """(n + 1,) ln e_k of each wanted k, with inclusion (n + 1, n); logits (n + 1, n)."""
    n = logits.shape[1]
    found = np.zeros(n + 1)
    table, later = np.empty((n + 1, n + 1)), np.empty(n + 2)
    for k in range(n + 1):
        if wanted[k]:
            found[k] = include(logits[k], k, inclusion[k], table, later)
    return found


@njit(cache=True)
def match_inclusion(targets: Floats, logits: Floats, wanted: Bools, tolerance: float, most: int) -> float:
    """The largest distance left between inclusion probabilities and targets (n + 1, n), for which logits are found.

    Odds are multiplied by the ratio of the odds of target and inclusion (Chen, Dempster & Liu 1994, eq. 6).
    """
    n = logits.shape[1]
    inclusion, table, later = np.empty(n), np.empty((n + 1, n + 1)), np.empty(n + 2)
    worst = 0.0
    for k in range(1, n):
        if not wanted[k]:
            continue
        own, aim, off = logits[k], targets[k], math.inf
        for i in range(n):
            own[i] = (
                math.log(aim[i]) - math.log1p(-aim[i])
                if 0.0 < aim[i] < 1.0
                else (math.inf if aim[i] >= 1.0 else -math.inf)
            )
        for _ in range(most):
            include(own, k, inclusion, table, later)
            off = 0.0
            for i in range(n):
                off = max(off, abs(inclusion[i] - aim[i]))
            if off < tolerance:
                break
            for i in range(n):
                if 0.0 < aim[i] < 1.0 and 0.0 < inclusion[i] < 1.0:
                    odds = math.log(aim[i]) - math.log1p(-aim[i])
                    own[i] += odds - math.log(inclusion[i]) + math.log1p(-inclusion[i])
        worst = max(worst, off)
    return worst


@njit(cache=True)
def draw(logits: Floats, ks: Ints, words: Words, out: Bits) -> None:
    """Patterns out (m, n) with ks (m,) ones each, without rejection: backwards through the table of their k."""
    n = out.shape[1]
    table, p, q = np.empty((n + 1, n + 1)), np.empty(n), np.empty(n)
    order, held = np.argsort(ks), -1
    for r in order:
        k = ks[r]
        if k != held:
            scale_odds(logits[k], k, p, q)
            fill_table(p, q, k, table)
            held = k
        j = k
        for i in range(n - 1, -1, -1):
            one = j > 0 and uniform(words) * table[i + 1, j] <= table[i, j - 1] * p[i]
            out[r, i] = one
            j -= one


@njit(cache=True)
def log_odds_sum(logits: Floats, log_e: Floats, states: Bits) -> Floats:
    """(m,) ln p(x | K) of each pattern; logits (n + 1, n), log_e (n + 1,)."""
    m, n = states.shape
    found = np.empty(m)
    for r in range(m):
        k = 0
        for i in range(n):
            k += states[r, i]
        own, total = logits[k], -log_e[k]
        if log_e[k] == -math.inf:
            total = -math.inf
        for i in range(n):
            if own[i] == math.inf:
                total += 0.0 if states[r, i] else -math.inf
            elif states[r, i]:
                total += own[i]
        found[r] = total
    return found


@njit(cache=True)
def count_active(states: Bits) -> tuple[Ints, Ints]:
    """(n + 1,) windows with k active neurons, and (n + 1, n) those of them in which each is active."""
    m, n = states.shape
    windows, active = np.zeros(n + 1, dtype=np.int64), np.zeros((n + 1, n), dtype=np.int64)
    for r in range(m):
        k = 0
        for i in range(n):
            k += states[r, i]
        windows[k] += 1
        row = active[k]
        for i in range(n):
            row[i] += states[r, i]
    return windows, active
