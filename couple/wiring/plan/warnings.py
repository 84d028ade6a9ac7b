"""Warnings: what is wired as asked but may not be what was meant."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from couple.chemistry.network import ReactionNetwork
from couple.experiment import Experiment
from couple.wiring.cells.protocol_stimuli import late_events
from couple.wiring.cells.sections import Branches, section_of
from couple.wiring.links.neuron_links import PlacedLink
from couple.wiring.links.unlinked_calcium import unlinked_calcium
from couple.wiring.sites.initial_amounts import molecules_in_all, rounded
from couple.wiring.sites.placed_site import PlacedSite

USUAL = (1e-3, 5e3)
"""µm³ of a thin spine's head and of a large soma: a mesh outside of them may have another unit."""
NEARLY_NONE = 1e-3
"""Molecules in a site."""


def wiring_warnings(
    experiment: Experiment,
    network: ReactionNetwork,
    branches: Branches | None,
    sites: Sequence[PlacedSite],
    links: Sequence[PlacedLink],
    driven: Collection[str],
) -> Iterator[str]:
    """Warnings, each with the key of the site. driven: names of sites that drives or necks reach."""
    ions = () if branches is None else branches.model.ions()
    yield from late_events(experiment)
    yield from _sizes_of_meshes(sites)
    yield from _roundings(experiment, network, sites)
    yield from _nearly_empty(experiment, network, sites)
    yield from _unlinked(experiment, sites, links, driven, ions)
    if branches is None:
        return
    yield from branches.model.notices
    coupled = dict.fromkeys(s for link in links if link.ion is not None for s in link.site.segments)
    owned = {s for link in links if link.owns for s in link.site.segments}
    concentrations: dict[str, dict[str, None]] = {}
    for link in links:
        for segment in link.site.segments if link.owns else ():
            concentrations.setdefault(section_of(segment), {})[f"{link.ion}i"] = None
    for past in unlinked_calcium(links, branches):
        yield (
            f'{past.key}: {past.through} carries calcium as the ion "{past.ion}", which does not enter: add '
            f'from = "neuron.i{past.ion}" (its share of the calcium is in the summary of the run)'
        )
    if experiment.neuron is None or experiment.neuron.eca == "nernst":
        yield from overruled_reversals(links, branches)
    yield from _overfull(sites, coupled, branches)
    for section in dict.fromkeys(section_of(s) for s in coupled if s in owned):
        segments = branches.sections[section]
        alone = [s for s in segments if s not in owned]
        if alone:
            ignoring = experiment.neuron is not None and experiment.neuron.cai_writers in ("ignore", "emulate")
            kept = " (unless a mechanism writes it)" if ignoring else ""
            yield (
                f"neuron: {section} is coupled in {len(segments) - len(alone)} of {len(segments)} segments; "
                f"in the others {', '.join(concentrations[section])} stays at its start{kept}, "
                "whatever ions enter there"
            )


def _unlinked(
    experiment: Experiment,
    sites: Sequence[PlacedSite],
    links: Sequence[PlacedLink],
    driven: Collection[str],
    ions: Collection[str],
) -> Iterator[str]:
    """Sites with links into one direction only, or with none; one line for all sites of a block."""
    ports_of: dict[str, set[str]] = {}
    for link in links:
        ports_of.setdefault(link.site.name, set()).add(link.port)
    found: dict[tuple[str, str], list[str]] = {}
    for site in sites:
        driven_or_alone = site.name in driven or experiment.time_unit == "step"
        for text in _one_sided(ports_of.get(site.name, set()), driven_or_alone, ions):
            found.setdefault((site.key, text), []).append(site.name)
    for (key, text), names in found.items():
        more = f" (and {len(names) - 1} more sites)" if len(names) > 1 else ""
        yield f'{key}: site "{names[0]}"{more} {text}'


def overruled_reversals(links: Sequence[PlacedLink], branches: Branches) -> Iterator[str]:
    """Reversal potentials that the model has set and that now follow what is handed over; one line for each value."""
    found: dict[tuple[str, float], list[str]] = {}
    seen = set()
    for link in links:
        for segment in link.site.segments if link.owns else ():
            place = (section_of(segment), str(link.ion))
            if place not in seen:
                seen.add(place)
                held = branches.model.held_reversal(segment, place[1])
                if held is not None:
                    found.setdefault((place[1], held), []).append(place[0])
    for (ion, held), sections in found.items():
        more = f" and {len(sections) - 1} more sections" if len(sections) > 1 else ""
        yield (
            f"neuron: the model holds e{ion} of {sections[0]}{more} at {held:g} mV; it now follows {ion}i "
            '(neuron.eca = "keep" leaves it)'
        )


def _overfull(sites: Sequence[PlacedSite], coupled: Collection[str], branches: Branches) -> Iterator[str]:
    """Coupled segments whose sites are together larger than the segment."""
    inside: dict[str, list[tuple[PlacedSite, float]]] = {}
    for site in sites:
        for share in site.shares:
            inside.setdefault(share.segment, []).append((site, share.volume))
    for segment in coupled:
        there = inside[segment]
        volume, whole = sum(v for _, v in there), branches.model.geometry(segment).volume
        if volume > 1.01 * whole:
            yield (
                f"{there[0][0].key}: the sites in {segment} have {volume / whole:.3g} times its volume "
                f"({', '.join(s.name for s, _ in there)}): give each its own geometry"
            )


def _one_sided(ports: Collection[str], driven: bool, ions: Collection[str]) -> Iterator[str]:
    """What is odd about a site with these links: "ica" into it, "cai" out of it."""
    if not ports and not driven:
        yield "has neither links nor drives: nothing enters or is handed over"
    for ion in ions:
        if f"i{ion}" in ports and f"{ion}i" not in ports:
            yield f"only listens: {ion} is not handed back, and {ion}i stays what the model alone makes of it"
        if f"{ion}i" in ports and f"i{ion}" not in ports:
            yield f"sets {ion}i, but the {ion} current of the segment does not enter it"


def _nearly_empty(experiment: Experiment, network: ReactionNetwork, sites: Sequence[PlacedSite]) -> Iterator[str]:
    """Sites with next to none of the molecules that a chemistry gives: it may mean another volume."""
    initial = experiment.chemistry.initial
    first: dict[str, PlacedSite] = {}
    for site in sites:
        first.setdefault(site.key, site)
    for key, site in first.items():
        total = molecules_in_all(network, initial, site.geometry)
        if 0 < total < NEARLY_NONE:
            yield (
                f'{key}: "{site.name}" starts with {total:.2g} molecules in all: are amounts by the volume that is '
                'meant? Where a file leaves its unit open, chemistry.units = { amount = "count", volume = "1 um^3" } '
                "gives it"
            )


def _sizes_of_meshes(sites: Sequence[PlacedSite]) -> Iterator[str]:
    for site in sites:
        if site.geometry.surface is not None and not USUAL[0] <= site.geometry.volume <= USUAL[1]:
            yield (
                f'{site.key}: the mesh of "{site.name}" holds {site.geometry.volume:.4g} um^3, which is unusual for a '
                "place in a cell: is the unit of its coordinates (mesh_unit) right?"
            )


def _roundings(experiment: Experiment, network: ReactionNetwork, sites: Sequence[PlacedSite]) -> Iterator[str]:
    """Amounts of which a part is dropped, or added, in whole molecules; one line for all sites of a block.

    Where amounts are right on average (chemistry.rounding = "random"), and in engines in real numbers, nothing is.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for site in sites:
        if experiment.chemistry.rounding == "random" or not site.engine.factory.integer:
            continue
        for name, total in rounded(network, experiment.chemistry.initial, site.geometry):
            text = f'{total:.3g} molecules in "{site.name}", placed as {round(total)}'
            found.setdefault((site.key, name), []).append(text)
    for (key, name), texts in found.items():
        more = f" (and in {len(texts) - 1} more sites)" if len(texts) > 1 else ""
        yield f'{key}: initial.{name} is {texts[0]}{more}; chemistry.rounding = "random" keeps the mean'
