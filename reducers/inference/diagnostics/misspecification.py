"""Whether an observation is one that the model makes at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from couple.base.arrays import Floats

RARE = 1e-3
"""Share of simulations beyond an observation below which it is outside of them."""
NEIGHBOURS = 10


@dataclass(frozen=True)
class Misfit:
    """outside: features of the observation beyond all simulations. distance: of the observation to its neighbours
    among them, in multiples of what simulations have to theirs at the 99th percentile.
    """

    outside: tuple[str, ...]
    distance: float

    @property
    def text(self) -> str:
        """A warning; "" if the observation is among the simulations."""
        if self.outside:
            names = ", ".join(self.outside[:3]) + (
                f" and {len(self.outside) - 3} more" if len(self.outside) > 3 else ""
            )
            return (
                f"the observation is outside of what was simulated ({names}): look at its unit, the prior and the "
                "model; the posterior cannot be trusted there"
            )
        if self.distance > 1:
            return (
                f"the observation is {self.distance:.2g} times farther from the simulations than 99 % of them: "
                "no parameters make these features together; the posterior cannot be trusted there"
            )
        return ""


def misfit(conditions: Floats, observed: Floats, names: Sequence[str], seed: int = 0) -> Misfit:
    """Of an observation (f,) among simulations (n, f), both as conditions of a flow (see `Scaling`)."""
    n = len(conditions)
    below, above = (np.sum(c, axis=0) for c in (conditions < observed, conditions > observed))
    equal = n - below - above
    beyond = (np.minimum(below, above) + equal / 2) / n
    width = np.ptp(conditions, axis=0)
    gap = np.maximum(conditions.min(axis=0) - observed, observed - conditions.max(axis=0))
    outside = tuple(
        name for name, share, g, w in zip(names, beyond, gap, width, strict=True) if g > RARE * w and share < RARE
    )
    return Misfit(outside, _distance(conditions, observed, seed))


def _distance(conditions: Floats, observed: Floats, seed: int) -> float:
    from scipy.spatial import cKDTree

    rng = np.random.default_rng(seed)
    some = conditions[rng.permutation(len(conditions))[:20_000]]
    k = min(NEIGHBOURS, len(some) - 1)
    tree = cKDTree(some)
    probes = some[: min(1000, len(some))]
    usual = np.quantile(tree.query(probes, k + 1)[0][:, -1], 0.99)
    there = tree.query(observed[None], k)[0].reshape(-1)[-1]
    return float(there / max(usual, 1e-12))
