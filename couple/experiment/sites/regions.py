"""Regions of the membrane that meshes name, as parts of every site's membrane."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from couple.base.errors import InputError, nearest
from couple.experiment.sites.site import SiteBlock
from couple.geometry.surface.surface import OPENING

SAME = 1e-6
"""Relative difference up to which a region is the same share of two sites' membranes."""


def region_shares(sites: Sequence[SiteBlock], wanted: Collection[str], folder: Path) -> dict[str, float]:
    """Name → share of the membrane, of all regions of the meshes of sites; empty if no region is wanted, or no mesh.

    The chemistry is one for all sites: every one needs the regions, and as the same share. folder: where paths start.
    Raises InputError that names the key.
    """
    meshes = [s.geometry is not None and s.geometry.mesh is not None for s in sites]
    if not wanted or not any(meshes):
        return {}
    found: dict[str, float] = {}
    for i, site in enumerate(sites):
        key = f"site[{i}].geometry"
        try:
            surface = None if site.geometry is None or not meshes[i] else site.geometry.build(folder).surface
        except InputError as error:
            raise error.at(key) from None
        areas = {} if surface is None else surface.region_areas
        shares = {n: a / surface.area for n, a in areas.items() if n != OPENING} if surface is not None else {}
        for name in sorted(wanted):
            if name not in shares:
                known = nearest(name, list(shares)) if shares else "it is no mesh"
                raise InputError(f'has no region "{name}", on which species are; {known}', where=key)
            if abs(found.setdefault(name, shares[name]) / shares[name] - 1) > SAME:
                raise InputError(
                    f'the region "{name}" is {shares[name]:.4g} of the membrane here and {found[name]:.4g} in another '
                    "site: one chemistry serves all sites; run them apart",
                    where=key,
                )
    return found
