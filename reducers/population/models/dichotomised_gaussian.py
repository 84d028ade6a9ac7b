"""The dichotomised Gaussian: x_i = 1 where γ_i + z_i > 0, z normal with correlations Λ.

Amari, Nakahara, Wu & Sakai, Neural Comput 15:127, 2003; Macke, Berens, Ecker, Tolias & Bethge, Neural Comput 21:397,
2009. Rates give γ, E[x_i x_j] = Φ₂(γ_i, γ_j; Λ_ij) gives Λ pair by pair.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Self

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats.qmc import Sobol

from couple.base.arrays import Floats, Ints
from couple.base.budget import check_memory
from couple.base.errors import InputError
from couple.cache.kernels import njit
from couple.rng.streams import generator
from reducers.population.models.model import Estimate, FitBlock, Moments, PatternModel, count_pairs, moments_of
from reducers.population.patterns.patterns import Bits

DRAWS = 256
"""Of each probability that is estimated; points of Sobol, whose numbers are powers of 2."""
LARGEST_ANGLE = math.asin(0.98)
"""Correlations of z are at most so large: beyond, Φ₂ would need more nodes."""
BLOCK = 1 << 22
"""Numbers that are held at a time."""

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(24)


@njit(cache=True)
def _slope(h: float, k: float, angle: float) -> float:
    """∂Φ₂/∂angle, the correlation being its sine."""
    c = math.cos(angle)
    return math.exp(-0.5 * (h * h + k * k - 2.0 * h * k * math.sin(angle)) / (c * c)) / (2.0 * math.pi)


@njit(cache=True, python=True)
def beyond_independence(h: float, k: float, angle: float, nodes: Floats, weights: Floats) -> float:
    """Φ₂(h, k; sin(angle)) - Φ(h) Φ(k), the integral of its slope (Drezner & Wesolowsky 1990)."""
    total = 0.0
    for i in range(len(nodes)):
        total += weights[i] * _slope(h, k, 0.5 * angle * (nodes[i] + 1.0))
    return 0.5 * angle * total


@njit(cache=True)
def match_pairs(gamma: Floats, covariance: Floats, largest: float, nodes: Floats, weights: Floats) -> Floats:
    """(n, n) correlations of z with which pairs have these covariances, as far as they can; Newton in a bracket."""
    n = len(gamma)
    found = np.eye(n)
    for i in range(n):
        for j in range(i):
            low, high, angle = -largest, largest, 0.0
            for _ in range(60):
                off = beyond_independence(gamma[i], gamma[j], angle, nodes, weights) - covariance[i, j]
                if off > 0.0:
                    high = angle
                else:
                    low = angle
                if abs(off) < 1e-13 or high - low < 1e-10:
                    break
                slope = _slope(gamma[i], gamma[j], angle)
                step = angle - off / slope if slope > 0.0 else math.inf
                angle = step if low < step < high else 0.5 * (low + high)
            found[i, j] = found[j, i] = math.sin(angle)
    return found


@njit(cache=True)
def pair_covariances(gamma: Floats, correlation: Floats, nodes: Floats, weights: Floats) -> Floats:
    """(n, n) of all pairs of x; 0 on the diagonal."""
    n = len(gamma)
    found = np.zeros((n, n))
    for i in range(n):
        for j in range(i):
            angle = math.asin(min(max(correlation[i, j], -1.0), 1.0))
            found[i, j] = found[j, i] = beyond_independence(gamma[i], gamma[j], angle, nodes, weights)
    return found


class DichotomisedGaussian(PatternModel):
    """gamma: (n,) thresholds. correlation: (n, n) of z, positive definite with a diagonal of 1."""

    KIND, WORDS, DIRECT = "gaussian", "dichotomised Gaussian", "estimate"

    def __init__(self, gamma: Floats, correlation: Floats) -> None:
        try:
            self.root = np.linalg.cholesky(correlation)
        except np.linalg.LinAlgError:
            raise InputError("correlations of a dichotomised Gaussian have to be positive definite") from None
        self.gamma, self.correlation = gamma, correlation

    @property
    def n(self) -> int:
        """Neurons."""
        return len(self.gamma)

    @property
    def parameters(self) -> int:
        """n (n + 1) / 2."""
        return self.n * (self.n + 1) // 2

    @classmethod
    def of_moments(cls, rates: Floats, covariances: Floats) -> Self:
        """Of rates (n,) and covariances (n, n); the nearest that is positive definite, where none has them all."""
        gamma = ndtri(rates)
        return cls(gamma, definite(match_pairs(gamma, covariances, LARGEST_ANGLE, _NODES, _WEIGHTS)))

    @classmethod
    def fit(cls, states: Bits, settings: FitBlock) -> Self:
        """From rates and covariances, with half a window of each state, and `prior` windows of independent neurons."""
        m = len(states)
        check_memory(8.0 * 6 * states.shape[1] ** 2, f"correlations of {states.shape[1]} neurons", "take fewer neurons")
        pairs = count_pairs(states) / m
        rates = np.diag(pairs).copy()
        covariances = (pairs - np.outer(rates, rates)) * (m / (m + settings.prior))
        return cls.of_moments((rates * m + 0.5) / (m + 1.0), covariances)

    def log_probability(self, states: Bits) -> Floats:
        """(m,) of DRAWS draws each, one neuron given those before it (Geweke, Hajivassiliou & Keane)."""
        self.check_states(states)
        distinct, back = np.unique(states, axis=0, return_inverse=True)
        points = Sobol(self.n, rng=generator(1, "population", "orthants", self.KIND)).random(DRAWS)
        step = max(1, BLOCK // (DRAWS * self.n))
        parts = [self._orthants(distinct[a : a + step], points) for a in range(0, len(distinct), step)]
        return np.concatenate(parts)[back.ravel()]

    def _orthants(self, states: Bits, points: Floats) -> Floats:
        m = len(states)
        z, log_w = np.zeros((m, DRAWS, self.n)), np.zeros((m, DRAWS))
        for i in range(self.n):
            edge = (self.gamma[i] + z[:, :, :i] @ self.root[i, :i]) / self.root[i, i]
            sign = np.where(states[:, i, None], 1.0, -1.0)
            p = np.maximum(ndtr(sign * edge), 1e-300)  # z > -edge for 1, z < -edge for 0
            log_w += np.log(p)
            z[:, :, i] = -sign * ndtri(np.maximum(p * points[:, i], 1e-300))
        return np.asarray(np.logaddexp.reduce(log_w, axis=1) - math.log(DRAWS))

    def sample(self, m: int, seed: int) -> Bits:
        """(m, n)."""
        rng, step = generator(seed, "population", "draw", self.KIND), max(1, BLOCK // self.n)
        parts = [
            (rng.normal(size=(min(step, m - a), self.n)) @ self.root.T > -self.gamma).astype(np.uint8)
            for a in range(0, m, step)
        ]
        return np.concatenate(parts)

    def entropy(self, seed: int = 1) -> Estimate:
        """Bits, of 2000 patterns that are drawn."""
        log_p = self.log_probability(self.sample(2000, seed)) / math.log(2)
        return Estimate(-float(log_p.mean()), float(log_p.std() / math.sqrt(len(log_p))))

    def moments(self, triplets: Ints | None = None, seed: int = 1, samples: int = 100_000) -> Moments:
        """Rates and pairs exact, the rest of draws."""
        drawn = moments_of(self.sample(samples, seed), triplets)
        rates = np.asarray(ndtr(self.gamma))
        pairs = np.outer(rates, rates) + pair_covariances(self.gamma, self.correlation, _NODES, _WEIGHTS)
        np.fill_diagonal(pairs, rates)
        return Moments(rates, pairs, drawn.triplets, drawn.count, False)

    def arrays(self) -> dict[str, Floats]:
        """gamma and correlation."""
        return {"gamma": self.gamma, "correlation": self.correlation}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Floats]) -> Self:
        """Of `arrays`."""
        return cls(arrays["gamma"], arrays["correlation"])


def definite(correlation: Floats, least: float = 0.01) -> Floats:
    """A correlation matrix (n, n) near a symmetric one: eigenvalues of `least` or more, then a diagonal of 1."""
    values, vectors = np.linalg.eigh(correlation)
    if values[0] >= least:
        return correlation
    raised = (vectors * np.maximum(values, least)) @ vectors.T
    scale = 1.0 / np.sqrt(np.diag(raised))
    found: Floats = raised * np.outer(scale, scale)
    np.fill_diagonal(found, 1.0)
    return found
