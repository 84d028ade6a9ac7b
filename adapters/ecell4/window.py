"""Windows of an outside engine: what of couple's port is the same for all of them.

An outside engine keeps its own time, random numbers and world. Here its world is built anew from what is saved at the
start of every window, with a seed of that window: a run that goes on from a checkpoint, and a site beside others, then
have the same bits.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from couple.base.arrays import Counts, Floats, Words
from couple.base.errors import InputError, RunError
from couple.components.capabilities import AdvancesSomeSites
from couple.components.component import State
from couple.components.engine import EngineSetup, Site, SiteEngine
from couple.components.state import fitting, refuse_outside
from couple.experiment.chemistry.chemistry import MOST_MOLECULES
from couple.rng.streams import generator, stream

Rows = Sequence[int] | npt.NDArray[np.int64]

SAMPLES = 8
"""Of observables in a window, at the least."""
HELD = 2.0**24
"""Parts of a molecule in which a species is held: sums of them are exact."""


class World(Protocol):
    """A site over one window, t in ms from its start."""

    def run(self, until: float) -> None:
        """Go on to t."""

    def counts(self) -> Counts:
        """(n_species,) molecules now; of held species anything."""

    def events(self) -> Counts:
        """(n_reactions,) events so far, of those reactions that move reservoirs."""

    def put(self, column: int, n: int) -> None:
        """Add n molecules anywhere, or take -n."""

    def places(self) -> npt.NDArray[np.generic]:
        """All that the next window begins from."""


class WindowedEngine(SiteEngine, AdvancesSomeSites):
    """Molecules enter one by one, the i-th at (i + 1/2) / n of the window. Observables are sampled, 8 times a window
    and 4 times a tick at the least. A clamped species is held as a number: it only sets the speed of reactions."""

    integer = True

    def __init__(self, setup: EngineSetup) -> None:
        super().__init__(setup)
        for species in setup.network.species:
            if species.region:
                raise InputError(f'"{species.name}" is on the region "{species.region}": {self._what} knows no regions')
        self.words: Words = np.array([stream(setup.seed, self._what, site.name, "windows") for site in self.sites])
        self.places = [
            self.place(k, np.array(site.initial, dtype=np.int64), generator(setup.seed, self._what, site.name, "start"))
            for k, site in enumerate(self.sites)
        ]

    _what: str
    """Under which name it is registered."""

    @abstractmethod
    def place(self, row: int, counts: Counts, rng: np.random.Generator) -> npt.NDArray[np.generic]:
        """(n_species,) molecules of a site at random places, as `World.places`; held ones may be anywhere."""

    @abstractmethod
    def counted(self, row: int, places: npt.NDArray[np.generic]) -> Counts:
        """(n_species,) molecules in saved places. Raises InputError if no site of this engine has them."""

    @abstractmethod
    def world(self, row: int, places: npt.NDArray[np.generic], held: dict[int, float], seed: int) -> World:
        """A site at the start of a window. held: column → count of what is held; seed: of all that is drawn."""

    def advance(self, ticks: int) -> None:
        """See Component. Raises RunError if more leaves than there is."""
        self.advance_sites(ticks, range(len(self.sites)))

    def advance_sites(self, ticks: int, rows: Rows) -> None:
        """See AdvancesSomeSites."""
        for row in rows:
            self._advance(int(row), ticks)

    def _advance(self, row: int, ticks: int) -> None:
        span, n = ticks * self.setup.tick, len(self.network.species)
        counts, influx = self.read("counts")[row], self._influx(row)
        held = self._held(row)
        self.words[row, 3] += np.uint64(1)
        seed = int(np.random.SeedSequence([int(w) for w in self.words[row]]).generate_state(1)[0] >> 1)
        world = self.world(row, self.places[row], held, seed)
        seen, start = [], counts[n:].copy()
        for t, column, arriving in _course(influx, max(SAMPLES, 4 * ticks), span):
            world.run(t)
            if column is not None:
                world.put(column, arriving)
            else:
                seen.append(self._now(world, held, start))
        world.run(span)
        counts[:] = self._now(world, held, start)
        self.read("means")[row] = self.network.observable_weights @ np.mean(seen, axis=0)
        self.places[row] = world.places()

    def _influx(self, row: int) -> dict[int, int]:
        """Column → molecules that enter, or leave, those of held species left out."""
        amounts, found = self.read("influx")[row], dict[int, int]()
        for column, amount in zip(self.injected_columns.tolist(), amounts.tolist(), strict=True):
            if not np.isfinite(amount) or amount != np.rint(amount):
                raise RunError(f"{self._where(row)}: the influx {amount} is not in whole molecules")
            if column in self.clamped_columns:
                self.read("counts")[row, self._clamp(column)] += amount
            elif self.read("counts")[row, column] + amount < 0:
                raise RunError(f"{self._where(row)}: more molecules leave ({-amount:g}) than there are")
            elif amount:
                found[column] = int(amount)
        return found

    def _held(self, row: int) -> dict[int, float]:
        """Column → count of what is held over the window; what that takes goes through its reservoir."""
        counts, found = self.read("counts")[row], dict[int, float]()
        for column, target in zip(self.clamped_columns.tolist(), self.read("clamp")[row].tolist(), strict=True):
            if not (np.isfinite(target) and target >= 0):
                raise RunError(f"{self._where(row)}: the clamp {target} is not a finite count of at least 0")
            found[column] = round(target * HELD) / HELD
            counts[self._clamp(column)] -= found[column] - counts[column]
            counts[column] = found[column]
        return found

    def _clamp(self, column: int) -> int:
        return self.network.index(f"{self.network.names[column]}_clamp")

    def _now(self, world: World, held: dict[int, float], start: Floats) -> Floats:
        """(n_states,) counts; start: of the reservoirs when the window began."""
        n = len(self.network.species)
        found = np.empty(len(self.network.states))
        found[:n] = world.counts()
        for column, count in held.items():
            found[column] = count
        found[n:] = start + world.events() @ self.network.change[:, n:]
        return found

    def _where(self, row: int) -> str:
        return f'site "{self.sites[row].name}" of "{self.name}"'

    # -- state ------------------------------------------------------------------------------------------------

    def write_counts(self, counts: npt.ArrayLike, rng: np.random.Generator) -> None:
        """See SiteEngine; molecules are placed at random."""
        self.write_sites(range(len(self.sites)), self.checked_counts(counts), rng)

    def write_sites(self, rows: Rows, counts: Counts, rng: np.random.Generator) -> None:
        """See AdvancesSomeSites."""
        for row, whole in zip(rows, counts, strict=True):
            self.places[row] = self.place(int(row), whole, rng)
            self.read("counts")[row, : len(whole)] = whole
            self.read("means")[row] = self.network.observable_weights @ self.read("counts")[row]

    def save(self) -> State:
        """See Component: places of molecules, a key of random numbers with the number of the window, ports."""
        places = {f"site{k}.places": places.copy() for k, places in enumerate(self.places)}
        ports = {key: self.read(key).copy() for key in ("counts", "means")}
        return {**places, **ports, "words": self.words.copy()}

    def restore(self, state: State) -> None:
        """See Component. Raises InputError if the state is of other sites, another network or another spacing."""
        n, found = len(self.network.species), list[npt.NDArray[np.generic]]()
        counts = fitting(state, "counts", self.read("counts"))
        refuse_outside(counts[:, :n], 0, MOST_MOLECULES, "counts")
        free = np.setdiff1d(np.arange(n), self.clamped_columns)
        for k, places in enumerate(self.places):
            saved = np.asarray(state.get(f"site{k}.places"))
            fits = saved.dtype == places.dtype and saved.shape[-1:] == places.shape[-1:] and saved.ndim == places.ndim
            if not fits or (self.counted(k, saved)[free] != counts[k, free]).any():
                raise InputError(f'the saved state does not fit site "{self.sites[k].name}" of "{self.name}"')
            found.append(saved.copy())
        self.places, self.words[...] = found, fitting(state, "words", self.words)
        self.read("counts")[...], self.read("means")[...] = counts, fitting(state, "means", self.read("means"))

    @classmethod
    def check(cls, setup: EngineSetup) -> Sequence[str]:
        """See SiteEngine: what of a site it does not resolve."""
        return [warning for site in setup.sites for warning in _not_resolved(setup, site)]


def _course(influx: dict[int, int], samples: int, span: float) -> Iterator[tuple[float, int | None, int]]:
    """(t, column, molecules) that enter or leave, and (t, None, 0) where observables are sampled, by time."""
    leave = [(0.0, column, n) for column, n in influx.items() if n < 0]
    enter = [((i + 0.5) / n * span, column, 1) for column, n in influx.items() for i in range(n)]
    sampled = [((i + 0.5) / samples * span, None, 0) for i in range(samples)]
    yield from leave
    yield from sorted([*enter, *sampled], key=lambda one: one[0])


def _not_resolved(setup: EngineSetup, site: Site) -> Iterator[str]:
    membrane = [s.name for s in setup.network.species if s.on == "membrane"]
    if site.geometry.shape != "box":
        yield f'site "{site.name}": E-Cell 4 gets a cube of its volume, not its shape ({site.geometry.shape})'
    if membrane:
        named = ", ".join(membrane[:3]) + (", …" if len(membrane) > 3 else "")
        yield f'site "{site.name}": E-Cell 4 gets {named} in the volume, not on the membrane'
