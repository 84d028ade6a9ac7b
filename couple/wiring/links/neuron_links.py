"""Links of sites with the electrical model: which there are, what crosses, in which unit, by which function."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from couple.base.errors import InputError, is_near, nearest
from couple.experiment import Experiment, LinkBlock
from couple.wiring.sites.placed_site import PlacedSite, PlacedSites, SegmentShare

Crossing = Literal["charge", "concentration", "conductance", "parameter", "voltage"]

VOLTAGE = ("v", "V")
"""Port of the model and quantity of a site of a link that hands over the voltage."""


@dataclass(frozen=True)
class PlacedLink:
    """A link of one site with the electrical model.

    into: "site" or "neuron". port: of the model ("ica", "nai", a conductance's name). quantity: of the site.
    ion: whose charge or concentration crosses, None for a conductance or a parameter.
    """

    key: str
    block: LinkBlock
    into: Literal["site", "neuron"]
    site: PlacedSite
    port: str
    quantity: str
    ion: str | None = None

    @property
    def source(self) -> str:
        """Where it comes from, as "neuron.ica"."""
        return f"neuron.{self.port}" if self.into == "site" else f"{self.site.name}.{self.quantity}"

    @property
    def target(self) -> str:
        """Where it goes, as "head.Ca"."""
        return f"{self.site.name}.{self.quantity}" if self.into == "site" else f"neuron.{self.port}"

    @property
    def name(self) -> str:
        """Source and target."""
        return f"{self.source} -> {self.target}"

    @property
    def crossing(self) -> Crossing:
        """The charge of an ion into a site, its concentration into NEURON, a conductance, or a parameter."""
        if self.block.sets_parameter:
            return "parameter"
        if self.into == "site" and (self.port, self.quantity) == VOLTAGE:
            return "voltage"
        if self.ion is None:
            return "conductance"
        return "charge" if self.into == "site" else "concentration"

    @property
    def owns(self) -> bool:
        """Whether a concentration is handed to all that read it: it is then the chemistry's."""
        return self.crossing == "concentration" and not self.block.mechanisms

    @property
    def ports(self) -> tuple[str, ...]:
        """Where in a segment it reaches the model: of a concentration for some mechanisms "cai of kslow"."""
        return tuple(f"{self.port} of {m}" for m in self.block.mechanisms or ()) or (self.port,)

    @property
    def function(self) -> str:
        """Name of the pure function of `couple.exchange` that turns the one into the other."""
        if self.block.function is not None:
            return self.block.function.kind
        by_kind: Mapping[Crossing, str] = {
            "charge": "ions_per_charge", "concentration": "concentration_per_ion", "voltage": "mean_over_membrane",
        }  # fmt: skip
        return by_kind.get(self.crossing, f"{self.block.kind}_per_channel")

    @property
    def unit(self) -> str:
        """Of what arrives at the target."""
        if self.crossing == "parameter":
            return "1" if self.block.relative else "unit of the parameter"
        if self.crossing == "voltage":
            return "mV"
        if self.crossing == "conductance":
            return "S/cm^2" if self.block.kind == "density" else "uS"
        return "count" if self.crossing == "charge" else "mM"


LinksBySegment = dict[tuple[str, str, str], list[tuple[PlacedLink, SegmentShare]]]
"""(into, port, segment) → the links there, each with the share of its site in that segment."""


def links_by_segment(links: Sequence[PlacedLink]) -> LinksBySegment:
    """The links that meet in each segment."""
    found: LinksBySegment = {}
    for link in links:
        for share in link.site.shares:
            for port in link.ports:
                found.setdefault((link.into, port, share.segment), []).append((link, share))
    return found


def place_links(experiment: Experiment, sites: PlacedSites, ions: Collection[str]) -> list[PlacedLink]:
    """One link per site for every [[link]] with neuron. ions: that the electrical model knows.

    Raises InputError that names the key.
    """
    links = []
    for i, block in enumerate(experiment.link):
        if block.joins_sites:
            continue
        key = f"link[{i}]"
        source, target = block.source.split(".", 1), block.target.split(".", 1)
        into: Literal["site", "neuron"] = "site" if source[0] == "neuron" else "neuron"
        (neuron, port), (pattern, quantity) = (source, target) if into == "site" else (target, source)
        if neuron != "neuron" or pattern == "neuron":
            raise InputError(
                f'"{block.source}" to "{block.target}": a link joins "neuron" with a site, '
                'as in from = "neuron.ica", to = "head.Ca", or two sites',
                where=key,
            )
        if experiment.neuron is None:
            raise InputError("links with neuron need a [neuron] block; use [[drive]] for prescribed inputs", where=key)
        ion = _ion(into, port, ions)
        for site in sites.matching(pattern, f"{key}.{'to' if into == 'site' else 'from'}"):
            if not site.shares:
                raise InputError(f'site "{site.name}" has no segment: give it one, or drop its geometry', where=key)
            links.append(PlacedLink(key, block, into, site, port, quantity, ion))
    _refuse_repeats(links)
    return links


def check_ports(links: Sequence[PlacedLink], ions: Collection[str]) -> None:
    """Raises InputError for what cannot cross (a current into NEURON, an outside concentration, the voltage), and for
    a conductance without a size.
    """
    never = ("v", *(f"i{ion}" for ion in ions), *(f"{ion}o" for ion in ions))
    for link in links:
        if link.crossing in ("parameter", "voltage"):
            continue  # see parameter_links and voltage_links
        if link.ion is None and (link.into == "site" or link.port in never):
            currents = [f"i{ion}" for ion in ions]
            meant = f" ({nearest(link.port, currents)})" if link.into == "site" and is_near(link.port, currents) else ""
            raise InputError(
                f'"neuron.{link.port}" cannot be linked{meant}; sites take neuron.ica, neuron.v (to = "SITE.V") and '
                "set neuron.cai (or of "
                f"another ion: {', '.join(sorted(ions))}) or a conductance such as neuron.SK",
                where=link.key,
            )
        if link.block.mechanisms and link.ion is None:
            raise InputError(f'mechanisms: "neuron.{link.port}" is no concentration', where=f"{link.key}.mechanisms")
        if link.ion is None and link.block.conductance is None:
            inside = [f"{ion}i" for ion in ions]
            meant = (
                f" if it is not a slip ({nearest(link.port, inside)})"
                if len(link.port) > 2 and is_near(link.port, inside)
                else ""
            )
            raise InputError(
                f'"neuron.{link.port}" is a conductance{meant}: give conductance = "10 pS" of one open channel',
                where=link.key,
            )
        if link.ion is not None and link.block.conductance is not None:
            raise InputError(
                f'conductance: "neuron.{link.port}" is the concentration of {link.ion}; give the conductance another '
                "name",
                where=link.key,
            )


def _ion(into: str, port: str, known: Collection[str]) -> str | None:
    """The ion whose current (iX, into a site) or concentration (Xi, into NEURON) a port is, if it is one."""
    ion = port[1:] if into == "site" else port[:-1]
    return ion if ion in known and port == (f"i{ion}" if into == "site" else f"{ion}i") else None


def _refuse_repeats(links: Sequence[PlacedLink]) -> None:
    """What crosses twice would count twice."""
    seen: dict[tuple[str, ...], PlacedLink] = {}
    for link in links:
        # A site takes an ion's charge once, and sets its concentration once, whatever the species.
        is_ion = link.into == "site" or link.ion is not None
        once = (link.into, link.site.name, link.port) + (() if is_ion else (link.quantity,))
        first = seen.setdefault(once, link)
        if first is not link:
            raise InputError(
                f'"{link.name}" repeats "{first.name}" of {first.key}: what crosses twice counts twice', where=link.key
            )
