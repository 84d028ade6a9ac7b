"""The network of a site in which blocks stand for species: what they hold and report, in a few columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from couple.base.arrays import Counts, Floats
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Reaction, Species
from couple.components.engine import EngineSetup, Site
from reducers.markov.block import Stepped


class Replaced:
    """For each block NAME, instead of its species: NAME_S for what it holds of each conserved substance S, and
    NAME_OBSERVABLE for what it adds to an observable of the network. All other species stay in their order.

    added: names of these columns.
    """

    def __init__(self, network: ReactionNetwork, blocks: Mapping[str, Stepped]) -> None:
        self.full, self.blocks = network, dict(blocks)
        self.gone = frozenset(s for b in blocks.values() for s in b.about.species)
        self.observables = {
            name: {
                key: block.about.weights(key, members)
                for key, members in network.observables.items()
                if set(members) & set(block.about.species)
            }
            for name, block in blocks.items()
        }
        self.added = frozenset(
            f"{name}_{what}" for name, b in blocks.items() for what in (*b.about.contents, *self.observables[name])
        )

    def network(self) -> ReactionNetwork:
        """The network without the species that blocks stand for, and without their reactions."""
        full = self.full
        species = [s for s in full.species if s.name not in self.gone]
        observables = {
            key: {n: w for n, w in members.items() if n not in self.gone} for key, members in full.observables.items()
        }
        for name, block in self.blocks.items():
            species += [Species(f"{name}_{k}", contains={k: 1}) for k in block.about.contents]
            for key in self.observables[name]:
                species.append(Species(f"{name}_{key}"))
                observables[key][f"{name}_{key}"] = 1.0
        reactions = [r for r in full.reactions if not self.gone & {*r.reactants, *r.products}]
        return ReactionNetwork(species, reactions, full.reservoirs, observables)

    def exchanging(self) -> ReactionNetwork:
        """The network() with a reaction from free ions to what each block holds of them: what is conserved together."""
        reduced = self.network()
        free = {
            s: x.name for x in reversed(reduced.species) for s, n in x.contains.items() if n == 1 == len(x.contains)
        }
        bound = [
            Reaction((free[held],), (f"{name}_{held}",), 1.0)
            for name, block in self.blocks.items()
            for held in block.about.contents
            if free[held] != f"{name}_{held}"
        ]
        return ReactionNetwork(reduced.species, (*reduced.reactions, *bound), self.full.reservoirs)

    def reduced(self, setup: EngineSetup) -> EngineSetup:
        """The setup with that network, and initial counts to go with it."""
        if not self.blocks:
            return setup
        counts = self.to_reduced(np.array([s.initial for s in setup.sites], dtype=float))
        sites = tuple(Site(s.name, s.geometry, tuple(row)) for s, row in zip(setup.sites, counts.tolist(), strict=True))
        return replace(setup, network=self.network(), sites=sites)

    def to_reduced[T: (Counts, Floats)](self, counts: T) -> T:
        """(n_sites, n_species of the network()) from counts of all species; what observables add is rounded."""
        of = {s.name: k for k, s in enumerate(self.full.species)}
        columns = [counts[:, k] for name, k in of.items() if name not in self.gone]
        for name, block in self.blocks.items():
            mine = self.of_block(name, counts)
            columns += [mine @ np.array(held) for held in block.about.contents.values()]
            columns += [np.rint(mine @ np.array(w)).astype(counts.dtype) for w in self.observables[name].values()]
        return np.stack(columns, axis=1)

    def of_block[T: (Counts, Floats)](self, name: str, counts: T) -> T:
        """(n_sites, n_species of the block) out of counts of all species."""
        return counts[:, [self.full.index(s) for s in self.blocks[name].about.species]]
