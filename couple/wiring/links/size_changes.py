"""Sites whose volume changes: what they need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from couple.base.errors import InputError, nearest
from couple.chemistry.network import ReactionNetwork
from couple.components.capabilities import ResizesSites
from couple.experiment import Experiment
from couple.wiring.links.necks import PlacedNeck
from couple.wiring.sites.placed_site import PlacedSite, PlacedSites


def growing(sites: Sequence[PlacedSite]) -> list[PlacedSite]:
    """Those whose volume changes."""
    return [site for site in sites if site.block.size is not None]


def check_sizes(
    experiment: Experiment, network: ReactionNetwork, sites: PlacedSites, necks: Sequence[PlacedNeck]
) -> None:
    """Raises InputError that names the key of a site that cannot change its size."""
    sharing = Counter(segment for site in sites for segment in site.segments)
    followed = {site.name: neck for neck in necks if any(neck.within) for site in neck.sites}
    for site in growing(sites):
        where = f"{site.key}.size"
        if experiment.experiment.scheme != "staggered" or experiment.experiment.exchange == "auto":
            raise InputError(
                "a site changes its size after a window that stands: give "
                'experiment.scheme = "staggered" and an interval',
                where=where,
            )
        if not issubclass(site.engine.factory, ResizesSites):
            raise InputError(
                f"a site of {site.engine.kind} has the size of its start: engine = "
                '"ode", "ssa" or "langevin" can change it',
                where=where,
            )
        if site.name in followed:
            raise InputError(
                f'"{followed[site.name].name}" of {followed[site.name].key} follows the charge in a site with a neck '
                "of its own, which goes by the size at the start: leave out the link, or size",
                where=where,
            )
        if len(site.segments) > 1 or any(sharing[segment] > 1 for segment in site.segments):
            raise InputError(f"{site.where}: a site that changes its size has one segment of its own", where=where)
        size = site.block.size
        assert size is not None
        known = [*network.observables, *network.names]
        if size.of is not None and size.of not in known:
            raise InputError(
                f'unknown species or observable "{size.of}"; {nearest(size.of, known)}', where=f"{where}.of"
            )
