"""Whether a posterior is as wide as it should be, over many truths from the prior."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from couple.base.arrays import Bools, Floats, Ints
from reducers.inference.density.posterior import Posterior

LEVELS = np.linspace(0.05, 0.95, 19)


@dataclass(frozen=True)
class Calibration:
    """ranks: (n, d) of truths among `draws` draws, 0 .. draws. density_ranks: (n,) of the density at the truth among
    those of draws, from the highest. entropies: (n,) of the posteriors, in nats, less that of the prior: below 0 where
    an observation tells something (`Posterior.entropy`).
    """

    ranks: Ints
    density_ranks: Ints
    draws: int
    entropies: Floats

    def uniformity(self) -> Floats:
        """(d,) p-values of uniform ranks by Kolmogorov and Smirnov (Talts et al. 2018)."""
        spread = np.random.default_rng(0).random(self.ranks.shape)  # makes discrete ranks continuous
        quantiles = (self.ranks + spread) / (self.draws + 1)
        return np.array([stats.kstest(column, "uniform").pvalue for column in quantiles.T])

    def uniform(self, level: float = 0.01) -> bool:
        """Whether no parameter's ranks differ from uniform, by Holm's rule over all."""
        return not holm(self.uniformity(), level).any()

    def coverage(self, level: float = 0.95) -> Floats:
        """(d,) share of truths inside of the central interval of that level."""
        quantiles = self.ranks / self.draws
        return np.asarray(np.mean(np.abs(quantiles - 0.5) <= level / 2, axis=0))

    def expected_coverage(self) -> Floats:
        """(19,) share of truths in the region of highest density that holds 5, 10, ... 95 % (Hermans et al. 2022)."""
        return np.array([np.mean(self.density_ranks < level * (self.draws + 1)) for level in LEVELS])


def holm(p: Floats, level: float) -> Bools:
    """(n,) which hypotheses are rejected at a family-wise level (Holm 1979)."""
    order, rejected = np.argsort(p), np.zeros(len(p), dtype=bool)
    for k, at in enumerate(order):
        if p[at] > level / (len(p) - k):
            break
        rejected[at] = True
    return rejected


def calibrate(
    posterior: Posterior,
    theta: Floats,
    features: Floats,
    draws: int,
    seed: int = 0,
    change: Callable[[Floats], Floats] | None = None,
) -> Calibration:
    """Ranks of truths theta (n, d), with their features (n, f).

    change: of draws (draws, d), for controls that must fail.
    """
    ranks = np.zeros(theta.shape, dtype=np.int64)
    by_density, entropies = np.zeros(len(theta), dtype=np.int64), np.zeros(len(theta))
    for k, x in enumerate(features):
        there = posterior.at(x)
        z = there.flow.draw(there.condition, draws, seed + k)
        drawn = there.prior.from_normal(z)
        if change is not None:
            drawn = change(drawn)
            inside = there.prior.inside(drawn)
            z = there.prior.to_normal(drawn[inside])
        ranks[k] = np.sum(drawn < theta[k], axis=0)
        density = there.height(np.concatenate([z, there.prior.to_normal(theta[k : k + 1])]))
        by_density[k] = np.sum(density[:-1] > density[-1])
        entropies[k] = np.nan if change is not None else there.entropy(z)
    return Calibration(ranks, by_density, draws, entropies)
