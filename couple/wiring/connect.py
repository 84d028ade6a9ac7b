"""From named links to weighted sums over the common memory. `describe` lines say what each does, with units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from couple.component import Component
from couple.electrics import ElectricalModel
from couple.errors import InputError, nearest
from couple.exchange.calcium import VALENCE, concentration_per_ion, ions_per_charge, least_concentration
from couple.exchange.conductance import density_per_channel, point_per_channel
from couple.exchange.link import Holding, IonLink, Sources, ValueLink
from couple.network import ReactionNetwork
from couple.wiring.drives import DriveLink
from couple.wiring.electrics import Electrics
from couple.wiring.engines import Engines
from couple.wiring.memory import Memory
from couple.wiring.places import PlacedLink


@dataclass
class Connections:
    """What `couple.exchange` compiles, and lines that describe it."""

    ions: list[IonLink] = field(default_factory=list)
    before: list[ValueLink] = field(default_factory=list)
    after: list[ValueLink] = field(default_factory=list)
    describe: list[str] = field(default_factory=list)


def connect_links(
    links: Sequence[PlacedLink],
    network: ReactionNetwork,
    model: ElectricalModel | None,
    electrics: Electrics | None,
    engines: Engines,
    memory: Memory,
) -> Connections:
    """Connect every link. Raises InputError that names the key."""
    made = Connections()
    if model is None or electrics is None:
        return made
    for link in links:
        try:
            if link.into == "site":
                _charge(link, links, network, electrics, engines, memory, made)
            elif link.port == "cai":
                _concentration(link, links, network, electrics, engines, memory, made)
            else:
                _conductance(link, network, model, electrics, engines, memory, made)
        except InputError as error:
            raise error.at(link.key) from None
    return made


def _charge(
    link: PlacedLink,
    links: Sequence[PlacedLink],
    network: ReactionNetwork,
    electrics: Electrics,
    engines: Engines,
    memory: Memory,
    made: Connections,
) -> None:
    """Calcium charge of a segment, shared by its sites in proportion to their membrane."""
    if link.port != "ica":
        raise InputError(f'"neuron.{link.port}" cannot enter a site; known: ica', where="from")
    membrane = sum(k.place.geometry.area for k in link.sharing(links))
    share = link.place.geometry.area / membrane
    per_charge = ions_per_charge(VALENCE["ca"])
    source = memory.at(electrics.component, "charge", electrics.calcium(link.segment))
    made.ions.append(
        _ion_link(
            link.name,
            link.place.name,
            link.quantity,
            ((source, share * per_charge),),
            network,
            engines,
            memory,
            "ions_per_charge",
            per_charge,
        )
    )
    of = f", {share:.3g} of the segment" if share < 1 else ""
    made.describe.append(f"{link.name} ({link.segment}): charge of the window [fC] x {per_charge:.6g} ions/fC{of}")


def _concentration(
    link: PlacedLink,
    links: Sequence[PlacedLink],
    network: ReactionNetwork,
    electrics: Electrics,
    engines: Engines,
    memory: Memory,
    made: Connections,
) -> None:
    """Free ions of all sites of a segment over their volume."""
    target = memory.at(electrics.component, "cai", electrics.calcium(link.segment))
    if any(v.target == target for v in made.after):
        return  # the link of another site in this segment already made the mean over all of them
    sharing = link.sharing(links)
    volume = sum(k.place.geometry.volume for k in sharing)
    sources = []
    for k in sharing:
        engine, row = engines.of[k.place.name]
        free = memory.at(engine, "counts", row, _column(network, k.quantity))
        sources.append((free, concentration_per_ion(volume)))
    least = least_concentration(volume)
    name = f"{' + '.join(f'{k.place.name}.{k.quantity}' for k in sharing)} -> neuron.cai"
    made.after.append(
        ValueLink(name, target, tuple(sources), "concentration_per_ion", least, 0.5 * link.block.extrapolate)
    )
    made.describe.append(
        f"{name} ({link.segment}): molecules in {volume:.6g} um^3 as mM, at least {least:.4g} mM (half an ion)"
    )


def _conductance(
    link: PlacedLink,
    network: ReactionNetwork,
    model: ElectricalModel,
    electrics: Electrics,
    engines: Engines,
    memory: Memory,
    made: Connections,
) -> None:
    """Open channels of the window, each with its unitary conductance; the sites of a segment add up."""
    block = link.block
    if block.conductance is None:
        raise InputError(f'"neuron.{link.port}" is a conductance: give conductance = "10 pS" of one open channel')
    engine, row = engines.of[link.place.name]
    if link.quantity in network.observables:
        source = memory.at(engine, "means", row, list(network.observables).index(link.quantity))
        to_middle = 1.0
    else:
        to_middle = 0.5
        source = memory.at(engine, "counts", row, _column(network, link.quantity))
    if block.kind == "density":
        weight, unit = density_per_channel(block.conductance, model.area(link.segment)), "S/cm^2"
    else:
        weight, unit = point_per_channel(block.conductance), "uS"
    target = memory.at(electrics.component, "g", electrics.conductance(link))
    others = [v for v in made.after if v.target == target]
    made.after[:] = [v for v in made.after if v.target != target]
    sources: Sources = (*(s for v in others for s in v.sources), (source, weight))
    name = " + ".join([*(v.name.split(" -> ")[0] for v in others), link.name])
    made.after.append(ValueLink(name, target, sources, f"{block.kind}_per_channel", 0.0, to_middle * block.extrapolate))
    through = f"{block.ion} ion" if block.reversal is None else f"reversal {block.reversal:g} mV"
    made.describe.append(
        f"{link.name} ({link.segment}): open channels of the window x {block.conductance:g} pS = {weight:.6g} {unit} "
        f"each, {through}"
    )


def connect_drives(
    drives: Sequence[DriveLink],
    component: Component,
    network: ReactionNetwork,
    engines: Engines,
    memory: Memory,
    made: Connections,
) -> None:
    """Connect what a Drive plays."""
    for drive in drives:
        source = memory.at(component, drive.port, drive.column)
        if drive.port == "ions":
            link = _ion_link(
                drive.name, drive.site, drive.species, ((source, 1.0),), network, engines, memory, "prescribed"
            )
            made.ions.append(link)
        else:
            engine, row = engines.of[drive.site]
            target = memory.at(engine, "clamp", row, engine.setup.clamped.index(drive.species))
            made.before.append(ValueLink(drive.name, target, ((source, 1.0),), "held"))
        made.describe.append(drive.name)


def _ion_link(
    name: str,
    site: str,
    species: str,
    sources: Sources,
    network: ReactionNetwork,
    engines: Engines,
    memory: Memory,
    function: str,
    per_charge: float = 0.0,
) -> IonLink:
    engine, row = engines.of[site]
    column = network.index(species)
    return IonLink(
        name,
        site,
        target=memory.at(engine, "influx", row, engine.setup.injected.index(species)),
        free=memory.at(engine, "counts", row, column),
        whole=engine.integer,
        sources=sources,
        contains=dict(network.species[column].contains),
        function=function,
        per_charge=per_charge,
    )


def _column(network: ReactionNetwork, name: str) -> int:
    if name not in network.names:
        known = [*network.observables, *network.names]
        raise InputError(f'unknown species or observable "{name}"; {nearest(name, known)}', where="from")
    return network.index(name)


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
