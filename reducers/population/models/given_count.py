"""Models in which neurons are independent given how many are active, p(x) = p(K) exp(Σ x_i l_{K,i}) / e_K.

Population tracking (O'Donnell, Gonçalves, Whiteley, Portera-Cailliau & Sejnowski, Neural Comput 29:50, 2017), its
maximum likelihood (the complete coupling of Gardella, Marre & Mora, eNeuro 3, 2016), their linear coupling, which has
three numbers for each neuron as the population coupling of Okun et al. (Nature 521:511, 2015), and the homogeneous
model. Normaliser, entropy, divergence and draws are exact: see conditional_bernoulli.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from scipy.optimize import minimize

from couple.base.arrays import Bools, Floats, Ints
from couple.base.budget import check_memory
from couple.base.errors import InputError, RunError
from couple.rng.streams import generator, stream
from reducers.population.models.conditional_bernoulli import (
    count_active,
    draw,
    include_all,
    log_odds_sum,
    match_inclusion,
)
from reducers.population.models.model import Estimate, FitBlock, Moments, PatternModel
from reducers.population.patterns.patterns import Bits

LN2 = np.log(2.0)
STEPS = 200
"""Of Newton's method, before the likelihood is climbed otherwise."""


class GivenCount(PatternModel):
    """log_count: (n + 1,) ln p(k). logits: (n + 1, n) of each neuron at each number of active ones; rows 0 and n say
    nothing. Raises InputError for arrays that do not fit.
    """

    KIND, WORDS = "given_count", "independent given the number of active neurons"

    def __init__(self, log_count: Floats, logits: Floats) -> None:
        n = len(log_count) - 1
        if n < 1 or logits.shape != (n + 1, n) or np.isnan(logits).any():
            raise InputError(f"logits {logits.shape} do not fit {n + 1} probabilities of k")
        self.log_count = np.asarray(log_count, dtype=np.float64)
        self.logits = np.ascontiguousarray(logits, dtype=np.float64)
        self.logits[[0, n]] = 0.0
        self.inclusion = np.zeros((n + 1, n))
        """(n + 1, n) probabilities of x_i = 1 given k."""
        self.log_e = include_all(self.logits, self._used(), self.inclusion)
        """(n + 1,) ln e_k."""

    def _used(self) -> Bools:
        return self.log_count > -np.inf

    @property
    def n(self) -> int:
        """Neurons."""
        return int(self.logits.shape[1])

    @property
    def parameters(self) -> int:
        """p(k), and a rate of each neuron at each k but 0 and n: n²."""
        return self.n**2

    @property
    def log_normaliser(self) -> Floats:
        """(n + 1,) ln a_k: probability of k ones of independent neurons with the rates at k (O'Donnell et al. 2017)."""
        finite = np.where(np.isfinite(self.logits), self.logits, -np.inf)
        return np.asarray(self.log_e - np.logaddexp(0.0, finite).sum(axis=1))

    @classmethod
    def fit(cls, states: Bits, settings: FitBlock) -> Self:
        """As the authors do: p(k) ∝ n_k + α, and rates at k with a beta prior of mean k/n."""
        log_count, rates = regularised(states, settings)
        with np.errstate(divide="ignore"):
            return cls(log_count, np.log(rates) - np.log1p(-rates))

    def log_probability(self, states: Bits) -> Floats:
        """(m,) natural logarithms."""
        self.check_states(states)
        given = log_odds_sum(self.logits, self.log_e, np.ascontiguousarray(states))
        return np.asarray(given + self.log_count[states.sum(axis=1)])

    def sample(self, m: int, seed: int) -> Bits:
        """(m, n), without rejection."""
        out: Bits = np.empty((m, self.n), dtype=np.uint8)
        p = np.exp(self.log_count)
        ks = generator(seed, "population", "count", self.KIND).choice(self.n + 1, m, p=p / p.sum())
        draw(self.logits, ks.astype(np.int64), stream(seed, "population", "draw", self.KIND), out)
        return out

    def entropy_given_count(self) -> Floats:
        """(n + 1,) bits: of the patterns with k active neurons, 0 where there are none."""
        nats = np.where(self._used(), self.log_e - _mean_logit(self.inclusion, self.logits), 0.0)
        return np.asarray(nats / LN2)

    def entropy(self, seed: int = 1) -> Estimate:
        """Bits, exact."""
        p = np.exp(self.log_count)
        own = np.where(p > 0, self.log_count, 0.0) / LN2
        return Estimate(float(p @ (self.entropy_given_count() - own)), 0.0)

    def divergence(self, other: GivenCount) -> float:
        """Kullback–Leibler divergence from another such model, D(self ‖ other), in bits; infinite where it has none."""
        if other.n != self.n:
            raise InputError(f"models of {self.n} and {other.n} neurons have no divergence")
        p, used = np.exp(self.log_count), self._used()
        apart = _mean_logit(self.inclusion, self.logits) - _mean_logit(self.inclusion, other.logits)
        within = (apart + other.log_e - self.log_e + self.log_count - other.log_count)[used]
        return float(p[used] @ within) / float(LN2)

    def moments(self, triplets: Ints | None = None, seed: int = 1, samples: int = 100_000) -> Moments:
        """With rates and p(k) exact for any number of neurons."""
        found = super().moments(triplets, seed, samples)
        p = np.exp(self.log_count)
        return Moments(p @ self.inclusion, found.pairs, found.triplets, p, found.exact)

    def arrays(self) -> dict[str, Floats]:
        """log_count and logits."""
        return {"log_count": self.log_count, "logits": self.logits}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Floats]) -> Self:
        """Of `arrays`."""
        return cls(arrays["log_count"], arrays["logits"].copy())


def _mean_logit(inclusion: Floats, logits: Floats) -> Floats:
    """(n + 1,) mean of Σ x_i l_i at each k; ±∞ counts 0 where x_i is what it has to be, and makes it -∞ elsewhere."""
    terms = inclusion * np.where(np.isfinite(logits), logits, 0.0)
    terms[(logits == np.inf) & (inclusion < 1)] = -np.inf
    terms[(logits == -np.inf) & (inclusion > 0)] = -np.inf
    return np.asarray(terms.sum(axis=1))


def regularised(states: Bits, settings: FitBlock) -> tuple[Floats, Floats]:
    """(n + 1,) ln p(k) and (n + 1, n) rates at k, with the priors of O'Donnell et al. 2017: β₁ = s k/n, β₂ = s - β₁."""
    n = states.shape[1]
    check_memory(8.0 * 4 * n * (n + 1), f"rates of {n} neurons at each number of active ones", "take fewer neurons")
    windows, active = count_active(np.ascontiguousarray(states))
    weights = windows + settings.dirichlet
    share = np.arange(n + 1)[:, None] / n
    total = windows[:, None] + settings.prior
    rates = np.divide(active + settings.prior * share, total, out=np.tile(share, (1, n)), where=total > 0)
    with np.errstate(divide="ignore"):
        return np.log(weights / weights.sum()), rates


def _climb(theta: Floats, score: Floats, mass: Floats, rates: Floats) -> tuple[Floats, float]:
    """θ (n, 2) of the largest likelihood by L-BFGS, from 0 on, and how far expectations are from the data.

    For neurons that all go together, where steps of Newton's method neuron by neuron are too long.
    """
    used, inclusion, total = mass > 0, np.zeros_like(rates), float(mass.sum())

    def loss(vector: Floats) -> tuple[float, Floats]:
        found = vector.reshape(theta.shape)
        logits = found[:, 0] + np.outer(score, found[:, 1])
        log_e = include_all(logits, used, inclusion)
        apart = mass[:, None] * inclusion - rates
        value = float(mass @ log_e) - float((rates * logits).sum())
        return value / total, np.stack([apart.sum(axis=0), score @ apart], axis=1).ravel() / total

    found: Any = minimize(
        loss, np.zeros(theta.size), jac=True, method="L-BFGS-B", options={"maxiter": 1000, "gtol": 1e-8}
    )
    return np.asarray(found.x).reshape(theta.shape), float(np.abs(np.asarray(found.jac)).max())


class PopulationTracking(GivenCount):
    """The fit of O'Donnell et al. 2017."""

    KIND, WORDS = "tracking", "population tracking"


class TrackingLikelihood(GivenCount):
    """Rates at each k are those of the (regularised) data: maximum likelihood and maximum entropy."""

    KIND, WORDS = "tracking_ml", "population tracking, maximum likelihood"

    @classmethod
    def fit(cls, states: Bits, settings: FitBlock) -> Self:
        """Raises RunError if the iteration does not end."""
        log_count, rates = regularised(states, settings)
        logits = np.zeros_like(rates)
        left = match_inclusion(rates, logits, log_count > -np.inf, 1e-11, 1000)
        if left > 1e-8:
            raise RunError(f"rates at some number of active neurons stay {left:.2g} from those of the data")
        return cls(log_count, logits)


class Homogeneous(GivenCount):
    """All neurons alike: p(k) / C(n, k)."""

    KIND, WORDS = "homogeneous", "homogeneous"

    @property
    def parameters(self) -> int:
        """p(k)."""
        return self.n

    @classmethod
    def fit(cls, states: Bits, settings: FitBlock) -> Self:
        """From the numbers of active neurons."""
        n = states.shape[1]
        weights = np.bincount(states.sum(axis=1), minlength=n + 1) + settings.dirichlet
        with np.errstate(divide="ignore"):
            return cls(np.log(weights / weights.sum()), np.zeros((n + 1, n)))


class PopulationCoupling(GivenCount):
    """Logits that are linear in k, α_i + β_i k: maximum entropy with p(k), E[x_i] and E[x_i K]."""

    KIND, WORDS = "coupling", "population coupling"

    @property
    def parameters(self) -> int:
        """p(k), rates and couplings, of which one each is fixed by p(k)."""
        return 3 * self.n - 2

    @classmethod
    def fit(cls, states: Bits, settings: FitBlock) -> Self:
        """Newton's method, neuron by neuron, on the likelihood of half a window more in which all are alike. Raises
        RunError if it does not converge.
        """
        n = states.shape[1]
        windows, active = count_active(np.ascontiguousarray(states))
        weights = windows + settings.dirichlet
        k = np.arange(n + 1.0)
        centre, spread = (windows @ k) / windows.sum(), max(float(np.sqrt(np.cov(k, fweights=windows))), 1e-9)
        score = (k - centre) / spread
        prior = 0.5 / n
        mass = np.where((k > 0) & (k < n), windows + prior, 0.0)
        rates = np.zeros((n + 1, n))
        rates[1:n] = active[1:n] + prior * k[1:n, None] / n
        sums = np.stack([rates.sum(axis=0), score @ rates], axis=1)
        share = np.clip(sums[:, 0] / max(mass.sum(), 1e-300), 1e-12, 1 - 1e-12)
        theta = np.stack([np.log(share) - np.log1p(-share), np.zeros(n)], axis=1)
        used, inclusion = mass > 0, np.zeros((n + 1, n))
        off = np.inf
        for _ in range(STEPS):
            include_all(theta[:, 0] + np.outer(score, theta[:, 1]), used, inclusion)
            expected = mass[:, None] * inclusion
            gradient = sums - np.stack([expected.sum(axis=0), score @ expected], axis=1)
            off = float(np.abs(gradient).max()) / float(mass.sum())
            if off < 1e-10:
                break
            noise = expected * (1 - inclusion) + 1e-12
            h00, h01, h11 = noise.sum(axis=0), score @ noise, score**2 @ noise
            det = np.maximum(h00 * h11 - h01**2, 1e-9 * h00 * h11)
            theta[:, 0] += np.clip((h11 * gradient[:, 0] - h01 * gradient[:, 1]) / det, -1, 1)
            theta[:, 1] += np.clip((h00 * gradient[:, 1] - h01 * gradient[:, 0]) / det, -1, 1)
            theta -= theta.mean(axis=0)  # what all share changes nothing
        if off > 1e-6:
            theta, off = _climb(theta, score, mass, rates)
        if off > 1e-4:
            raise RunError(
                f"rates and couplings of the population coupling model stay {off:.2g} from those of the data"
            )
        with np.errstate(divide="ignore"):
            return cls(np.log(weights / weights.sum()), theta[:, 0] + np.outer(score, theta[:, 1]))
