"""Which numbers of a chemistry move, which follow from what is conserved, and what a reaction does to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from couple.base.arrays import Counts, Floats
from couple.base.errors import InputError
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Reaction
from couple.geometry.geometry import Geometry
from reducers.copy_numbers.kernels.sums import COARSE, FINE
from reducers.copy_numbers.kernels.tables import Model, Places
from reducers.copy_numbers.powers import MOST, Powers, binomials
from reducers.markov.chemistry import own_reactions

UM = 1e-3
"""mM."""


@dataclass(frozen=True)
class Kinetics:
    """Species of a block under a drive.

    part: the network of them, the drive and their reactions, at the rates that are learned. moving: columns, among the
    `species`, of numbers that move by themselves; following: the others, n = room + others · n_moving.
    """

    part: ReactionNetwork
    species: tuple[str, ...]
    drive: str
    moving: tuple[int, ...]
    others: Floats

    @property
    def following(self) -> tuple[int, ...]:
        """Columns of the other species."""
        return tuple(k for k in range(len(self.species)) if k not in self.moving)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the numbers that move."""
        return tuple(self.species[k] for k in self.moving)

    def room(self, counts: Floats) -> Floats:
        """(…, D) of counts (…, n_species): what of each total is left where nothing of the moving numbers is there."""
        return np.asarray(counts[..., self.following] - counts[..., self.moving] @ self.others.T)

    def whole(self, numbers: Floats, room: Floats) -> Floats:
        """(…, n_species) counts out of moving numbers (…, S)."""
        out = np.empty((*numbers.shape[:-1], len(self.species)))
        out[..., self.moving] = numbers
        out[..., self.following] = room + numbers @ self.others.T
        return out

    def combined(self, weights: Floats) -> tuple[Floats, Floats]:
        """(S,) and (D,): a sum over species by weights (n_species,), as one over moving numbers and over `room`."""
        tail = weights[list(self.following)]
        return weights[list(self.moving)] + self.others.T @ tail, tail

    def model(self, order: int) -> Model:
        """What the kernels need that all sites have in common; in C order, so that one compilation serves all."""
        powers, n = Powers(len(self.moving), order), len(self.part.reactions)
        change = np.ascontiguousarray(self._changes()[:, list(self.moving)])
        following = np.ascontiguousarray(self.others.reshape(-1, len(self.moving)))
        driven, forms = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
        slopes = np.zeros((n, 2, len(self.moving)))
        for r, reaction in enumerate(self.part.reactions):
            others = [s.name for s in self.part.order_reactants(reaction) if s.name != self.drive]
            driven[r] = sum(s.name == self.drive for s in self.part.order_reactants(reaction))
            forms[r] = len(others)
            for f, name in enumerate(others):
                slopes[r, f] = self.combined(np.eye(len(self.species))[self.species.index(name)])[0]
        sizes = np.array([len(self.moving), powers.kept, powers.low])
        return Model(
            powers.exponents, powers.place, binomials(2 * order + 2), sizes, change, driven, forms, slopes,
            following, COARSE if order == 2 else FINE,
        )  # fmt: skip

    def _changes(self) -> Floats:
        """(n_reactions, n_species)."""
        return self.part.change[:, [self.part.index(s) for s in self.species]].astype(float)

    def places(self, geometries: Sequence[Geometry], room: Floats, most: Floats, rates: Floats | None = None) -> Places:
        """Of sites with `room` (n, D); most: (S,) mM that a number without a bound may have. rates: (R,) factors."""
        n, reactions = len(geometries), self.part.reactions
        per_um = np.array([UM * 602214.076 * g.volume for g in geometries])
        found = np.array([self.part.count_rates(g.volume, g.area) for g in geometries]).reshape(n, len(reactions))
        consts = np.zeros((n, len(reactions), 2))
        for r, reaction in enumerate(reactions):
            names = [s.name for s in self.part.order_reactants(reaction)]
            others = [name for name in names if name != self.drive]
            if self.drive in names:
                found[:, r] *= per_um
            for f, name in enumerate(others):
                tail = self.combined(np.eye(len(self.species))[self.species.index(name)])[1]
                consts[:, r, f] = room @ tail - (f if others[0] == name else 0)
        scaled = found if rates is None else found * rates
        return Places(np.ascontiguousarray(scaled), consts, room.copy(), most[None] * per_um[:, None])


def kinetics(network: ReactionNetwork, species: Sequence[str], drive: str) -> Kinetics:
    """What moves in a chemistry. Raises InputError for one that is not of this kind."""
    reactions = own_reactions(network, species, drive)
    part = ReactionNetwork([s for s in network.species if s.name in (*species, drive)], reactions, network.reservoirs)
    for reaction in reactions:
        _check(part, reaction, species, drive)
    columns = [part.index(s) for s in species]
    change = part.change[:, columns].astype(float)
    moving: list[int] = []
    for k in reversed(range(len(species))):  # what is bound tends to stand behind what is free
        if np.linalg.matrix_rank(change[:, [*moving, k]]) > len(moving):
            moving.append(k)
    moving.sort()
    if not 1 <= len(moving) <= MOST:
        raise InputError(
            f"{', '.join(species)}: {len(moving)} numbers move independently of each other; a distribution of copy "
            f"numbers has 1 to {MOST}: leave species out, or take independent molecules ([driven])"
        )
    rest = [k for k in range(len(species)) if k not in moving]
    others = (
        np.linalg.lstsq(change[:, moving], change[:, rest], rcond=None)[0].T if rest else np.zeros((0, len(moving)))
    )
    others = np.round(others, 9) + 0.0
    return Kinetics(part, tuple(species), drive, tuple(moving), others.reshape(len(rest), len(moving)))


def _check(part: ReactionNetwork, reaction: Reaction, species: Sequence[str], drive: str) -> None:
    """Raises InputError for a reaction that a block cannot book, or that is not linear in the drive."""
    if reaction.per != "time":
        raise InputError(f'"{reaction}" is counted per {reaction.per}: give rates in physical units')
    if [s.name for s in part.order_reactants(reaction)].count(drive) > 1:
        raise InputError(f'"{reaction}" takes two of {drive} at once: a law is linear in what drives it')
    held = {s.name: s.contains for s in part.species}
    for substance in held[drive]:
        row = part.change[part.reactions.index(reaction)]
        gained = sum(held[s].get(substance, 0) * int(row[part.index(s)]) for s in (*species, drive))
        if gained:
            raise InputError(
                f'"{reaction}" brings {substance} into a reservoir: a distribution takes it from {drive} and gives it '
                "back, nowhere else; leave its species to the pools"
            )


def check_counts(found: Kinetics, counts: Counts) -> Counts:
    """Counts (n_sites, n_species) that can be. Raises InputError for totals that are no whole numbers."""
    if (counts < 0).any():
        raise InputError(f"{', '.join(found.species)}: a count below 0")
    return counts
