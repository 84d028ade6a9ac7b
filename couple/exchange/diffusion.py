"""Diffusion of a species between sites: through a neck, or from compartment to compartment.

Between two well-stirred volumes a conductance K (µm³/ms) moves dn₁/dt = −K (n₁/V₁ − n₂/V₂). Over a time τ, exactly, a
molecule of the first ends in the second with probability

    p₁₂ = V₂ / (V₁ + V₂) · (1 − exp(−K (1/V₁ + 1/V₂) τ)),   and back with p₂₁, V₁ in place of V₂ in front.

Whole-ion sites give each ion its own fate (binomial numbers): means relax and equilibria fluctuate as they must, at any
window. Two continuous sites exchange the mean. Where only one of two sites is continuous, whole ions cross: a fraction
f of an ion is taken for an ion that is there with probability f; what the continuous site then lacks (less than one
ion) it owes to the link and pays first.

Sites with several links: links act one after the other over half of the window, then in reverse order over the other
half (Strang 1968), in as many rounds as keep a round short against what empties such a site (`SHORT`); each step keeps
equilibria exact, so all do. The order is that of the links' names.

Conductance of a neck: D over the sum of L/A of its cylinders and of 1/(4 a) for an end of radius a that opens into
something wide (the access resistance: Rayleigh; Hall 1975, J Gen Physiol 66:531): as if the neck were longer by π/8 of
its diameter per end. It supposes a neck that is narrow against the head: against diffusion through head, neck and head
in the continuum the link is 0.2 % too fast at an eighth of the head's width and 1.9 % too slow at a quarter; at a third
the access resistance is about half of that.

No charge crosses with the ions: the electrics of the neck are NEURON's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from couple.base.arrays import Floats, Ints, Words
from couple.cache.kernels import njit
from couple.exchange.kernels import MOVED, TAKEN_UP
from couple.exchange.link import Holding
from couple.rng.binomial import binomial
from couple.rng.streams import stream

SHORT, MOST = 0.1, 10_000
"""Longest round of a window in units of the time in which a site with several links empties; most rounds."""

FORTH, BACK, OWED_BY_FIRST, OWED_BY_SECOND = 0, 1, 2, 3  # columns of `accounts`; of `chances` the first two
INFLUX, COUNT, WHOLE, LEAVING = 0, 1, 2, 3  # columns of `pools`
POOL, HOLDING, AMOUNT = 0, 1, 2  # columns of `contents`
FIRST, SECOND, WHOLE_IONS = 0, 1, 2  # columns of `ends`


def neck_resistance(cylinders: Iterable[tuple[float, float]], ends: Iterable[float] = ()) -> float:
    """1/µm: Σ L/A of (diameter, length) in µm, plus 1/(2 d) = 1/(4 a) for each open end of diameter d."""
    return sum(4 * length / (math.pi * d * d) for d, length in cylinders) + sum(1 / (2 * d) for d in ends)


def crossing(conductance: float, first: float, second: float, time: float) -> tuple[float, float]:
    """(p₁₂, p₂₁) for a conductance in µm³/ms, volumes in µm³, ms: who is on the other side after `time`."""
    done = -math.expm1(-conductance * (1 / first + 1 / second) * time)
    return second / (first + second) * done, first / (first + second) * done


def implicit(conductance: float, first: float, second: float, time: float) -> float:
    """µm³/ms: the conductance with which two well-stirred volumes exchange in `time`, exactly, what they would in one
    implicit step of the one given."""
    per_conductance = (1 / first + 1 / second) * time
    return math.log1p(conductance * per_conductance) / per_conductance


@dataclass(frozen=True)
class End:
    """One side of a link: indices of the site's influx and of its molecules of the species; whole: whole ions only.

    other: index of what else may leave those molecules in the same window, if that is not the same influx.
    """

    site: str
    influx: int
    count: int
    volume: float
    whole: bool
    other: int | None = None

    @property
    def leaving(self) -> int:
        """Index of what takes molecules first."""
        return self.influx if self.other is None else self.other


@dataclass(frozen=True)
class DiffusionLink:
    """A species that moves between two sites. conductance: µm³/ms. contains: conserved substances in one molecule.

    implicit: whether a window is one implicit step (see couple.wiring.links.resolved_necks), not exact.
    """

    name: str
    species: str
    first: End
    second: End
    conductance: float
    contains: Mapping[str, int]
    implicit: bool = False

    def within(self, window: float) -> float:
        """µm³/ms that has the same effect in `window` (ms) when it acts exactly."""
        if not self.implicit:
            return self.conductance
        return implicit(self.conductance, self.first.volume, self.second.volume, window)


class Diffusion:
    """All links between sites, once per exchange window.

    accounts: (n_links, 4) molecules that went forth and back, and what each side owes (below one).
    words: (n_links, 4) random streams, keyed by the seed and the link's name.
    window: ms. Results do not depend on the order of `links`.
    """

    def __init__(
        self, links: Sequence[DiffusionLink], holdings: Sequence[Holding], window: float, seed: int = 0
    ) -> None:
        self.links = tuple(sorted(links, key=lambda link: link.name))
        self.accounts = np.zeros((len(links), 4))
        self.words: Words = np.zeros((len(links), 4), dtype=np.uint64)
        self.restart(seed)
        pools: dict[int, tuple[End, DiffusionLink]] = {}
        for link in self.links:
            for end in (link.first, link.second):
                pools.setdefault(end.influx, (end, link))
        self._window, self._lengths = window, dict[float, tuple[int, Floats]]()
        row_of = {(h.site, h.substance): r for r, h in enumerate(holdings)}
        contents = [
            (p, row_of[end.site, substance], amount)
            for p, (end, link) in enumerate(pools.values())
            for substance, amount in link.contains.items()
        ]
        at = {influx: p for p, influx in enumerate(pools)}
        of_pools = [[e.influx, e.count, e.whole, e.leaving] for e, _ in pools.values()]
        self._pools = np.array(of_pools, dtype=np.int64).reshape(-1, 4)
        self._contents = np.array(contents, dtype=np.int64).reshape(-1, 3)
        self._ends = np.array(
            [[at[k.first.influx], at[k.second.influx], k.first.whole or k.second.whole] for k in self.links],
            dtype=np.int64,
        ).reshape(-1, 3)
        self.set_length(1.0)
        self._work = np.zeros((2, len(pools)))

    def set_length(self, part: float) -> None:
        """Have the next windows last this part of what was said."""
        self._part = part
        if part not in self._lengths:
            window = part * self._window
            rounds, half = _rounds(self.links, window), window / 2
            chances = [crossing(k.within(window), k.first.volume, k.second.volume, half / rounds) for k in self.links]
            self._lengths[part] = rounds, np.array(chances).reshape(-1, 2)
        self.rounds, self._chances = self._lengths[part]

    def set_volumes(self, volumes: Mapping[str, float]) -> None:
        """Have these sites be of these volumes (µm³) from now on."""

        def end(given: End) -> End:
            return replace(given, volume=volumes.get(given.site, given.volume))

        links = tuple(replace(k, first=end(k.first), second=end(k.second)) for k in self.links)
        if links != self.links:
            self.links = links
            self._lengths.clear()
            self.set_length(self._part)

    def restart(self, seed: int) -> None:
        """Accounts and random streams as before the first window of a run with this seed."""
        self.accounts[...] = 0.0
        self.reseed(seed)

    def reseed(self, seed: int) -> None:
        """Random streams of a seed; accounts stay."""
        for k, link in enumerate(self.links):
            self.words[k] = stream(seed, "link", link.name, "diffusion")

    def clear(self, memory: Floats) -> None:
        """Forget the influx of the window before; first of all, then links with NEURON and drives add theirs."""
        memory[self._pools[:, INFLUX]] = 0.0

    def move(self, memory: Floats, balance: Floats) -> None:
        """Add what crosses to the influx of the sites, and to the books of what they took up."""
        diffuse(
            memory,
            self._pools,
            self._contents,
            self._ends,
            self._chances,
            self.rounds,
            self.accounts,
            self.words,
            self._work,
            balance,
        )

    def saved(self) -> tuple[tuple[str, npt.NDArray[np.generic]], ...]:
        """Arrays that a state has to hold, by name, live."""
        return (("diffusion.accounts", self.accounts), ("diffusion.words", self.words))


def _rounds(links: Sequence[DiffusionLink], window: float) -> int:
    """How often the links of a window take their turns; once if no site has more than one."""
    leaving: dict[int, list[float]] = {}
    for link in links:
        for end in (link.first, link.second):
            leaving.setdefault(end.influx, []).append(link.within(window) / end.volume)
    fastest = max((sum(rates) for rates in leaving.values() if len(rates) > 1), default=0.0)
    return max(1, math.ceil(min(fastest * window / SHORT, MOST) - 1e-9))


@njit(cache=True)
def _happens(words: Words, chance: float) -> bool:
    """Whether something of this probability happens."""
    return binomial(words, 1.0, chance) > 0.0  # type: ignore[no-any-return]


@njit(cache=True)
def _leaving(words: Words, held: float, chance: float) -> float:
    """Whole molecules that leave; a fraction of one is there with its own probability."""
    whole = np.floor(held)
    leaving = binomial(words, whole, chance)
    if held > whole and _happens(words, (held - whole) * chance):
        leaving += 1.0
    return leaving  # type: ignore[no-any-return]


@njit(cache=True)
def _cross(k: int, ends: Ints, chances: Floats, accounts: Floats, words: Words, held: Floats, moved: Floats) -> None:
    """Half a round of link k; held, moved: (n_pools,) molecules now, and what they gained."""
    a, b = ends[k, FIRST], ends[k, SECOND]
    for pool, column in ((a, OWED_BY_FIRST), (b, OWED_BY_SECOND)):
        paid = min(accounts[k, column], held[pool])
        if paid > 0.0:
            accounts[k, column] -= paid
            held[pool] -= paid
            moved[pool] -= paid
    if ends[k, WHOLE_IONS] == 0:
        forth, back = held[a] * chances[k, FORTH], held[b] * chances[k, BACK]
    else:
        forth = _leaving(words[k], held[a], chances[k, FORTH])
        back = _leaving(words[k], held[b], chances[k, BACK])
    accounts[k, FORTH] += forth
    accounts[k, BACK] += back
    for pool, gain, column in ((a, back - forth, OWED_BY_FIRST), (b, forth - back, OWED_BY_SECOND)):
        given = gain
        if held[pool] + gain < 0.0:
            given = -held[pool]
            accounts[k, column] += given - gain
        held[pool] += given
        moved[pool] += given


@njit(cache=True)
def diffuse(
    memory: Floats,
    pools: Ints,
    contents: Ints,
    ends: Ints,
    chances: Floats,
    rounds: int,
    accounts: Floats,
    words: Words,
    work: Floats,
    balance: Floats,
) -> None:
    """One window of all links.

    pools:    (n_pools, 4) every species of every site that links move. INFLUX, COUNT: where its influx and molecules
              are in memory; WHOLE: 1 if its site takes whole ions only; LEAVING: where the influx is that may take
              molecules first.
    contents: (n, 3) conserved substances in one molecule: POOL, HOLDING (row of `balance`), AMOUNT.
    ends:     (n_links, 3) FIRST, SECOND: pools; WHOLE_IONS: 1 if whole ions cross.
    chances:  (n_links, 2) FORTH, BACK: of a molecule to cross in half a round, of which there are `rounds`.
    accounts, words: see Diffusion. work: (2, n_pools). balance: (n_holdings, 4).
    """
    held, moved = work[0], work[1]
    for p in range(len(pools)):
        # What else enters is not there yet at the start of the window; what leaves is gone.
        held[p] = max(memory[pools[p, COUNT]] + min(memory[pools[p, LEAVING]], 0.0), 0.0)
        if pools[p, WHOLE]:
            held[p] = np.floor(held[p])  # a held count may be any number
        moved[p] = 0.0
    n = len(ends)
    for _ in range(rounds):
        for k in range(n):
            _cross(k, ends, chances, accounts, words, held, moved)
        for k in range(n - 1, -1, -1):
            _cross(k, ends, chances, accounts, words, held, moved)
    for p in range(len(pools)):
        memory[pools[p, INFLUX]] += moved[p]
    for j in range(len(contents)):
        amount = moved[contents[j, POOL]] * contents[j, AMOUNT]
        balance[contents[j, HOLDING], TAKEN_UP] += amount
        balance[contents[j, HOLDING], MOVED] += abs(amount)
