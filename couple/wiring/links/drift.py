"""Necks that carry charge: which links share one, and what they need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from couple.base.errors import InputError
from couple.components.capabilities import CarriesCharge
from couple.experiment import Experiment
from couple.wiring.links.necks import PlacedNeck
from couple.wiring.links.neuron_links import PlacedLink
from couple.wiring.sites.placed_site import Order

PIECES = 8
"""Of a neck, by default: closer than 0.05 % to closed forms where concentrations differ by less than twofold."""

MOST_OF_A_SITE = 0.5
"""Part of what two sites even out that may cross in one exchange: what crosses is held over it."""


@dataclass(frozen=True)
class DriftGroup:
    """The links that share a neck; the first says which of its sites is the first. flipped: which run the other way."""

    links: tuple[PlacedNeck, ...]
    flipped: tuple[bool, ...]

    @property
    def name(self) -> str:
        """Both sites."""
        return f"{self.links[0].sites[0].name} <-> {self.links[0].sites[1].name}"

    @property
    def segments(self) -> tuple[str, str]:
        """Of both sites."""
        first, second = self.links[0].sites
        return first.segments[0], second.segments[0]

    @property
    def orders(self) -> tuple[Order, Order]:
        """Of both sites, as one process would have them."""
        link = int(self.links[0].key[5:-1])
        first, second = self.links[0].sites
        return (link, *first.order, 0), (link, *second.order, 0)

    @property
    def pieces(self) -> int:
        """In how many the neck is divided."""
        block = self.links[0].block
        return PIECES if block is None or block.pieces is None else block.pieces

    @property
    def ohmic(self) -> bool:
        """Whether untracked ions carry what the tracked ones lack."""
        block = self.links[0].block
        return block is None or block.untracked != "none"


def drift_groups(necks: Sequence[PlacedNeck]) -> list[DriftGroup]:
    """Links with drift by the pair of sites that they join, in the order of the file.

    Raises InputError that names the key of one that does not agree with the first of its pair.
    """
    found: dict[frozenset[str], list[PlacedNeck]] = {}
    for neck in necks:
        if neck.drifts:
            found.setdefault(frozenset(site.name for site in neck.sites), []).append(neck)
    return [
        DriftGroup(tuple(links), tuple(k.sites[0].name != links[0].sites[0].name for k in links))
        for links in found.values()
    ]


def check_drift(
    experiment: Experiment,
    necks: Sequence[PlacedNeck],
    links: Sequence[PlacedLink],
    valence: Mapping[str, float],
    window: float,
) -> None:
    """Raises InputError that names the key of a link with drift that cannot be. valence: of ions. window: ms."""
    for neck in necks:
        if neck.drifts:
            _check_ends(experiment, neck)
        elif neck.follows:
            _check_following(neck)
    leaving: dict[str, float] = {}
    for group in drift_groups(necks):
        _check_agreed(group)
        for site in group.links[0].sites:
            largest = max(neck.conductance for neck in group.links)
            leaving[site.name] = leaving.get(site.name, 0.0) + largest / site.geometry.volume
            if leaving[site.name] * window > MOST_OF_A_SITE:
                raise InputError(
                    f"in an exchange of {window:g} ms more than half of what {site.name} holds would cross by drift: "
                    f"give experiment.exchange = {_round_down(MOST_OF_A_SITE / leaving[site.name]):g} ms or less, or a "
                    "larger site",
                    where=group.links[0].key,
                )
    _check_charges([neck for neck in necks if neck.drifts or neck.follows], links, valence)


def _check_charges(necks: Sequence[PlacedNeck], links: Sequence[PlacedLink], valence: Mapping[str, float]) -> None:
    """The charge of a species is that of the ion that brings it."""
    bringing = {(k.site.name, k.quantity): k for k in links if k.crossing == "charge"}
    for neck in necks:
        for site in neck.sites:
            link = bringing.get((site.name, neck.species.name))
            if link is not None and valence[str(link.ion)] != neck.species.charge:
                raise InputError(
                    f"{neck.species.name} has charge = {neck.species.charge}, and the ion {link.ion} of NEURON, which "
                    f'"{link.name}" brings, has {valence[str(link.ion)]:g}',
                    where=f"chemistry.species.{neck.species.name}.charge",
                )


def _round_down(value: float) -> float:
    """To two digits."""
    text = f"{value:.1e}"
    return float(text) if float(text) <= value else float(text) * 0.9


def _check_following(neck: PlacedNeck) -> None:
    """Of a site with a neck of its own, out of which ions follow the charge that came in."""
    where, block = f"{neck.key}.drift", neck.block
    for site, within in zip(neck.sites, neck.within, strict=True):
        if within and not issubclass(site.engine.factory, CarriesCharge):
            raise InputError(
                f'{site.name} is of {site.engine.kind}, in whose neck nothing drifts: give the site engine = "knp"',
                where=where,
            )
    if all(neck.within):
        raise InputError(
            "both sites have a neck of their own: charge goes from one of them to a well-stirred site", where=where
        )
    _check_charge(neck)
    given = {"pieces", "untracked"} & (set() if block is None else block.model_fields_set)
    if given:
        raise InputError(
            "the mesh of the site divides its neck, whose ions carry all", where=f"{neck.key}.{min(given)}"
        )


def _check_charge(neck: PlacedNeck) -> None:
    species = neck.species
    if not species.charge:
        raise InputError(
            f"{species.name} drifts by its charge: give species.{species.name} = {{ charge = 1 }}, or what it has",
            where=f"{neck.key}.drift",
        )


def _check_ends(experiment: Experiment, neck: PlacedNeck) -> None:
    _check_charge(neck)
    if experiment.experiment.scheme == "parallel":
        raise InputError(
            'drift = true needs the voltage that its ions have felt: give experiment.scheme = "staggered", not '
            '"parallel"',
            where=f"{neck.key}.drift",
        )
    for site in neck.sites:
        if not site.segments:
            raise InputError(
                f"ions drift between two voltages, and {site.name} has none: give the site a segment of [neuron], or "
                "leave drift out",
                where=f"{neck.key}.drift",
            )
        if len(site.segments) > 1:
            raise InputError(
                f"{site.name} covers {len(site.segments)} segments ({site.where}), and ions drift between two "
                "voltages: give a site for each segment",
                where=f"{neck.key}.drift",
            )
        if site.engine.factory.spatial:
            raise InputError(
                f"{site.name} is of {site.engine.kind}, which knows where ions are: drift = true joins sites that are "
                "well stirred",
                where=f"{neck.key}.drift",
            )
    first, second = (site.segments[0] for site in neck.sites)
    if first == second:
        raise InputError(f"both sites are in {first}: no voltage is between them", where=f"{neck.key}.drift")


def _check_agreed(group: DriftGroup) -> None:
    first = group.links[0]
    assert first.block is not None
    for other in group.links[1:]:
        assert other.block is not None
        for key in ("pieces", "untracked"):
            if getattr(other.block, key) != getattr(first.block, key):
                raise InputError(
                    f"{key} of {other.name} differs from that of {first.name}, and both go through one neck",
                    where=f"{other.key}.{key}",
                )
