"""Population tracking by sampling, as O'Donnell et al. (2017) have it, the baseline of tests/bench/population.py.

Of the patterns with k active neurons, `samples` even ones are drawn wherever there are more than `samples` of them, and
all are listed otherwise. Normalisers are importance sampled from them; the entropy at k is that of one or two Gaussians
of log p (Akaike's criterion) that are fitted to them by expectation and maximisation, on a grid of 10,000 values out to
5 standard deviations, scaled to a sum of 1. Neurons that do not differ at a k have a closed form. Patterns are drawn
from the model by rejection. Loops are compiled, and patterns with more than half of the neurons active are drawn by
those that are not: what there is to gain without another method.
"""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
from scipy.special import gammaln, logsumexp

from couple.base.arrays import Floats, Words
from couple.cache.kernels import njit
from couple.rng.streams import below, stream, uniform
from reducers.population.models.given_count import PopulationTracking
from reducers.population.patterns.patterns import Bits

GRID, WIDE, ALIKE = 10_000, 5.0, 1e-3
STEPS, ENOUGH = 100, 1e-6
"""Of a fit of two Gaussians, and the change of its log-likelihood, relative, at which it ends."""


@njit(cache=True)
def even_log_weights(logits: Floats, k: int, words: Words, out: Floats) -> None:
    """Σ x_i l_i of patterns with k of n ones, drawn evenly, into out (samples,)."""
    n = len(logits)
    order, whole = np.arange(n), logits.sum()
    few = min(k, n - k)
    for r in range(len(out)):
        total = 0.0
        for i in range(few):
            j = i + below(words, n - i)
            order[i], order[j] = order[j], order[i]
            total += logits[order[i]]
        out[r] = total if few == k else whole - total


@njit(cache=True)
def two_gaussians(values: Floats, mean: Floats, variance: Floats, weight: Floats) -> float:
    """Log-likelihood of two normals, which (2,) arrays are begun with and hold in the end."""
    m, last, found = len(values), -math.inf, 0.0
    for _ in range(STEPS):
        s0, s1, q0, q1, w0 = 0.0, 0.0, 0.0, 0.0, 0.0
        a = math.log(weight[0]) - 0.5 * math.log(2 * math.pi * variance[0])
        b = math.log(weight[1]) - 0.5 * math.log(2 * math.pi * variance[1])
        found = 0.0
        for v in values:
            x = a - 0.5 * (v - mean[0]) ** 2 / variance[0]
            y = b - 0.5 * (v - mean[1]) ** 2 / variance[1]
            top = max(x, y)
            e0, e1 = math.exp(x - top), math.exp(y - top)
            found += top + math.log(e0 + e1)
            share = e0 / (e0 + e1)
            w0 += share
            s0 += share * v
            q0 += share * v * v
            s1 += (1 - share) * v
            q1 += (1 - share) * v * v
        w0 = min(max(w0, 1e-9), m - 1e-9)
        weight[0], weight[1] = w0 / m, 1 - w0 / m
        mean[0], mean[1] = s0 / w0, s1 / (m - w0)
        variance[0] = max(q0 / w0 - mean[0] ** 2, 1e-9)
        variance[1] = max(q1 / (m - w0) - mean[1] ** 2, 1e-9)
        if abs(found - last) < ENOUGH * abs(found):
            break
        last = found
    return found


def log_ways(n: int, k: int) -> float:
    """ln C(n, k)."""
    return float(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))


def entropy_given_count(logits: Floats, k: int, samples: int, seed: int, gaussians: bool = True) -> float:
    """Bits, of the patterns with k ones of neurons with these logits (n,) at k. gaussians: as the authors do; False: by
    the weights of the patterns alone, which has no error but that of the sample.
    """
    n = len(logits)
    ways = log_ways(n, k)
    rates = 1 / (1 + np.exp(-logits))
    if rates.std() <= ALIKE:
        return ways / math.log(2)
    if ways <= math.log(samples):
        log_p = np.array([logits[list(chosen)].sum() for chosen in combinations(range(n), k)])
        log_p -= logsumexp(log_p)
        return -float(np.exp(log_p) @ log_p) / math.log(2)
    values = np.empty(samples)
    even_log_weights(logits, k, stream(seed, "bench", "patterns", str(k)), values)
    if not gaussians:
        share = np.exp(values - logsumexp(values))
        return float(ways + logsumexp(values) - math.log(samples) - share @ values) / math.log(2)
    weight, mean, variance = fit(values)
    sd = np.sqrt(variance)
    grid = np.linspace((mean - WIDE * sd).min(), (mean + WIDE * sd).max(), GRID)
    density = np.log(weight) - np.log(sd) - 0.5 * ((grid[:, None] - mean) / sd) ** 2
    share = logsumexp(density, axis=1)
    share -= logsumexp(share)
    grid = grid - (ways + logsumexp(grid + share))
    return -float(np.exp(ways + share + grid) @ grid) / math.log(2)


def fit(values: Floats) -> tuple[Floats, Floats, Floats]:
    """weight, mean and variance, (1,) or (2,), of Gaussians."""
    middle, spread = float(values.mean()), float(values.var())
    one = -0.5 * len(values) * (math.log(2 * math.pi * spread) + 1)
    mean, variance, weight = (
        middle + math.sqrt(spread) * np.array([-0.8, 0.8]),
        np.full(2, 0.4 * spread),
        np.full(2, 0.5),
    )
    if two_gaussians(values, mean, variance, weight) - one > 3:  # by Akaike's criterion, of 5 numbers for 2
        return weight, mean, variance
    return np.ones(1), np.array([middle]), np.array([spread])


def sampled_entropy(model: PopulationTracking, samples: int, gaussians: bool = True) -> float:
    """Bits."""
    p = np.exp(model.log_count)
    each = [entropy_given_count(model.logits[k], k, samples, 1, gaussians) for k in range(1, model.n)]
    own = np.where(p > 0, model.log_count, 0.0) / math.log(2)
    return float(p[1:-1] @ np.array(each) - p @ own)


def sampled_normalisers(model: PopulationTracking, samples: int) -> Floats:
    """(n + 1,) ln e_k."""
    found, values = np.zeros(model.n + 1), np.empty(samples)
    for k in range(1, model.n):
        even_log_weights(model.logits[k], k, stream(2, "bench", "patterns", str(k)), values)
        found[k] = log_ways(model.n, k) + logsumexp(values) - math.log(samples)
    found[model.n] = model.logits[model.n].sum()
    return found


@njit(cache=True)
def draw_by_rejection(rates: Floats, cumulative: Floats, words: Words, out: Bits) -> int:
    """Number of proposals, at rates (n + 1, n), that patterns out (m, n) take to have the k that was drawn."""
    m, n = out.shape
    proposals = 0
    for r in range(m):
        k, u = 0, uniform(words)
        while k < n and cumulative[k] <= u:
            k += 1
        active = -1
        while active != k:
            active = 0
            proposals += 1
            for i in range(n):
                out[r, i] = uniform(words) < rates[k, i]
                active += out[r, i]
    return proposals
