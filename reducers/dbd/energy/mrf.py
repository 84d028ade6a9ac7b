"""Markov random fields on small graphs, by listing every state; and what local reactions do to them exactly."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from couple.base.arrays import Floats, Ints
from couple.base.errors import InputError
from reducers.dbd.chains.rule import Rule
from reducers.dbd.energy.family import Enumerated

LARGEST = 5_000_000
"""States × features that are listed at most."""


class MarkovRandomField(Enumerated):
    """Units i = 0 … n-1 with states 0 … levels_i - 1; X_k = Σ over terms of Π [s_i = a_i].

    levels: (n_units,) number of states of each unit. terms: parameter → list of {unit: state} that are summed.
    states: (n_states, n_units) all configurations, the last unit fastest.
    Raises InputError for a term that names a unit or state that is not there, or a graph too large to list.
    """

    def __init__(self, levels: Sequence[int], terms: Mapping[str, Sequence[Mapping[int, int]]]) -> None:
        self.levels = np.asarray(levels, dtype=np.int64)
        size = math.prod(int(n) for n in levels)
        if size * max(len(terms), 1) > LARGEST:
            digits = len(str(size)) - 1
            raise InputError(f"{len(levels)} units have 1e{digits} states: too many to list (at most {LARGEST:.0e})")
        self.states = np.stack(np.unravel_index(np.arange(size), tuple(levels)), axis=1).astype(np.int64)
        features = np.zeros((size, len(terms)))
        for k, (name, members) in enumerate(terms.items()):
            for term in members:
                features[:, k] += self.indicator(term, name)
        super().__init__(tuple(terms), features)

    def indicator(self, term: Mapping[int, int], name: str = "observable") -> Floats:
        """(n_states,) Π [s_i = a_i] of one term {unit: state}."""
        value = np.ones(len(self.states))
        for unit, state in term.items():
            if not (0 <= unit < len(self.levels) and 0 <= state < self.levels[unit]):
                raise InputError(f"no unit {unit} with a state {state}", where=name)
            value *= self.states[:, unit] == state
        return value

    def index(self, states: Ints) -> Ints:
        """Row of each configuration (…, n_units)."""
        return np.asarray(np.ravel_multi_index(tuple(np.moveaxis(states, -1, 0)), tuple(self.levels)))

    def marginal(self, probabilities: Floats, units: Sequence[int]) -> Floats:
        """(n_configurations,) probabilities of some units, the last one fastest; probabilities: (n_states,)."""
        shaped = probabilities.reshape(tuple(self.levels))
        others = tuple(i for i in range(len(self.levels)) if i not in units)
        return np.asarray(shaped.sum(axis=others)).ravel()

    def clamped(self, theta: Floats, units: Sequence[int], data: Floats) -> Floats:
        """(n_states,) data(v) p(rest | v): the wake phase, exactly.

        data: probabilities of the configurations v of `units` in the order of `marginal`.
        """
        levels = tuple(self.levels)
        others = tuple(i for i in range(len(levels)) if i not in units)
        p = self.probabilities(theta).reshape(levels)
        shape = tuple(levels[i] if i in units else 1 for i in range(len(levels)))
        return np.asarray(p / p.sum(axis=others, keepdims=True) * data.reshape(shape)).ravel()

    def drift(self, rules: Sequence[Rule], places: Mapping[int, Sequence[Sequence[int]]]) -> Floats:
        """(n_states, n) Σ rate (X(s') - X(s)) over all places at which a rule applies.

        places: size of a place → places, e.g. {1: sites, 2: edges}.
        """
        out = np.zeros_like(self.features)
        for rule in rules:
            for place in places.get(len(rule.before), ()):
                units = list(place)
                fits = (self.states[:, units] == np.array(rule.before)).all(axis=1)
                after = self.states[fits]
                after[:, units] = rule.after
                out[fits] += rule.rate * (self.features[self.index(after)] - self.features[fits])
        return out


def ring(n: int) -> dict[int, list[tuple[int, ...]]]:
    """Places of a ring of n sites."""
    return {1: [(i,) for i in range(n)], 2: [(i, (i + 1) % n) for i in range(n)]}


def ising_ring(n: int, species: Sequence[str]) -> MarkovRandomField:
    """The field of `ising.Chain` on a ring: h per species, J per unordered pair; state 0 is a vacancy."""
    terms: dict[str, list[dict[int, int]]] = {}
    for a, name in enumerate(species, start=1):
        terms[f"h_{name}"] = [{i: a} for i in range(n)]
    for a, first in enumerate(species, start=1):
        for b, second in list(enumerate(species, start=1))[a - 1 :]:
            pairs = [{i: a, (i + 1) % n: b} for i in range(n)]
            terms[f"J_{first}{second}"] = pairs if a == b else pairs + [{i: b, (i + 1) % n: a} for i in range(n)]
    return MarkovRandomField([len(species) + 1] * n, terms)
