"""What `--json` prints, in one place: every number with its name and unit, so that programs need no table of units.

`couple check --json` prints a `CheckOutput`, with --resolved a `ResolvedOutput`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import Field

from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Reaction
from couple.cli.experiments.against_neuron import AgainstNeuronOutput
from couple.cli.output.quantities import Output, Quantity
from couple.experiment import Experiment
from couple.experiment.understood import resolved
from couple.experiment.understood.input_files import InputFile
from couple.simulation.load_report import RankLoad
from couple.storage.records.recorder import Variable
from couple.wiring import Plan, System
from couple.wiring.links.drives import DriveLink
from couple.wiring.links.necks import PlacedNeck
from couple.wiring.links.neuron_links import PlacedLink
from couple.wiring.sites.placed_site import PlacedSite


class ResolvedOutput(Output):
    """All of `couple check --resolved --json`: the experiment as it is understood, by the keys of its file.

    experiment: tables, in which every number that has a unit is a `Quantity`.
    """

    experiment: dict[str, Any]


class ExperimentOutput(Output):
    """What is run, for how long. tick: of the clock, NEURON's dt or the exchange interval.

    threads: of each process. shortest: exchange interval, where intervals are chosen on the way; `exchange`
    is then the longest.
    """

    name: str
    scheme: str
    seed: int
    duration: Quantity
    exchange: Quantity
    tick: Quantity
    threads: int
    shortest: Quantity | None = None


class SiteOutput(Output):
    """A site. options: as given, of its engine. segments: full names. shape: of the geometry, `size` along its axes."""

    name: str
    engine: str
    options: dict[str, Any]
    segments: tuple[str, ...]
    shape: str
    size: Quantity
    volume: Quantity
    area: Quantity
    regions: dict[str, float] = Field({}, description="of a geometry.mesh: the area of each region, um^2")
    molecules: dict[str, int | float] = Field(description="at the start, by species")


class LinkOutput(Output):
    """A link with the electrical model. unit: of what arrives. function: of couple.exchange, that makes it."""

    source: str = Field(serialization_alias="from")
    target: str = Field(serialization_alias="to")
    unit: str
    function: str
    segments: tuple[str, ...]


class NeckOutput(Output):
    """A diffusion between two sites. through: what the conductance is made of."""

    source: str = Field(serialization_alias="from")
    target: str = Field(serialization_alias="to")
    conductance: Quantity
    through: str


class DriveOutput(Output):
    """A prescribed input. kind: "ions" that enter in a window, or the count at which a species is held ("clamp")."""

    target: str = Field(serialization_alias="to")
    kind: str
    unit: str
    text: str


class RecordOutput(Output):
    """A dataset of results.h5; its first axis is time, `dims` and `shape` are those after it."""

    name: str
    unit: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    meaning: str


class PortOutput(Output):
    """A port of a component. direction: "input" or "output". kind: extensive or intensive."""

    name: str
    direction: str
    unit: str
    shape: tuple[int, ...]
    kind: str


class ReactionOutput(Output):
    """A reaction with its rate at the experiment's temperature. q10_factor: of it, that the temperature makes.

    rate_law: of one that is no mass action, as it was written; `rate` is then a factor of that.
    """

    equation: str
    rate: Quantity
    q10_factor: float
    rate_law: str | None = None


class FileOutput(Output):
    """A file that the experiment reads. key, given: where it is named, and how. role: what it is, as "model" or "mask".

    code: whether it is code, which is run when it is read.
    """

    key: str
    given: str
    path: str
    role: str
    code: bool
    sha256: str


class RankOutput(Output):
    """The load of one rank. seconds: of an exchange window, by component."""

    rank: int
    cells: int
    sites: int
    seconds: tuple[Quantity, ...]


class CheckOutput(Output):
    """All of `couple check --json`: the plan of an experiment. After mpiexec, sites and links of the first rank."""

    experiment: ExperimentOutput
    sites: tuple[SiteOutput, ...]
    links: tuple[LinkOutput, ...]
    necks: tuple[NeckOutput, ...]
    drives: tuple[DriveOutput, ...]
    records: tuple[RecordOutput, ...]
    ports: tuple[PortOutput, ...]
    reactions: tuple[ReactionOutput, ...]
    files: tuple[FileOutput, ...]
    ranks: tuple[RankOutput, ...] = ()
    details: tuple[str, ...] = Field(description="lines of the electrical model and the engines, for people")
    warnings: tuple[str, ...]
    against_neuron: AgainstNeuronOutput | None = Field(default=None, description="with --against-neuron")

    def with_loads(self, loads: Sequence[RankLoad]) -> CheckOutput:
        """The same with the loads of all ranks, in order."""
        return self.model_copy(update={"ranks": tuple(_rank(k, load) for k, load in enumerate(loads))})


Checked = CheckOutput | ResolvedOutput


def resolved_output(experiment: Experiment) -> ResolvedOutput:
    """An experiment as it is understood; nothing of it is loaded but its engines. Raises InputError for options."""

    def shown(key: str, found: resolved.Quantity) -> dict[str, Any]:
        return Quantity(name=key, unit=found.unit, values=found.values).model_dump(mode="json")

    return ResolvedOutput(experiment=resolved.resolved_tables(experiment, shown))


def check_output(system: System) -> CheckOutput:
    """The plan of a wired system that nothing has advanced yet."""
    plan = system.plan
    starting = [site for engine in plan.engines for site in engine.factory.starting_sites(engine.setup)]
    molecules = {site.name: site.initial for site in starting}
    return CheckOutput(
        experiment=_experiment(plan),
        sites=tuple(_site(site, plan.network, molecules[site.name]) for site in plan.sites),
        links=tuple(map(_link, plan.links)),
        necks=tuple(map(_neck, plan.necks)),
        drives=tuple(map(_drive, plan.drives.links)),
        records=tuple(map(_record, system.variables)),
        ports=tuple(_ports(system)),
        reactions=tuple(_reaction(reaction, plan.network) for reaction in plan.network.reactions),
        files=tuple(map(_file, system.inputs)),
        details=system.describe,
        warnings=plan.warnings,
    )


def _experiment(plan: Plan) -> ExperimentOutput:
    run, clock, unit = plan.experiment.experiment, plan.clock, plan.experiment.time_unit
    times = {"duration": clock.time(clock.windows), "exchange": clock.time(1), "tick": clock.tick}
    times |= {"shortest": clock.shortest * clock.tick} if clock.shortest else {}
    quantities = {name: Quantity(name=name, unit=unit, values=value) for name, value in times.items()}
    return ExperimentOutput(name=run.name, scheme=run.scheme, seed=run.seed, threads=plan.threads, **quantities)


def _site(site: PlacedSite, network: ReactionNetwork, initial: Sequence[float]) -> SiteOutput:
    geometry = site.geometry
    return SiteOutput(
        name=site.name,
        engine=site.engine.kind,
        options=json.loads(site.engine.text),
        segments=site.segments,
        shape=geometry.shape if site.cable is None else "cable",
        size=Quantity(name="size", unit="cells" if geometry.shape == "cells" else "um", values=geometry.size),
        volume=Quantity(name="volume", unit="um^3", values=geometry.volume),
        area=Quantity(name="area", unit="um^2", values=geometry.area),
        regions={} if geometry.surface is None else geometry.surface.region_areas,
        molecules=dict(zip(network.names, initial, strict=True)),
    )


def _link(link: PlacedLink) -> LinkOutput:
    return LinkOutput(
        source=link.source, target=link.target, unit=link.unit, function=link.function, segments=link.site.segments
    )


def _neck(neck: PlacedNeck) -> NeckOutput:
    conductance = Quantity(name="conductance", unit="um^3/ms", values=neck.conductance)
    return NeckOutput(source=neck.ends[0], target=neck.ends[1], conductance=conductance, through=neck.through)


def _drive(link: DriveLink) -> DriveOutput:
    return DriveOutput(target=f"{link.site}.{link.species}", kind=link.port, unit="count", text=link.name)


def _record(variable: Variable) -> RecordOutput:
    return RecordOutput(
        name=variable.path, unit=variable.unit, dims=variable.dims, shape=variable.shape, meaning=variable.meaning
    )


def _ports(system: System) -> Iterable[PortOutput]:
    for component in system.components:
        for direction, ports in (("input", component.inputs), ("output", component.outputs)):
            for name, port in ports.items():
                if 0 not in port.shape:
                    yield PortOutput(
                        name=f"{component.name}.{name}",
                        direction=direction,
                        unit=port.unit,
                        shape=port.shape,
                        kind=port.kind,
                    )


def _reaction(reaction: Reaction, network: ReactionNetwork) -> ReactionOutput:
    unit = "1" if reaction.law is not None else network.rate_unit(reaction)
    rate = Quantity(name="rate", unit=unit, values=reaction.rate / reaction.of_share)
    law = None if reaction.law is None else reaction.law.text
    return ReactionOutput(equation=str(reaction), rate=rate, q10_factor=reaction.warming, rate_law=law)


def _file(file: InputFile) -> FileOutput:
    return FileOutput(
        key=file.key, given=file.given, path=str(file.path), role=file.role, code=file.code, sha256=file.sha256
    )


def _rank(rank: int, load: RankLoad) -> RankOutput:
    seconds = tuple(Quantity(name=name, unit="s", values=value) for name, value in load.seconds.items())
    return RankOutput(rank=rank, cells=load.cells, sites=load.sites, seconds=seconds)
