"""What is wired to what, in lines for a person: `couple check`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from couple.chemistry.compartments import WHOLE
from couple.components.engine import SiteEngine
from couple.geometry.cable import Foot
from couple.geometry.geometry import Geometry
from couple.wiring.links.necks import PlacedNeck
from couple.wiring.plan.plan import Plan
from couple.wiring.sites.placed_site import PlacedSite


def describe(plan: Plan, links: Sequence[str], engines: Sequence[SiteEngine]) -> Iterator[str]:
    """Lines of a plan that is built. links: a line for each; engines: say what they made of their sites."""
    molecules = {site.name: sum(site.initial) for engine in engines for site in engine.sites}
    yield from links
    yield from (_neck_line(neck) for neck in plan.necks if not neck.drifts)
    for site in plan.sites:
        yield _site_line(site, molecules[site.name])
    yield from _compartments(plan)
    for engine in engines:
        yield from engine.describe()
    yield from plan.grown
    if plan.model is not None:
        yield from plan.model.describe()


def _site_line(site: PlacedSite, molecules: float) -> str:
    geometry, kind = site.geometry, site.engine.kind
    size, shape = " x ".join(f"{x:g}" for x in geometry.size), str(geometry.shape)
    if geometry.shape == "cells":
        return f"site {site.name}: {kind}, {size} cells, {round(molecules, 2):.10g} molecules"
    if site.cable is not None:
        length = sum(branch.length for branch in site.cable.branches)
        shape, size = "cable", f"{len(site.cable.branches)} sections, {length:.6g}"
    at = f" at {site.where}" if site.shares else ""
    if site.away is not None:
        at += f", {site.away:.4g} um away"
    return (
        f"site {site.name}{at}: {kind}, {shape} {size} um, volume {geometry.volume:.6g} um^3, "
        f"membrane {geometry.area:.6g} um^2{_regions(geometry)}, {round(molecules, 2):.10g} molecules"
    )


def _regions(geometry: Geometry) -> str:
    """Areas of the regions of a mesh, if it has several."""
    surface = geometry.surface
    if surface is None:
        return ""
    parts = [f"{name} {area:.6g}" for name, area in surface.region_areas.items()]
    named = f" ({', '.join(parts)})" if len(parts) > 1 else ""
    return f"{named} in {len(surface.triangles)} triangles"


def _compartments(plan: Plan) -> Iterator[str]:
    homes = {
        home.name: home
        for home in plan.experiment.chemistry.homes(plan.experiment.regions()).values()
        if home.name not in WHOLE
    }
    parts = [f"{h.name} {h.share:.4g} of the {h.on}" for h in homes.values()]
    if parts:
        yield f"compartments of every site: {', '.join(parts)}; concentrations are those of the compartments"


def _neck_line(neck: PlacedNeck) -> str:
    if any(neck.within):
        own = neck.sites[0] if neck.within[0] else neck.sites[1]
        return f"{neck.name}: diffusion through the opening of {own.name}, {neck.conductance:.6g} um^3/ms beyond it"
    sizes = [_volume_and_segment(site, foot) for site, foot in zip(neck.sites, neck.feet, strict=True)]
    rate = neck.conductance * sum(1 / volume for volume, _ in sizes)
    where = "".join(f" at {name}" for _, name in sizes if name)
    return (
        f"{neck.name}: diffusion, {neck.conductance:.6g} um^3/ms ({neck.through}){where}, evens out with a time "
        f"constant of {1 / rate:.4g} ms; no charge crosses"
    )


def _volume_and_segment(site: PlacedSite, foot: Foot | None) -> tuple[float, str]:
    """The volume that a neck opens into, µm³, and its segment, if the site lies along sections."""
    if foot is None or site.cable is None:
        return site.geometry.volume, ""
    at = site.cable.segment_of(foot)
    return site.cable.volumes[at], site.cable.segments[at]
