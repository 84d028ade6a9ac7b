"""Parameters at which a simulation can be valid (restriction estimator: Deistler et al. 2022, PNAS 119:e2207632119)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from couple.base.arrays import Bools, Floats
from reducers.inference.density.flow import Classifier, new_classifier
from reducers.inference.problem.prior import Prior
from reducers.inference.simulation.simulations import Simulations

MISSED = 0.01
"""Share of valid simulations that may be left out."""
FEWEST = 50
"""Simulations of each kind from which on it is worth the while."""


@dataclass(frozen=True)
class Restriction:
    """classifier: of z, valid or not. threshold: of its probability, from which on parameters are simulated."""

    prior: Prior
    classifier: Classifier
    threshold: float

    def __call__(self, z: Floats) -> Bools:
        """(n,) whether to simulate at (n, d) z."""
        return np.asarray(self.classifier.probability(z) >= self.threshold)


def learn_restriction(prior: Prior, made: Simulations, seed: int) -> Restriction | None:
    """From simulations; None if too few are invalid, or valid, to learn from."""
    valid = made.valid
    if min(valid.sum(), (~valid).sum()) < FEWEST or (~valid).mean() < MISSED:
        return None
    z = prior.to_normal(made.theta)
    held = np.random.default_rng(seed).random(len(z)) < 0.2
    if not valid[held].any():
        return None
    classifier = new_classifier(len(prior))
    chosen = _balanced(valid & ~held, ~valid & ~held, seed)
    classifier.fit(z[chosen], valid[chosen], seed)
    return Restriction(prior, classifier, float(np.quantile(classifier.probability(z[held & valid]), MISSED)))


def _balanced(one: Bools, other: Bools, seed: int) -> Bools:
    """At most ten of the more frequent kind for each of the rarer."""
    rng, found = np.random.default_rng(seed), one | other
    for many, few in ((one, other), (other, one)):
        excess = int(many.sum()) - 10 * int(few.sum())
        if excess > 0:
            found = found.copy()
            found[rng.choice(np.flatnonzero(many), excess, replace=False)] = False
    return found
