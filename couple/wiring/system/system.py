"""The system: all components of a run on one block of memory, and what connects them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from couple.components.component import Component
from couple.components.drive import Drive
from couple.components.electrics import ElectricalComponent
from couple.components.engine import SiteEngine
from couple.exchange.exchange import Exchange
from couple.experiment.understood.input_files import InputFile
from couple.parallel.communicator import world
from couple.storage.records.recorder import Variable
from couple.wiring.cells.shape import Shape, shape_of
from couple.wiring.links.size_changes import growing
from couple.wiring.plan.plan import Plan
from couple.wiring.sites.placed_site import distances
from couple.wiring.system.connections import Connections, connect
from couple.wiring.system.description import describe
from couple.wiring.system.drift import spare_places
from couple.wiring.system.electrics import Electrics, attach, starting_concentrations
from couple.wiring.system.engines import build_engines
from couple.wiring.system.input_files import input_files
from couple.wiring.system.memory import Memory
from couple.wiring.system.shared_sites import share_engines
from couple.wiring.system.variables import recorded_variables


@dataclass(frozen=True, kw_only=True)
class System:
    """A plan, built: components, what crosses between them, and what is recorded.

    plan:        all that was decided.
    electrics:   the electrical model, stepping; drive: what is prescribed; None without.
    engines:     of chemistry, on this rank.
    together:    of `engines`, those that other ranks help with, and what this rank helps others with, in the same order
                 on all ranks.
    memory:      the block of port values that all components share.
    connections: weighted sums over it.
    variables:   what is recorded, in file order.
    labels:      names along the ports of the electrical model and of drives.
    distances:   site, or neuron.SEGMENT of a recorded voltage → path distance from the soma, µm, where there is one.
    inputs:      all files that it was made from, of all ranks.
    starts:      mM in the segments of all ions, as its engines start now.
    shape:       of the electrical model, for pictures; None without, of a network, and of one on several ranks.
    """

    plan: Plan
    electrics: ElectricalComponent | None
    drive: Drive | None
    engines: tuple[SiteEngine, ...]
    together: tuple[Component, ...]
    memory: Memory
    connections: Connections
    variables: tuple[Variable, ...]
    labels: Mapping[str, Sequence[str]]
    distances: Mapping[str, float]
    inputs: tuple[InputFile, ...]
    starts: Callable[[], tuple[float, ...]]
    shape: Shape | None = None

    @property
    def components(self) -> tuple[Component, ...]:
        """The electrical model, drives, engines."""
        return tuple(c for c in (self.electrics, self.drive, *self.engines) if c is not None)

    @property
    def describe(self) -> tuple[str, ...]:
        """Lines for `couple check`: what crosses, necks, sites, engines, the electrical model."""
        return tuple(describe(self.plan, self.connections.lines, self.engines))

    def exchange(self, sampled: Sequence[int], summed: Sequence[int], max_debt: float) -> Exchange:
        """The compiled exchange, which records the given indices of the memory. max_debt: ions a site may owe."""
        made = self.connections
        return Exchange(
            self.memory.block,
            made.ions,
            made.before,
            made.after,
            made.holdings,
            sampled,
            summed,
            max_debt,
            made.diffusion,
            made.responses,
            made.drift,
            made.sizes,
            self.plan.clock.window * self.plan.clock.tick,
        )


def assemble(plan: Plan) -> System:
    """The components of a plan, built and connected; nothing is advanced. All ranks together.

    Raises InputError that names the key of what does not fit.
    """
    engines = build_engines(plan)
    together = share_engines(plan, engines)
    drive = plan.drives.build(plan.clock.played)
    electrics = attach(plan, engines)
    component = None if electrics is None else electrics.component
    memory = Memory(
        [c for c in (component, drive, *engines.all) if c is not None],
        spare_places(plan.necks) + len(growing(plan.sites)),
    )
    return System(
        plan=plan,
        electrics=component,
        drive=drive,
        engines=engines.all,
        together=together,
        memory=memory,
        connections=connect(plan, engines, electrics, drive, memory),
        variables=tuple(recorded_variables(plan, electrics, engines, memory)),
        labels={**({} if electrics is None else electrics.labels), **plan.drives.labels()},
        distances=_distances(plan, electrics),
        inputs=input_files(plan, component, engines.all),
        starts=partial(starting_concentrations, plan, engines),
        shape=None if plan.branches is None or plan.cells.all or world().size > 1 else shape_of(plan.branches),
    )


def _distances(plan: Plan, electrics: Electrics | None) -> dict[str, float]:
    """From the soma, of sites and recorded voltages; none in a network, which has many somata."""
    if plan.cells.all:
        return {}
    return distances(plan.sites, plan.branches, () if electrics is None else electrics.attachments.voltages)
