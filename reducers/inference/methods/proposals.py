"""Where the next simulations are made, in the normal coordinates of the prior."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from couple.base.arrays import Bools, Floats
from couple.base.errors import RunError
from reducers.inference.density.posterior import Posterior

Inside = Callable[[Floats], Bools]
"""(n, d) z → (n,) whether to simulate there."""

LOT = 10_000
RAREST = 0.005
"""Share of the prior inside of a region, below which it is walked through instead of drawn from."""
STEPS = 100
"""Of each walk."""
LEFT_OUT = 1e-3
"""Share of the posterior beyond the truncated prior (Deistler et al. 2022, NeurIPS)."""
MARGIN = 1.0
"""Nats a parameter by which the threshold lies lower: the flow is not the posterior, and what is cut off for its error
never comes back. The error of its log density is a sum over the parameters."""


@dataclass(frozen=True)
class Support:
    """Where the density of a posterior over parameters is above a threshold, relative to the prior's."""

    posterior: Posterior
    threshold: float

    def __call__(self, z: Floats) -> Bools:
        """(n,) of (n, d) z."""
        return np.asarray(self.posterior.height(z) >= self.threshold)


def support_of(posterior: Posterior, seed: int, draws: int = 20_000) -> Support:
    """The region that holds all but `LEFT_OUT` of a posterior, and what is less dense by up to `MARGIN`."""
    z = posterior.flow.draw(posterior.condition, draws, seed)
    lowest = float(np.quantile(posterior.height(z), LEFT_OUT))
    return Support(posterior, lowest - MARGIN * z.shape[1])


def from_prior(dimensions: int, n: int, inside: Inside, start: Callable[[int], Floats] | None, seed: int) -> Floats:
    """(n, d) z of the prior, where `inside` holds.

    By rejection; where too little of the prior is inside, by elliptical slice sampling (Murray et al. 2010), of which
    each walk begins at one of `start(n)`. Raises RunError if nothing is inside.
    """
    rng, found, tried = np.random.default_rng(seed), list[Floats](), 0
    while (have := sum(map(len, found))) < n:
        if tried >= 5 * LOT and have < RAREST * tried:
            if start is None:
                raise RunError("hardly any parameters of the prior are expected to give all features: change the prior")
            return _walked(start, n, inside, rng)
        z = rng.standard_normal((LOT, dimensions))
        found.append(z[inside(z)])
        tried += LOT
    return np.concatenate(found)[:n]


def _walked(start: Callable[[int], Floats], n: int, inside: Inside, rng: np.random.Generator) -> Floats:
    z = start(2 * n)
    z = z[inside(z)]
    if not len(z):
        raise RunError("no draw of the posterior is expected to give all features: look at the diagnostics")
    z = np.resize(z, (n, z.shape[1]))
    for _ in range(STEPS):
        z = _ellipse(z, inside, rng)
    return z


def _ellipse(z: Floats, inside: Inside, rng: np.random.Generator) -> Floats:
    """One step of each walk, which leaves N(0, 1) within the region as it is."""
    partner = rng.standard_normal(z.shape)
    angle = rng.uniform(0, 2 * np.pi, len(z))
    low, high = angle - 2 * np.pi, angle.copy()
    made, open_ = z.copy(), np.ones(len(z), dtype=bool)
    for _ in range(100):
        tried = z[open_] * np.cos(angle[open_])[:, None] + partner[open_] * np.sin(angle[open_])[:, None]
        good = inside(tried)
        at = np.flatnonzero(open_)
        made[at[good]], open_[at[good]] = tried[good], False
        if not open_.any():
            break
        low[open_] = np.where(angle[open_] < 0, angle[open_], low[open_])
        high[open_] = np.where(angle[open_] >= 0, angle[open_], high[open_])
        angle[open_] = rng.uniform(low[open_], high[open_])
    return made


def from_posterior(posterior: Posterior, n: int, inside: Inside, seed: int) -> Floats:
    """(n, d) z of a posterior, where `inside` holds. Raises RunError if that is nowhere."""
    found, lot = list[Floats](), 0
    while (have := sum(map(len, found))) < n:
        if lot > 20 and not have:
            raise RunError("no draw of the posterior is expected to give all features: look at the diagnostics")
        z = posterior.flow.draw(posterior.condition, max(n, 1000), seed + lot)
        found.append(z[inside(z)])
        lot += 1
    return np.concatenate(found)[:n]
