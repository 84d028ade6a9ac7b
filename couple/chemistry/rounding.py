"""Whole molecules in place of real numbers of them, without making or losing anything that reactions conserve.

What a network conserves: its substances, and every other sum of species that no reaction changes (all forms of a
buffer). Free species, the *carriers*, one for each such sum, make up for what rounding does to the others.

Species are rounded together, along directions that change no sum, up or down with the probabilities that keep their
expected values (dependent rounding: Gandhi et al. 2006, J ACM 53:324); the few that remain are rounded one by one,
their content given to or taken from the carriers.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from couple.base.arrays import Counts, Floats
from couple.chemistry.network import ReactionNetwork

RoundingRule = Literal["random", "nearest"]
"""Of amounts at the start: "random", right on average over seeds and sites; "nearest", the same in every run."""

WHOLE = 1e-6
"""A count this near to a whole number is one: sums of real counts carry rounding errors."""


class Rounding:
    """For one network.

    sums: (n_sums, n_species) an orthonormal basis of what is conserved. carriers: (n_sums,) columns of the carriers.
    needs: (n_sums, n_species) molecules of each carrier that one molecule of a species takes up.
    """

    def __init__(self, network: ReactionNetwork) -> None:
        self.sums = _conserved(network)
        self.carriers = _carriers(self.sums, _simplest_first(network))
        needs = np.linalg.solve(self.sums[:, self.carriers], self.sums) if len(self.sums) else self.sums
        whole = np.rint(needs)
        self.needs: Floats = np.where(np.abs(needs - whole) < 1e-9, whole, needs)
        self._others = np.setdiff1d(np.arange(self.sums.shape[1]), self.carriers)

    def __call__(self, counts: npt.ArrayLike, rng: np.random.Generator) -> Counts:
        """(n_species,) whole molecules for as many real ones.

        Sums that are whole stay as they are, of others the fraction is left out (what a carrier has of it). The mean
        over `rng` is `counts`, but for that fraction; no count moves by one or more, but for carriers. A species is set
        down if its carriers do not have what it takes to set it up.
        """
        y = np.maximum(np.asarray(counts, dtype=float), 0.0)
        left = self._walk(y, rng)
        for j in left:
            self._settle(y, j, rng)
        found = np.rint(y)
        found[self.carriers] = np.floor(y[self.carriers] + WHOLE)
        return np.asarray(np.maximum(found, 0), dtype=np.int64)

    def _walk(self, y: Floats, rng: np.random.Generator) -> list[int]:
        """Move fractional counts along directions that change no sum; returns those that no direction is left for."""
        left = []
        for j in rng.permutation(self._others).tolist():
            if abs(y[j] - np.rint(y[j])) < WHOLE:
                self._move(y, j, float(np.rint(y[j])))
            else:
                left.append(j)
        while len(left) > len(self.carriers):
            chosen = left[: len(self.carriers) + 1]
            direction = np.linalg.svd(self.needs[:, chosen])[2][-1] if len(self.carriers) else np.ones(1)
            y[chosen] += _step(y[chosen], direction, rng)
            near = np.abs(y[chosen] - np.rint(y[chosen])) < 1e-9
            for j in np.array(chosen)[near].tolist():
                self._move(y, j, float(np.rint(y[j])))
                left.remove(j)
        return left

    def _settle(self, y: Floats, j: int, rng: np.random.Generator) -> None:
        """One species up or down, by chance or as its carriers allow."""
        down = float(np.floor(y[j]))
        up = bool(rng.random() < y[j] - down)
        for target in (down + up, down + (not up)):
            if (y[self.carriers] - self.needs[:, j] * (target - y[j]) >= -1e-9).all():
                self._move(y, j, target)
                return
        self._move(y, j, down)

    def _move(self, y: Floats, j: int, target: float) -> None:
        y[self.carriers] -= self.needs[:, j] * (target - y[j])
        y[j] = target


def _step(y: Floats, direction: Floats, rng: np.random.Generator) -> Floats:
    """A step along or against `direction` that makes one of `y` whole and is 0 on average."""
    d = np.where(np.abs(direction) < 1e-12, 0.0, direction)
    above, below = np.ceil(y) - y, y - np.floor(y)
    with np.errstate(divide="ignore", invalid="ignore"):
        along = np.where(d > 0, above / d, np.where(d < 0, below / -d, np.inf)).min()
        against = np.where(d > 0, below / d, np.where(d < 0, above / -d, np.inf)).min()
    return np.asarray(d * along if rng.random() < against / (along + against) else -d * against)


def _conserved(network: ReactionNetwork) -> Floats:
    """(n_sums, n_species) an orthonormal basis."""
    change = network.with_clamped(()).change.astype(float)
    n, states = len(network.species), len(network.names) + len(network.with_clamped(()).reservoirs)
    rows = [network.contents(s)[:n].astype(float) for s in network.substances]
    if len(change):
        values, directions = np.linalg.eigh(change.T @ change)
        rows += list(directions[:, values < 1e-9 * max(values.max(), 1.0)].T[:, :n])
    else:
        rows += list(np.eye(states)[:, :n])
    _, values, directions = np.linalg.svd(np.array(rows).reshape(-1, n), full_matrices=False)
    return np.asarray(directions[values > 1e-9])


def _simplest_first(network: ReactionNetwork) -> list[int]:
    """Columns of species: those that hold nothing and that no reaction puts together from others first."""
    made = dict.fromkeys(network.names, 0)
    for reaction in network.reactions:
        if len(network.order_reactants(reaction)) > 1:
            for name in set(reaction.products) - set(reaction.reactants):
                made[name] = made.get(name, 0) + 1
    key = [(sum(s.contains.values()) if made[s.name] else 0, made[s.name]) for s in network.species]
    return sorted(range(len(key)), key=lambda k: (*key[k], sum(network.species[k].contains.values()), k))


def _carriers(sums: Floats, order: list[int]) -> npt.NDArray[np.int64]:
    """The first columns, in this order, in which all sums can be told apart."""
    found: list[int] = []
    basis = np.zeros((0, len(sums)))
    for k in order:
        rest = sums[:, k] - basis.T @ (basis @ sums[:, k])
        rest -= basis.T @ (basis @ rest)
        if len(found) < len(sums) and np.linalg.norm(rest) > 1e-6:
            found.append(k)
            basis = np.vstack([basis, rest / np.linalg.norm(rest)])
    return np.array(found, dtype=np.int64)
