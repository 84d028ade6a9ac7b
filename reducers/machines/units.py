"""Which species are the states of which molecule of a grid, and what its reactions take of the drive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from couple.base.arrays import Counts, Floats, Ints
from couple.base.errors import InputError
from couple.chemistry.catalysis import change_of
from couple.chemistry.network import ReactionNetwork
from couple.geometry.geometry import Geometry
from reducers.markov.chemistry import own_reactions

UM = 1e-3
"""mM."""


@dataclass(frozen=True)
class Units:
    """Molecules that stay where they are, each of which is one of a few species.

    part: the network of them, the drive and their reactions. columns: (n_units, 1 + n_states) among `species`.
    """

    part: ReactionNetwork
    species: tuple[str, ...]
    drive: str
    columns: Ints

    @property
    def states(self) -> int:
        """How many a molecule has besides its first."""
        return int(self.columns.shape[1]) - 1

    def numbers(self, counts: Counts | Floats) -> Floats:
        """(…, n_states) molecules in each state but the first, of counts (…, n_species)."""
        return np.asarray(counts[..., self.columns[:, 1:]].sum(axis=-2), dtype=float)

    def configuration(self, counts: Counts | Floats) -> Ints:
        """(…, n_units) state of each molecule. Raises InputError where one is none or several of its species."""
        each = np.asarray(counts)[..., self.columns]
        if (each.sum(axis=-1) != 1).any() or (each < 0).any():
            raise InputError(
                f"{self.species[0]} and the others on its grid are one molecule each, in one state: give initial "
                "counts of 1 for one species of each, and 0 for the others"
            )
        return np.asarray(each.argmax(axis=-1))

    def counts(self, states: Ints) -> Counts:
        """(…, n_species) of the states (…, n_units)."""
        out = np.zeros((*states.shape[:-1], len(self.species)), dtype=np.int64)
        for u, columns in enumerate(self.columns):
            np.put_along_axis(out, columns[states[..., u]][..., None], 1, axis=-1)
        return out

    def by_state(self, weights: Floats, what: str) -> Floats:
        """(1 + n_states,) of weights of species (n_species,). Raises InputError if molecules differ in it."""
        each = np.asarray(weights, dtype=float)[self.columns]
        if np.ptp(each, axis=0).max() > 1e-9:
            raise InputError(f"{what} tells molecules of the grid apart; the model knows how many are in a state")
        return np.asarray(each[0])

    def uptake(self, geometry: Geometry) -> Floats:
        """(2, 1 + n_states) ions that a molecule in a state takes from the drive per ms, and per ms and uM."""
        rates = self.part.count_rates(geometry.volume, geometry.area)
        per_um = UM * 602214.076 * geometry.volume
        out = np.zeros((2, self.states + 1))
        place = {int(c): (u, k) for u, row in enumerate(self.columns) for k, c in enumerate(row)}
        for r, reaction in enumerate(self.part.reactions):
            change = change_of(reaction)
            member = next(n for n in change.left if n != self.drive)
            ions = change.left.count(self.drive) - change.right.count(self.drive)
            _, k = place[self.species.index(member)]
            if change.left.count(self.drive):
                out[1, k] += ions * float(rates[r]) * per_um
            else:
                out[0, k] += ions * float(rates[r])
        return out / len(self.columns)


def units_of(network: ReactionNetwork, species: Sequence[str], drive: str) -> Units:
    """The molecules that species are states of. Raises InputError for a chemistry that is not of this kind."""
    reactions = own_reactions(network, species, drive)
    part = ReactionNetwork([s for s in network.species if s.name in (*species, drive)], reactions, network.reservoirs)
    group = {name: {name} for name in species}
    for reaction in reactions:
        change = change_of(reaction)
        left, right = ([n for n in side if n in group] for side in (change.left, change.right))
        ions = change.left.count(drive) - change.right.count(drive)
        if reaction.per != "time" or len(left) != 1 or len(right) != 1 or abs(ions) > 1 or drive in change.catalysts:
            raise InputError(f'"{reaction}" is not one molecule that changes its state: a machine has a grid of those')
        if change.catalysts and ions:
            raise InputError(f'"{reaction}": another molecule decides how much of {drive} is taken up; leave it out')
        both = group[left[0]] | group[right[0]]
        for name in both:
            group[name] = both
    found: list[list[int]] = []
    for k, name in enumerate(species):
        if all(k not in row for row in found):
            found.append([j for j, other in enumerate(species) if other in group[name]])
    if len({len(row) for row in found}) != 1 or len(found) < 2 or len(found[0]) < 2:
        raise InputError(f"{', '.join(species[:4])} …: these are no molecules of a grid, each with the same states")
    made = Units(part, tuple(species), drive, np.array(found, dtype=np.int64))
    for substance in {k for s in part.species for k in s.contains}:
        weights = np.array([next(s for s in part.species if s.name == n).contains.get(substance, 0) for n in species])
        made.by_state(weights, f"what they hold of {substance}")
    return made
