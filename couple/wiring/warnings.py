"""What is wired as asked but may not be what was meant."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from couple.chemistry.network import ReactionNetwork
from couple.components.electrics import ElectricalModel
from couple.experiment import Experiment
from couple.wiring.branches import section_of
from couple.wiring.initial_counts import rounded
from couple.wiring.sites import Place, PlacedLink, matching


def doubts(
    experiment: Experiment,
    network: ReactionNetwork,
    model: ElectricalModel | None,
    places: Sequence[Place],
    links: Sequence[PlacedLink],
    diffusing: Sequence[tuple[str, str]] = (),
) -> Iterator[str]:
    """Warnings, each with the key of the site. diffusing: (site, species) of links between sites."""
    ions = () if model is None else model.ions()
    driven = {p.name for d in experiment.drive for p in matching(d.target.split(".", 1)[0], places, "drive")}
    driven |= {site for site, _ in diffusing}
    ports_of: dict[str, set[str]] = {}
    for link in links:
        ports_of.setdefault(link.place.name, set()).add(link.port)
    yield from _roundings(experiment, network, places)
    found: dict[tuple[str, str], list[str]] = {}
    for place in places:
        driven_or_alone = place.name in driven or experiment.time_unit == "step"
        for text in _one_sided(ports_of.get(place.name, set()), driven_or_alone, ions):
            found.setdefault((place.key, text), []).append(place.name)
    for (key, text), names in found.items():
        more = f" (and {len(names) - 1} more sites)" if len(names) > 1 else ""
        yield f'{key}: site "{names[0]}"{more} {text}'
    if model is None:
        return
    coupled = dict.fromkeys(s for k in links if k.ion(ions) is not None for s in k.place.segments)
    inside: dict[str, list[tuple[Place, float]]] = {}
    for place in places:
        for part in place.parts:
            inside.setdefault(part.segment, []).append((place, part.volume))
    for segment in coupled:
        there = inside[segment]
        volume, whole = sum(v for _, v in there), model.geometry(segment).volume
        if volume > 1.01 * whole:
            yield (
                f"{there[0][0].key}: the sites in {segment} have {volume / whole:.3g} times its volume "
                f"({', '.join(p.name for p, _ in there)}): give each its own geometry"
            )
    sections: dict[str, list[str]] = {}
    for segment in model.segments():
        sections.setdefault(section_of(segment), []).append(segment)
    for section in dict.fromkeys(section_of(s) for s in coupled):
        parts = sections[section]
        alone = [s for s in parts if s not in coupled]
        if alone:
            ignoring = experiment.neuron is not None and experiment.neuron.cai_writers == "ignore"
            kept = " (unless a mechanism writes it)" if ignoring else ""
            yield (
                f"neuron: {section} is coupled in {len(parts) - len(alone)} of {len(parts)} segments; "
                f"in the others {_concentrations(section, links, ions)} stays at its start{kept}, "
                "whatever ions enter there"
            )


def _one_sided(ports: Collection[str], driven: bool, ions: Collection[str]) -> Iterator[str]:
    """What is odd about a site with these links: "ica" into it, "cai" out of it."""
    if not ports and not driven:
        yield "has neither links nor drives: nothing enters or is handed over"
    for ion in ions:
        if f"i{ion}" in ports and f"{ion}i" not in ports:
            yield f"takes up {ion} that is not handed back: {ion}i stays at its start"
        if f"{ion}i" in ports and f"i{ion}" not in ports:
            yield f"sets {ion}i, but the {ion} current of the segment does not enter it"


def _concentrations(section: str, links: Sequence[PlacedLink], ions: Collection[str]) -> str:
    here = (k.ion(ions) for k in links if section in {section_of(s) for s in k.place.segments})
    return ", ".join(dict.fromkeys(f"{ion}i" for ion in here if ion is not None))


def _roundings(experiment: Experiment, network: ReactionNetwork, places: Sequence[Place]) -> Iterator[str]:
    """Amounts that are far from whole molecules; one line for all sites of a block."""
    found: dict[tuple[str, str], list[str]] = {}
    for place in places:
        for name, total in rounded(network, experiment.chemistry.initial, place.geometry):
            text = f'{total:.3g} molecules in "{place.name}", placed as {round(total)}'
            found.setdefault((place.key, name), []).append(text)
    for (key, name), texts in found.items():
        more = f" (and in {len(texts) - 1} more sites)" if len(texts) > 1 else ""
        yield f"{key}: initial.{name} is {texts[0]}{more}"
