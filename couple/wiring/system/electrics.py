"""The electrical model attached where links reach it: the stepping component, and the names along its ports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from couple.base.errors import InputError, nearest
from couple.components.attachments import CALCIUM, Attachments, Axial, Conductance, Given, IonSegments, Parameter
from couple.components.electrics import ElectricalComponent
from couple.components.model_spec import CaiWriters
from couple.exchange.ions import concentration_per_ion, least_concentration
from couple.wiring.links.drift import drift_groups
from couple.wiring.links.neuron_links import LinksBySegment, PlacedLink, links_by_segment
from couple.wiring.links.size_changes import growing
from couple.wiring.links.unlinked_calcium import unlinked_calcium
from couple.wiring.plan.plan import Plan
from couple.wiring.sites.placed_site import Order
from couple.wiring.system.engines import Engines


@dataclass(frozen=True)
class Electrics:
    """The stepping model and the names along its ports. valence: of the ions that it knows.

    order: of voltages ("v"), of each ion's segments, of conductances ("g") and of "parameters": sorts them as one
    process would.
    """

    component: ElectricalComponent
    attachments: Attachments
    valence: Mapping[str, float]
    order: Mapping[str, tuple[Order, ...]]

    def charge(self, ion: str, segment: str) -> tuple[str, int]:
        """Port and position of the charge of an ion at a segment."""
        ports, at = self._ions[ion]
        return ports.charge, at[segment]

    def concentration(self, ion: str, segment: str) -> tuple[str, int]:
        """Port and position of the concentration of an ion in a segment."""
        ports, at = self._ions[ion]
        return ports.concentration, at[segment]

    def given(self, ion: str, mechanism: str, segment: str) -> tuple[str, int]:
        """Port and position of the concentration of an ion that one mechanism reads in a segment."""
        return "given", self._given[Given(ion, mechanism, segment)]

    def conductance(self, link: PlacedLink, segment: str) -> int:
        """Position of the conductance that a link sets in a segment along the port `g`."""
        return self._conductances[_conductance(link, segment)]

    def voltage(self, segment: str) -> int:
        """Position of the voltage of a segment along the port `v`."""
        return self._voltages[segment]

    def parameter(self, parameter: Parameter) -> int:
        """Position of a parameter along the port `parameters`."""
        return self._parameters[parameter]

    @property
    def labels(self) -> dict[str, tuple[str, ...]]:
        """Names along every port."""
        at = self.attachments
        found = {f"range_{variable}": segments for variable, segments in at.segments_of.items()}
        found |= {"v": at.voltages, "g": tuple(f"{c.name} {c.segment}" for c in at.conductances)}
        found |= {"parameters": tuple(f"{p} {p.segment}" for p in at.parameters)}
        found |= {f"axial_{port}": at.axial_names for port in ("conductance", "offset", "drop")}
        found |= {"size": at.sized}
        found |= {"given": tuple(f"{g.ion}i of {g.mechanism} {g.segment}" for g in at.given)}
        return found | {port: ion.segments for ion in at.ions for port in (ion.charge, ion.concentration)}

    @cached_property
    def _ions(self) -> dict[str, tuple[IonSegments, dict[str, int]]]:
        return {i.ion: (i, {segment: k for k, segment in enumerate(i.segments)}) for i in self.attachments.ions}

    @cached_property
    def _voltages(self) -> dict[str, int]:
        return {segment: i for i, segment in enumerate(self.attachments.voltages)}

    @cached_property
    def _parameters(self) -> dict[Parameter, int]:
        return {parameter: i for i, parameter in enumerate(self.attachments.parameters)}

    @cached_property
    def _given(self) -> dict[Given, int]:
        return {given: i for i, given in enumerate(self.attachments.given)}

    @cached_property
    def _conductances(self) -> dict[Conductance, int]:
        return {conductance: i for i, conductance in enumerate(self.attachments.conductances)}


def attach(plan: Plan, engines: Engines) -> Electrics | None:
    """The stepping model with every place at which something crosses, None without one; all ranks together.

    Raises InputError that names the key.
    """
    model = plan.model
    if model is None:
        return None
    crossing = _crossing(plan)
    channels = [link for link in plan.links if link.crossing == "conductance"]
    conductances = tuple(dict.fromkeys(_conductance(k, s) for k in channels for s in k.site.segments))
    ions, meeting = _ions(plan, engines), links_by_segment(plan.links)
    reached = [*(s for ion in ions for s in ion.segments), *(c.segment for c in conductances)]
    reached += [placed.parameter.segment for placed in plan.parameters]
    reached += [s for link in plan.links if link.crossing == "voltage" for s in link.site.segments]
    drifting = drift_groups(plan.necks)
    reached += [segment for group in drifting for segment in group.segments]
    voltages = tuple(dict.fromkeys([*plan.voltages, *reached]))
    calcium, *others = ions
    attachments = Attachments(
        calcium=calcium.segments,
        conductances=conductances,
        voltages=voltages,
        cai=calcium.initial,
        seed=plan.experiment.experiment.seed,
        others=tuple(others),
        listened=calcium.listened,
        ranges=tuple(plan.ranges),
        parameters=tuple(dict.fromkeys(placed.parameter for placed in plan.parameters)),
        writers=calcium.writers,
        given=(given := _given(plan)),
        given_start=tuple(_initial_concentration(g.ion, g.segment, engines, meeting, g.mechanism) for g in given),
        sized=tuple(site.segments[0] for site in growing(plan.sites) if site.segments),
        axials=tuple(Axial(*group.segments, f"{group.links[0].key}.drift") for group in drifting),
    )
    first = {ion: _first_of(there) for ion, there in crossing.items()} | {"g": _first_of(channels)}
    everywhere = _first_of([link for link in plan.links if link.ion is not None])
    for ion in ions:
        first[ion.ion] = {s: everywhere[s] for s in ion.segments} | first.get(ion.ion, {})
    first["parameters"] = _first_of([placed.link for placed in plan.parameters])
    first["V"] = _first_of([link for link in plan.links if link.crossing == "voltage"])
    first["drift"] = {s: k for group in drifting for s, k in zip(group.segments, group.orders, strict=True)}
    valence = model.ions()
    return Electrics(model.attach(attachments), attachments, valence, _order(attachments, first, plan.voltages))


def starting_concentrations(plan: Plan, engines: Engines) -> tuple[float, ...]:
    """mM in the segments of all ions, in the order of their ports, as engines start now: whole ions by their seed."""
    meeting = links_by_segment(plan.links)
    given = (_initial_concentration(g.ion, g.segment, engines, meeting, g.mechanism) for g in _given(plan))
    return (*(value for ion in _ions(plan, engines) for value in ion.initial), *given)


def _given(plan: Plan) -> tuple[Given, ...]:
    """Concentrations that links hand to single mechanisms."""
    links = [link for link in plan.links if link.block.mechanisms]
    return tuple(
        dict.fromkeys(
            Given(str(link.ion), mechanism, segment)
            for link in links
            for mechanism in link.block.mechanisms or ()
            for segment in link.site.segments
        )
    )


def _ions(plan: Plan, engines: Engines) -> list[IonSegments]:
    """Where each ion is exchanged or listened to; calcium first. What carries calcium past a site is listened to."""
    meeting = links_by_segment(plan.links)
    ions = {ion: _initial(ion, there, engines, meeting) for ion, there in _crossing(plan).items()}
    for past in unlinked_calcium(plan.links, plan.branches):
        known = ions.get(past.ion, IonSegments(past.ion, ()))
        more = tuple(s for s in past.segments if s not in known.segments)
        ions[past.ion] = replace(
            known,
            segments=known.segments + more,
            initial=known.initial + (0.0,) * len(more),
            listened=known.listened | {*more},
        )
    return list(ions.values())


def listening(plan: Plan) -> Attachments:
    """Where the links of a plan reach the model, all of them only to listen: nothing is handed over. Seed 0."""
    ions = [
        IonSegments(ion, names, (0.0,) * len(names), frozenset(names))
        for ion, links in _crossing(plan).items()
        for names in (tuple(dict.fromkeys(s for link in links for s in link.site.segments)),)
    ]
    reached = (s for link in plan.links for s in link.site.segments)
    calcium, *others = ions
    return Attachments(
        calcium=calcium.segments,
        conductances=(),
        voltages=tuple(dict.fromkeys([*plan.voltages, *reached])),
        cai=calcium.initial,
        others=tuple(others),
        listened=calcium.listened,
    )


def _crossing(plan: Plan) -> dict[str, list[PlacedLink]]:
    """Ion → links that it crosses by; calcium first."""
    crossing: dict[str, list[PlacedLink]] = {CALCIUM: []}
    for link in plan.links:
        if link.ion is not None:
            crossing.setdefault(link.ion, []).append(link)
    return crossing


def _order(
    attachments: Attachments, first: Mapping[str, Mapping[str, Order]], recorded: Mapping[str, Order]
) -> dict[str, tuple[Order, ...]]:
    """Of what is along each port. first: of ions and "g", segment → where it comes first. recorded: of voltages."""
    order_of_v = dict(recorded)
    for k, by_segment in enumerate(first.values()):
        for segment, key in by_segment.items():
            order_of_v.setdefault(segment, (k, *key))
    found = {ion.ion: tuple(first[ion.ion][s] for s in ion.segments) for ion in attachments.ions}
    found["g"] = tuple(first["g"][c.segment] for c in attachments.conductances)
    found["axial"] = tuple(first["drift"][a.first] for a in attachments.axials)
    found["parameters"] = tuple(first["parameters"][p.segment] for p in attachments.parameters)
    return found | {"v": tuple(order_of_v[s] for s in attachments.voltages)}


def _first_of(links: Sequence[PlacedLink]) -> dict[str, Order]:
    """Segment → where it comes first: link, site, place in it."""
    found: dict[str, Order] = {}
    for link in links:
        for k, segment in enumerate(link.site.segments):
            found.setdefault(segment, (int(link.key[5:-1]), *link.site.order, k))
    return found


def _conductance(link: PlacedLink, segment: str) -> Conductance:
    """What a link sets in a segment."""
    return Conductance(link.port, segment, link.block.kind, link.block.ion, link.block.reversal)


def _initial(ion: str, links: Sequence[PlacedLink], engines: Engines, meeting: LinksBySegment) -> IonSegments:
    """The segments of an ion, with their concentrations at the start; only listened where none is handed over."""
    segments = tuple(dict.fromkeys(s for k in links for s in k.site.segments))
    listened = frozenset(s for s in segments if ("neuron", f"{ion}i", s) not in meeting)
    initial = (0.0 if s in listened else _initial_concentration(ion, s, engines, meeting) for s in segments)
    return IonSegments(ion, segments, tuple(initial), listened, _writers(links))


def _writers(links: Sequence[PlacedLink]) -> dict[str, CaiWriters]:
    """What sites say of mechanisms that write a concentration in their segments. Raises InputError for two answers."""
    found: dict[str, CaiWriters] = {}
    for link in links:
        policy = link.site.block.cai_writers
        if policy is None or not link.owns:
            continue
        for segment in link.site.segments:
            if found.setdefault(segment, policy) != policy:
                raise InputError(
                    f'"{policy}" for {segment}, of which another site says "{found[segment]}"',
                    where=f"{link.site.key}.cai_writers",
                )
    return found


def _initial_concentration(
    ion: str, segment: str, engines: Engines, meeting: LinksBySegment, mechanism: str = ""
) -> float:
    """mM at the start: what the links of an ion will hand over, to one mechanism or to all, at least the floor."""
    there = meeting["neuron", f"{ion}i of {mechanism}" if mechanism else f"{ion}i", segment]
    free, volume, whole = 0.0, 0.0, 0.0
    for link, share in there:
        engine, row = engines.of[link.site.name]
        names = engine.network.names
        if link.quantity not in names:
            raise InputError(f'unknown species "{link.quantity}"; {nearest(link.quantity, names)}', where=link.key)
        count = engine.sites[row].initial[names.index(link.quantity)]
        own = engine.network.shares.get(link.quantity, 1.0)
        free += count * (share.volume / link.site.geometry.volume)
        volume += share.volume * own
        whole += link.site.geometry.volume * own
    return max(free * concentration_per_ion(volume), least_concentration(whole))
