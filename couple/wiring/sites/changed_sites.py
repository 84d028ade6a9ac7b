"""Sites that differ from the others of their block, by a block of their own that says only what differs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from couple.base.errors import InputError, nearest
from couple.experiment import Experiment
from couple.geometry.geometry import Geometry
from couple.wiring.sites.engine_choice import EngineChoice
from couple.wiring.sites.placed_site import PlacedSite, SegmentShare


class SiteChanges:
    """The changes of an experiment, by the site's name. engines: of all blocks, by key."""

    def __init__(self, experiment: Experiment, engines: Mapping[str, EngineChoice]) -> None:
        self._experiment, self._engines = experiment, engines
        self._number = {experiment.site[i].name: i for i in experiment.site_changes}

    def applied(self, site: PlacedSite) -> PlacedSite:
        """A site with its change, if it has one; its order stays. Raises InputError that names the key of a shape that
        cannot be.
        """
        number = self._number.get(site.name)
        if number is None or site.key != f"site[{self._experiment.site_changes[number]}]":
            return site
        key, change = f"site[{number}]", self._experiment.site[number]
        whole = self._experiment.whole_site(number)
        changed = replace(site, block=whole, key=key, engine=self._engines[key])
        if change.geometry is None:
            return changed
        try:
            return _of_shape(changed, change.geometry.build(self._experiment.folder))
        except InputError as error:
            raise error.at(f"{key}.geometry") from None

    def check(self, names: Collection[str]) -> None:
        """Raise InputError for a change of a site that no rank has. names: of all sites."""
        for name, number in self._number.items():
            if name not in names:
                maker = f"site[{self._experiment.site_changes[number]}]"
                raise InputError(
                    f'no site "{name}" is made by {maker}, whose sites it could change; {nearest(name, names)}',
                    where=f"site[{number}].name",
                )


def _of_shape(site: PlacedSite, geometry: Geometry) -> PlacedSite:
    """A site of another shape, in the same segments in the same proportions."""
    wider, larger = geometry.area / site.geometry.area, geometry.volume / site.geometry.volume
    shares = tuple(SegmentShare(s.segment, s.area * wider, s.volume * larger) for s in site.shares)
    return replace(site, geometry=geometry, shares=shares)
