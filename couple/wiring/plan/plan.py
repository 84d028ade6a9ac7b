"""The plan of an experiment: who is where, what crosses, what is built. Everything later reads only this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from couple.chemistry.lattice_units import check_rates
from couple.chemistry.network import ReactionNetwork
from couple.components.electrics import ElectricalModel
from couple.experiment import Experiment
from couple.experiment.clock import Clock
from couple.parallel.communicator import world
from couple.parallel.cores import PlacedRank, placed_ranks
from couple.wiring.cells.electrical_model import load_model
from couple.wiring.cells.network_cells import Cells
from couple.wiring.cells.sections import Branches
from couple.wiring.cells.spines import grow_spines
from couple.wiring.cells.synaptic_connections import connect_cells
from couple.wiring.links.drift import check_drift
from couple.wiring.links.drives import PlannedDrives, plan_drives
from couple.wiring.links.filled_species import filled_species
from couple.wiring.links.necks import PlacedNeck, place_necks
from couple.wiring.links.neuron_links import PlacedLink, check_ports, place_links
from couple.wiring.links.parameter_links import PlacedParameter, place_parameters
from couple.wiring.links.size_changes import check_sizes
from couple.wiring.links.voltage_links import check_voltages
from couple.wiring.plan.engine_groups import Agreed, Group
from couple.wiring.plan.engines import PlannedEngine, plan_engines
from couple.wiring.plan.ranges import Ranges, recorded_ranges
from couple.wiring.plan.voltages import recorded_voltages
from couple.wiring.plan.warnings import wiring_warnings
from couple.wiring.sites.engine_choice import EngineChoice, load_engines
from couple.wiring.sites.partition import share_sites
from couple.wiring.sites.placed_site import Order, PlacedSites
from couple.wiring.sites.site_blocks import place_sites


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that is decided before anything is built. Of ranks, what this one has; `choices` and `agreed` are of all.

    choices:  key of a [[site]] block ("site[0]") → its engine's class and validated options.
    cells:    of a [network], with their ranks; none without.
    branches: sections of the electrical model, which is loaded, with its spines and connections, and does not step yet;
              None without [neuron].
    grown:    a line for every spine and connection.
    sites:    with segments, geometry and engine.        links: with the electrical model, with ion, unit, function.
    parameters: of the electrical model, which links set, by segment.
    necks:    what diffuses between sites.               drives: what is prescribed, by window.
    engines:  class and setup of every component.        agreed: on the components of all ranks.
    voltages: segment → order, of those that [record] asks for; what else is recorded `experiment.record` says.
    ranges:   (segment, variable) → order, of range variables that [record] asks for.
    placed:   all ranks, with the cores that they may use. threads: of each process, over which engines divide sites.
    helped:   whether some site is to be solved by several ranks.
    warnings: about accuracy and about what may not be meant.
    """

    experiment: Experiment
    clock: Clock
    network: ReactionNetwork
    choices: Mapping[str, EngineChoice]
    cells: Cells
    branches: Branches | None
    grown: tuple[str, ...]
    sites: PlacedSites
    links: tuple[PlacedLink, ...]
    parameters: tuple[PlacedParameter, ...]
    necks: tuple[PlacedNeck, ...]
    drives: PlannedDrives
    engines: tuple[PlannedEngine, ...]
    agreed: Mapping[Group, Agreed]
    voltages: Mapping[str, Order]
    ranges: Ranges
    placed: tuple[PlacedRank, ...]
    threads: int
    helped: bool
    warnings: tuple[str, ...]

    @property
    def model(self) -> ElectricalModel | None:
        """The loaded electrical model."""
        return None if self.branches is None else self.branches.model

    @property
    def order(self) -> Mapping[str, Order]:
        """Site → where one process would have it, of the sites of all ranks."""
        return self.sites.everywhere

    @cached_property
    def kinds(self) -> dict[str, str]:
        """Site → name of its engine."""
        return {site.name: site.engine.kind for site in self.sites}

    @cached_property
    def cell_of(self) -> dict[str, str]:
        """Site → its cell, in a network."""
        cells = self.cells.all
        return {s.name: cells[s.order[1]].name for s in self.sites if cells and s.block.cells is not None}


def make_plan(experiment: Experiment, costs: Mapping[str, float] | None = None) -> Plan:
    """The plan of an experiment; the electrical model is loaded for it. All ranks together.

    costs: of cells, by which ranks share a network. Raises InputError that names the key of whatever does not fit.
    """
    clock = Clock.of(experiment)
    network = experiment.network()
    check_rates(network, experiment.time_unit)
    choices = load_engines(experiment)  # before NEURON
    cells = Cells(experiment, costs)
    helped = any(choice.asked_ranks is not None for choice in choices.values())
    branches, grown = _electrical_model(experiment, cells, helped=helped)
    sites, necks = _place(experiment, network, choices, branches, cells)
    ions = () if branches is None else branches.model.ions()
    links = place_links(experiment, sites, ions)
    check_voltages(network, sites, links)
    valence = {} if branches is None else branches.model.ions()
    check_drift(experiment, necks, links, valence, clock.window * clock.tick)
    check_sizes(experiment, network, sites, necks)
    species = filled_species(experiment, network, sites, links, necks)
    placed = placed_ranks(world())
    threads = experiment.run.threads or placed[world().rank].free
    engines, agreed = plan_engines(experiment, clock, network, sites, necks, species, threads)
    drives = plan_drives(experiment, clock, sites, network.shares)
    check_ports(links, ions)
    parameters = place_parameters(links, None if branches is None else branches.model)
    voltages = recorded_voltages(experiment, branches, cells)
    ranges = recorded_ranges(experiment, branches, cells)
    driven = {link.site for link in drives.links} | {site.name for neck in necks for site in neck.sites}
    warnings = [f"{engine.key}: {text}" for engine in engines for text in engine.warnings]
    warnings += wiring_warnings(experiment, network, branches, sites, links, driven)
    return Plan(
        experiment=experiment,
        clock=clock,
        network=network,
        choices=choices,
        cells=cells,
        branches=branches,
        grown=tuple(grown),
        sites=sites,
        links=tuple(links),
        parameters=tuple(parameters),
        necks=tuple(necks),
        drives=drives,
        engines=engines,
        agreed=agreed,
        voltages=voltages,
        ranges=ranges,
        placed=tuple(placed),
        threads=threads,
        helped=helped,
        warnings=tuple(f"{experiment.where}: {text}" for text in warnings),
    )


def _electrical_model(experiment: Experiment, cells: Cells, *, helped: bool) -> tuple[Branches | None, list[str]]:
    """Sections of the whole model, and a line for all that has grown on it."""
    model = load_model(experiment, cells, helped=helped)
    grown = grow_spines(experiment, model, cells)
    grown += connect_cells(experiment, model, cells)
    return None if model is None else Branches(model), grown


def _place(
    experiment: Experiment,
    network: ReactionNetwork,
    choices: Mapping[str, EngineChoice],
    branches: Branches | None,
    cells: Cells,
) -> tuple[PlacedSites, list[PlacedNeck]]:
    """Sites and necks of this rank."""
    sites = place_sites(experiment, choices, branches, cells)
    necks = place_necks(experiment, network, sites, branches)
    if branches is not None:
        return sites, necks
    sites = share_sites(sites, [(first.name, second.name) for first, second in (neck.sites for neck in necks)])
    here = {site.name for site in sites}
    return sites, [neck for neck in necks if neck.sites[0].name in here]
