"""Chemistry engines: one component for all sites of the same engine and options."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from couple import registry
from couple.block import explain
from couple.cable import Foot
from couple.clock import Clock
from couple.component import Component
from couple.engine import EngineSetup, Site, SiteEngine
from couple.errors import InputError, MissingDependencyError, nearest
from couple.experiment import Experiment
from couple.initial import initial_counts
from couple.network import ReactionNetwork
from couple.parallel import world
from couple.wiring.groups import Agreed, Group, agree_on_groups
from couple.wiring.places import Place, PlacedLink, Sited, matching


@dataclass
class Engines:
    """All engines, and where each site is: site name → (engine, row).

    together: those that other ranks help with, and what this rank helps others with, in the same order on all ranks.
    """

    engines: list[SiteEngine] = field(default_factory=list)
    of: dict[str, tuple[SiteEngine, int]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    together: list[Component] = field(default_factory=list)


def build_engines(
    experiment: Experiment,
    clock: Clock,
    network: ReactionNetwork,
    places: Sited,
    links: Sequence[PlacedLink],
    diffusing: Sequence[tuple[str, str]] = (),
    feet: Mapping[str, tuple[Foot, ...]] | None = None,
    mouths: Mapping[str, float] | None = None,
) -> Engines:
    """diffusing: (site, species) of links between sites. feet: site along sections → necks that open into it. mouths:
    site → diameter of the neck that opens into its end, µm.

    Raises InputError that names the key for unknown engines, bad options, and what an engine cannot express."""
    injected, clamped = _filled(experiment, network, places, links)
    for site, species in diffusing:
        injected.setdefault(site, []).append(species)
    groups: dict[Group, list[Place]] = {}
    for place in places:
        options = _factory(place.block.engine, place.key).gather(place.block.engine, place.block.options)
        held = tuple(clamped.get(place.name, ()))  # a species is held in all sites of a component or in none
        alone = place.name if place.cable is not None else ""
        groups.setdefault((place.block.engine, json.dumps(options, sort_keys=True), held, alone), []).append(place)
    built = Engines()
    agreed = agree_on_groups(groups, injected, places.everywhere)
    teams = {group: _team(group, there) for group, there in agreed.items()}
    for group, members in groups.items():
        (kind, text, held, _), key = group, members[0].key
        factory = _of_group(group, key)
        setup = EngineSetup(
            name=agreed[group].name,
            network=network,
            sites=tuple(
                Site(
                    p.name,
                    p.geometry,
                    initial_counts(network, experiment.chemistry.initial, p.geometry),
                    p.cable and replace(p.cable, feet=(feet or {}).get(p.name, ())),
                    (mouths or {}).get(p.name),
                )
                for p in members
            ),
            tick=clock.tick,
            injected=agreed[group].filled,
            clamped=held,
            seed=experiment.experiment.seed,
            options=read_options(factory, json.loads(text), f"{key}.{kind}"),
            folder=experiment.folder,
            window=clock.window * clock.tick,
        )
        try:
            built.warnings += [f"{experiment.where}: {key}: {w}" for w in factory.check(setup)]
            engine = factory(setup)
        except InputError as error:
            raise error.at(key) from None
        if engine.clock != experiment.time_unit:
            raise InputError(
                f"counts time in {engine.clock}, the experiment in {experiment.time_unit}: write exchange = "
                f'"1 {engine.clock}" or take another engine',
                where=f"{key}.engine",
            )
        built.engines.append(engine)
        for row, place in enumerate(members):
            built.of[place.name] = (engine, row)
    _share(built, agreed, teams)
    return built


def _team(group: Group, there: Agreed) -> tuple[int, ...]:
    """The ranks that solve the sites of a component together, the one that has them first; none if that one is alone.

    Raises InputError, the same on all ranks, where that cannot be.
    """
    kind, text, _, _ = group
    factory, size = _of_group(group, there.key), world().size
    asked = factory.asked_ranks(read_options(factory, json.loads(text), f"{there.key}.{kind}"))
    if asked is None:
        return ()
    where = f"{there.key}.{kind}.ranks"
    if not factory.shareable:
        raise InputError(
            f"{kind} shares only a site along sections between ranks; this one is solved by the rank that has it: "
            "leave ranks out, or give the site `sections`",
            where=where,
        )
    own = there.ranks[0]
    if isinstance(asked, tuple):
        if missing := [rank for rank in asked if rank >= size]:
            raise InputError(f"there is no rank {missing[0]} of {size} (0 to {size - 1}): start more", where=where)
        others = [rank for rank in sorted({*asked}) if rank != own]
    else:
        n = size if asked == "all" else asked
        if n > size:
            started = "1 rank runs" if size == 1 else f"{size} ranks run"
            raise InputError(f'asks for {n} ranks and {started}: mpiexec -n {n}, or ranks = "all"', where=where)
        others = [(own + k) % size for k in range(1, n)]
    return (own, *others) if others else ()


def _share(built: Engines, agreed: Mapping[Group, Agreed], teams: Mapping[Group, tuple[int, ...]]) -> None:
    """Make the teams, one after the other on all ranks."""
    if not any(teams.values()):
        return
    ranks = world()
    ranks.gather(None)  # nobody waits for a rank whose sites cannot be
    with ranks.waiting():
        for group, members in teams.items():
            if ranks.rank not in members:
                continue
            team, name = ranks.team(members), agreed[group].name
            if ranks.rank == members[0]:
                (engine,) = (e for e in built.engines if e.name == name)
                engine.share(team)
                built.together.append(engine)
            else:
                built.together.append(_of_group(group, agreed[group].key).helper(name, team))


def _of_group(group: Group, key: str) -> type[SiteEngine]:
    kind, _, _, alone = group
    return _along(kind, key) if alone else _factory(kind, key)


def asks_for_ranks(experiment: Experiment) -> bool:
    """Whether some site is to be solved by several ranks. Raises InputError that names the key."""
    for i, block in enumerate(experiment.site):
        factory, key = _factory(block.engine, f"site[{i}]"), f"site[{i}].{block.engine}"
        if factory.asked_ranks(read_options(factory, factory.gather(block.engine, block.options), key)) is not None:
            return True
    return False


def load_engines(experiment: Experiment) -> None:
    """Import every engine that the sites name, and hold all options against their engines.

    Before NEURON: an engine that brings MPI has to come first (adapters/neuron/importing.py). Raises InputError that
    names the key.
    """
    for i, block in enumerate(experiment.site):
        chosen = _factory(block.engine, f"site[{i}]")
        try:
            chosen.gather(block.engine, block.options)  # imports whatever that one needs
        except InputError as error:
            raise error.at(f"site[{i}].{block.engine}") from None
        for kind, options in block.options.items():  # of engines that it may be switched to, too
            if kind != block.engine:
                with suppress(MissingDependencyError):
                    read_options(registry.load("couple.engines", kind), options, f"site[{i}].{kind}")


def _factory(kind: str, key: str) -> type[SiteEngine]:
    try:
        factory: type[SiteEngine] = registry.load("couple.engines", kind)
    except InputError as error:
        raise error.at(f"{key}.engine") from None
    return factory


def _along(kind: str, key: str) -> type[SiteEngine]:
    """The engine that resolves a site along sections. Raises InputError if this accuracy cannot."""
    found = _factory(kind, key).along()
    if found is None:
        able = []
        for name in registry.names("couple.engines"):
            with suppress(MissingDependencyError):
                able += [f'engine = "{name}"'] if registry.load("couple.engines", name).along() is not None else []
        others = f" ({', '.join(able)})" if able else ""
        raise InputError(
            f'engine = "{kind}" does not resolve a site along sections: take one that does{others}, '
            "or segment = [...] for one well-stirred site",
            where=f"{key}.sections",
        )
    return found


def read_options(factory: type[SiteEngine], options: Mapping[str, Any], key: str) -> Any:
    """Options of an engine from their table. Raises InputError that names the key."""
    try:
        return factory.Options.model_validate(options)
    except ValidationError as error:
        raise explain(error, options).at(key) from None


def _filled(
    experiment: Experiment, network: ReactionNetwork, places: Sequence[Place], links: Sequence[PlacedLink]
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Site name → species that links and drives fill, and species that drives hold."""
    injected: dict[str, list[str]] = {}
    clamped: dict[str, list[str]] = {}
    for link in links:
        if link.into == "site":
            injected.setdefault(link.place.name, []).append(_fillable(network, link.quantity, f"{link.key}.to"))
    for i, drive in enumerate(experiment.drive):
        pattern, species = drive.target.split(".", 1)
        for place in matching(pattern, places, f"drive[{i}].to"):
            filled = injected if drive.clamp is None else clamped
            into = filled.setdefault(place.name, [])
            if drive.clamp is not None and species in into:
                raise InputError(f'"{species}" of {place.name} is clamped twice', where=f"drive[{i}].to")
            into.append(_fillable(network, species, f"drive[{i}].to"))
    return injected, clamped


def _fillable(network: ReactionNetwork, name: str, key: str) -> str:
    known = {s.name: s for s in network.species}
    if name not in known:
        raise InputError(f'unknown species "{name}"; {nearest(name, known)}', where=key)
    if known[name].on != "volume":
        raise InputError(f'"{name}" lives on the membrane; only species in the volume can be filled', where=key)
    return name
