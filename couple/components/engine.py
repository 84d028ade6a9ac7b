"""Base of all chemistry engines: what the loop and a user may ask of any accuracy."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from couple.base.arrays import Counts, Floats
from couple.base.errors import InputError
from couple.base.schema import Block
from couple.chemistry.lattice_units import Unit
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.rounding import Rounding, RoundingRule
from couple.chemistry.voltage_rates import VoltageRates
from couple.chemistry.whole_counts import keyed_draw, whole_amounts
from couple.components.component import Component, Port, State
from couple.geometry.cable import Cable
from couple.geometry.geometry import Geometry
from couple.parallel.threads import Threads
from couple.rng.streams import generator


class Options(Block):
    """Base of an engine's own options: the table `[site] ENGINE.key = value`."""


@dataclass(frozen=True)
class Site:
    """A place in the cell with chemistry.

    initial: (n_species,) molecules of each species at the start, real numbers; engines of whole molecules start from
    whole ones near them, see `EngineSetup.rounding`. together: columns that one total was split over.
    opening_diameter: diameter (µm) of the neck that opens into the middle of the lower end of a cylinder, if one does.
    cable: of a site along whole sections, the branches that its engine resolves; `geometry` has their volume and area.
    voltage: of its membrane at the start, mV, for rates that depend on it. entry: region of its membrane through which
    influx comes, all of it if not given.

    >>> from couple import Geometry, Site
    >>> Site("head", Geometry.sphere(0.5), initial=(100,)).initial
    (100,)
    """

    name: str
    geometry: Geometry
    initial: tuple[float, ...]
    cable: Cable | None = None
    opening_diameter: float | None = None
    together: tuple[tuple[int, ...], ...] = ()
    voltage: float = 0.0
    entry: str = ""


@dataclass(frozen=True)
class EngineSetup:
    """All that an engine is built from.

    name:     of the component, for messages and results.
    network:  the chemistry (clamped species are marked by `clamped`, see ReactionNetwork.with_clamped).
    sites:    at least one.
    tick:     ms per tick of the clock.
    injected: species that receive ions from links and drives: the columns of the input `influx`.
    clamped:  species whose count is held at the input `clamp`.
    folder:   of the experiment file; paths in options are relative to it.
    window:   ms between exchanges with the rest; 0 if nobody says.
    rounding: of amounts at the start to whole molecules, see couple.chemistry.whole_counts.
    threads:  over which sites may be divided; their results are the same for any number.

    >>> from couple import EngineSetup, Geometry, ReactionNetwork, Site, Species
    >>> chemistry, place = ReactionNetwork([Species("A")]), Site("head", Geometry.sphere(0.5), (100,))
    >>> EngineSetup("head", chemistry, (place,), tick=0.025, injected=("A",)).seed
    0
    """

    name: str
    network: ReactionNetwork
    sites: tuple[Site, ...]
    tick: float
    injected: tuple[str, ...] = ()
    clamped: tuple[str, ...] = ()
    seed: int = 0
    options: Options = field(default_factory=Options)
    folder: Path = Path()
    window: float = 0.0
    rounding: RoundingRule = "random"
    threads: int = 1


def whole_site(setup: EngineSetup, site: Site, species: Collection[str] | None = None) -> Site:
    """A site of a setup with whole molecules at the start; species: of these alone, by default of all.

    Random numbers depend on the setup's seed, the site's name and the species' names alone.
    """
    names = setup.network.names
    whole = whole_amounts(site.initial, names, site.together, setup.rounding, keyed_draw(setup.seed, site.name))
    if species is None:
        return replace(site, initial=whole)
    chosen = frozenset(species)
    found = tuple(n if s in chosen else x for s, n, x in zip(names, whole, site.initial, strict=True))
    return replace(site, initial=found)


class SiteEngine(Component):
    """An engine of chemistry with one or many sites. A subclass writes `advance`, `write_counts`, `save` and `restore`.

    inputs   `influx` (n_sites, n_injected): molecules that enter over the next window, evenly spread. Negative
             ones leave at its start; the exchange never asks for more than are free. Whole for `integer` engines.
             `clamp` (n_sites, n_clamped): the count at which a species is held; what enters such a species goes on
             into its reservoir `NAME_clamp`.
             `v` (n_sites,), where rates depend on it: mV of the membrane over the next window.
    outputs  `counts` (n_sites, n_states): molecules of each species, then reservoirs (what went out).
             `means` (n_sites, n_observables): each observable averaged over the last window.
             Whatever else an engine lays open is recorded as it is, (n_sites, n_columns) each.

    What only some engines can do is declared: see couple.components.capabilities.

    A site's results may not depend on which other sites share its component.

    >>> from couple import EngineSetup, Geometry, ReactionNetwork, Site, SiteEngine, Species
    >>> class Nothing(SiteEngine):
    ...     def advance(self, ticks):
    ...         self.read("counts")[:, self.injected_columns] += self.read("influx")
    ...     def write_counts(self, counts, rng):
    ...         self.read("counts")[:, : len(self.network.species)] = self.checked_counts(counts)
    ...     def save(self):
    ...         return {}
    ...     def restore(self, state):
    ...         pass
    >>> chemistry, place = ReactionNetwork([Species("A")]), Site("head", Geometry.sphere(0.5), (100,))
    >>> engine = Nothing(EngineSetup("head", chemistry, (place,), tick=0.025, injected=("A",)))
    >>> engine.write("influx", 7)
    >>> engine.advance(4)
    >>> engine.read_counts().tolist()  # (n_sites, n_species)
    [[107]]
    """

    integer: ClassVar[bool] = True
    """Whether molecules are whole numbers: the exchange then hands over whole ions and carries the fraction."""

    spatial: ClassVar[bool] = False
    """Whether molecules have places: calcium below the membrane is then not that of the volume."""

    rate_laws: ClassVar[bool] = False
    """Whether it takes reactions with rate laws that are no mass action."""

    voltage_order: ClassVar[int | None] = None
    """Of reactions whose rates may depend on the voltage: None of none, 1 of those of first order, 2 of all."""

    clock: ClassVar[Unit] = "ms"
    """What its time counts: ms, or steps of a lattice without units."""

    Options: ClassVar[type[Options]] = Options

    drawn: ClassVar[tuple[str, ...]] = ("words",)
    """What of a saved state another seed replaces: parts of its dotted keys, as in "site0.words"."""

    def __init__(
        self,
        setup: EngineSetup,
        more: Mapping[str, Port] | None = None,
        more_inputs: Mapping[str, Port] | None = None,
    ) -> None:
        """more, more_inputs: ports besides those of every engine."""
        self.check_laws(setup.network, f'"{setup.name}" ({type(self).__name__})')
        network = self.network_of(setup)
        n = len(setup.sites)
        self.voltage_rates = VoltageRates(network.voltage_factors) if network.voltage_factors else None
        voltage = {"v": Port("mV", (n,), "intensive")} if self.voltage_rates is not None else {}
        for site in setup.sites:
            if len(site.initial) != len(network.species):
                raise InputError(
                    f'site "{site.name}" has {len(site.initial)} initial counts for {len(network.species)} species'
                )
        self.setup, self.network, self.sites = setup, network, self.starting_sites(setup)
        self.threads = Threads(setup.threads)
        super().__init__(
            setup.name,
            inputs={
                "influx": Port("count", (n, len(setup.injected)), "extensive", setup.injected),
                "clamp": Port("count", (n, len(setup.clamped)), "intensive", setup.clamped),
                **voltage,
                **(more_inputs or {}),
            },
            outputs={
                "counts": Port("count", (n, len(network.states)), "extensive", network.states),
                "means": Port("count", (n, len(network.observables)), "intensive", tuple(network.observables)),
                **(more or {}),
            },
        )
        if voltage:
            self.read("v")[:] = [s.voltage for s in self.sites]
        counts = self.read("counts")
        counts[:, : len(network.species)] = [s.initial for s in self.sites]
        self.read("means")[...] = counts @ network.observable_weights.T
        self.injected_columns = np.array([network.index(s) for s in setup.injected], dtype=np.int64)
        self.clamped_columns = np.array([network.index(s) for s in setup.clamped], dtype=np.int64)
        self.read("clamp")[...] = counts[:, self.clamped_columns]
        self.rates: Floats = np.array([self.count_rates(s.geometry) for s in setup.sites])
        self.rates = self.rates.reshape(n, len(network.reactions))

    @classmethod
    def network_of(cls, setup: EngineSetup) -> ReactionNetwork:
        """Network of a setup with the reservoirs that this engine adds to it."""
        return setup.network.with_clamped(setup.clamped) if setup.clamped else setup.network

    @classmethod
    def starting_sites(cls, setup: EngineSetup) -> tuple[Site, ...]:
        """Sites with the molecules that this engine starts from: whole ones if it counts them."""
        return tuple(whole_site(setup, site) for site in setup.sites) if cls.integer else setup.sites

    def count_rates(self, geometry: Geometry) -> Floats:
        """(n_reactions,) rates in counts and per ms for a site; see ReactionNetwork."""
        return self.network.count_rates(geometry.volume, geometry.area, laws=self.rate_laws)

    @classmethod
    def check_laws(cls, network: ReactionNetwork, who: str) -> None:
        """Raise InputError, in the name of `who`, for rate laws and rates by voltage that this engine does not take."""
        if not cls.rate_laws:
            network.refuse_laws(who)
        network.refuse_voltage(who, cls.voltage_order)

    @cached_property
    def rounding(self) -> Rounding:
        """Rounds real to whole molecules of this chemistry."""
        return Rounding(self.network)

    def read_counts(self) -> Counts:
        """(n_sites, n_species) whole molecules now: how a site is handed to another accuracy.

        Of a continuous engine they are rounded so that all that reactions conserve stays whole, at random (the same
        counts give the same result), see couple.chemistry.rounding. A fraction of an ion is left out.
        """
        return np.array([self.read_site(row) for row in range(len(self.sites))], dtype=np.int64)

    def read_site(self, row: int, rng: np.random.Generator | None = None) -> Counts:
        """(n_species,) whole molecules of one site, see `read_counts`; rounded with random numbers of `rng` if given.

        An engine whose `counts` are not molecules of the network overrides this one.
        """
        counts = self.read("counts")[row, : len(self.network.species)]
        whole = np.rint(counts)
        if self.integer or bool((whole == counts).all()):
            return whole.astype(np.int64)
        if rng is None:
            rng = generator(self.setup.seed, "rounding", self.sites[row].name, counts.tobytes().hex())
        return self.rounding(counts, rng)

    @abstractmethod
    def write_counts(self, counts: npt.ArrayLike, rng: np.random.Generator) -> None:
        """Take up (n_sites, n_species) molecules from another accuracy; `rng` places them where places matter.

        Reservoir counts stay. Raises InputError for a wrong shape or a negative count.
        """

    def restart(self, start: State, seed: int) -> None:
        """Take over what an engine built with that seed would hold; see Component."""
        fresh = type(self)(replace(self.setup, seed=seed))
        self.restore(fresh.save())
        self.setup, self.sites = fresh.setup, fresh.sites
        self.memory[:] = fresh.memory

    def reseed(self, seed: int) -> None:
        """Take the random streams of an engine built with that seed; see Component."""
        setup, ports, state = replace(self.setup, seed=seed), self.memory.copy(), self.save()
        if any(self._is_drawn(key) for key in state):
            fresh = type(self)(setup).save()
            self.restore({**state, **{key: value for key, value in fresh.items() if self._is_drawn(key)}})
            self.memory[:] = ports
        self.setup = setup

    def _is_drawn(self, key: str) -> bool:
        return not {*key.split(".")}.isdisjoint(self.drawn)

    def checked_counts(self, counts: npt.ArrayLike, species: int | None = None) -> Counts:
        """(n_sites, n_species) `counts` as whole numbers; species: their number if not that of the network.

        Raises InputError for another shape, a fraction, or a negative count.
        """
        array = np.asarray(counts)
        shape = (len(self.sites), len(self.network.species) if species is None else species)
        if array.shape != shape:
            raise InputError(f'"{self.name}" takes counts of shape {shape} (sites, species), not {array.shape}')
        whole = np.rint(array).astype(np.int64)
        if not np.array_equal(whole, array) or (whole < 0).any():
            raise InputError(f'"{self.name}" takes whole, non-negative counts')
        return whole

    def attributes(self) -> dict[str, Any]:
        """Attributes of its group in results besides volumes, areas and names: name → what HDF5 can hold."""
        return {}

    def describe(self) -> Sequence[str]:
        """Lines for `couple check` about what it made of its sites."""
        return ()

    @classmethod
    def check(cls, setup: EngineSetup) -> Sequence[str]:
        """Warnings about accuracy, shown before anything runs. Raises InputError if it cannot run."""
        return ()
