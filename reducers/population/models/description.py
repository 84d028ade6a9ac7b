"""A whole distribution over patterns in a few numbers for each k: Gaussians of log-probability.

Among the patterns with k active neurons, drawn with their probabilities, log₂ p(x) is taken as normal, or as a mixture
of two normals where the Akaike criterion says so (O'Donnell et al. 2017). A pattern of probability 2^ℓ stands for 2^-ℓ
patterns of its kind, so the same numbers say how many patterns make up which share of the whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr, logsumexp, ndtr

from couple.base.arrays import Floats
from couple.base.errors import InputError
from reducers.population.models.model import PatternModel
from reducers.population.patterns.patterns import Bits

LEAST = 20
"""Drawn patterns of a k from which on its Gaussians are fitted; of fewer, what they have in common is all."""
LARGE_SAMPLE = 20_000
"""Patterns that are drawn from a model for its description."""
STEPS = 60
LN2 = float(np.log(2.0))


@dataclass(frozen=True)
class Description:
    """k, weight, mean, sd: (g,) of each Gaussian: active neurons, share of all patterns drawn, and log₂ p, bits."""

    k: Floats
    weight: Floats
    mean: Floats
    sd: Floats

    @property
    def parameters(self) -> int:
        """Numbers in it."""
        return 3 * len(self.weight)

    def entropy(self) -> float:
        """Bits."""
        return -float(self.weight @ self.mean)

    def mass_above(self, bits: Floats) -> Floats:
        """(m,) probability that a pattern has log₂ p above each of `bits`."""
        return np.asarray(ndtr((self.mean - np.asarray(bits)[:, None]) / self.sd) @ self.weight)

    def log2_patterns_above(self, bits: Floats) -> Floats:
        """(m,) log₂ of the number of patterns that have log₂ p above each of `bits`: Σ_g w_g ∫ N(ℓ) 2^-ℓ dℓ."""
        shifted = self.mean - LN2 * self.sd**2
        inside = log_ndtr((shifted - np.asarray(bits)[:, None]) / self.sd)
        whole = np.log(self.weight) - LN2 * self.mean + 0.5 * (LN2 * self.sd) ** 2
        return np.asarray(logsumexp(whole + inside, axis=1)) / LN2

    def patterns_of_mass(self, share: float) -> float:
        """log₂ of the number of likeliest patterns that have this share of the probability together."""
        low, high = float((self.mean - 12 * self.sd).min()), float((self.mean + 12 * self.sd).max())
        for _ in range(200):
            middle = 0.5 * (low + high)
            if self.mass_above(np.array([middle]))[0] > share:
                low = middle
            else:
                high = middle
        return float(self.log2_patterns_above(np.array([low]))[0])


def describe(model: PatternModel, samples: int = LARGE_SAMPLE, seed: int = 1) -> Description:
    """Of patterns that are drawn from a model."""
    if model.ORDERED:
        raise InputError(f"{model.WORDS}: patterns depend on earlier ones, and have no probability of their own")
    states = model.sample(samples, seed)
    return describe_patterns(states, model.log_probability(states) / LN2)


def describe_patterns(states: Bits, bits: Floats) -> Description:
    """Of patterns (m, n) that were drawn with log₂ probabilities `bits` (m,)."""
    k = states.sum(axis=1)
    rows = [
        (float(one), share * float((k == one).mean()), mean, sd)
        for one in np.unique(k)
        for share, mean, sd in gaussians(bits[k == one])
    ]
    columns = np.array(rows).T
    return Description(*columns)


def gaussians(values: Floats) -> list[tuple[float, float, float]]:
    """(weight, mean, sd) of one normal, or of two where these are likelier by more than their three numbers more."""
    mean, sd = float(values.mean()), max(float(values.std()), 1e-9)
    one = [(1.0, mean, sd)]
    if len(values) < LEAST or sd < 1e-6:
        return one
    weight, means, sds = np.array([0.5, 0.5]), mean + sd * np.array([-0.7, 0.7]), np.array([sd, sd]) * 0.7
    for _ in range(STEPS):
        logs = np.log(weight) - np.log(sds) - 0.5 * ((values[:, None] - means) / sds) ** 2
        share = np.exp(logs - logsumexp(logs, axis=1, keepdims=True))
        weight = np.maximum(share.mean(axis=0), 1e-12)
        weight /= weight.sum()
        means = (share * values[:, None]).mean(axis=0) / weight
        sds = np.sqrt(np.maximum((share * (values[:, None] - means) ** 2).mean(axis=0) / weight, (1e-3 * sd) ** 2))
    logs = np.log(weight) - np.log(sds) - 0.5 * ((values[:, None] - means) / sds) ** 2
    gain = float(logsumexp(logs, axis=1).sum()) + len(values) * (np.log(sd) + 0.5)
    if gain < 3.0 or weight.min() < 2.0 / len(values):
        return one
    return [(float(w), float(m), float(s)) for w, m, s in zip(weight, means, sds, strict=True)]
