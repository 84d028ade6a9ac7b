"""One accuracy of all sites: a component with all of them, or one for each, of which only those in use advance."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace

import numpy as np

from couple.base.arrays import Counts, Floats, Ints
from couple.base.errors import InputError
from couple.chemistry.network import ReactionNetwork
from couple.components.capabilities import AdvancesSomeSites, CountsValidity, HasErrorIndicator, counted_network
from couple.components.component import State
from couple.components.engine import EngineSetup, SiteEngine


class Accuracy(ABC):
    """An engine by name, for the sites of an adaptive one.

    integer, spatial: traits of the engine. columns: (n,) of its states among those of the adaptive engine.
    """

    def __init__(self, name: str, factory: type[SiteEngine], setup: EngineSetup, network: ReactionNetwork) -> None:
        self.name, self.factory, self.setup = name, factory, setup
        self.spatial, self.integer = factory.spatial, factory.integer
        mine = counted_network(factory, setup)
        for state in mine.states:
            if state not in network.states:
                raise InputError(f'"{name}" counts "{state}", which its other engines do not know', where=name)
        self.columns = np.array([network.index(s) for s in mine.states], dtype=np.int64)
        self.observed = list(network.observables) == list(mine.observables)

    @property
    def reports(self) -> bool:
        """Whether it says by itself how far it may be trusted."""
        return issubclass(self.factory, HasErrorIndicator)

    @abstractmethod
    def engine(self, site: int) -> tuple[SiteEngine, int]:
        """The component of a site and its row there."""

    @abstractmethod
    def advance(self, ticks: int, rows: Ints, influx: Floats, clamp: Floats) -> None:
        """Advance these sites. influx, clamp: (n_sites, n) of all."""

    @abstractmethod
    def outputs(self, rows: Ints, counts: Floats, means: Floats) -> None:
        """Write counts, in its own columns, and means of these sites into rows of (n_sites, n)."""

    @abstractmethod
    def read(self, site: int, rng: np.random.Generator | None = None) -> Counts:
        """(n_species,) whole molecules of a site, see SiteEngine.read_site."""

    @abstractmethod
    def write(self, site: int, counts: Counts, rng: np.random.Generator) -> None:
        """Take up (n_species,) molecules in a site."""

    @abstractmethod
    def error_indicator(self, counts: Floats) -> Floats:
        """(n_sites,) see HasErrorIndicator; 0 of an engine that has none."""

    @abstractmethod
    def validity_counts(self, n_sites: int) -> dict[str, Ints]:
        """Kind → (n_sites,) see CountsValidity; 0 where nothing was built."""

    @abstractmethod
    def components(self) -> dict[str, SiteEngine]:
        """Those that were built, by name."""

    @abstractmethod
    def build(self, names: set[str]) -> None:
        """Have exactly the components of these names."""

    def save(self) -> State:
        """States and port values of its components."""
        found: State = {}
        for key, engine in self.components().items():
            found |= {f"{self.name}.{key}.{k}": v for k, v in engine.save().items()}
            found[f"{self.name}.{key}.memory"] = engine.memory.copy()
        return found

    def reseed(self, seed: int) -> None:
        """Random numbers of another seed, for components that are there and those to come."""
        self.setup = replace(self.setup, seed=seed)
        for engine in self.components().values():
            engine.reseed(seed)

    def restore(self, state: State) -> None:
        """What `save` of an equal one gave."""
        mine = {k.split(".", 2)[1]: None for k in state if k.startswith(f"{self.name}.")}
        self.build(set(mine))
        for key, engine in self.components().items():
            start = f"{self.name}.{key}."
            saved = {k.removeprefix(start): v for k, v in state.items() if k.startswith(start)}
            memory = np.asarray(saved.pop("memory"))
            if memory.shape != engine.memory.shape:
                raise InputError(f'the saved state does not fit "{self.setup.name}": its {self.name} has other ports')
            engine.restore(saved)
            engine.memory[:] = memory


def _score(engine: SiteEngine, counts: Floats) -> Floats:
    return engine.error_indicator(counts) if isinstance(engine, HasErrorIndicator) else np.zeros(len(counts))


class Together(Accuracy):
    """All sites in one component, which advances some of them."""

    def __init__(self, name: str, factory: type[SiteEngine], setup: EngineSetup, network: ReactionNetwork) -> None:
        super().__init__(name, factory, setup, network)
        engine = factory(setup)
        assert isinstance(engine, AdvancesSomeSites)
        self._engine: SiteEngine = engine
        self._partly: AdvancesSomeSites = engine
        self._same = np.array_equal(self.columns, np.arange(len(network.states)))

    def engine(self, site: int) -> tuple[SiteEngine, int]:
        """See Accuracy."""
        return self._engine, site

    def advance(self, ticks: int, rows: Ints, influx: Floats, clamp: Floats) -> None:
        """See Accuracy. Raises RunError as the engine does."""
        self._engine.write("influx", influx)
        self._engine.write("clamp", clamp)
        self._partly.advance_sites(ticks, rows)

    def outputs(self, rows: Ints, counts: Floats, means: Floats) -> None:
        """See Accuracy."""
        mine, observed = self._engine.read("counts"), self._engine.read("means")
        if len(rows) == len(counts) and self._same:
            counts[...], means[...] = mine, observed
        else:
            counts[rows[:, None], self.columns], means[rows] = mine[rows], observed[rows]

    def read(self, site: int, rng: np.random.Generator | None = None) -> Counts:
        """See Accuracy."""
        return self._engine.read_site(site, rng)

    def write(self, site: int, counts: Counts, rng: np.random.Generator) -> None:
        """See Accuracy."""
        self._partly.write_sites(np.array([site]), counts[None, :], rng)

    def error_indicator(self, counts: Floats) -> Floats:
        """See Accuracy."""
        return _score(self._engine, counts)

    def validity_counts(self, n_sites: int) -> dict[str, Ints]:
        """See Accuracy."""
        return self._engine.validity_counts() if isinstance(self._engine, CountsValidity) else {}

    def components(self) -> dict[str, SiteEngine]:
        """See Accuracy."""
        return {"all": self._engine}

    def build(self, names: set[str]) -> None:
        """See Accuracy. Raises InputError for other names than its own."""
        if names != {"all"}:
            raise InputError(f'the saved state does not fit "{self.setup.name}": {self.name} has other sites there')


class Apart(Accuracy):
    """A component for each site, built when it is first needed."""

    def __init__(self, name: str, factory: type[SiteEngine], setup: EngineSetup, network: ReactionNetwork) -> None:
        super().__init__(name, factory, setup, network)
        self._engines: dict[int, SiteEngine] = {}

    def engine(self, site: int) -> tuple[SiteEngine, int]:
        """See Accuracy."""
        if site not in self._engines:
            self._engines[site] = self.factory(replace(self.setup, sites=(self.setup.sites[site],)))
        return self._engines[site], 0

    def advance(self, ticks: int, rows: Ints, influx: Floats, clamp: Floats) -> None:
        """See Accuracy. Raises RunError as the engine does."""
        for row in rows.tolist():
            engine, _ = self.engine(row)
            engine.read("influx")[0] = influx[row]
            engine.read("clamp")[0] = clamp[row]
            engine.advance(ticks)

    def outputs(self, rows: Ints, counts: Floats, means: Floats) -> None:
        """See Accuracy."""
        for row in rows.tolist():
            engine, _ = self.engine(row)
            counts[row, self.columns] = engine.read("counts")[0]
            means[row] = engine.read("means")[0]

    def read(self, site: int, rng: np.random.Generator | None = None) -> Counts:
        """See Accuracy."""
        return self.engine(site)[0].read_site(0, rng)

    def write(self, site: int, counts: Counts, rng: np.random.Generator) -> None:
        """See Accuracy."""
        self.engine(site)[0].write_counts(counts[None, :], rng)

    def error_indicator(self, counts: Floats) -> Floats:
        """See Accuracy."""
        return np.array([_score(self.engine(k)[0], counts[k : k + 1])[0] for k in range(len(counts))])

    def validity_counts(self, n_sites: int) -> dict[str, Ints]:
        """See Accuracy."""
        found: dict[str, Ints] = {}
        for site, engine in sorted(self._engines.items()):
            for name, times in engine.validity_counts().items() if isinstance(engine, CountsValidity) else ():
                found.setdefault(name, np.zeros(n_sites, dtype=np.int64))[site] = times[0]
        return found

    def components(self) -> dict[str, SiteEngine]:
        """See Accuracy."""
        return {str(site): engine for site, engine in sorted(self._engines.items())}

    def build(self, names: set[str]) -> None:
        """See Accuracy."""
        wanted = {int(name) for name in names}
        self._engines = {site: engine for site, engine in self._engines.items() if site in wanted}
        for site in sorted(wanted):
            self.engine(site)
