"""Prescribed inputs: what a site receives without, or beside, an electrical model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import InputError, quoted
from couple.base.units import quantities
from couple.components.component import Component, Port, State
from couple.components.state import whole

MOST = 1e9
"""Molecules that enter a site in a window, on any way; more is a slip of a unit, and an engine that takes them one by
one would never end.
"""


class Drive(Component):
    """Plays tables of ions per window and of held counts: outputs `ions` (n_ions,) and `clamp` (n_clamp,).

    ions:  (n_windows, n_ions) molecules that enter in each window, any real number.
    clamp: (n_windows, n_clamp) counts at which species are held.
    """

    def __init__(self, ions: Floats, clamp: Floats, ticks: int) -> None:
        super().__init__(
            "drive",
            inputs={},
            outputs={
                "ions": Port("count", (ions.shape[1],), "extensive"),
                "clamp": Port("count", (clamp.shape[1],), "intensive"),
            },
        )
        self._ions, self._clamp, self._ticks, self._window = ions, clamp, ticks, 0

    def advance(self, ticks: int) -> None:
        """Put out the totals of the next `ticks` ticks (whole rows), and counts of the row in their middle."""
        start, self._window = self._window, self._window + ticks // self._ticks
        self.read("ions")[:] = self._ions[start : self._window].sum(axis=0)
        self.read("clamp")[:] = self._clamp[start + (self._window - start - 1) // 2]

    def save(self) -> State:
        """Number of the next window."""
        return {"window": self._window}

    def restore(self, state: State) -> None:
        """Go on with the window that `save` gave."""
        self._window = whole(state, "window")


def influx_per_window(times: str, rate: str, window: float, windows: int) -> Floats:
    """(n_windows,) exact integrals of a piecewise linear rate, e.g. times "0 2 ms", rate "490 /ms".

    Raises InputError if the numbers of times and rates do not fit or times do not increase.
    """
    t = _times(times)
    r = np.array(quantities(rate, "count per time"))
    if r.size == 1:
        r = np.full(t.size, r[0])
    check_amount(r * window, quoted(rate), "rate")
    if r.size != t.size or t.size < 2:
        raise InputError(
            f"{t.size} times and {r.size} rates; give two or more times, and one rate or one for each", where="rate"
        )
    # Between two corners the integral of a line is a quadratic: exact with the rate at the ends of each piece.
    edges = np.arange(windows + 1) * window
    whole = np.concatenate([[0.0], np.cumsum(np.diff(t) * (r[1:] + r[:-1]) / 2)])
    inside = np.clip(edges, t[0], t[-1])
    k = np.clip(np.searchsorted(t, inside, side="right") - 1, 0, t.size - 2)
    part = (inside - t[k]) * (r[k] + np.interp(inside, t, r)) / 2
    return np.asarray(np.diff(whole[k] + part))


def events_per_window(times: Floats, molecules: Floats, window: float, windows: int) -> Floats:
    """(n_windows,) molecules that come at times (ms), each in the window that holds its time.

    >>> events_per_window(np.array([0.0, 0.3, 0.31]), np.array([5.0, 1.0, 2.0]), 0.1, 4).tolist()
    [5.0, 0.0, 0.0, 3.0]
    """
    places = np.floor(times / window * (1 + 1e-12) + 1e-9).astype(np.int64)
    return np.bincount(places[places < windows], molecules[places < windows], windows).astype(float)


def clamp_per_window(times: str, values: str, window: float, windows: int) -> Floats:
    """(n_windows,) mM in the middle of each window; piecewise linear, held beyond the ends."""
    t, c = _times(times), np.array(quantities(values, "concentration"))
    if c.size != t.size:
        raise InputError(f"{t.size} times and {c.size} values; give as many", where="values")
    if (c < 0).any():
        raise InputError(f"{quoted(values)}: a concentration cannot be negative", where="values")
    return np.asarray(np.interp((np.arange(windows) + 0.5) * window, t, c))


def replayed(charge: Sequence[float] | Floats, rows_every: int, windows: int) -> Floats:
    """(n_windows,) from totals over `rows_every` windows each, evenly spread; zero after the end of the record."""
    per_window = np.repeat(np.asarray(charge, dtype=float) / rows_every, rows_every)[:windows]
    return np.concatenate([per_window, np.zeros(windows - per_window.size)])


def check_amount(molecules: float | Floats, what: str, where: str = "") -> None:
    """Raise InputError if more than MOST molecules are to enter or to leave in a window, or no finite number.

    what: where they come from, for the message.
    """
    if not (np.abs(molecules) <= MOST).all():
        raise InputError(f"{what} is more than {MOST:g} molecules in an exchange interval", where=where)


def _times(times: str) -> Floats:
    t = np.array(quantities(times, "time"))
    if (np.diff(t) <= 0).any():
        raise InputError(f"{quoted(times)} must increase", where="times")
    return t
