"""The engine of each [[site]] block: its class and its options, looked up and validated once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from couple.base import registry
from couple.base.errors import InputError, MissingDependencyError
from couple.base.schema import explain
from couple.components.capabilities import (
    ContainsNecks,
    RankRequest,
    ResolvesCables,
    asked_ranks,
    geometry_of,
    options_of,
)
from couple.components.engine import SiteEngine
from couple.experiment import Experiment
from couple.geometry.geometry import Geometry


@dataclass(frozen=True)
class EngineChoice:
    """What a [[site]] block says of its engine; every part is worked out at its first use, and once.

    kind: the word in the file. key: of the block, as "site[0]", for messages. tables: options by engine, as given.
    along: whether the site lies along whole sections, which an engine may resolve by a class of its own.
    """

    kind: str
    key: str
    tables: Mapping[str, Mapping[str, Any]]
    along: bool = False

    @property
    def where(self) -> str:
        """The key of the options, as "site[0].lattice"."""
        return f"{self.key}.{self.kind}"

    @cached_property
    def factory(self) -> type[SiteEngine]:
        """The class of the engine. Raises InputError that names the key for an unknown one, and for one that cannot
        resolve a site along sections.
        """
        named = engine_class(self.kind, self.key)
        return _along_sections(named, self.kind, self.key) if self.along else named

    @cached_property
    def text(self) -> str:
        """The table of its options as JSON with sorted keys: equal for sites that may share a component."""
        factory = self.factory  # says its own place
        try:
            return json.dumps(options_of(factory, self.kind, self.tables), sort_keys=True)
        except InputError as error:
            raise error.at(self.where) from None

    @cached_property
    def options(self) -> Any:
        """The validated options, an instance of the class's own `Options`. Raises InputError that names the key."""
        return read_options(self.factory, json.loads(self.text), self.where)

    @property
    def asked_ranks(self) -> RankRequest:
        """The ranks that are to solve such a site together."""
        return asked_ranks(self.factory, self.options)

    def geometry(self, folder: Path) -> Geometry:
        """The geometry that the options describe. Raises InputError if they do not. folder: where paths start."""
        options = self.options
        try:
            found = geometry_of(self.factory, options, folder)
        except InputError as error:
            raise error.at(self.where) from None
        if found is None:
            raise InputError(
                'give segment = "head(0.5)", or geometry.cylinder = { diameter, length }, or both', where=self.key
            )
        return found

    def neck(self, folder: Path) -> tuple[float, float] | None:
        """(diameter, length) in µm of the neck that such a site holds, None without. Raises InputError that names the
        key. folder: where paths start.
        """
        try:
            return self.factory.neck_of(self.options, folder) if issubclass(self.factory, ContainsNecks) else None
        except InputError as error:
            raise error.at(self.where) from None


def engine_choices(experiment: Experiment) -> dict[str, EngineChoice]:
    """Key of every [[site]] block ("site[0]") → its engine. Nothing is imported or validated yet."""
    return {
        key: EngineChoice(block.engine, key, block.options, block.sections is not None)
        for i in range(len(experiment.site))
        for key, block in ((f"site[{i}]", experiment.whole_site(i)),)
    }


def load_engines(experiment: Experiment) -> dict[str, EngineChoice]:
    """The choices, with every engine imported that the sites name and all options validated.

    Before NEURON: an engine that brings MPI has to come first (adapters/neuron/hoc/h.py). Raises InputError that names
    the key.
    """
    choices = engine_choices(experiment)
    for choice in choices.values():
        _ = choice.text  # imports whatever that one needs
        for kind, options in choice.tables.items():  # of engines that it may be switched to, too
            if kind != choice.kind:
                with suppress(MissingDependencyError):
                    read_options(registry.load("couple.engines", kind), options, f"{choice.key}.{kind}")
    for choice in choices.values():
        _ = choice.options
    return choices


def engine_class(kind: str, key: str) -> type[SiteEngine]:
    """The class that an engine's name stands for. Raises InputError that names the key."""
    try:
        factory: type[SiteEngine] = registry.load("couple.engines", kind)
    except InputError as error:
        raise error.at(f"{key}.engine") from None
    return factory


def read_options(factory: type[SiteEngine], options: Mapping[str, Any], key: str) -> Any:
    """Options of an engine from their table. Raises InputError that names the key."""
    try:
        return factory.Options.model_validate(options)
    except ValidationError as error:
        raise explain(error, options).at(key) from None


def _along_sections(named: type[SiteEngine], kind: str, key: str) -> type[SiteEngine]:
    """The class that resolves a site along sections. Raises InputError if this accuracy has none."""
    if not issubclass(named, ResolvesCables):
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
    return named.cable_engine()
