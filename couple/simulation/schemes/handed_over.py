"""What sites hand over to the electrical model, as numbers of a whole window: its averages.

Let a window last from t_(n-1) to t_n. A link of an observable has its mean over the window. A link of molecules has
their number at t_n, of which the mean of both ends is the average over the window up to second order. So has a
parameter that follows with a time constant. From three such numbers, the value at both ends (of a mean: that of the
window which ends there) and the average, follows what is to be expected of the next window, by straight lines: that of
what is known at the end through the ends, that of what is known as a mean through the middles.
"""

from __future__ import annotations

import numpy as np

from couple.base.arrays import Floats
from couple.exchange.exchange import Exchange
from couple.exchange.link import ResponseLink, Sources, ValueLink
from couple.wiring import System


class HandedOver:
    """n inputs of the electrical model that links set.

    targets: (n,) where they are in memory. whole: (n,) whether whole ions, or molecules, make them jump.
    """

    def __init__(self, system: System, exchange: Exchange, tolerance: float, *, own: bool = True) -> None:
        """tolerance: of links that have none of their own, or of all, unless `own`."""
        self._exchange, self._memory = exchange, exchange.memory
        momentary = {
            i for e in system.engines for p in _MOMENTARY if p in e.outputs for i in system.memory.all_of(e, p)
        }
        jumping = {i for e in system.engines if e.integer for p in e.outputs for i in system.memory.all_of(e, p)}
        links: list[ValueLink | ResponseLink] = [*exchange.after, *exchange.responses]
        sources = [i for link in links for i, _ in link.sources]
        self._molecules = np.array(sorted(momentary.intersection(sources)), dtype=np.intp)
        parameters = list(dict.fromkeys(link.target for link in exchange.responses))
        self._n_values = len(exchange.after)
        self._parameter_of = np.array([parameters.index(r.target) for r in exchange.responses], dtype=np.intp)
        self._follows = np.array([r.keep > 0.0 for r in exchange.responses], dtype=np.bool_)
        self.targets = np.array([*(v.target for v in exchange.after), *parameters], dtype=np.intp)
        of = [[v] for v in exchange.after] + [[r for r in exchange.responses if r.target == p] for p in parameters]
        self.whole = np.array([any(i in jumping for k in there for i, _ in k.sources) for there in of], dtype=np.bool_)
        self._least = np.array([*(v.least for v in exchange.after), *([-np.inf] * len(parameters))])
        # A number is looked at as if at least one molecule made it: below that relative errors mean nothing.
        self._one = np.array([*(_largest_weight(v.sources) for v in exchange.after), *([_TINY] * len(parameters))])
        given = [
            min((k.tolerance for k in there if own and k.tolerance is not None), default=tolerance) for there in of
        ]
        self._tolerance = np.array(given, dtype=np.float64)

    def averages(self, start: Floats) -> Floats:
        """(n,) over the window that has just been advanced. start: the memory before it."""
        memory, followed = self._memory, self._exchange.followed.copy()
        ends = memory[self._molecules]
        memory[self._molecules] = 0.5 * (start[self._molecules] + ends)
        values, after = self._exchange.try_values()
        memory[self._molecules] = ends
        if not after.size:
            return values
        parts = np.where(self._follows, 0.5 * (followed + after), after)
        parameters = np.zeros(len(self.targets) - self._n_values)
        for k, place in enumerate(self._parameter_of):
            parameters[place] += parts[k]
        return np.concatenate([values, parameters])

    def close(self, start: Floats, rows: Floats, row: int) -> None:
        """Do what `Exchange.collect` does; parameters follow averages of the window. Errors as there."""
        memory = self._memory
        if self._parameter_of.size:
            ends = memory[self._molecules]
            memory[self._molecules] = 0.5 * (start[self._molecules] + ends)
            self._exchange.follow()
            memory[self._molecules] = ends
        self._exchange.close_window(rows, row)

    def expected(self, found: Floats, before: Floats, ratio: float = 1.0, ratio_of_middles: float = 1.0) -> Floats:
        """(n,) averages that straight lines promise for the next window, never beyond 0 or the least value.

        found: averages of the last one; before: values at its start. ratio: of the length of the next window to that
        of the last; ratio_of_middles: of the distances of the middles of windows, the next to the one before.
        """
        now = self._memory[self.targets]
        half = now - found  # by which what is known at the ends rose in half of the window
        ahead = now + ratio * half + ratio_of_middles * (now - before - 2.0 * half)
        ahead = np.asarray(np.maximum(ahead, self._least))
        ahead[ahead * now < 0.0] = 0.0
        return ahead

    def guess(self, found: Floats, before: Floats, ratio: float = 1.0, ratio_of_middles: float = 1.0) -> Floats:
        """(n,) the same, but what whole molecules make, as it is now: a line through their noise promises nothing."""
        ahead = self.expected(found, before, ratio, ratio_of_middles)
        return np.where(self.whole, self._memory[self.targets], ahead)

    def off(self, expected: Floats, found: Floats) -> float:
        """The largest difference in units of what is tolerated.

        Below the scatter of molecules that come and go one by one, the root of their number, whole ones are not off.
        """
        limit = self.tolerated(found) + np.where(self.whole, np.sqrt(np.abs(found) * self._one), 0.0)
        return float((np.abs(found - expected) / limit).max(initial=0.0))

    def tolerated(self, values: Floats) -> Floats:
        """(n,) by how much each may be off."""
        return np.asarray(self._tolerance * np.maximum(np.abs(values), self._one))


_MOMENTARY = ("counts", "counts_along")
"""Outputs of engines that are values at the end of a window, not averages over it."""

_TINY = 1e-300


def _largest_weight(sources: Sources) -> float:
    return max((abs(weight) for _, weight in sources), default=_TINY)
