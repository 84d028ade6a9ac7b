"""Where the ends of necks are in the common memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from couple.components.capabilities import ContainsNecks, HasNeckOpenings
from couple.exchange.diffusion import DiffusionLink, End
from couple.geometry.cable import Foot
from couple.wiring.links.necks import PlacedNeck
from couple.wiring.system.engines import Engines
from couple.wiring.system.memory import Memory


def diffusion_links(necks: Sequence[PlacedNeck], engines: Engines, memory: Memory) -> list[DiffusionLink]:
    """The necks as `couple.exchange.diffusion` takes them."""
    feet = {
        site.name: {foot: k for k, foot in enumerate(site.cable.feet)}
        for engine in engines.all
        for site in engine.sites
        if site.cable is not None
    }
    return [
        DiffusionLink(
            neck.name,
            neck.species.name,
            _end(neck, 0, feet, engines, memory),
            _end(neck, 1, feet, engines, memory),
            neck.conductance,
            dict(neck.species.contains),
            any(neck.within),
        )
        for neck in necks
    ]


def _end(neck: PlacedNeck, side: int, feet: Mapping[str, Mapping[Foot, int]], engines: Engines, memory: Memory) -> End:
    """One end of a neck. feet: of sites along sections, the number of each."""
    site, foot, species = neck.sites[side], neck.feet[side], neck.species.name
    engine, row = engines.of[site.name]
    if foot is not None:
        cable = engine.sites[row].cable
        assert cable is not None
        at, column = feet[site.name][foot], engine.setup.injected.index(species)
        influx, count = (memory.at(engine, port, at, column) for port in ("influx_feet", "counts_feet"))
        return End(site.name, influx, count, cable.volumes[cable.segment_of(foot)], engine.integer)
    influx = memory.at(engine, "influx", row, engine.setup.injected.index(species))
    count = memory.at(engine, "counts", row, engine.network.index(species))
    end = End(site.name, influx, count, site.geometry.volume, engine.integer)
    found = isinstance(engine, HasNeckOpenings) and "influx_opening" in engine.inputs
    if engine.sites[row].opening_diameter is None or not found:
        return end
    opening = memory.at(engine, "influx_opening", row, engine.setup.injected.index(species))
    if neck.within[side] and isinstance(engine, ContainsNecks):
        count = memory.at(engine, "counts_opening", row, engine.setup.injected.index(species))
        return End(site.name, opening, count, engine.reach(row, species), engine.integer)
    return replace(end, influx=opening, other=influx)
