"""Generators of independent molecules as laws: rates of transitions, some of them times the drive, to be learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from couple.base.arrays import Floats
from reducers.dbd.laws.law import AUTONOMOUS, CoefficientTable, Law


@dataclass(frozen=True)
class Transition:
    """A transition from one state to another, at a rate (/ms), or at a rate (/ms/uM) times the drive."""

    source: int
    target: int
    driven: bool


def candidates(held: Sequence[int]) -> tuple[Transition, ...]:
    """Every transition that takes up one ion (driven), lets one go, or neither; held: ions in each state."""
    pairs = permutations(range(len(held)), 2)
    return tuple(Transition(i, j, held[j] > held[i]) for i, j in pairs if abs(held[j] - held[i]) <= 1)


def matrices(states: int, transitions: Sequence[Transition], rates: Floats) -> tuple[Floats, Floats]:
    """Base and slope (n, n), [to, from]."""
    base, slope = np.zeros((states, states)), np.zeros((states, states))
    for t, rate in zip(transitions, rates.tolist(), strict=True):
        matrix = slope if t.driven else base
        matrix[t.target, t.source] += rate
        matrix[t.source, t.source] -= rate
    return base, slope


class Generator(Law):
    """dp/dt = (base + drive × slope) p with a coefficient for each transition."""

    inputs = ("drive",)

    def __init__(self, states: Sequence[str], transitions: Sequence[Transition]) -> None:
        self.parameters, self.transitions = tuple(states), tuple(transitions)
        self.coefficients = CoefficientTable(len(transitions), 1)

    @property
    def tables(self) -> Sequence[CoefficientTable]:
        """Rates of the transitions (n_transitions, 1), /ms, or /ms/uM if driven."""
        return (self.coefficients,)

    def _matrices(self) -> tuple[Floats, Floats]:
        return matrices(len(self.parameters), self.transitions, self.coefficients.values[:, 0])

    def rates(self, theta: Floats, drive: Floats = AUTONOMOUS) -> Floats:
        """(batch, n) dp/dt; drive (batch or 1, 1) in uM."""
        base, slope = self._matrices()
        return np.asarray(theta @ base.T + drive * (theta @ slope.T))

    def vjp(self, theta: Floats, weights: Floats, drive: Floats = AUTONOMOUS) -> Floats:
        """(batch, n) weights × (base + drive × slope)."""
        base, slope = self._matrices()
        return np.asarray(weights @ base + drive * (weights @ slope))

    def pull(self, theta: Floats, weights: Floats, drive: Floats = AUTONOMOUS) -> None:
        """Add Σ weights · ∂(dp/dt)/∂rate, summed over the batch, to the gradient."""
        plain, driven = weights.T @ theta, (drive * weights).T @ theta
        for r, t in enumerate(self.transitions):
            pairs = driven if t.driven else plain
            self.coefficients.gradient[r] += pairs[t.target, t.source] - pairs[t.source, t.source]
        self.coefficients.touched[:] = True
