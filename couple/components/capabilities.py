"""What some engines can do and others cannot: an engine class names each capability among its bases.

The loop asks by type, `isinstance(engine, CountsValidity)` or `issubclass(factory, BringsGeometry)`: what counts is
what a class declares, not the names of methods that it happens to have.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from couple.base.arrays import Counts, Floats, Ints
from couple.base.schema import Block
from couple.chemistry.network import ReactionNetwork
from couple.components.component import Component
from couple.components.engine import EngineSetup, SiteEngine
from couple.geometry.geometry import Geometry
from couple.parallel.communicator import Team

RankRequest = Literal["all"] | int | tuple[int, ...] | None
"""Ranks that are to solve a site together: all, so many, its own and these; None: its own alone."""


# -- options and geometry ---------------------------------------------------------------------------------------------


class ComposedOfEngines(ABC):
    """Runs other engines, whose options stand in tables of their own."""

    @classmethod
    @abstractmethod
    def gather_options(cls, name: str, tables: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """Content of its options, from all tables of a site; imports the engines that they name.

        name: under which it is registered. Raises InputError if one of the engines cannot be had.
        """

    @classmethod
    @abstractmethod
    def inner_options(cls, options: Block) -> Mapping[str, Block]:
        """Engine → its validated options, of those that it runs. Raises InputError that names the key."""


class ReadsMoreFiles(ABC):
    """Reads files that no option names."""

    files_read: Sequence[Path]


class BringsGeometry(ABC):
    """Has options that may describe a site's geometry, which the site then need not have."""

    @classmethod
    @abstractmethod
    def geometry_of(cls, options: Block, folder: Path) -> Geometry | None:
        """Geometry that the options describe, None if they say nothing about it.

        folder: paths in the options are relative to it. Raises InputError for a file that cannot be used.
        """


# -- what of a site is counted and advanced ---------------------------------------------------------------------------


class ReplacesSpecies(ABC):
    """Counts something else in place of some species, as a reduced model does."""

    @classmethod
    @abstractmethod
    def counted_network(cls, setup: EngineSetup) -> ReactionNetwork:
        """Network whose states are the columns of its output `counts`. Raises InputError for a model that does not
        fit the chemistry."""


class AdvancesSomeSites(ABC):
    """Advances some of its sites while the others rest."""

    @abstractmethod
    def advance_sites(self, ticks: int, rows: npt.NDArray[np.int64]) -> None:
        """Advance the sites of these rows by `ticks`; all others stay as they are, to the bit. Errors as `advance`."""

    @abstractmethod
    def write_sites(self, rows: npt.NDArray[np.int64], counts: Counts, rng: np.random.Generator) -> None:
        """Take up (len(rows), n_species) molecules in the sites of these rows; see `SiteEngine.write_counts`."""


class HasDistribution(ABC):
    """Holds the probability of every state."""

    @abstractmethod
    def distribution(self, site: int = 0) -> tuple[Counts, Floats]:
        """(n_states, n_species) molecules and (n_states,) probabilities of a site."""


# -- what it says of itself -------------------------------------------------------------------------------------------


class HasErrorIndicator(ABC):
    """Knows how far it may be trusted with given counts, whatever its own state is."""

    @abstractmethod
    def error_indicator(self, counts: Floats) -> Floats:
        """(n_sites,) for (n_sites, n_species) molecules: 0 well inside of what it was made for, 1 at the edge, more
        outside. Species are those of `setup.network`."""


class CountsValidity(ABC):
    """Counts how often it left what it may be trusted with."""

    @abstractmethod
    def validity_counts(self) -> dict[str, Ints]:
        """Kind → (n_sites,) times so far: the summary of a run says so."""


class HasEventTables(ABC):
    """Has tables of events beside what is recorded at every row of results."""

    @abstractmethod
    def event_tables(self) -> dict[str, npt.NDArray[np.void]]:
        """Name → structured array with a row for each event."""


class ReportsTimings(ABC):
    """Knows what its time was spent for."""

    @abstractmethod
    def timings(self) -> dict[str, float]:
        """Part → seconds so far."""


class EstimatesWork(ABC):
    """Knows which of its sites are dear: cells are spread over ranks by it."""

    @abstractmethod
    def work(self) -> Floats:
        """(n_sites,) work so far in any one unit, above 0: the events or molecules that each site worked through."""


# -- necks and cables -------------------------------------------------------------------------------------------------


class HasNeckOpenings:
    """Knows where the neck of a spine opens into a site that has an `opening_diameter`.

    If such a place is found in a site, the component has the
    input   `influx_opening` (n_sites, n_injected): molecules that come in (below 0: go out) there over the next window;
            `influx` is then all else.
    """


class ContainsNecks(HasNeckOpenings, ABC):
    """Has sites that may hold their neck. Beside `influx_opening` it has the

    output  `counts_opening` (n_sites, n_injected): the density at each opening times `reach`, less what came in there
            in the last window: the count that would be there if nothing had.
    """

    @classmethod
    @abstractmethod
    def neck_of(cls, options: Block, folder: Path) -> tuple[float, float] | None:
        """Diameter and length (µm) of the neck that is part of a site with these options, None if they have none.

        Length 0 if nobody knows what of the site is a neck. Raises InputError for a file that cannot be used.
        """

    @abstractmethod
    def reach(self, row: int, species: str) -> float:
        """Volume, µm³, of a site that answers within a window to what crosses its opening."""


class CarriesCharge(ContainsNecks, ABC):
    """Keeps its sites electroneutral: the charge that ions bring goes on through the opening of a site's neck, as ions.
    Beside `counts_opening` it has the

    output  `drift_opening` (n_sites, n_injected): molecules that are to leave through each opening over the next window
            so that it does; negative ones come in. Whoever takes them hands them in by `influx_opening`.
    """


class ResizesSites(ABC):
    """Has sites whose volume and membrane may change while they go on: their molecules stay, and are diluted."""

    @abstractmethod
    def resize(self, row: int, volume: float, area: float) -> None:
        """Let a site have this volume (µm³) and membrane (µm²) from now on."""


class AlongCable:
    """Resolves one site along whole sections of NEURON: that site has a `cable`. It has the

    inputs   `influx_along` (n_segments, n_injected) and `influx_feet` (n_feet, n_injected): as `influx`, through the
             membrane of each segment and at the foot of each neck.
    outputs  `counts_along` (n_segments, n_species) and `means_along` (n_segments, n_observables): as `counts`, `means`.
             `counts_feet` (n_feet, n_injected): the density at each foot times the volume of its segment.
    """


class ResolvesCables(ABC):
    """Names the class that resolves a site along whole sections at the same accuracy."""

    @classmethod
    @abstractmethod
    def cable_engine(cls) -> type[SiteEngine]:
        """Class of such a site, which declares `AlongCable`."""


# -- ranks ------------------------------------------------------------------------------------------------------------


class AsksForRanks(ABC):
    """Has an option by which several ranks are to solve a site together; `SharedByRanks` says whether they can."""

    @classmethod
    @abstractmethod
    def asked_ranks(cls, options: Block) -> RankRequest:
        """Ranks that are to solve a site with these options; the one that has it holds ports, state and records."""


class SharedByRanks(AsksForRanks):
    """Is advanced by several ranks together: by the leader, which has it, and by the `helper` of each other rank.

    State and ports stay with the leader, whole, as if it were alone.
    """

    @abstractmethod
    def share(self, team: Team) -> None:
        """Advance together with the other ranks of a team from now on, of which this one is the leader.

        Each of them makes a `helper` meanwhile, and advances it whenever this one is.
        """

    @classmethod
    @abstractmethod
    def helper(cls, name: str, team: Team) -> Component:
        """What another rank of the team of an engine of that name advances: no ports, no state.

        Its `advance` raises ElsewhereError if the leader's fails.
        """


CAPABILITIES: tuple[type, ...] = (
    ComposedOfEngines,
    ReadsMoreFiles,
    BringsGeometry,
    ReplacesSpecies,
    AdvancesSomeSites,
    HasDistribution,
    HasErrorIndicator,
    CountsValidity,
    HasEventTables,
    ReportsTimings,
    EstimatesWork,
    HasNeckOpenings,
    ContainsNecks,
    CarriesCharge,
    ResizesSites,
    AlongCable,
    ResolvesCables,
    AsksForRanks,
    SharedByRanks,
)
"""All of them: the conformance suite holds an engine to those that it declares, and to no other."""


# -- what every engine then answers -----------------------------------------------------------------------------------


def options_of(factory: type[SiteEngine], name: str, tables: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Content of an engine's options: of all tables of a site, that under its own name, or what it gathers.

    Raises InputError as `ComposedOfEngines.gather_options`.
    """
    return factory.gather_options(name, tables) if issubclass(factory, ComposedOfEngines) else {**tables.get(name, {})}


def counted_network(factory: type[SiteEngine], setup: EngineSetup) -> ReactionNetwork:
    """Network whose states are the columns of an engine's output `counts`. Errors as `ReplacesSpecies`."""
    return factory.counted_network(setup) if issubclass(factory, ReplacesSpecies) else factory.network_of(setup)


def geometry_of(factory: type[SiteEngine], options: Block, folder: Path) -> Geometry | None:
    """Geometry that options of an engine describe, None if there is none. Errors as `BringsGeometry`."""
    return factory.geometry_of(options, folder) if issubclass(factory, BringsGeometry) else None


def asked_ranks(factory: type[SiteEngine], options: Block) -> RankRequest:
    """Ranks that are to solve a site together; None, its own alone, of an engine that has no such option."""
    return factory.asked_ranks(options) if issubclass(factory, AsksForRanks) else None


def timings_of(engine: SiteEngine) -> dict[str, float]:
    """Part → seconds that an engine spent so far; nothing of one that does not say."""
    return engine.timings() if isinstance(engine, ReportsTimings) else {}


def work_of(engine: SiteEngine) -> Floats:
    """(n_sites,) work of each site in any one unit; sites of an engine that does not say are all alike."""
    return engine.work() if isinstance(engine, EstimatesWork) else np.ones(len(engine.sites))
