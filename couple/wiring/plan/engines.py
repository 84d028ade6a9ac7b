"""Chemistry engines to be built: one component for all sites of the same engine and options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from couple.base.errors import InputError, nearest
from couple.chemistry.network import ReactionNetwork
from couple.components.engine import EngineSetup, Site, SiteEngine
from couple.experiment import Experiment
from couple.experiment.clock import Clock
from couple.geometry.cable import Foot
from couple.geometry.surface.surface import OPENING
from couple.wiring.links.filled_species import SpeciesBySite
from couple.wiring.links.necks import PlacedNeck, feet_of, openings_of
from couple.wiring.plan.engine_groups import Agreed, Group, agree_on_groups, group_sites
from couple.wiring.sites.initial_amounts import InitialAmounts, initial_amounts
from couple.wiring.sites.placed_site import PlacedSite, PlacedSites


@dataclass(frozen=True)
class PlannedEngine:
    """A component of chemistry that is to be built on this rank.

    kind: the engine's name. key: of the block of its first site. factory, setup: the class, and all that it is built
    from. warnings: of the engine, about accuracy.
    """

    kind: str
    key: str
    factory: type[SiteEngine]
    setup: EngineSetup
    warnings: tuple[str, ...] = ()


def plan_engines(
    experiment: Experiment,
    clock: Clock,
    network: ReactionNetwork,
    sites: PlacedSites,
    necks: Sequence[PlacedNeck],
    species: tuple[SpeciesBySite, SpeciesBySite],
    threads: int,
) -> tuple[tuple[PlannedEngine, ...], dict[Group, Agreed]]:
    """The engines of this rank, and what all ranks have agreed on; all ranks together.

    species: that are filled and held, by site. threads: over which an engine divides its sites.
    Raises InputError that names the key for what an engine cannot express.
    """
    filled, held = species
    groups = group_sites(sites, held)
    agreed = agree_on_groups(groups, filled, sites.everywhere)
    made = _SiteMaker(experiment, network, feet_of(necks), openings_of(necks))
    planned = []
    for group, members in groups.items():
        choice = members[0].engine
        setup = EngineSetup(
            name=agreed[group].name,
            network=network,
            sites=tuple(made.site(member) for member in members),
            tick=clock.tick,
            injected=agreed[group].filled,
            clamped=group.held,
            seed=experiment.experiment.seed,
            options=choice.options,
            folder=experiment.folder,
            window=clock.window * clock.tick,
            rounding=experiment.chemistry.rounding,
            threads=threads,
        )
        try:
            choice.factory.check_laws(network, f'the engine "{group.kind}"')
            warnings = tuple(choice.factory.check(setup))
        except InputError as error:
            raise error.at(choice.key) from None
        planned.append(PlannedEngine(group.kind, choice.key, choice.factory, setup, warnings))
    return tuple(planned), agreed


@dataclass(frozen=True)
class _SiteMaker:
    """Sites as engines take them: with molecules, and what opens into them."""

    experiment: Experiment
    network: ReactionNetwork
    feet: Mapping[str, tuple[Foot, ...]]
    openings: Mapping[str, float]
    amounts: dict[tuple[float, float], InitialAmounts] = field(default_factory=dict)
    """Of sites of the same volume and area."""

    def site(self, placed: PlacedSite) -> Site:
        """One of them. Raises InputError that names the key under chemistry.initial."""
        size = placed.geometry.volume, placed.geometry.area
        if size not in self.amounts:
            self.amounts[size] = initial_amounts(self.network, self.experiment.chemistry.initial, placed.geometry)
        counts, together = self.amounts[size]
        return Site(
            name=placed.name,
            geometry=placed.geometry,
            initial=counts,
            together=together,
            cable=placed.cable and replace(placed.cable, feet=self.feet.get(placed.name, ())),
            opening_diameter=self.openings.get(placed.name),
            voltage=0.0 if placed.block.voltage is None else placed.block.voltage,
            entry=_entry(placed),
        )


def _entry(placed: PlacedSite) -> str:
    """Region of its membrane where what links and drives bring enters. Raises InputError for one that it has not."""
    entry, surface = placed.block.entry, placed.geometry.surface
    names = [] if surface is None else [n for n in surface.regions if n != OPENING]
    if entry is not None and entry not in names:
        known = nearest(entry, names) if names else "regions are those of a geometry.mesh"
        raise InputError(f'no region "{entry}"; {known}', where=f"{placed.key}.entry")
    return entry or ""
