"""Engine `cme`: the probability of every state of a well-mixed site."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from adapters.cme.size import check_size
from adapters.cme.space import StateSpace
from couple.base.arrays import Floats
from couple.base.errors import InputError, RunError
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.whole_counts import WHOLE, start_states
from couple.components import engine
from couple.components.capabilities import HasDistribution
from couple.components.component import State
from couple.components.engine import EngineSetup, Site, SiteEngine

ENTRIES = 64
"""Times in a window at which molecules enter, at most."""
PRUNE_EVERY, PRUNE_GROWTH = 16, 1.5


class CmeOptions(engine.Options):
    """leak: probability that may be lost per window. states: most states that are held."""

    leak: float = Field(1e-12, gt=0, lt=0.1, strict=True)
    states: int = Field(1_000_000, gt=0, le=100_000_000, strict=True)


class MasterEquation(SiteEngine, HasDistribution):
    """The chemical master equation by finite state projection; `counts` and `means` are expected values.

    Amounts at the start that are no whole numbers are probabilities of the whole numbers next to them. States are added
    where more than `leak` per window would be lost, and rare ones dropped. What was lost so far bounds the error of all
    probabilities (`leak`). Counts follow from expected events, so that conservation holds to rounding.
    Influx of n molecules: whole ones enter at the times (i + 1/2) / n of the
    window, at no more than 64 times; a fraction f enters as one molecule with probability f. What leaves is taken from
    all molecules alike, each with the same probability, so that the mean is exact. A clamped species is held at the
    input `clamp`.

    spaces: one per site. leak: (n_sites,) bound on the probability lost.
    """

    integer = False
    voltage_order = 2
    Options: ClassVar[type[engine.Options]] = CmeOptions

    def __init__(self, setup: EngineSetup) -> None:
        super().__init__(setup)
        options = setup.options if isinstance(setup.options, CmeOptions) else CmeOptions()
        self._allowed = options.leak
        self.spaces: list[StateSpace] = []
        for site in setup.sites:
            try:
                self.spaces.append(_start(self.network, site, options.states))
            except InputError as error:
                raise InputError(f'site "{site.name}": {error.message}') from None
        self._age = np.zeros((len(setup.sites), 2), dtype=np.int64)  # windows since the last pruning, states then
        self._age[:, 1] = 64

    @property
    def leak(self) -> Floats:
        """(n_sites,) bound on the probability lost so far."""
        return np.array([space.leak for space in self.spaces])

    def distribution(self, site: int = 0) -> tuple[npt.NDArray[np.int64], Floats]:
        """(n, n_species) states and (n,) probabilities; held species have their (whole) counts."""
        space = self.spaces[site]
        states = np.repeat(np.rint(self.read("counts")[site : site + 1, : len(self.network.species)]), space.n, axis=0)
        states[:, space.columns] = space.states
        return states.astype(np.int64), space.p.copy()

    def advance(self, ticks: int) -> None:
        """Raises RunError if the states outgrow their number, or the inputs ask for what is not there."""

        def advance_site(k: int) -> None:
            try:
                self._advance(k, ticks * self.setup.tick)
            except InputError as error:
                raise RunError(f'site "{self.sites[k].name}" of "{self.name}": {error.message}') from None

        self.threads.each(len(self.sites), advance_site)

    def write_counts(self, counts: npt.ArrayLike, rng: np.random.Generator) -> None:
        """All probability goes to one state; `rng` is not used."""
        whole = self.checked_counts(counts)
        for space, row in zip(self.spaces, whole, strict=True):
            space.start(row)
        self.read("counts")[:, : len(self.network.species)] = whole
        self.read("means")[...] = self.read("counts") @ self.network.observable_weights.T

    def save(self) -> State:
        """See Component: states and their probabilities."""
        state: State = {"leak": self.leak, "age": self._age.copy()}
        state |= {"counts": self.read("counts").copy(), "means": self.read("means").copy()}
        for k, space in enumerate(self.spaces):
            state |= {f"site{k}.states": space.states.copy(), f"site{k}.p": space.p.copy()}
        return state

    def restore(self, state: State) -> None:
        """Raises InputError if the state is of another network or other sites."""
        for k, space in enumerate(self.spaces):
            states, p = np.asarray(state.get(f"site{k}.states")), np.asarray(state.get(f"site{k}.p"), dtype=float)
            if states.ndim != 2 or states.shape[1] != len(space.columns):
                raise InputError(f'the saved state does not fit site "{self.sites[k].name}" of "{self.name}"')
            space.load(states, p)
            space.leak = float(np.asarray(state["leak"])[k])
        self._age[...] = np.asarray(state["age"])
        for key in ("counts", "means"):
            self.read(key)[...] = np.asarray(state[key])

    # -- one site ---------------------------------------------------------------------------------------------

    def _advance(self, k: int, span: float) -> None:
        space, counts, means = self.spaces[k], self.read("counts")[k], self.read("means")[k]
        level = self._hold(k)
        entering = self._leave(k)
        rates = space.rates(self._rates(k), level)
        events, over = np.zeros(len(rates)), np.zeros(len(space.columns))
        now = 0.0
        for when, column, by, more in [*_entries(entering, span), (span, -1, 0, 0.0)]:
            if when > now:
                held, _ = space.flow(rates, when - now, self._allowed * (when - now) / span)
                events += space.events(held, rates)
                over += space.mean(held)
                now = when
            if column >= 0:
                space.enter(column, by, more)
                counts[column] += by + more
        weights = self.network.observable_weights[:, : len(self.network.species)]
        means[:] = weights[:, space.columns] @ (over / span)
        for column, count in level.items():
            means += weights[:, column] * count
        counts += events @ self.network.change
        self._tidy(k)

    def _rates(self, k: int) -> Floats:
        """(n_reactions,) rates of a site at the V of the coming window."""
        rates: Floats = self.rates[k].copy()
        if self.voltage_rates is not None:
            rates[[*self.voltage_rates.reactions]] *= self.voltage_rates.factors(self.read("v")[k : k + 1])[0]
        return rates

    def _hold(self, k: int) -> dict[int, float]:
        """Set the counts of held species and book what that takes; column → count."""
        counts, level = self.read("counts")[k], {}
        for name, target in zip(self.setup.clamped, self.read("clamp")[k].tolist(), strict=True):
            if not 0.0 <= target < math.inf:
                raise InputError(f'the clamp of "{name}" ({target:g}) is not a finite count of at least 0')
            column = self.network.index(name)
            counts[self.network.index(f"{name}_clamp")] -= target - counts[column]
            counts[column] = level[column] = target
        return level

    def _leave(self, k: int) -> dict[int, float]:
        """Take out what leaves; returns what enters, column → molecules."""
        counts, entering = self.read("counts")[k], {}
        for name, amount in zip(self.setup.injected, self.read("influx")[k].tolist(), strict=True):
            if not math.isfinite(amount):
                raise InputError(f'the influx of "{name}" ({amount:g}) is not finite')
            column = self.network.index(name)
            if name in self.setup.clamped:
                counts[self.network.index(f"{name}_clamp")] += amount
            elif amount > 0:
                entering[column] = amount
            elif amount < 0:
                if -amount > counts[column] * (1 + 1e-9):
                    raise InputError(f"more molecules leave ({name}: {amount:g}) than there are")
                self.spaces[k].leave(column, min(-amount / counts[column], 1.0))
                counts[column] += amount
        return entering

    def _tidy(self, k: int) -> None:
        """Drop rare states now and then; probabilities sum to 1 at the end of every window."""
        space, age = self.spaces[k], self._age[k]
        age[0] += 1
        if age[0] >= PRUNE_EVERY or space.n > PRUNE_GROWTH * age[1]:
            space.prune(self._allowed, self.read("counts")[k, space.columns])
            age[:] = (0, max(space.n, 64))
        else:
            space.normalise()

    @classmethod
    def check(cls, setup: EngineSetup) -> Sequence[str]:
        """See SiteEngine. Raises InputError if a space is too large beyond doubt."""
        options = setup.options if isinstance(setup.options, CmeOptions) else CmeOptions()
        network = setup.network.with_clamped(setup.clamped) if setup.clamped else setup.network
        for site in setup.sites:
            try:
                check_size(network, _at_most(site), options.states)
            except InputError as error:
                raise InputError(f'site "{site.name}": {error.message}') from None
        return ()


def _at_most(site: Site) -> list[int]:
    """(n_species,) whole molecules, none of them left out."""
    return [math.ceil(n - WHOLE * max(1.0, n)) for n in site.initial]


def _start(network: ReactionNetwork, site: Site, most: int) -> StateSpace:
    """The space of a site, with the amounts at the start as means. Raises InputError if it is too large."""
    check_size(network, _at_most(site), most)
    states, p = start_states(site.initial, site.together, most)
    space = StateSpace(network, states[0], most)
    if len(p) > 1:
        free = states[:, space.columns]
        kept, of = np.unique(free, axis=0, return_inverse=True)  # what differs in held species alone is one state
        space.load(kept, np.bincount(of.ravel(), p))
    return space


def _entries(entering: dict[int, float], span: float) -> list[tuple[float, int, int, float]]:
    """(time, column, whole molecules, probability of one more), in the order of time."""
    found = []
    for column, amount in entering.items():
        whole = math.floor(amount)
        n = min(math.ceil(amount), ENTRIES)
        edges = [whole * i // n for i in range(n + 1)]
        for i in range(n):
            more = amount - whole if i == n - 1 else 0.0
            found.append(((i + 0.5) / n * span, column, edges[i + 1] - edges[i], more))
    return sorted(found)
