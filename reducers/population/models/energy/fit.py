"""Fits of energies to patterns: exact sums over all patterns of few neurons, else persistent Gibbs chains.

Chains: Tieleman, ICML 2008. A fit of pairs by chains begins at the maximum of the pseudo-likelihood (Besag 1975).
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

from couple.base.arrays import Floats
from couple.rng.streams import generator, stream
from reducers.population.models.energy.energy import Energy
from reducers.population.models.energy.gibbs import independent_chains, sweep_energy
from reducers.population.models.enumeration import all_patterns
from reducers.population.models.model import FitBlock
from reducers.population.patterns.patterns import Bits

RATE = 0.03
"""Largest step of a parameter at a gradient, at first; it falls linearly to 0 (Adam, Kingma & Ba 2015)."""

Parts = tuple[str, ...]


def smoothed_rates(states: Bits) -> Floats:
    """(n,) with half a window of each state added."""
    return np.asarray((states.sum(axis=0, dtype=np.int64) + 0.5) / (len(states) + 1.0), dtype=np.float64)


def begin(states: Bits, parts: Parts, settings: FitBlock) -> Energy:
    """Independent neurons, with small random weights of hidden units."""
    hidden = settings.hidden if "weights" in parts else 0
    energy = Energy.independent(smoothed_rates(states), hidden)
    rng = generator(settings.seed, "population", "weights", "start")
    energy.weights[:] = 0.1 * rng.normal(size=energy.weights.shape)
    return energy


def fit_exactly(states: Bits, parts: Parts, settings: FitBlock) -> tuple[Energy, float]:
    """The most likely energy, and ln Z, by L-BFGS over sums over all patterns."""
    patterns, weights = all_patterns(states.shape[1]), np.full(len(states), 1.0 / len(states))
    first = begin(states, parts, settings)
    seen, distinct = (first.mean_gradient(states, weights), None)
    ridge = _ridge(first, parts, settings, len(states))
    if "weights" in parts:
        distinct = np.unique(states, axis=0, return_counts=True)

    def loss(vector: Floats) -> tuple[float, Floats]:
        energy = unpack(vector, first, parts)
        log_w = energy.log_weight(patterns)
        log_z = float(np.logaddexp.reduce(log_w))
        model = energy.mean_gradient(patterns, np.exp(log_w - log_z))
        if distinct is None:
            linear = [np.vdot(_half(seen, p), _half(energy, p)) for p in parts]
            data, value = seen, log_z - float(sum(linear))
        else:
            share = distinct[1] / len(states)
            data, value = (
                energy.mean_gradient(distinct[0], share),
                log_z - float(share @ energy.log_weight(distinct[0])),
            )
        slope = np.concatenate([(_half(model, p) - _half(data, p)).ravel() for p in parts])
        return value + float(ridge @ vector**2), slope + 2 * ridge * vector

    most = settings.iterations * (1 if "weights" in parts else 20)  # without hidden units it has one maximum
    found = minimize(
        loss, pack(first, parts), jac=True, method="L-BFGS-B",
        options={"maxiter": most, "maxcor": 30, "ftol": 1e-14, "gtol": 1e-9},
    )  # fmt: skip
    energy = unpack(found.x, first, parts)
    return energy, float(np.logaddexp.reduce(energy.log_weight(patterns)))


def fit_pseudo(states: Bits, settings: FitBlock) -> Energy:
    """Biases and pairs of the largest pseudo-likelihood, Π_i p(x_i | the others), less `ridge` Σ J²."""
    x = states.astype(np.float64)
    first = begin(states, ("bias", "pairs"), settings)
    ridge = _ridge(first, ("bias", "pairs"), settings, len(states))

    def loss(vector: Floats) -> tuple[float, Floats]:
        energy = unpack(vector, first, ("bias", "pairs"))
        logits = x @ energy.pairs + energy.bias
        value = float((np.logaddexp(0.0, logits) - x * logits).sum()) / len(x)
        off = (1.0 / (1.0 + np.exp(-np.clip(logits, -700, 700))) - x) / len(x)
        pairs = x.T @ off
        pairs = pairs + pairs.T
        np.fill_diagonal(pairs, 0.0)
        slope = pack(Energy(off.sum(axis=0), pairs, first.count, first.weights, first.hidden), ("bias", "pairs"))
        return value + float(ridge @ vector**2), slope + 2 * ridge * vector

    found = minimize(
        loss, pack(first, ("bias", "pairs")), jac=True, method="L-BFGS-B", options={"maxiter": settings.iterations}
    )
    return unpack(found.x, first, ("bias", "pairs"))


def fit_by_chains(states: Bits, parts: Parts, settings: FitBlock) -> Energy:
    """By persistent Gibbs chains; of models with hidden units, data in batches of as many windows as chains."""
    first = fit_pseudo(states, settings) if "weights" not in parts else begin(states, parts, settings)
    rng, words = (
        generator(settings.seed, "population", "batches", "fit"),
        stream(settings.seed, "population", "fit", "chains"),
    )
    chains = independent_chains(smoothed_rates(states), settings.chains, settings.seed, "fit")
    own, all_ = np.full(len(chains), 1.0 / len(chains)), np.full(len(states), 1.0 / len(states))
    energy, vector = first, pack(first, parts)
    seen, ridge = first.mean_gradient(states, all_), _ridge(first, parts, settings, len(states))
    mean, square, tail, n_tail = np.zeros_like(vector), np.zeros_like(vector), np.zeros_like(vector), 0
    for step in range(settings.iterations):
        sweep_energy(energy, chains, settings.sweeps, words)
        model, data = energy.mean_gradient(chains, own), seen
        if "weights" in parts:
            batch = states[rng.integers(0, len(states), max(len(chains), 1000))]
            data = energy.mean_gradient(batch, np.full(len(batch), 1.0 / len(batch)))
        slope = np.concatenate([(_half(data, p) - _half(model, p)).ravel() for p in parts])
        slope -= 2 * ridge * vector
        mean, square = 0.9 * mean + 0.1 * slope, 0.99 * square + 0.01 * slope**2
        up = mean / (1 - 0.9 ** (step + 1))
        size = np.sqrt(square / (1 - 0.99 ** (step + 1))) + 1e-4
        vector = vector + RATE * (1 - step / settings.iterations) * up / size
        energy = unpack(vector, first, parts)
        if step >= settings.iterations // 2:
            tail, n_tail = tail + vector, n_tail + 1
    return unpack(tail / max(n_tail, 1), first, parts)


def pack(energy: Energy, parts: Parts) -> Floats:
    """The free numbers of the parts: of the pairs, those above the diagonal."""
    return np.concatenate([_half(energy, part).ravel() for part in parts])


def unpack(vector: Floats, like: Energy, parts: Parts) -> Energy:
    """`like` with the parts of a vector of `pack`."""
    arrays, at = like.arrays(), 0
    for part in parts:
        shape = _half(like, part).shape
        values = vector[at : at + int(np.prod(shape))].reshape(shape)
        at += values.size
        if part == "pairs":
            full = np.zeros((like.n, like.n))
            full[np.triu_indices(like.n, 1)] = values
            values = full + full.T
        arrays[part] = values
    return Energy(**arrays)


def _ridge(energy: Energy, parts: Parts, settings: FitBlock, windows: int) -> Floats:
    """Penalty of the square of each number of `pack`, per window; of biases none."""
    each = [np.full(_half(energy, p).size, 0.0 if p in ("bias", "hidden") else settings.ridge) for p in parts]
    return np.concatenate(each) / windows


def _half(energy: Energy, part: str) -> Floats:
    values: Floats = getattr(energy, part)
    return values[np.triu_indices(energy.n, 1)] if part == "pairs" else values
