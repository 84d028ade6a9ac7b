"""From an experiment to connected components: models loaded, sites placed, links turned into indices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from couple.base.errors import InputError
from couple.chemistry.lattice_units import check_rates
from couple.chemistry.network import ReactionNetwork
from couple.components.component import Component
from couple.components.electrics import ElectricalComponent
from couple.components.engine import SiteEngine
from couple.exchange.diffusion import Diffusion
from couple.exchange.exchange import Exchange
from couple.exchange.link import Holding
from couple.experiment import Experiment
from couple.experiment.clock import Clock
from couple.storage.recorder import Variable
from couple.wiring.branches import Branches
from couple.wiring.cells import Cells
from couple.wiring.connect import Connections, Parts, connect, holdings
from couple.wiring.diffusion import diffusion_links, feet_of, mouths_of, place_ties, tie_line
from couple.wiring.drives import build_drive, drive_labels
from couple.wiring.electrics import attach, load_model
from couple.wiring.engines import Engines, build_engines, load_engines
from couple.wiring.memory import Memory
from couple.wiring.network import connect_cells
from couple.wiring.shared_sites import asks_for_ranks, make_teams
from couple.wiring.site_partition import share_sites
from couple.wiring.sites import Order, Place, distances, place_links, place_sites
from couple.wiring.spines import grow_spines
from couple.wiring.variables import recorded
from couple.wiring.warnings import doubts

__all__ = ["System", "wire"]


@dataclass(frozen=True)
class System:
    """All components of a run on one block of memory, and what connects them.

    kinds: site → name of its engine. distances: site, or neuron.SEGMENT of
    a recorded voltage → path distance from the soma, µm, where there is one.
    describe: lines for `couple check`. warnings: about accuracy. order: of the sites of all ranks, by name.
    labels: names along the ports of the electrical model and of drives. together: of `engines`, those that other ranks
    help with, and what this rank helps others with, in the same order on all ranks. helped: whether any rank has such.
    """

    clock: Clock
    network: ReactionNetwork
    electrics: ElectricalComponent | None
    drive: Component | None
    engines: tuple[SiteEngine, ...]
    memory: Memory
    connections: Connections
    diffusion: Diffusion | None
    holdings: tuple[Holding, ...]
    variables: tuple[Variable, ...]
    kinds: Mapping[str, str]
    distances: Mapping[str, float]
    describe: tuple[str, ...]
    warnings: tuple[str, ...]
    order: Mapping[str, Order]
    labels: Mapping[str, Sequence[str]]
    together: tuple[Component, ...] = ()
    helped: bool = False
    cell_of: Mapping[str, str] = field(default_factory=dict)
    """Site → its cell, in a network."""

    @property
    def components(self) -> tuple[Component, ...]:
        """The electrical model, drives, engines."""
        return tuple(c for c in (self.electrics, self.drive, *self.engines) if c is not None)

    def exchange(self, sampled: Sequence[int], summed: Sequence[int], max_debt: float) -> Exchange:
        """The compiled exchange, which records the given indices of the memory."""
        made, books = self.connections, (self.holdings, sampled, summed, max_debt)
        return Exchange(self.memory.block, made.ions, made.before, made.after, *books, self.diffusion)


def wire(experiment: Experiment, costs: Mapping[str, float] | None = None) -> System:
    """Load, place and connect everything; nothing is advanced. costs: of cells, by which ranks share a network.

    Raises InputError that names the file and the key of whatever does not fit.
    """
    try:
        return _wire(experiment, costs)
    except InputError as error:
        raise error if error.where.startswith(experiment.where) else error.inside(experiment.where) from None


def _wire(experiment: Experiment, costs: Mapping[str, float] | None) -> System:
    clock = Clock.of(experiment)
    network = experiment.network()
    check_rates(network, experiment.time_unit)
    load_engines(experiment)  # before NEURON
    cells = Cells(experiment, costs)
    helped = asks_for_ranks(experiment)
    model = load_model(experiment, cells, helped=helped)
    grown = grow_spines(experiment, model, cells)
    grown += connect_cells(experiment, model, cells)
    branches = None if model is None else Branches(model)
    places = place_sites(experiment, branches, cells)
    ties = place_ties(experiment, network, places, branches)
    if model is None:
        places = share_sites(places, ties)
        here = {place.name for place in places}
        ties = [tie for tie in ties if tie.first.name in here]
    links = place_links(experiment, places)
    diffusing = [(place.name, tie.species.name) for tie in ties for place in (tie.first, tie.second)]
    engines = build_engines(experiment, clock, network, places, links, diffusing, feet_of(ties), mouths_of(ties))
    make_teams(engines)
    drive, drive_links = build_drive(experiment, clock, places)
    electrics = attach(model, experiment, engines, links, cells)
    component = None if electrics is None else electrics.component
    memory = Memory([c for c in (component, drive, *engines.engines) if c is not None])
    made = connect(Parts(network, engines, memory, links, model, electrics), drive, drive_links)
    watched = tuple(holdings(engines, memory))
    between = diffusion_links(ties, engines, memory)
    window = clock.window * clock.tick
    diffusion = Diffusion(between, watched, window, experiment.experiment.seed) if between else None
    warnings = [
        *engines.warnings,
        *(f"{experiment.where}: {d}" for d in doubts(experiment, network, model, places, links, diffusing)),
    ]
    lines = [*made.describe, *(tie_line(tie) for tie in ties), *(_site_line(p, engines) for p in places)]
    lines += [line for engine in engines.engines for line in engine.describe()]
    return System(
        clock,
        network,
        component,
        drive,
        tuple(engines.engines),
        memory,
        made,
        diffusion,
        watched,
        tuple(recorded(experiment.record, links, electrics, engines, memory)),
        {p.name: p.block.engine for p in places},
        {} if cells.all else distances(places, branches, () if electrics is None else electrics.attachments.voltages),
        (*lines, *grown, *(model.describe() if model is not None else ())),
        tuple(warnings),
        places.everywhere,
        {**({} if electrics is None else electrics.labels), **drive_labels(drive_links)},
        tuple(engines.together),
        helped,
        cell_of={p.name: cells.all[p.order[1]].name for p in places if cells.all and p.block.cells is not None},
    )


def _site_line(place: Place, engines: Engines) -> str:
    engine, row = engines.of[place.name]
    geometry = place.geometry
    size, shape = " x ".join(f"{x:g}" for x in geometry.size), str(geometry.shape)
    if geometry.shape == "cells":
        return f"site {place.name}: {place.block.engine}, {size} cells, {sum(engine.sites[row].initial)} molecules"
    if place.cable is not None:
        shape, size = (
            "cable",
            f"{len(place.cable.branches)} sections, {sum(b.length for b in place.cable.branches):.6g}",
        )
    at = f" at {place.where}" if place.parts else ""
    if place.away is not None:
        at += f", {place.away:.4g} um away"
    return (
        f"site {place.name}{at}: {place.block.engine}, {shape} {size} um, volume {geometry.volume:.6g} um^3, "
        f"membrane {geometry.area:.6g} um^2, {sum(engine.sites[row].initial)} molecules"
    )
