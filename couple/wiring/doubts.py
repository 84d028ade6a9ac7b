"""What is wired as asked but may not be what was meant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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
    driven = {p.name for d in experiment.drive for p in matching(d.target.split(".", 1)[0], places, "drive")}
    for place in places:
        for name, total in rounded(network, experiment.chemistry.initial, place.geometry):
            yield f'{place.key}: initial.{name} is {total:.3g} molecules in "{place.name}", placed as {round(total)}'
        ports = {k.port for k in links if k.place is place}
        if not ports and place.name not in driven and experiment.time_unit == "ms":
            yield f'{place.key}: site "{place.name}" has neither links nor drives: nothing enters or is handed over'
        if "ica" in ports and "cai" not in ports:
            yield f'{place.key}: ions enter "{place.name}" but its calcium is not handed back: cai stays at its start'
        if "cai" in ports and "ica" not in ports:
            yield f'{place.key}: "{place.name}" sets cai, but the calcium current of the segment does not enter it'
    if model is None:
        return
    coupled = list(dict.fromkeys(k.segment for k in links if k.port in ("ica", "cai")))
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
                "in the others cai stays at its start, whatever calcium enters there"
            )
