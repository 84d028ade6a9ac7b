"""What is wired as asked but may not be what was meant."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from couple.electrics import ElectricalModel
from couple.experiment import Experiment
from couple.initial import rounded
from couple.network import ReactionNetwork
from couple.wiring.places import Place, PlacedLink, matching


def doubts(
    experiment: Experiment,
    network: ReactionNetwork,
    model: ElectricalModel | None,
    places: Sequence[Place],
    links: Sequence[PlacedLink],
) -> Iterator[str]:
    """Warnings, each with the key of the site."""
    ions = () if model is None else model.ions()
    driven = {p.name for d in experiment.drive for p in matching(d.target.split(".", 1)[0], places, "drive")}
    for place in places:
        for name, total in rounded(network, experiment.chemistry.initial, place.geometry):
            yield f'{place.key}: initial.{name} is {total:.3g} molecules in "{place.name}", placed as {round(total)}'
        ports = {k.port for k in links if k.place is place}
        if not ports and place.name not in driven:
            yield f'{place.key}: site "{place.name}" has neither links nor drives: nothing enters or is handed over'
        for ion in ions:
            if f"i{ion}" in ports and f"{ion}i" not in ports:
                yield f'{place.key}: {ion} enters "{place.name}" but is not handed back: {ion}i stays at its start'
            if f"{ion}i" in ports and f"i{ion}" not in ports:
                yield f'{place.key}: "{place.name}" sets {ion}i, but the {ion} current of the segment does not enter it'
    if model is None:
        return
    coupled = list(dict.fromkeys(k.segment for k in links if k.ion(ions) is not None))
    for segment in coupled:
        there = [p for p in places if p.segment == segment]
        volume, whole = sum(p.geometry.volume for p in there), model.geometry(segment).volume
        if volume > 1.01 * whole:
            yield (
                f"{there[0].key}: the sites in {segment} have {volume / whole:.3g} times its volume "
                f"({', '.join(p.name for p in there)}): give each its own geometry"
            )
    for section in dict.fromkeys(s.rsplit("(", 1)[0] for s in coupled):
        parts = [s for s in model.segments() if s.rsplit("(", 1)[0] == section]
        alone = [s for s in parts if s not in coupled]
        if alone:
            yield (
                f"neuron: {section} is coupled in {len(parts) - len(alone)} of {len(parts)} segments; "
                f"in the others {_concentrations(section, links, ions)} stays at its start, whatever ions enter there"
            )


def _concentrations(section: str, links: Sequence[PlacedLink], ions: Collection[str]) -> str:
    here = (k.ion(ions) for k in links if k.segment.rsplit("(", 1)[0] == section)
    return ", ".join(dict.fromkeys(f"{ion}i" for ion in here if ion is not None))
