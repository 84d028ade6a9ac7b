"""Necks that carry charge, over the common memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from couple.base.errors import InputError
from couple.exchange.drift import AT_START, GIVEN, UNTRACKED, Drift, DriftIon, DriftNeck
from couple.exchange.link import IonLink
from couple.wiring.links.drift import DriftGroup, drift_groups
from couple.wiring.links.necks import PlacedNeck
from couple.wiring.plan.plan import Plan
from couple.wiring.system.electrics import Electrics
from couple.wiring.system.engines import Engines
from couple.wiring.system.memory import Memory


@dataclass(frozen=True)
class ConnectedDrift:
    """What works out the currents, links that hand the ions to both sites, and a line for each neck."""

    drift: Drift
    links: tuple[IonLink, ...]
    lines: tuple[str, ...]


def spare_places(necks: Sequence[PlacedNeck]) -> int:
    """Places of the memory for what crosses: a number of ions for every link, then a charge for every neck."""
    groups = drift_groups(necks)
    return sum(len(group.links) for group in groups) + len(groups)


def connect_drift(
    plan: Plan, engines: Engines, electrics: Electrics, memory: Memory, window: float
) -> ConnectedDrift | None:
    """All necks with drift; None without. window: ms. Raises InputError where the temperature is not known."""
    groups = drift_groups(plan.necks)
    if not groups:
        return None
    if plan.experiment.celsius is None:
        raise InputError(
            "ions drift by V F/RT, and the temperature is not known: give neuron.celsius, as in celsius = 34.0",
            where=f"{groups[0].links[0].key}.drift",
        )
    gains, totals = memory.spare[-spare_places(plan.necks) :], memory.spare[-len(groups) :]
    necks: list[DriftNeck] = []
    ends: list[IonLink] = []
    for k, (group, total) in enumerate(zip(groups, totals, strict=True)):
        ions: list[DriftIon] = []
        for neck, flipped in zip(group.links, group.flipped, strict=True):
            gain = gains[sum(len(g.links) for g in groups[:k]) + len(ions)]
            ions.append(_ion(neck, flipped, gain, engines, memory))
            ends += [_end(neck, side, (1.0 if side != flipped else -1.0), gain, engines, memory) for side in (0, 1)]
        necks.append(_neck(group, tuple(ions), k, total, electrics, memory))
    drift = Drift(necks, window, plan.experiment.celsius)
    drift.start(memory.block)
    return ConnectedDrift(drift, tuple(ends), tuple(_lines(drift, electrics, groups)))


def _ion(neck: PlacedNeck, flipped: bool, gain: int, engines: Engines, memory: Memory) -> DriftIon:
    sites = neck.sites[::-1] if flipped else neck.sites
    first, second = (_count(site.name, neck.species.name, engines, memory) for site in sites)
    volumes = sites[0].geometry.volume, sites[1].geometry.volume
    assert neck.species.charge is not None  # see check_drift
    return DriftIon(neck.name, neck.species.name, neck.species.charge, neck.conductance, first, second, volumes, gain)


def _count(site: str, species: str, engines: Engines, memory: Memory) -> int:
    engine, row = engines.of[site]
    return memory.at(engine, "counts", row, engine.network.index(species))


def _end(neck: PlacedNeck, side: int, weight: float, gain: int, engines: Engines, memory: Memory) -> IonLink:
    """What crosses, into one of its sites, or out of it: weight -1."""
    site, species = neck.sites[side].name, neck.species
    engine, row = engines.of[site]
    return IonLink(
        f"{neck.name} (drift into {site})",
        site,
        influx=memory.at(engine, "influx", row, engine.setup.injected.index(species.name)),
        free=_count(site, species.name, engines, memory),
        whole=engine.integer,
        sources=((gain, weight),),
        contains=dict(species.contains),
        function="drift",
    )


def _neck(
    group: DriftGroup, ions: tuple[DriftIon, ...], k: int, total: int, electrics: Electrics, memory: Memory
) -> DriftNeck:
    def at(port: str, position: int) -> int:
        return memory.at(electrics.component, port, position)

    first, second = group.links[0].sites
    return DriftNeck(
        group.name,
        (first.name, second.name),
        group.segments,
        ions,
        at("axial_conductance", k),
        at("axial_offset", k),
        at("axial_drop", k),
        (at("v", electrics.voltage(group.segments[0])), at("v", electrics.voltage(group.segments[1]))),
        total,
        electrics.component.axial_paths[k].conductance,
        group.pieces,
        group.ohmic,
    )


def _lines(drift: Drift, electrics: Electrics, groups: Sequence[DriftGroup]) -> list[str]:
    """What each neck carries, for `couple check`."""
    lines = []
    for neck, group, rest, path in zip(
        drift.necks, groups, drift.rest.tolist(), electrics.component.axial_paths, strict=True
    ):
        names = ", ".join(f"{ion.species} ({ion.charge:+d}, {ion.conductance:.4g} um^3/ms)" for ion in neck.ions)
        untracked = f"{rest[UNTRACKED]:.4g} uS untracked ions" if rest[UNTRACKED] else "untracked ions carry nothing"
        beside = f"; the membrane between them, {path.membrane:.4g} um^2, stays NEURON's" if path.membrane else ""
        lines.append(
            f"{neck.name}: drift and diffusion with charge through {group.links[0].through}, {neck.pieces} pieces, of "
            f"{names}; at the start they have {rest[AT_START]:.4g} uS in the place of {rest[GIVEN]:.4g} uS of NEURON, "
            f"and {untracked}{beside}"
        )
    return lines


def following_links(necks: Sequence[PlacedNeck], engines: Engines, memory: Memory) -> tuple[list[IonLink], list[str]]:
    """Ions that carry the charge of sites with a neck of their own out of it, and a line for each link."""
    links, lines = [], []
    for neck in necks:
        if not neck.follows:
            continue
        inner = neck.within.index(True)
        engine, row = engines.of[neck.sites[inner].name]
        column = engine.setup.injected.index(neck.species.name)
        asked = memory.at(engine, "drift_opening", row, column)
        out = _end(neck, inner, -1.0, asked, engines, memory)
        links += [
            replace(out, influx=memory.at(engine, "influx_opening", row, column)),
            _end(neck, 1 - inner, 1.0, asked, engines, memory),
        ]
        name = neck.sites[inner].name
        lines.append(
            f"{neck.name}: {neck.species.name} also carries the charge that ions bring to {name}, an exchange later"
        )
    return links, lines
