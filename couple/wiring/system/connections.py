"""From named links to weighted sums over the common memory; a line for each says what it does, with units."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from math import exp, inf

from couple.base.errors import InputError, nearest
from couple.chemistry.network import ReactionNetwork
from couple.components.component import Component
from couple.components.electrics import ElectricalModel
from couple.exchange.conductance import density_per_channel, point_per_channel
from couple.exchange.diffusion import Diffusion
from couple.exchange.drift import Drift
from couple.exchange.ions import concentration_per_ion, ions_per_charge, least_concentration
from couple.exchange.link import Holding, IonLink, ResponseLink, Sources, ValueLink
from couple.exchange.sizes import SizeLink
from couple.wiring.links.drives import DriveLink
from couple.wiring.links.neuron_links import LinksBySegment, PlacedLink, links_by_segment
from couple.wiring.links.parameter_links import PlacedParameter
from couple.wiring.links.size_changes import growing
from couple.wiring.plan.plan import Plan
from couple.wiring.sites.placed_site import PlacedSite, SegmentShare
from couple.wiring.system.diffusion import diffusion_links
from couple.wiring.system.drift import connect_drift, following_links
from couple.wiring.system.electrics import Electrics
from couple.wiring.system.engines import Engines
from couple.wiring.system.memory import Memory
from couple.wiring.system.sizes import connect_sizes


@dataclass(frozen=True, kw_only=True)
class Connections:
    """All that crosses, as `couple.exchange` compiles it.

    ions: into sites, from charge and drives. before: values handed to sites before a window (held counts).
    after: values handed to the electrical model after it. responses: parameters of it that follow amounts.
    diffusion: between sites, None without. drift: of ions with their charge, likewise. sizes: of sites that
    grow.
    holdings: what the ledger watches. lines: what each link does, for `couple check`.
    """

    ions: tuple[IonLink, ...]
    before: tuple[ValueLink, ...]
    after: tuple[ValueLink, ...]
    responses: tuple[ResponseLink, ...]
    diffusion: Diffusion | None
    drift: Drift | None
    sizes: tuple[SizeLink, ...]
    holdings: tuple[Holding, ...]
    lines: tuple[str, ...]


@dataclass
class _Channels:
    """What adds up to one conductance so far: names of the sources, where each is with its weight; of the link that
    came last, what stands for all.
    """

    link: PlacedLink
    beyond: float
    names: list[str] = field(default_factory=list)
    sources: list[tuple[int, float]] = field(default_factory=list)

    def value(self, target: int) -> ValueLink:
        """All of them as one link."""
        name = f"{' + '.join(self.names)} -> {self.link.target}"
        function = f"{self.link.block.kind}_per_channel"
        given = self.link.block.tolerance
        return ValueLink(name, target, tuple(self.sources), function, 0.0, self.beyond, given)


@dataclass
class _Made:
    """Links so far. row: target → position in `after`. channels: target → the conductance that it gets, still growing;
    its place in `after` is kept by the first of its links.
    """

    ions: list[IonLink] = field(default_factory=list)
    before: list[ValueLink] = field(default_factory=list)
    after: list[ValueLink] = field(default_factory=list)
    responses: list[ResponseLink] = field(default_factory=list)
    row: dict[int, int] = field(default_factory=dict)
    channels: dict[int, _Channels] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def set(self, link: ValueLink) -> None:
        """Hand over to the electrical model; a link with the same target goes."""
        at = self.row.setdefault(link.target, len(self.after))
        self.after[at : at + 1] = [link]


@dataclass(frozen=True)
class _Parts:
    """What links connect."""

    network: ReactionNetwork
    engines: Engines
    memory: Memory

    def column(self, species: str) -> int:
        """Column of a species. Raises InputError, with the nearest names, if there is none."""
        if species not in self.network.names:
            known = [*self.network.observables, *self.network.names]
            raise InputError(f'unknown species or observable "{species}"; {nearest(species, known)}', where="from")
        return self.network.index(species)

    def count(self, site: str, species: str) -> int:
        """Where the molecules of a species of a site are."""
        engine, row = self.engines.of[site]
        self.column(species)
        if species not in engine.network.names:
            raise InputError(f'a model stands for "{species}" in {site}: its number is not known; link an observable')
        return self.memory.at(engine, "counts", row, engine.network.index(species))

    def share(self, link: PlacedLink) -> float:
        """Share of the site's volume that the species of a link is in."""
        return self.engines.of[link.site.name][0].network.shares.get(link.quantity, 1.0)

    def local(self, site: PlacedSite, share: SegmentShare, species: str) -> tuple[int, float]:
        """Where the molecules of a species are of which this part lies in one segment of a site."""
        if site.cable is None:
            return self.count(site.name, species), share.volume / site.geometry.volume
        engine, _ = self.engines.of[site.name]
        return self.memory.at(engine, "counts_along", site.position[share.segment], self.column(species)), 1.0


def connect(
    plan: Plan, engines: Engines, electrics: Electrics | None, drive: Component | None, memory: Memory
) -> Connections:
    """Every link, drive and neck of a plan over the memory. Raises InputError that names the key."""
    parts, made = _Parts(plan.network, engines, memory), _Made()
    if plan.model is not None and electrics is not None:
        _connect_neuron(plan.links, parts, electrics, plan.model, made)
        _set_parameters(plan, parts, electrics, made)
    if drive is not None:
        for played in plan.drives.links:
            _drive(played, parts, drive, made)
    handed = {link.quantity for link in plan.links if link.crossing == "concentration"}
    watched = tuple(_holdings(engines, memory, handed))
    between = diffusion_links([neck for neck in plan.necks if not neck.drifts], engines, memory)
    window, seed = plan.clock.window * plan.clock.tick, plan.experiment.experiment.seed
    drift = None if electrics is None else connect_drift(plan, engines, electrics, memory, window)
    grown = len(growing(plan.sites))
    sizes, of_sizes = connect_sizes(plan, engines, electrics, memory, memory.spare[:grown])
    made.lines += of_sizes
    following, said = following_links(plan.necks, engines, memory)
    made.ions += [*following, *(() if drift is None else drift.links)]
    made.lines += [*said, *(() if drift is None else drift.lines)]
    return Connections(
        ions=tuple(made.ions),
        before=tuple(made.before),
        after=tuple(made.after),
        responses=tuple(made.responses),
        diffusion=Diffusion(between, watched, window, seed) if between else None,
        drift=None if drift is None else drift.drift,
        sizes=tuple(sizes),
        holdings=watched,
        lines=tuple(made.lines),
    )


@dataclass(frozen=True)
class _Neuron:
    """What links with the electrical model connect. meeting: those in each segment."""

    parts: _Parts
    electrics: Electrics
    model: ElectricalModel
    meeting: LinksBySegment
    made: _Made
    areas: dict[str, float] = field(default_factory=dict)

    def membrane(self, link: PlacedLink, segment: str) -> float:
        """Membrane (µm²) of all sites in a segment that the same charge enters; added up once."""
        key = f"{link.port} {segment}"
        if key not in self.areas:
            self.areas[key] = sum(share.area for _, share in self.meeting[link.into, link.port, segment])
        return self.areas[key]

    def at(self, port: str, position: int) -> int:
        """Index of a value of a port of the model."""
        return self.parts.memory.at(self.electrics.component, port, position)


def _connect_neuron(
    links: Sequence[PlacedLink], parts: _Parts, electrics: Electrics, model: ElectricalModel, made: _Made
) -> None:
    """Connect the links with the electrical model, in the order of the file."""
    neuron = _Neuron(parts, electrics, model, links_by_segment(links), made)
    for link in links:
        try:
            if link.crossing == "parameter":
                continue
            if link.crossing == "voltage":
                _voltage(link, neuron)
                continue
            if link.ion is None:
                _conductance(link, neuron)
            elif link.into == "site":
                _charge(link, link.ion, neuron)
            else:
                _concentration(link, link.ion, neuron)
        except InputError as error:
            raise error.at(link.key) from None
    for target, channels in made.channels.items():
        made.set(channels.value(target))


def _voltage(link: PlacedLink, neuron: _Neuron) -> None:
    """The voltage of a site's segments, weighted by its membrane in each, held over the window of the chemistry."""
    engine, row = neuron.parts.engines.of[link.site.name]
    target, area = neuron.parts.memory.at(engine, "v", row), sum(share.area for share in link.site.shares)
    sources = tuple(
        (neuron.at("v", neuron.electrics.voltage(share.segment)), share.area / area) for share in link.site.shares
    )
    neuron.made.before.append(ValueLink(link.name, target, sources, link.function, -inf))
    rates = len(neuron.parts.network.voltage_factors)
    neuron.made.lines.append(f"{link.name} ({link.site.where}): V at the end of the window [mV], of {rates} rates")


def _charge(link: PlacedLink, ion: str, neuron: _Neuron) -> None:
    """Charge of an ion in all segments of a site; its sites share that of a segment in proportion to their membrane."""
    electrics, parts, made = neuron.electrics, neuron.parts, neuron.made
    fraction = link.block.free_fraction
    per_charge = ions_per_charge(electrics.valence[ion]) * fraction
    shares = [share.area / neuron.membrane(link, share.segment) for share in link.site.shares]
    sources = tuple(
        (neuron.at(*electrics.charge(ion, segment)), share * per_charge)
        for segment, share in zip(link.site.segments, shares, strict=True)
    )
    one = _ion_link(link.name, link.site.name, link.quantity, sources, parts, "ions_per_charge", per_charge)
    made.ions += [one] if link.site.cable is None else _along(one, link, parts)
    of = f", {', '.join(f'{s:.3g}' for s in shares)} of the segment" if min(shares) < 1 and len(shares) <= 3 else ""
    free = f", {fraction:g} of the ions being free" if fraction < 1 else ""
    made.lines.append(
        f"{link.name} ({link.site.where}): charge of the window [fC] x {per_charge:.6g} ions/fC{of}{free}"
    )


def _along(link: IonLink, placed: PlacedLink, parts: _Parts) -> list[IonLink]:
    """A link of charge for each segment of a site along sections."""
    engine, _ = parts.engines.of[link.site]
    column = engine.setup.injected.index(placed.quantity)
    return [
        replace(
            link,
            name=f"{link.name} ({share.segment})",
            influx=parts.memory.at(engine, "influx_along", i, column),
            free=parts.local(placed.site, share, placed.quantity)[0],
            sources=link.sources[i : i + 1],
        )
        for i, share in enumerate(placed.site.shares)
    ]


def _concentration(link: PlacedLink, ion: str, neuron: _Neuron) -> None:
    """The volume mean over the sites of a segment, for every segment of a site; for some mechanisms, for each."""
    parts, made, new, electrics = neuron.parts, neuron.made, 0, neuron.electrics
    for segment in link.site.segments:
        named = [electrics.given(ion, mechanism, segment) for mechanism in link.block.mechanisms or ()]
        places = named or [electrics.concentration(ion, segment)]
        for port, place in zip(link.ports, places, strict=True):
            target = neuron.at(*place)
            if target in made.row:
                continue  # the link of another site in this segment already made the mean over all of them
            there = neuron.meeting[link.into, port, segment]
            own = [parts.share(k) for k, _ in there]
            inside = sum(share.volume * s for (_, share), s in zip(there, own, strict=True))
            # A site of which only a part lies here counts with that part of its volume, at its own concentration.
            found = [parts.local(k.site, share, k.quantity) for k, share in there]
            sources = tuple((count, concentration_per_ion(inside) * part) for count, part in found)
            volume = sum(k.site.geometry.volume * s for (k, _), s in zip(there, own, strict=True))
            least = least_concentration(volume)
            name = f"{' + '.join(f'{k.site.name}.{k.quantity}' for k, _ in there)} -> neuron.{port}"
            beyond, given = 0.5 * link.block.extrapolate, link.block.tolerance
            made.set(ValueLink(name, target, sources, "concentration_per_ion", least, beyond, given))
            new += 1
    if new:
        where = f"{name} ({link.site.where})"
        made.lines.append(f"{where}: molecules in {volume:.6g} um^3 as mM, at least {least:.4g} mM (half an ion)")


def _conductance(link: PlacedLink, neuron: _Neuron) -> None:
    """Open channels of the window, each with its unitary conductance; the sites of a segment add up.

    The channels of a site over several segments lie in each in proportion to its membrane, whether the conductance is
    a density (which is then the same everywhere) or a total in µS (which adds up to that of all channels).
    """
    block, parts, made = link.block, neuron.parts, neuron.made
    assert block.conductance is not None  # see check_ports
    engine, row = parts.engines.of[link.site.name]
    observed, cable = link.quantity in parts.network.observables, link.site.cable
    to_middle = 1.0 if observed else 0.5
    weights = []
    for i, share in enumerate(link.site.shares):
        if observed:
            port, place = ("means", row) if cable is None else ("means_along", i)
            source = parts.memory.at(engine, port, place, list(parts.network.observables).index(link.quantity))
        else:
            source, _ = parts.local(link.site, share, link.quantity)
        unitary = block.conductance * (share.area / link.site.geometry.area if cable is None else 1.0)
        if block.kind == "density":
            weight, unit = density_per_channel(unitary, neuron.model.area(share.segment)), "S/cm^2"
        else:
            weight, unit = point_per_channel(unitary), "uS"
        weights.append(weight)
        target = neuron.at("g", neuron.electrics.conductance(link, share.segment))
        beyond = to_middle * block.extrapolate
        there = made.channels.get(target)
        if there is None:
            there = made.channels[target] = _Channels(link, beyond)
            made.set(there.value(target))
        there.link, there.beyond = link, beyond
        there.names.append(link.source)
        there.sources.append((source, weight))
    each = f"{weights[0]:.6g}" if len(weights) <= 1 else f"{min(weights):.6g} to {max(weights):.6g}"
    through = f"{block.ion} ion" if block.reversal is None else f"reversal {block.reversal:g} mV"
    made.lines.append(
        f"{link.name} ({link.site.where}): open channels of the window x {block.conductance:g} pS = {each} {unit} "
        f"each, {through}"
    )


def _set_parameters(plan: Plan, parts: _Parts, electrics: Electrics, made: _Made) -> None:
    """Parameters of the electrical model by amounts of molecules, with a line for each link."""
    window = plan.clock.window * plan.clock.tick
    by_link: dict[int, list[PlacedParameter]] = {}
    for placed in plan.parameters:
        try:
            made.responses.append(_response(placed, parts, electrics, window))
        except InputError as error:
            raise error.at(placed.link.key) from None
        by_link.setdefault(id(placed.link), []).append(placed)
    made.lines += [_parameter_line(there) for there in by_link.values()]


def _response(placed: PlacedParameter, parts: _Parts, electrics: Electrics, window: float) -> ResponseLink:
    """The link of a parameter of the model: by the molecules of the site, of one along sections by segment."""
    link, site = placed.link, placed.link.site
    engine, row = parts.engines.of[site.name]
    share = site.shares[site.position[placed.parameter.segment]]
    volume, area = site.geometry.volume, site.geometry.area
    if site.cable is not None:
        volume, area = share.volume, share.area
    if link.quantity in parts.network.observables:
        port, place = ("means", row) if site.cable is None else ("means_along", site.position[share.segment])
        source = parts.memory.at(engine, port, place, list(parts.network.observables).index(link.quantity))
    elif site.cable is not None:
        source, _ = parts.local(site, share, link.quantity)
    else:
        source = parts.count(site.name, link.quantity)
    tau = link.block.tau
    return ResponseLink(
        f"{link.name} ({share.segment})",
        parts.memory.at(electrics.component, "parameters", electrics.parameter(placed.parameter)),
        ((source, 1.0),),
        placed.response(volume, area),
        0.0 if tau is None else exp(-window / tau),
        placed.start,
        link.block.tolerance,
    )


def _parameter_line(there: Sequence[PlacedParameter]) -> str:
    """What a link sets, for `couple check`."""
    link, unit = there[0].link, there[0].unit
    function, tau = link.block.function, link.block.tau
    assert function is not None
    numbers = ", ".join(f"{k} {v}" for k, v in function.model_dump(exclude_none=True).items() if k != "kind")
    names = [name for placed in there for name in placed.places.names]
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    had = sorted({value for placed in there for value in placed.places.values})
    was = f"{had[0]:.4g}" if len(had) == 1 else f"{had[0]:.4g} to {had[-1]:.4g}"
    follows = "at once" if tau is None else f"with tau = {tau:g} ms"
    factor = (
        "times what the model has" if link.block.relative else f"the model has {was} {there[0].places.unit}".strip()
    )
    return (
        f"{link.name} ({link.site.where}): {function.kind} of molecules ({numbers}) [{unit}], {follows}: sets "
        f"{', '.join(names[:2])}{more}; {factor}"
    )


def _drive(played: DriveLink, parts: _Parts, drive: Component, made: _Made) -> None:
    """A column of what a Drive plays, to its site."""
    sources = ((parts.memory.at(drive, played.port, played.column), 1.0),)
    if played.port == "ions":
        made.ions.append(_ion_link(played.name, played.site, played.species, sources, parts, "prescribed"))
    else:
        engine, row = parts.engines.of[played.site]
        target = parts.memory.at(engine, "clamp", row, engine.setup.clamped.index(played.species))
        made.before.append(ValueLink(played.name, target, sources, "held"))
    made.lines.append(played.name)


def _ion_link(
    name: str, site: str, species: str, sources: Sources, parts: _Parts, function: str, per_charge: float = 0.0
) -> IonLink:
    engine, row = parts.engines.of[site]
    return IonLink(
        name,
        site,
        influx=parts.memory.at(engine, "influx", row, engine.setup.injected.index(species)),
        free=parts.count(site, species),
        whole=engine.integer,
        sources=sources,
        contains=dict(parts.network.species[parts.column(species)].contains),
        function=function,
        per_charge=per_charge,
    )


def _holdings(engines: Engines, memory: Memory, handed: Collection[str]) -> list[Holding]:
    """What the ledger watches: every conserved substance of every site. handed: species whose concentration is."""
    found = []
    for engine in engines.all:
        network = engine.network
        # What links and drives fill, hold or hand over moves freely, as does the species with the substance's name.
        filled = (*engine.setup.injected, *engine.setup.clamped, *(n for n in network.names if n in handed))
        outside = tuple(range(len(network.species), len(network.states)))
        of_substance = []
        for substance in network.substances:
            named = (substance,) if substance in network.names else ()
            free = tuple(network.index(s) for s in dict.fromkeys((*filled, *named)))
            of_substance.append((substance, tuple(int(n) for n in network.contents(substance)), free))
        begin, width, states = memory.at(engine, "counts", 0, 0), len(network.states), network.states
        for row, site in enumerate(engine.sites):
            first = begin + row * width
            found += [
                Holding(site.name, substance, first, states, contents, free, outside, engine.integer)
                for substance, contents, free in of_substance
            ]
    return found
