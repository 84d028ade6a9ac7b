"""The electrical model: loaded for its geometry, then attached where links reach it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from couple.base import registry
from couple.base.errors import InputError, nearest
from couple.components.electrics import (
    CALCIUM,
    Attachments,
    Conductance,
    Current,
    ElectricalComponent,
    ElectricalModel,
    IonSegments,
    ModelSpec,
)
from couple.exchange.ions import concentration_per_ion, least_concentration
from couple.experiment import Experiment
from couple.parallel.communicator import world
from couple.wiring.branches import Branches
from couple.wiring.cells import Cells
from couple.wiring.engines import Engines
from couple.wiring.sites import Order, PlacedLink, Shared, shared


@dataclass(frozen=True)
class Electrics:
    """The stepping model and the names along its ports. valence: of the ions that it knows."""

    component: ElectricalComponent
    attachments: Attachments
    valence: Mapping[str, float]
    order: Mapping[str, tuple[Order, ...]]
    """Of voltages ("v"), of each ion's segments and of conductances ("g"): sorts them as one process would."""

    def charge(self, ion: str, segment: str) -> tuple[str, int]:
        """Port and position of the charge of an ion at a segment."""
        ports, at = self._ions[ion]
        return ports.charge, at[segment]

    def concentration(self, ion: str, segment: str) -> tuple[str, int]:
        """Port and position of the concentration of an ion in a segment."""
        ports, at = self._ions[ion]
        return ports.concentration, at[segment]

    def conductance(self, link: PlacedLink, segment: str) -> int:
        """Position of the conductance that a link sets in a segment along the port `g`."""
        return self._conductances[_conductance(link, segment)]

    @property
    def labels(self) -> dict[str, tuple[str, ...]]:
        """Names along every port."""
        at = self.attachments
        found = {"v": at.voltages, "g": tuple(f"{c.name} {c.segment}" for c in at.conductances)}
        return found | {port: ion.segments for ion in at.ions for port in (ion.charge, ion.concentration)}

    @cached_property
    def _ions(self) -> dict[str, tuple[IonSegments, dict[str, int]]]:
        return {i.ion: (i, {segment: k for k, segment in enumerate(i.segments)}) for i in self.attachments.ions}

    @cached_property
    def _conductances(self) -> dict[Conductance, int]:
        return {conductance: i for i, conductance in enumerate(self.attachments.conductances)}


def load_model(experiment: Experiment, cells: Cells, *, helped: bool = False) -> ElectricalModel | None:
    """The model of [neuron], or the cells of [network] on this rank; None without. helped: whether other ranks help
    with its sites. Raises InputError if it cannot be built."""
    spec, ranks = experiment.neuron, world()
    ranks.gather(None)  # all or none go on to NEURON, which makes its own communicators
    if spec is None:
        return None
    local = cells.specs(experiment)
    file, function = (str(local[0].model), local[0].function) if local else spec.file_and_function
    mechanisms = (spec.mechanisms,) if isinstance(spec.mechanisms, str) else spec.mechanisms
    model: ElectricalModel = registry.load("couple.electrics", "neuron")(
        ModelSpec(
            experiment.folder / file,
            function,
            spec.dt,
            experiment.celsius,
            spec.v_init,
            spec.cai_writers,
            spec.arguments,
            tuple(experiment.folder / m for m in mechanisms),
            spec.biophysics,
            tuple(
                Current(c.at, c.start, c.duration, c.amplitude, f"neuron.current[{i}].at")
                for i, c in enumerate(spec.current)
                if not cells.all or cells.local_of([c.at.partition(".")[0]], f"neuron.current[{i}].at")
            ),
            local,
            ranks.rank,
            ranks.size,
            helped,
        )
    )
    return model


def attach(
    model: ElectricalModel | None,
    experiment: Experiment,
    engines: Engines,
    links: Sequence[PlacedLink],
    cells: Cells,
) -> Electrics | None:
    """The stepping model with every place at which something crosses. Raises InputError that names the key."""
    if model is None:
        return None
    valence = model.ions()
    crossing: dict[str, list[PlacedLink]] = {CALCIUM: []}
    conductances: dict[Conductance, None] = {}
    for link in links:
        ion = link.ion(valence)
        if ion is None:
            conductances |= dict.fromkeys(_conductance(link, s, valence) for s in link.place.segments)
        else:
            crossing.setdefault(ion, []).append(_without_conductance(link, ion))
    meeting = shared(links)
    ions = [_initial(ion, there, engines, meeting) for ion, there in crossing.items()]
    recorded = _recorded(model, experiment, cells)
    reached = [*(s for ion in ions for s in ion.segments), *(c.segment for c in conductances)]
    voltages = list(dict.fromkeys([*recorded, *reached]))
    order = {ion: _first_of(there) for ion, there in crossing.items()}
    order["g"] = _first_of([k for k in links if k.ion(valence) is None])
    order_of_v = dict(recorded)
    for k, by_segment in enumerate(order.values()):
        for segment, key in by_segment.items():
            order_of_v.setdefault(segment, (k, *key))
    calcium, *others = ions
    attachments = Attachments(
        calcium.segments,
        tuple(conductances),
        tuple(voltages),
        calcium.initial,
        experiment.experiment.seed,
        tuple(others),
    )
    ordered = {ion.ion: tuple(order[ion.ion][s] for s in ion.segments) for ion in ions}
    ordered |= {"g": tuple(order["g"][c.segment] for c in conductances), "v": tuple(order_of_v[s] for s in voltages)}
    return Electrics(model.attach(attachments), attachments, valence, ordered)


def _first_of(links: Sequence[PlacedLink]) -> dict[str, Order]:
    """Segment → where it comes first: link, site, place in it."""
    found: dict[str, Order] = {}
    for link in links:
        for k, segment in enumerate(link.place.segments):
            found.setdefault(segment, (int(link.key[5:-1]), *link.place.order, k))
    return found


def _recorded(model: ElectricalModel, experiment: Experiment, cells: Cells) -> dict[str, Order]:
    """Segments on this rank whose voltage is asked for, with their order."""
    recorded: dict[str, Order] = {}
    unknown: dict[int, InputError] = {}
    branches = Branches(model) if cells.all and experiment.record.voltages else None
    for i, name in enumerate(experiment.record.voltages):
        key = f"record.voltages[{i}]"
        if branches is not None:
            for k, (cell, segment) in enumerate(cells.segments(name, branches, key)):
                recorded.setdefault(segment, (-1, i, cell.gid, k))
            continue
        try:
            recorded.setdefault(model.resolve(name), (-1, i))
        except InputError as error:
            unknown[i] = error.at(key)
    for i in sorted(set.intersection(*world().gather({*unknown}))):  # one that no rank has
        raise unknown[i]
    return recorded


def _conductance(link: PlacedLink, segment: str, ions: Collection[str] = ()) -> Conductance:
    """Raises InputError for what is no conductance: a current into NEURON, an outside concentration, the voltage."""
    if link.into == "site" or link.port in ("v", *(f"i{ion}" for ion in ions), *(f"{ion}o" for ion in ions)):
        raise InputError(
            f'"neuron.{link.port}" cannot be linked; sites take neuron.ica and set neuron.cai (or of another ion: '
            f"{', '.join(sorted(ions))}) or a conductance such as neuron.SK",
            where=link.key,
        )
    return Conductance(link.port, segment, link.block.kind, link.block.ion, link.block.reversal)


def _without_conductance(link: PlacedLink, ion: str) -> PlacedLink:
    if link.block.conductance is not None:
        raise InputError(
            f'conductance: "neuron.{link.port}" is the concentration of {ion}; give the conductance another name',
            where=link.key,
        )
    return link


def _initial(ion: str, links: Sequence[PlacedLink], engines: Engines, meeting: Shared) -> IonSegments:
    segments = tuple(dict.fromkeys(s for k in links for s in k.place.segments))
    return IonSegments(ion, segments, tuple(_initial_concentration(ion, s, engines, meeting) for s in segments))


def _initial_concentration(ion: str, segment: str, engines: Engines, meeting: Shared) -> float:
    """mM at the start: what the links of an ion will hand over, at least the floor."""
    there = meeting.get(("neuron", f"{ion}i", segment)) or meeting["site", f"i{ion}", segment]
    free, volume, whole = 0.0, 0.0, 0.0
    for link, part in there:
        engine, row = engines.of[link.place.name]
        names = engine.network.names
        if link.quantity not in names:
            raise InputError(f'unknown species "{link.quantity}"; {nearest(link.quantity, names)}', where=link.key)
        count = engine.sites[row].initial[names.index(link.quantity)]
        free += count * (part.volume / link.place.geometry.volume)
        volume += part.volume
        whole += link.place.geometry.volume
    return max(free * concentration_per_ion(volume), least_concentration(whole))
