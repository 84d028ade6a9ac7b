"""Engine `adaptive`: one site at several accuracies, switched while it runs."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar, Self, cast

import numpy as np
import numpy.typing as npt

from adapters.adaptive import rule
from adapters.adaptive.accuracy import Accuracy, Apart, Together
from adapters.adaptive.carried_fractions import CarriedFractions
from adapters.adaptive.options import AdaptiveOptions, engine_and_options, gathered
from adapters.adaptive.replaced_species import ReplacedSpecies
from adapters.adaptive.switches import Switch, from_json, reason_of, table, to_json
from couple.base.arrays import Counts, Ints
from couple.base.errors import InputError, nearest
from couple.base.schema import Block
from couple.base.units import IONS_PER_MM_UM3
from couple.components import engine
from couple.components.capabilities import (
    AdvancesSomeSites,
    BringsGeometry,
    ComposedOfEngines,
    CountsValidity,
    HasEventTables,
    ReadsMoreFiles,
    ReportsTimings,
    geometry_of,
)
from couple.components.component import Port, State, digest_of
from couple.components.engine import EngineSetup, Site, SiteEngine
from couple.components.state import number, text, whole
from couple.geometry.geometry import Geometry
from couple.rng.streams import next_word, stream
from reducers.accuracy.model import AccuracyModel
from reducers.training.verdict import Verdict

log = logging.getLogger(__name__)

DECIDING, HANDING_OVER = "deciding", "handing over"


class Adaptive(
    SiteEngine, ComposedOfEngines, ReadsMoreFiles, BringsGeometry, CountsValidity, HasEventTables, ReportsTimings
):
    """Engines from cheap to fine; at the start of a window a rule names one for each site.

    A finer one is taken at once, a cheaper one when it has been good enough for a while (`adaptive.dwell`). The site is
    handed over in whole molecules (`read_counts`, `write_counts`); fractions of ions that are left are carried here and
    enter the next engine that counts in real numbers, or complete an ion. Reservoirs go on. Only the active engines
    advance, and a site's bits do not depend on its batch.

    Building one gives the class of its kind: whole ions if all engines count them.

    outputs besides those of every engine: `accuracy` (n_sites,): the engine of the last window, a number in `engines`.

    active: (n_sites,). since: (n_sites,) ms of the last switch. carried: see CarriedFractions. switches: so far.
    """

    rate_laws = True  # as far as its engines do
    Options: ClassVar[type[engine.Options]] = AdaptiveOptions

    def __new__(cls, setup: EngineSetup) -> Self:
        """Raises InputError if the options are not its own."""
        if cls is not Adaptive:
            return super().__new__(cls)
        whole = all(engine_and_options(_options(setup), name)[0].integer for name in _options(setup).engines)
        made: Any = super().__new__(WholeAdaptive if whole else MixedAdaptive)
        return cast(Self, made)

    def __init__(self, setup: EngineSetup) -> None:
        options, n = _options(setup), len(setup.sites)
        self.replaced = ReplacedSpecies.of(setup, options)
        super().__init__(self.replaced.extended(setup), {"accuracy": Port("1", (n,), "intensive", stored="int8")})
        self.setup, self.sites = setup, self.starting_sites(setup)
        self.options, self.engines = options, options.engines
        self.fractions = CarriedFractions(self.network, setup, self.replaced.common, mixed=not self.integer)
        self.accuracies = [self._accuracy(name) for name in options.engines]
        self._rule: rule.Rule | None = None
        self.files_read: Sequence[Path] = ()
        if options.rule is not None:
            self._rule, self.files_read = rule.load_rule(options.rule, setup.folder)
        self.active = np.zeros(n, dtype=np.int64)
        self.since, self.calm_since = np.zeros(n), np.full(n, np.nan)
        self.calm, self._wanted, self._chosen = (np.zeros(n, dtype=np.int64) for _ in range(3))
        self.words = np.array([stream(setup.seed, "adaptive", site.name, "hand-over") for site in setup.sites])
        self.switches: list[Switch] = []
        self.ticks, self._due = 0, 0
        self._seconds = dict.fromkeys([*self.engines, DECIDING, HANDING_OVER], 0.0)
        self._prepare()
        self._regroup()

    def _accuracy(self, name: str) -> Accuracy:
        factory, options = engine_and_options(self.options, name)
        setup = replace(self.setup, options=options, injected=self.fractions.filled)
        try:
            if issubclass(factory, AdvancesSomeSites):
                accuracy: Accuracy = Together(name, factory, setup, self.network)
            else:
                accuracy = Apart(name, factory, setup, self.network)
        except InputError as error:
            raise InputError(error.message, where=error.where or name) from None
        if not accuracy.observed:
            raise InputError(f'"{name}" has other observables than the chemistry', where="adaptive.engines")
        return accuracy

    def _prepare(self) -> None:
        """What the default rule needs."""
        network, sites, setup = self.network, self.sites, self.setup
        model = self._learned()
        filled = tuple(s for s in setup.injected if s not in setup.clamped)
        names = self.options.species or (filled if model is None else (model.species,))
        for name in names:
            if name not in network.names:
                raise InputError(f'unknown species "{name}"; {nearest(name, network.names)}', where="adaptive.species")
        self._play = np.array([network.index(s) for s in names], dtype=np.int64)
        self._source = np.array([setup.injected.index(s) if s in setup.injected else -1 for s in names], dtype=np.int64)
        shapes = [site.geometry for site in sites]
        D = [network.species[k].D if network.species[k].on == "volume" else np.inf for k in self._play]
        self._mixing = rule.mixing_times([g.volume for g in shapes], [g.area for g in shapes], D)
        self._mixing = np.where(np.isfinite(self._mixing), self._mixing, 0.0)
        self._traits = np.array([[not a.integer, not a.spatial] for a in self.accuracies], dtype=float)
        self.running = np.full((len(sites), len(names), 2), np.nan)
        self._indicators = np.zeros((len(sites), len(self.engines)))
        self._why = np.zeros(self._indicators.shape, dtype=np.int64)
        self._reported = np.zeros(self._indicators.shape)
        target = 0.0 if self.options.error is None else self.options.error
        self._limits = np.array([self.options.few, self.options.gradient, 0.0, target])
        self._terms = np.zeros((len(self.engines), 3)) if model is None else model.terms_of(self.engines)
        self._volumes = np.array([g.volume for g in shapes])

    def _learned(self) -> AccuracyModel | None:
        """Errors that were learned. Raises InputError for a file that does not fit engines or chemistry."""
        given = self.options.accuracy
        if given is None:
            return None
        try:
            model = AccuracyModel.read(self.setup.folder / given)
            model.check(self.setup.network)
            model.terms_of(self.engines)
        except InputError as error:
            raise error.at("adaptive.accuracy") from None
        verdict = Verdict.from_json(model.verdict)
        if verdict is not None and not verdict.good:
            log.warning("adaptive.accuracy: %s", verdict.line)
        return model

    # -- a window -------------------------------------------------------------------------------------------------

    def advance(self, ticks: int) -> None:
        """Decide, then advance what is active. Raises RunError as the engines do."""
        begun = perf_counter()
        if self.ticks >= self._due:
            self._decide(ticks)
            every = self.options.every
            self._due = self.ticks + (1 if every is None else max(1, round(every / self.setup.tick)))
        before = self._account(DECIDING, begun)
        counts, means, clamp = self.read("counts"), self.read("means"), self.read("clamp")
        given = self.fractions.take(self.read("influx"), self._whole)
        if self.replaced.added:
            counts[...] = 0.0
        for accuracy, rows in self._groups:
            accuracy.advance(ticks, rows, given, clamp)
            accuracy.outputs(rows, counts, means)
            before = self._account(accuracy.name, before)
        self.fractions.add(counts, means)
        self.ticks += ticks

    def _regroup(self) -> None:
        """After `active` changed: who advances which sites."""
        groups = [(a, np.flatnonzero(self.active == k)) for k, a in enumerate(self.accuracies)]
        self._groups = [(a, rows) for a, rows in groups if len(rows)]
        self._whole = np.array([self.accuracies[k].integer for k in self.active.tolist()])
        self.read("accuracy")[:] = self.active

    def _account(self, part: str, begun: float) -> float:
        now = perf_counter()
        self._seconds[part] += now - begun
        return now

    def _decide(self, ticks: int) -> None:
        now, span = self.ticks * self.setup.tick, ticks * self.setup.tick
        counts = self.read("counts")
        for k, accuracy in enumerate(self.accuracies):
            if accuracy.reports:
                self._reported[:, k] = accuracy.error_indicator(counts[:, : self.replaced.n])
        self._limits[2] = math.exp(-span / self.options.memory)
        rule.judge(
            counts, self.read("influx"), span, self._play, self._source, self._mixing, self._traits, self._limits,
            self._terms, self.running, self._reported, self._indicators, self._why,
        )  # fmt: skip
        if self._rule is None:
            rule.cheapest(self._indicators, self.active, self.options.hysteresis, self._wanted)
        else:
            for site in range(len(self.sites)):
                self._wanted[site] = rule.ask(self._rule, self._situation(site, now), self.engines)
        dwell = self.options.dwell
        if rule.settle(self._wanted, now, dwell, self.active, self.calm_since, self.calm, self._chosen):
            begun = perf_counter()
            for site in np.flatnonzero(self._chosen != self.active).tolist():
                self._switch(site, int(self._chosen[site]), now)
            self._regroup()
            self._seconds[DECIDING] -= self._account(HANDING_OVER, begun) - begun

    def _situation(self, site: int, now: float) -> rule.Situation:
        network, setup = self.network, self.setup
        row = self.read("counts")[site]
        volume = [k for k, s in enumerate(network.species) if s.on == "volume"]
        shares = np.array([network.species[k].share for k in volume])
        micromolar = row[volume] / (IONS_PER_MM_UM3 * self._volumes[site] * shares) * 1e3
        return rule.Situation(
            site=self.sites[site].name,
            time=now,
            since=now - float(self.since[site]),
            engine=self.engines[self.active[site]],
            counts=rule.frozen(network.names, row[: len(network.species)]),
            concentrations=rule.frozen([network.names[k] for k in volume], micromolar),
            influx=rule.frozen(setup.injected, self.read("influx")[site]),
            error_indicator=rule.frozen(self.engines, self._indicators[site]),
        )

    def _switch(self, site: int, to: int, now: float) -> None:
        """Hand a site over, in whole molecules, and note why."""
        old, new = self.accuracies[self.active[site]], self.accuracies[to]
        whole = old.read(site, self._generator(site))
        new.write(site, whole, self._generator(site))
        self._carry_on(site, whole, new)
        cheaper = min(to, int(self.active[site]))
        why = rule.CHOSEN if self._rule is not None else int(self._why[site, cheaper])
        species = [self.network.names[k] for k in self._play]
        reason = reason_of(why, self._indicators[site, cheaper], self.engines[cheaper], to > self.active[site], species)
        aside = float(self.fractions.carried[site].sum())
        self.switches.append(Switch(now, self.sites[site].name, old.name, new.name, reason, aside))
        log.info('t = %g ms: site "%s": %s -> %s: %s', now, self.sites[site].name, old.name, new.name, reason)
        self.active[site], self.since[site] = to, now

    def _carry_on(self, site: int, whole: Counts, new: Accuracy) -> None:
        component, row = new.engine(site)
        whole = np.pad(whole, (0, len(self.network.species) - len(whole)))
        self.fractions.hand_over(site, self.read("counts")[site], whole, component.read("counts")[row], new.columns)

    def _generator(self, site: int) -> np.random.Generator:
        """Of one hand-over: the words go on, so that the next one differs."""
        seeds = [int(next_word(self.words[site])) for _ in range(4)]
        return np.random.Generator(np.random.PCG64(seeds))

    # -- counts of and for others ---------------------------------------------------------------------------------

    def read_site(self, row: int, rng: np.random.Generator | None = None) -> Counts:
        """See SiteEngine: of the active engine."""
        accuracy: Accuracy = self.accuracies[self.active[row]]
        return accuracy.read(row, rng)

    def write_counts(self, counts: npt.ArrayLike, rng: np.random.Generator) -> None:
        """See SiteEngine; carried fractions go."""
        whole = self.checked_counts(counts, self.replaced.n)
        for site in range(len(self.sites)):
            accuracy = self.accuracies[self.active[site]]
            accuracy.write(site, whole[site], rng)
            self.read("counts")[site, : len(self.network.species)] = 0
            self.read("counts")[site, : whole.shape[1]] = whole[site]
            self._carry_on(site, whole[site], accuracy)
        weights = self.network.observable_weights
        self.read("means")[...] = (self.read("counts")[:, None, :] * weights).sum(axis=2)

    # -- state ----------------------------------------------------------------------------------------------------

    def save(self) -> State:
        """See Component: what was built of each engine, carried fractions, the rule's memory, all switches."""
        own: State = {key: array.copy() for key, array in self._arrays().items()}
        own |= {"ticks": self.ticks, "due": self._due, "seed": self.setup.seed}
        own |= {"switches": to_json(self.switches), **{f"seconds.{k}": v for k, v in self._seconds.items()}}
        for accuracy in self.accuracies:
            own |= accuracy.save()
        return own

    def restore(self, state: State) -> None:
        """See Component."""
        for key, array in self._arrays().items():
            array[...] = np.asarray(state[key])
        self.ticks, self._due = whole(state, "ticks"), whole(state, "due")
        self.switches = from_json(text(state, "switches"))
        self._seconds = {k: number(state, f"seconds.{k}") for k in self._seconds}
        self.setup = replace(self.setup, seed=whole(state, "seed"))
        for accuracy in self.accuracies:
            accuracy.setup = replace(accuracy.setup, seed=self.setup.seed)
            accuracy.restore(state)
        self.fractions.restored()
        self._regroup()

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {
            "active": self.active,
            "since": self.since,
            "calm_since": self.calm_since,
            "calm": self.calm,
            "running": self.running,
            "words": self.words,
            **self.fractions.arrays(),
            **{f"port.{key}": self.read(key) for key in self.outputs},
        }

    def restart(self, start: State, seed: int) -> None:
        """See Component."""
        fresh = type(self)(replace(self.setup, seed=seed))
        self.accuracies, self.setup, self.sites = fresh.accuracies, fresh.setup, fresh.sites
        self.restore(fresh.save())
        self.memory[:] = fresh.memory

    def reseed(self, seed: int) -> None:
        """See Component."""
        self.setup = replace(self.setup, seed=seed)
        self.words[...] = [stream(seed, "adaptive", site.name, "hand-over") for site in self.sites]
        for accuracy in self.accuracies:
            accuracy.reseed(seed)

    def digest(self, state: State) -> str:
        """See Component: what it cost is not part of it."""
        return digest_of({k: v for k, v in state.items() if not k.startswith("seconds.")})

    # -- what results say -----------------------------------------------------------------------------------------

    def attributes(self) -> dict[str, Any]:
        """See SiteEngine: the engines behind the numbers of `accuracy`."""
        return {"accuracies": list(self.engines)}

    def event_tables(self) -> dict[str, npt.NDArray[np.void]]:
        """See HasEventTables: every switch."""
        return {"switches": table(self.switches)}

    def validity_counts(self) -> dict[str, Ints]:
        """See CountsValidity: sums over its engines."""
        found: dict[str, Ints] = {}
        for accuracy in self.accuracies:
            for name, times in accuracy.validity_counts(len(self.sites)).items():
                found[name] = found[name] + times if name in found else times
        return found

    def timings(self) -> dict[str, float]:
        """See ReportsTimings: seconds of each engine, of deciding, and of handing over."""
        return dict(self._seconds)

    # -- set-up ---------------------------------------------------------------------------------------------------

    @classmethod
    def gather_options(cls, name: str, tables: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """See ComposedOfEngines: with the tables of its engines."""
        return gathered(tables)

    @classmethod
    def inner_options(cls, options: Block) -> Mapping[str, Block]:
        """See ComposedOfEngines."""
        assert isinstance(options, AdaptiveOptions)
        return {name: engine_and_options(options, name)[1] for name in options.engines}

    @classmethod
    def starting_sites(cls, setup: EngineSetup) -> tuple[Site, ...]:
        """See SiteEngine: as its first engine starts them."""
        factory, own = engine_and_options(_options(setup), _options(setup).engines[0])
        return factory.starting_sites(replace(setup, options=own))

    @classmethod
    def geometry_of(cls, options: Block, folder: Path) -> Geometry | None:
        """See BringsGeometry: that of the first engine whose options have one."""
        assert isinstance(options, AdaptiveOptions)
        for name in options.engines:
            factory, own = engine_and_options(options, name)
            found = geometry_of(factory, own, folder)
            if found is not None:
                return found
        return None

    @classmethod
    def check(cls, setup: EngineSetup) -> Sequence[str]:
        """See SiteEngine: what its engines warn about; the same geometry is looked at once."""
        options, warnings = _options(setup), []
        different = {(site.geometry, site.initial): site for site in setup.sites}
        for name in options.engines:
            factory, own = engine_and_options(options, name)
            try:
                factory.check_laws(setup.network, f'the engine "{name}"')
                found = factory.check(replace(setup, options=own, sites=tuple(different.values())))
            except InputError as error:
                raise InputError(error.message, where=error.where or name) from None
            warnings += [f"{name}: {text}" for text in found]
        return warnings


class WholeAdaptive(Adaptive):
    """All of its engines count in whole molecules."""

    integer = True


class MixedAdaptive(Adaptive):
    """Some of its engines count in real numbers: it takes real numbers of ions, and carries what is not whole."""

    integer = False


def _options(setup: EngineSetup) -> AdaptiveOptions:
    if not isinstance(setup.options, AdaptiveOptions):
        raise InputError(f'"{setup.name}": say which engines: adaptive.engines = ["ode", "lattice"]')
    return setup.options
