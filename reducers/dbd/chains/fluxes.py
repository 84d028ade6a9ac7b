"""What local reactions do to the probabilities of neighbours on an open row of sites, and the transpose of its slope.

The row is Markov: P(s_i … s_k) = Π_b p_b / Π_inner q. An event at a site depends on both neighbours, one at a bond on
the sites beside it, as far as there are some.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from couple.base.arrays import Floats, Ints
from couple.base.errors import InputError
from couple.cache.kernels import njit
from reducers.dbd.chains.rule import Rule


class Events(NamedTuple):
    """Rules as arrays. before, after: (n, 2) states, of which `sizes` (n,) count. amounts: (n, N) rates by place."""

    before: Ints
    after: Ints
    sizes: Ints
    amounts: Floats


def events_of(rules: Sequence[Rule], size: int, places: Sequence[int] | None = None) -> Events:
    """Rules at all sites and bonds of a row of `size` sites, or at some `places` only: sites, or bonds by their left.

    Raises InputError for a place that is not there.
    """
    before, after = np.zeros((len(rules), 2), dtype=np.int64), np.zeros((len(rules), 2), dtype=np.int64)
    sizes, amounts = np.zeros(len(rules), dtype=np.int64), np.zeros((len(rules), size))
    for k, rule in enumerate(rules):
        width = sizes[k] = len(rule.before)
        before[k, :width], after[k, :width] = rule.before, rule.after
        last = size - width
        chosen = range(last + 1) if places is None else places
        for place in chosen:
            if not 0 <= place <= last:
                kind = "site" if width == 1 else "bond"
                raise InputError(f"there is no {kind} {place} on a row of {size} sites: give 0 to {last}")
            amounts[k, place] += rule.rate
    return Events(before, after, sizes, amounts)


@njit(cache=True)
def _span(event: int, place: int, events: Events, bonds: int) -> tuple[int, int]:
    """First and last bond that an event touches."""
    return max(place - 1, 0), min(place + events.sizes[event] - 1, bonds - 1)


@njit(cache=True)
def _fill(old: Ints, new: Ints, event: int, place: int, events: Events, first: int, last: int) -> int:
    """States of the sites from `first` to `last` + 1 before and after, outer ones 0; returns how many sites."""
    for i in range(last + 2 - first):
        inside = first + i - place
        here = 0 <= inside < events.sizes[event]
        old[i] = events.before[event, inside] if here else 0
        new[i] = events.after[event, inside] if here else 0
    return last + 2 - first


@njit(cache=True)
def _set_ends(old: Ints, new: Ints, n: int, x: int, y: int, left: bool, right: bool) -> None:
    """Neighbours of an event, which stay as they are, where there are any."""
    if left:
        old[0] = new[0] = x
    if right:
        old[n - 1] = new[n - 1] = y


@njit(cache=True)
def _probability(p: Floats, q: Floats, first: int, states: Ints, n: int) -> float:
    """Of n states in a row from site `first` on, by the probabilities of neighbours p and of single sites q."""
    found = 1.0
    for i in range(n - 1):
        found *= p[first + i, states[i], states[i + 1]]
        if i > 0:
            found /= q[first + i, states[i]]
    return found


@njit(cache=True)
def pair_drift(p: Floats, events: Events) -> Floats:
    """(B, S, S) rate of change of the probabilities of neighbours p (B, S, S)."""
    bonds, size = p.shape[0], p.shape[1]
    out, old, new = np.zeros_like(p), np.zeros(4, dtype=np.int64), np.zeros(4, dtype=np.int64)
    q = p.sum(axis=2)
    for e in range(len(events.sizes)):
        for place in range(bonds + 2 - events.sizes[e]):
            rate = events.amounts[e, place]
            if rate == 0.0:
                continue
            first, last = _span(e, place, events, bonds)
            n = _fill(old, new, e, place, events, first, last)
            lefts = size if place > 0 else 1
            rights = size if place + events.sizes[e] <= bonds else 1
            for x in range(lefts):
                for y in range(rights):
                    _set_ends(old, new, n, x, y, place > 0, place + events.sizes[e] <= bonds)
                    flow = rate * _probability(p, q, first, old, n)
                    for i in range(n - 1):
                        out[first + i, old[i], old[i + 1]] -= flow
                        out[first + i, new[i], new[i + 1]] += flow
    return out


@njit(cache=True)
def drift_transpose(p: Floats, events: Events, weights: Floats) -> Floats:
    """(B, S, S) g with Σ g δp = δ(Σ weights · `pair_drift`): the transpose of its slope, on weights (B, S, S)."""
    bonds, size = p.shape[0], p.shape[1]
    out, old, new = np.zeros_like(p), np.zeros(4, dtype=np.int64), np.zeros(4, dtype=np.int64)
    q = p.sum(axis=2)
    for e in range(len(events.sizes)):
        for place in range(bonds + 2 - events.sizes[e]):
            rate = events.amounts[e, place]
            if rate == 0.0:
                continue
            first, last = _span(e, place, events, bonds)
            n = _fill(old, new, e, place, events, first, last)
            lefts = size if place > 0 else 1
            rights = size if place + events.sizes[e] <= bonds else 1
            for x in range(lefts):
                for y in range(rights):
                    _set_ends(old, new, n, x, y, place > 0, place + events.sizes[e] <= bonds)
                    gain = 0.0
                    for i in range(n - 1):
                        gain += weights[first + i, new[i], new[i + 1]] - weights[first + i, old[i], old[i + 1]]
                    flow = rate * gain * _probability(p, q, first, old, n)
                    for i in range(n - 1):
                        b = first + i
                        out[b, old[i], old[i + 1]] += flow / p[b, old[i], old[i + 1]]
                        if i > 0:
                            for t in range(size):
                                out[b, old[i], t] -= flow / q[b, old[i]]
    return out
