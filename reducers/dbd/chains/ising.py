"""Endless 1-D chains with nearest-neighbour couplings, one or many species, by transfer matrix.

p(s) = exp(Σ_i h(s_i) + Σ_i J(s_i, s_{i+1})) / Z, s_i = 0 (vacancy, h = J = 0) or one of the species. With
M_ab = exp((h_a + h_b)/2 + J_ab), top eigenvalue λ and eigenvector v (v·v = 1): ln Z = N ln λ, and the chain is Markov,
P(s_1 … s_k) = v_{s_1} v_{s_k} Π M / λ^{k-1}, which closes every local moment. All moments are per site.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from couple.base.arrays import Floats, Ints
from couple.base.errors import InputError, RunError
from couple.cache.kernels import njit
from reducers.dbd.chains.rule import Rule


@njit(cache=True, python=True)
def eigenpair(log_weights: Floats, logs: Floats) -> tuple[float, Floats, Floats, Floats, Floats]:
    """Top eigenvalue of M = exp(log_weights) and its dependence on the parameters.

    logs: (n, S, S) ∂ ln M/∂θ. Returns ln λ, M/λ (S, S), v (S,), ∂v/∂θ (n, S), ∂ln λ/∂θ (n,).
    """
    n, size = len(logs), len(log_weights)
    top = log_weights.max()
    values, vectors = np.linalg.eigh(np.exp(log_weights - top))
    v = np.ascontiguousarray(vectors[:, size - 1])
    if v.sum() < 0:
        v = -v
    lam = values[size - 1]
    matrix = np.exp(log_weights - top) / lam
    dv, dlog, pushed = np.zeros((n, size)), np.zeros(n), np.empty(size)
    for m in range(n):
        for i in range(size):
            pushed[i] = 0.0
            for j in range(size):
                pushed[i] += matrix[i, j] * logs[m, i, j] * v[j]
            dlog[m] += v[i] * pushed[i]
        for e in range(size - 1):
            share = 0.0
            for i in range(size):
                share += vectors[i, e] * pushed[i]
            for i in range(size):
                dv[m, i] += vectors[i, e] * share / (1.0 - values[e] / lam)
    return top + np.log(lam), matrix, v, dv, dlog


@njit(cache=True, python=True)
def cumulants(matrix: Floats, v: Floats, dv: Floats, dlog: Floats, logs: Floats) -> tuple[Floats, Floats]:
    """Second (n, n) and third (n, n, n) derivatives of ln λ; by Wigner's rule first-order vectors suffice."""
    n = len(logs)
    size = len(v)
    second, third = np.zeros((n, n)), np.zeros((n, n, n))  # of λ, in units of λ
    once, twice = np.zeros((n, size)), np.zeros((n, n, size))  # ∂M v - ∂λ v, ∂²M v
    for a in range(n):
        for i in range(size):
            for j in range(size):
                once[a, i] += matrix[i, j] * logs[a, i, j] * v[j]
                for b in range(n):
                    twice[a, b, i] += matrix[i, j] * logs[a, i, j] * logs[b, i, j] * v[j]
            once[a, i] -= dlog[a] * v[i]
    for a in range(n):
        for b in range(n):
            for i in range(size):
                second[a, b] += v[i] * twice[a, b, i] + 2.0 * dv[b, i] * once[a, i]
    for a in range(n):
        for b in range(a, n):
            for c in range(b, n):
                total = 2.0 * dlog[a] * dlog[b] * dlog[c]
                total -= second[a, b] * dlog[c] + second[a, c] * dlog[b] + second[b, c] * dlog[a]
                for i in range(size):
                    total += 2.0 * (twice[a, b, i] * dv[c, i] + twice[a, c, i] * dv[b, i] + twice[b, c, i] * dv[a, i])
                    for j in range(size):
                        la, lb, lc = logs[a, i, j], logs[b, i, j], logs[c, i, j]
                        total += matrix[i, j] * la * lb * lc * v[i] * v[j]
                        total += 2.0 * matrix[i, j] * lb * dv[a, i] * dv[c, j]
                        total += 2.0 * matrix[i, j] * la * dv[b, i] * dv[c, j]
                        total += 2.0 * matrix[i, j] * lc * dv[a, i] * dv[b, j]
                    total -= 2.0 * dlog[b] * dv[a, i] * dv[c, i]
                    total -= 2.0 * dlog[a] * dv[b, i] * dv[c, i]
                    total -= 2.0 * dlog[c] * dv[a, i] * dv[b, i]
                third[a, b, c] = third[a, c, b] = third[b, a, c] = total
                third[b, c, a] = third[c, a, b] = third[c, b, a] = total
    covariance = second.copy()
    for a in range(n):
        for b in range(n):
            covariance[a, b] -= dlog[a] * dlog[b]
    return covariance, third


@njit(cache=True)
def chain_projection(
    log_weights: Floats, logs: Floats, clusters: Ints, groups: Ints, gains: Floats, n_groups: int
) -> tuple[Floats, Floats]:
    """F (n_groups, n) = C⁻¹ ṁ of each group of events, and its Jacobian (n_groups, n, n).

    clusters: (n_events, 4) states of neighbouring sites before an event (-1: none); groups: (n_events,) whom it
    belongs to; gains: (n_events, n) rate × change of X.
    """
    n = len(logs)
    _, matrix, v, dv, dlog = eigenpair(log_weights, logs)
    covariance, third = cumulants(matrix, v, dv, dlog, logs)
    drift, slope = np.zeros((n_groups, n)), np.zeros((n_groups, n, n))
    dp = np.empty(n)
    for e in range(len(clusters)):
        sites = 4 if clusters[e, 3] >= 0 else 3
        first, last = clusters[e, 0], clusters[e, sites - 1]
        p = v[first] * v[last]
        for m in range(n):
            dp[m] = dv[m, first] / v[first] + dv[m, last] / v[last] - (sites - 1) * dlog[m]
        for i in range(sites - 1):
            a, b = clusters[e, i], clusters[e, i + 1]
            p *= matrix[a, b]
            for m in range(n):
                dp[m] += logs[m, a, b]
        for k in range(n):
            if gains[e, k] != 0.0:
                drift[groups[e], k] += p * gains[e, k]
                for m in range(n):
                    slope[groups[e], k, m] += p * gains[e, k] * dp[m]
    rates, jacobian = np.zeros((n_groups, n)), np.zeros((n_groups, n, n))
    for g in range(n_groups):
        rates[g] = np.linalg.solve(covariance, drift[g])
        right = slope[g].copy()
        for k in range(n):
            for m in range(n):
                for q in range(n):
                    right[k, m] -= third[k, q, m] * rates[g, q]
        jacobian[g] = np.linalg.solve(covariance, right)
    return rates, jacobian


class Chain:
    """The endless chain of some species. Parameters: h_A, h_B, …, then J_AA, J_AB, …, J_BB, … (plus convention)."""

    sign = 1

    def __init__(self, species: Sequence[str]) -> None:
        self.species = tuple(species)
        if not self.species or len(set(self.species)) < len(self.species):
            raise InputError(f"needs one or more species, each once, not {list(species)}")
        count = len(self.species)
        pairs = [(a, b) for a in range(1, count + 1) for b in range(a, count + 1)]
        self.pairs = tuple(pairs)
        self.parameters = tuple(f"h_{s}" for s in self.species) + tuple(
            f"J_{self.species[a - 1]}{self.species[b - 1]}" for a, b in pairs
        )
        self.logs = np.zeros((len(self.parameters), count + 1, count + 1))
        for a in range(1, count + 1):
            self.logs[a - 1, a, :] += 0.5
            self.logs[a - 1, :, a] += 0.5
        for k, (a, b) in enumerate(pairs, start=count):
            self.logs[k, a, b] = self.logs[k, b, a] = 1.0

    def _log_weights(self, theta: Floats) -> Floats:
        if not np.isfinite(theta).all():
            raise RunError(f"the parameters of the chain are not finite: {theta}")
        return np.ascontiguousarray(np.tensordot(theta, self.logs, axes=1))

    def log_z(self, theta: Floats) -> float:
        """ln λ: ln Z per site."""
        return float(eigenpair(self._log_weights(theta), self.logs)[0])

    def moments(self, theta: Floats) -> Floats:
        """(n,) ⟨X⟩ per site: densities, then bonds."""
        return np.asarray(eigenpair(self._log_weights(theta), self.logs)[4])

    def covariance(self, theta: Floats) -> Floats:
        """(n, n) Cov(X_k, X_l) per site."""
        _, matrix, v, dv, dlog = eigenpair(self._log_weights(theta), self.logs)
        return np.asarray(cumulants(matrix, v, dv, dlog, self.logs)[0])

    def slope(self, theta: Floats, data: Floats) -> Floats:
        """(n,) ∂D/∂θ per site for data moments per site."""
        return np.asarray(self.moments(theta) - data)

    def probability(self, theta: Floats, states: Sequence[int]) -> float:
        """Probability of neighbouring sites being in the given states."""
        _, matrix, v, _, _ = eigenpair(self._log_weights(theta), self.logs)
        p = v[states[0]] * v[states[-1]]
        for a, b in pairwise(states):
            p *= matrix[a, b]
        return float(p)

    def count(self, states: Sequence[int]) -> Floats:
        """(n,) X of the middle sites of a piece and of all its bonds, the outer sites counted for bonds only."""
        x = np.zeros(len(self.parameters))
        for s in states[1:-1]:
            if s:
                x[s - 1] += 1
        for a, b in pairwise(states):
            if a and b:
                x[len(self.species) + self.pairs.index((min(a, b), max(a, b)))] += 1
        return x

    def events(self, reactions: Sequence[Sequence[Rule]]) -> tuple[Ints, Ints, Floats]:
        """clusters, groups and gains of `chain_projection` for groups of rules."""
        clusters, groups, gains = [], [], []
        states = range(len(self.species) + 1)
        for g, rules in enumerate(reactions):
            for rule in rules:
                for left in states:
                    for right in states:
                        before, after = (left, *rule.before, right), (left, *rule.after, right)
                        clusters.append((*before, -1)[:4])
                        groups.append(g)
                        gains.append(rule.rate * (self.count(after) - self.count(before)))
        return np.array(clusters), np.array(groups), np.array(gains)


def decay_rates(h: Floats, j: Floats) -> tuple[Floats, Floats]:
    """Closed form of (F_h, F_J) for A → 0 at rate 1, one species (any shape)."""
    a, r = np.exp(h + j), np.sqrt((1 - np.exp(h + j)) ** 2 + 4 * np.exp(h))
    reach = a - 1 + r
    return 0.5 * np.exp(-h) * (np.exp(h) * (3 * np.exp(j) - 4) - 1) * reach, -np.expm1(j) * reach


def diffusion_rates(h: Floats, j: Floats) -> tuple[Floats, Floats]:
    """Closed form of (F_h, F_J) for hops to an empty neighbour at rate 1 per particle and direction, one species."""
    a, r = np.exp(h + j), np.sqrt((1 - np.exp(h + j)) ** 2 + 4 * np.exp(h))
    common = np.expm1(j) / (1 + a + r)
    return 8 * np.exp(h) * common, -4 * np.exp(-j) * (1 + a) * common
