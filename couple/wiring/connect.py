"""From named links to weighted sums over the common memory. `describe` lines say what each does, with units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from couple.base.errors import InputError, nearest
from couple.chemistry.network import ReactionNetwork
from couple.components.component import Component
from couple.components.electrics import ElectricalModel
from couple.exchange.conductance import density_per_channel, point_per_channel
from couple.exchange.ions import concentration_per_ion, ions_per_charge, least_concentration
from couple.exchange.link import Holding, IonLink, Sources, ValueLink
from couple.wiring.drives import DriveLink
from couple.wiring.electrics import Electrics
from couple.wiring.engines import Engines
from couple.wiring.memory import Memory
from couple.wiring.sites import Part, Place, PlacedLink, Shared, shared


@dataclass
class Connections:
    """What `couple.exchange` compiles, and lines that describe it."""

    ions: list[IonLink] = field(default_factory=list)
    before: list[ValueLink] = field(default_factory=list)
    after: list[ValueLink] = field(default_factory=list)
    row: dict[int, int] = field(default_factory=dict)
    """Target → position in `after`."""
    describe: list[str] = field(default_factory=list)

    def set(self, link: ValueLink) -> None:
        """Hand over to the electrical model; a link with the same target goes."""
        at = self.row.setdefault(link.target, len(self.after))
        self.after[at : at + 1] = [link]


@dataclass(frozen=True)
class Parts:
    """What links connect, and the links themselves."""

    network: ReactionNetwork
    engines: Engines
    memory: Memory
    links: Sequence[PlacedLink] = ()
    model: ElectricalModel | None = None
    electrics: Electrics | None = None

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

    def local(self, place: Place, part: Part, species: str) -> tuple[int, float]:
        """Where the molecules of a species are of which this share lies in one segment of a site."""
        if place.cable is None:
            return self.count(place.name, species), part.volume / place.geometry.volume
        engine, _ = self.engines.of[place.name]
        return self.memory.at(engine, "counts_along", place.segments.index(part.segment), self.column(species)), 1.0


def connect(parts: Parts, drive: Component | None, drives: Sequence[DriveLink]) -> Connections:
    """Connect every link and drive. Raises InputError that names the key."""
    made = Connections()
    if parts.model is not None and parts.electrics is not None:
        meeting = shared(parts.links)
        for link in parts.links:
            try:
                ion = link.ion(parts.electrics.valence)
                if ion is None:
                    _conductance(link, parts, parts.electrics, parts.model, made)
                elif link.into == "site":
                    _charge(link, ion, parts, parts.electrics, meeting, made)
                else:
                    _concentration(link, ion, parts, parts.electrics, meeting, made)
            except InputError as error:
                raise error.at(link.key) from None
    if drive is not None:
        for played in drives:
            _drive(played, parts, drive, made)
    return made


def _charge(link: PlacedLink, ion: str, parts: Parts, electrics: Electrics, meeting: Shared, made: Connections) -> None:
    """Charge of an ion in all segments of a site; its sites share that of a segment in proportion to their membrane."""
    per_charge = ions_per_charge(electrics.valence[ion])
    shares = [
        part.area / sum(p.area for _, p in meeting[link.into, link.port, part.segment]) for part in link.place.parts
    ]
    sources = tuple(
        (parts.memory.at(electrics.component, *electrics.charge(ion, segment)), share * per_charge)
        for segment, share in zip(link.place.segments, shares, strict=True)
    )
    one = _ion_link(link.name, link.place.name, link.quantity, sources, parts, "ions_per_charge", per_charge)
    made.ions += [one] if link.place.cable is None else _along(one, link, parts)
    of = f", {', '.join(f'{s:.3g}' for s in shares)} of the segment" if min(shares) < 1 and len(shares) <= 3 else ""
    made.describe.append(f"{link.name} ({link.place.where}): charge of the window [fC] x {per_charge:.6g} ions/fC{of}")


def _along(link: IonLink, placed: PlacedLink, parts: Parts) -> list[IonLink]:
    """A link of charge for each segment of a site along sections."""
    engine, _ = parts.engines.of[link.site]
    column = engine.setup.injected.index(placed.quantity)
    return [
        replace(
            link,
            name=f"{link.name} ({part.segment})",
            influx=parts.memory.at(engine, "influx_along", i, column),
            free=parts.local(placed.place, part, placed.quantity)[0],
            sources=link.sources[i : i + 1],
        )
        for i, part in enumerate(placed.place.parts)
    ]


def _concentration(
    link: PlacedLink, ion: str, parts: Parts, electrics: Electrics, meeting: Shared, made: Connections
) -> None:
    """The volume mean over the sites of a segment, for every segment of a site."""
    new = 0
    for segment in link.place.segments:
        target = parts.memory.at(electrics.component, *electrics.concentration(ion, segment))
        if target in made.row:
            continue  # the link of another site in this segment already made the mean over all of them
        there = meeting[link.into, link.port, segment]
        inside = sum(part.volume for _, part in there)
        # A site of which only a part lies here counts with that part of its volume, at its own concentration.
        found = [parts.local(k.place, part, k.quantity) for k, part in there]
        sources = tuple((count, concentration_per_ion(inside) * share) for count, share in found)
        volume = sum(k.place.geometry.volume for k, _ in there)
        least = least_concentration(volume)
        name = f"{' + '.join(f'{k.place.name}.{k.quantity}' for k, _ in there)} -> neuron.{link.port}"
        made.set(ValueLink(name, target, sources, "concentration_per_ion", least, 0.5 * link.block.extrapolate))
        new += 1
    if new:
        where = f"{name} ({link.place.where})"
        made.describe.append(f"{where}: molecules in {volume:.6g} um^3 as mM, at least {least:.4g} mM (half an ion)")


def _conductance(
    link: PlacedLink, parts: Parts, electrics: Electrics, model: ElectricalModel, made: Connections
) -> None:
    """Open channels of the window, each with its unitary conductance; the sites of a segment add up.

    The channels of a site over several segments lie in each in proportion to its membrane, whether the conductance is
    a density (which is then the same everywhere) or a total in µS (which adds up to that of all channels).
    """
    block = link.block
    if block.conductance is None:
        raise InputError(f'"neuron.{link.port}" is a conductance: give conductance = "10 pS" of one open channel')
    engine, row = parts.engines.of[link.place.name]
    observed, cable = link.quantity in parts.network.observables, link.place.cable
    to_middle = 1.0 if observed else 0.5
    weights = []
    for i, part in enumerate(link.place.parts):
        if observed:
            port, place = ("means", row) if cable is None else ("means_along", i)
            source = parts.memory.at(engine, port, place, list(parts.network.observables).index(link.quantity))
        else:
            source, _ = parts.local(link.place, part, link.quantity)
        unitary = block.conductance * (part.area / link.place.geometry.area if cable is None else 1.0)
        if block.kind == "density":
            weight, unit = density_per_channel(unitary, model.area(part.segment)), "S/cm^2"
        else:
            weight, unit = point_per_channel(unitary), "uS"
        weights.append(weight)
        target = parts.memory.at(electrics.component, "g", electrics.conductance(link, part.segment))
        others = [made.after[made.row[target]]] if target in made.row else []
        sources: Sources = (*(s for v in others for s in v.sources), (source, weight))
        name = " + ".join([*(v.name.split(" -> ")[0] for v in others), link.name])
        beyond = to_middle * block.extrapolate
        made.set(ValueLink(name, target, sources, f"{block.kind}_per_channel", 0.0, beyond))
    each = f"{weights[0]:.6g}" if len(weights) <= 1 else f"{min(weights):.6g} to {max(weights):.6g}"
    through = f"{block.ion} ion" if block.reversal is None else f"reversal {block.reversal:g} mV"
    made.describe.append(
        f"{link.name} ({link.place.where}): open channels of the window x {block.conductance:g} pS = {each} {unit} "
        f"each, {through}"
    )


def _drive(played: DriveLink, parts: Parts, drive: Component, made: Connections) -> None:
    """A column of what a Drive plays, to its site."""
    sources = ((parts.memory.at(drive, played.port, played.column), 1.0),)
    if played.port == "ions":
        made.ions.append(_ion_link(played.name, played.site, played.species, sources, parts, "prescribed"))
    else:
        engine, row = parts.engines.of[played.site]
        target = parts.memory.at(engine, "clamp", row, engine.setup.clamped.index(played.species))
        made.before.append(ValueLink(played.name, target, sources, "held"))
    made.describe.append(played.name)


def _ion_link(
    name: str, site: str, species: str, sources: Sources, parts: Parts, function: str, per_charge: float = 0.0
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


def holdings(engines: Engines, memory: Memory) -> list[Holding]:
    """What the ledger watches: every conserved substance of every site."""
    found = []
    for site, (engine, row) in engines.of.items():
        network = engine.network
        first = memory.at(engine, "counts", row, 0)
        # what links and drives fill or hold moves freely; the rest is bound
        free = tuple(network.index(s) for s in dict.fromkeys((*engine.setup.injected, *engine.setup.clamped)))
        outside = tuple(range(len(network.species), len(network.states)))
        for substance in network.substances:
            contents = tuple(int(n) for n in network.contents(substance))
            found.append(Holding(site, substance, first, network.states, contents, free, outside, engine.integer))
    return found
