"""The species of each site that links, necks and drives fill or hold."""

from __future__ import annotations

from collections.abc import Sequence

from couple.base.errors import InputError, nearest
from couple.chemistry.network import ReactionNetwork
from couple.experiment import Experiment
from couple.wiring.links.necks import PlacedNeck
from couple.wiring.links.neuron_links import PlacedLink
from couple.wiring.sites.placed_site import PlacedSites

SpeciesBySite = dict[str, list[str]]
"""Site name → species, in the order in which the file names them."""


def filled_species(
    experiment: Experiment,
    network: ReactionNetwork,
    sites: PlacedSites,
    links: Sequence[PlacedLink],
    necks: Sequence[PlacedNeck],
) -> tuple[SpeciesBySite, SpeciesBySite]:
    """(filled, held): species that links, drives and necks fill, and species that drives hold at a concentration.

    Raises InputError that names the key for a species that is unknown, on the membrane, or held twice.
    """
    filled: SpeciesBySite = {}
    held: SpeciesBySite = {}
    for link in links:
        if link.crossing == "charge":
            filled.setdefault(link.site.name, []).append(_fillable(network, link.quantity, f"{link.key}.to"))
    for i, drive in enumerate(experiment.drive):
        pattern, species = drive.target.split(".", 1)
        for site in sites.matching(pattern, f"drive[{i}].to"):
            into = (filled if drive.clamp is None else held).setdefault(site.name, [])
            if drive.clamp is not None and species in into:
                raise InputError(f'"{species}" of {site.name} is clamped twice', where=f"drive[{i}].to")
            into.append(_fillable(network, species, f"drive[{i}].to"))
    for neck in necks:
        for site in neck.sites:
            filled.setdefault(site.name, []).append(neck.species.name)
    return filled, held


def _fillable(network: ReactionNetwork, name: str, key: str) -> str:
    known = {s.name: s for s in network.species}
    if name not in known:
        raise InputError(f'unknown species "{name}"; {nearest(name, known)}', where=key)
    if known[name].on != "volume":
        raise InputError(f'"{name}" lives on the membrane; only species in the volume can be filled', where=key)
    return name
