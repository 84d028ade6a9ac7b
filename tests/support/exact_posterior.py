"""A conditional density that is known: of N(0, 1) parameters seen with noise."""

from __future__ import annotations

import numpy as np

from couple.base.arrays import Bools, Floats
from reducers.inference.density.flow import Arrays, Losses, Tell
from reducers.inference.density.posterior import Posterior
from reducers.inference.density.scaling import Scaling
from reducers.inference.problem.prior import Prior

NOISE = 0.6


class ExactFlow:
    """Of z ~ N(0, 1) and x = z + NOISE * N(0, 1) in each of d directions."""

    def __init__(self, d: int) -> None:
        self._d = d

    def fit(
        self, z: Floats, x: Floats, seed: int, *, atoms: int = 0, from_prior: Bools | None = None, tell: Tell
    ) -> Losses:
        raise NotImplementedError

    def log_density(self, z: Floats, x: Floats) -> Floats:
        mean, variance = self._moments(x)
        return np.asarray(-0.5 * np.sum((z - mean) ** 2 / variance + np.log(2 * np.pi * variance), axis=1))

    def gradient(self, z: Floats, x: Floats) -> Floats:
        mean, variance = self._moments(x)
        return (mean - z) / variance

    def draw(self, x: Floats, n: int, seed: int) -> Floats:
        mean, variance = self._moments(x)
        return mean + np.sqrt(variance) * np.random.default_rng(seed).standard_normal((n, self._d))

    def arrays(self) -> Arrays:
        return {}

    def restore(self, arrays: Arrays) -> None:
        return

    def _moments(self, x: Floats) -> tuple[Floats, float]:
        return x / (1 + NOISE**2), NOISE**2 / (1 + NOISE**2)


def exact_posterior(prior: Prior) -> Posterior:
    """Of features that are the normal coordinates of the parameters with noise."""
    d = len(prior)
    return Posterior(prior, {f"x{k}": "1" for k in range(d)}, Scaling(np.zeros(d), np.ones(d)), ExactFlow(d))


def truths(prior: Prior, n: int, seed: int) -> tuple[Floats, Floats]:
    """(n, d) parameters of the prior and their (n, d) features."""
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((n, len(prior)))
    return prior.from_normal(z), z + NOISE * rng.standard_normal(z.shape)
