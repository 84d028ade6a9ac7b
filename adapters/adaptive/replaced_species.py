"""Columns of engines that count something else in place of some species, as a surrogate does."""

from __future__ import annotations

from dataclasses import dataclass, replace

from adapters.adaptive.options import AdaptiveOptions, engine_and_options
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Species
from couple.components.capabilities import counted_network
from couple.components.engine import EngineSetup


@dataclass(frozen=True)
class ReplacedSpecies:
    """n: species of the whole chemistry. added: what engines count beside them, 0 while others are active.

    common: names of the species that all engines count. While an engine that replaces a species is active, that species
    counts 0; what it holds is in the added columns.
    """

    n: int
    added: tuple[Species, ...]
    common: frozenset[str]

    @classmethod
    def of(cls, setup: EngineSetup, options: AdaptiveOptions) -> ReplacedSpecies:
        """Of all engines of an adaptive one."""
        known = common = frozenset(setup.network.names)
        added: dict[str, Species] = {}
        for name in options.engines:
            factory, own = engine_and_options(options, name)
            counted = counted_network(factory, replace(setup, options=own))
            common &= {*counted.names}
            added |= {s.name: s for s in counted.species if s.name not in known}
        return cls(len(setup.network.species), tuple(added.values()), common)

    def extended(self, setup: EngineSetup) -> EngineSetup:
        """The setup with these columns, which are empty at the start."""
        if not self.added:
            return setup
        old = setup.network
        network = ReactionNetwork(
            [*old.species, *self.added],
            old.reactions,
            [r for r in old.reservoirs if r not in {f"{c}_clamp" for c in old.clamped}],
            old.observables,
        )
        sites = tuple(replace(s, initial=(*s.initial, *[0] * len(self.added))) for s in setup.sites)
        return replace(setup, network=network, sites=sites)
