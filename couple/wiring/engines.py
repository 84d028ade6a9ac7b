"""Chemistry engines: one component for all sites of the same engine and options."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from couple.base import registry
from couple.base.errors import InputError, MissingDependencyError, nearest
from couple.base.schema import explain
from couple.chemistry.network import ReactionNetwork
from couple.components.capabilities import ResolvesCables, options_of
from couple.components.component import Component
from couple.components.engine import EngineSetup, Site, SiteEngine
from couple.experiment import Experiment
from couple.experiment.clock import Clock
from couple.geometry.cable import Foot
from couple.wiring.groups import Agreed, Group, agree_on_groups
from couple.wiring.initial_counts import initial_counts
from couple.wiring.sites import Place, PlacedLink, Sited, matching


@dataclass
class Engines:
    """All engines, and where each site is: site name → (engine, row).

    agreed: on the components of all ranks. together: of `engines`, those that other ranks help with, and what this rank
    helps others with, in the same order on all ranks.
    """

    engines: list[SiteEngine] = field(default_factory=list)
    of: dict[str, tuple[SiteEngine, int]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    agreed: Mapping[Group, Agreed] = field(default_factory=dict)
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
        factory = factory_of(place.block.engine, place.key)
        options = options_of(factory, place.block.engine, place.block.options)
        held = tuple(clamped.get(place.name, ()))  # a species is held in all sites of a component or in none
        alone = place.name if place.cable is not None else ""
        groups.setdefault((place.block.engine, json.dumps(options, sort_keys=True), held, alone), []).append(place)
    agreed = agree_on_groups(groups, injected, places.everywhere)
    built = Engines(agreed=agreed)
    for group, members in groups.items():
        (kind, text, held, _), key = group, members[0].key
        factory = of_group(group, key)
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
    return built


def load_engines(experiment: Experiment) -> None:
    """Import every engine that the sites name, and hold all options against their engines.

    Before NEURON: an engine that brings MPI has to come first (adapters/neuron/importing.py). Raises InputError that
    names the key.
    """
    for i, block in enumerate(experiment.site):
        chosen = factory_of(block.engine, f"site[{i}]")
        try:
            options_of(chosen, block.engine, block.options)  # imports whatever that one needs
        except InputError as error:
            raise error.at(f"site[{i}].{block.engine}") from None
        for kind, options in block.options.items():  # of engines that it may be switched to, too
            if kind != block.engine:
                with suppress(MissingDependencyError):
                    read_options(registry.load("couple.engines", kind), options, f"site[{i}].{kind}")


def factory_of(kind: str, key: str) -> type[SiteEngine]:
    """The class of an engine. Raises InputError that names the key."""
    try:
        factory: type[SiteEngine] = registry.load("couple.engines", kind)
    except InputError as error:
        raise error.at(f"{key}.engine") from None
    return factory


def _along(kind: str, key: str) -> type[SiteEngine]:
    """The engine that resolves a site along sections. Raises InputError if this accuracy cannot."""
    factory = factory_of(kind, key)
    if not issubclass(factory, ResolvesCables):
        able = []
        for name in registry.names("couple.engines"):
            with suppress(MissingDependencyError):
                known = registry.load("couple.engines", name)
                able += [f'engine = "{name}"'] if issubclass(known, ResolvesCables) else []
        others = f" ({', '.join(able)})" if able else ""
        raise InputError(
            f'engine = "{kind}" does not resolve a site along sections: take one that does{others}, '
            "or segment = [...] for one well-stirred site",
            where=f"{key}.sections",
        )
    return factory.cable_engine()


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


def of_group(group: Group, key: str) -> type[SiteEngine]:
    """The class of its component."""
    kind, _, _, along = group
    return _along(kind, key) if along else factory_of(kind, key)
