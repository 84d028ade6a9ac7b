"""Where sites with rates by voltage have their voltage from."""

from __future__ import annotations

from collections.abc import Sequence

from couple.base.errors import InputError
from couple.chemistry.network import ReactionNetwork
from couple.wiring.links.neuron_links import PlacedLink
from couple.wiring.sites.placed_site import PlacedSites


def check_voltages(network: ReactionNetwork, sites: PlacedSites, links: Sequence[PlacedLink]) -> None:
    """Raises InputError for a site whose rates depend on a voltage that it does not have, and for one too many."""
    linked = {link.site.name: link for link in links if link.crossing == "voltage"}
    if not network.voltage_factors:
        for link in linked.values():
            raise InputError(
                f'"{link.name}": no rate of the chemistry depends on the voltage; give a reaction forward_voltage',
                where=link.key,
            )
        for site in sites:
            if site.block.voltage is not None:
                raise InputError("no rate of the chemistry depends on it", where=f"{site.key}.voltage")
        return
    r = next(iter(network.voltage_factors))
    for site in sites:
        if site.name not in linked and site.block.voltage is None:
            raise InputError(
                f'the rate of "{network.reactions[r]}" depends on the voltage, which {site.name} does not have: link '
                f'from = "neuron.v", to = "{site.name}.V", or give the site voltage = "-65 mV"',
                where=site.key,
            )
