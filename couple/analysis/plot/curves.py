"""Curves in one panel: few with a legend, many by a colour scale; of an ensemble means with bands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from couple.analysis.plot.style import COLOURS, MAP
from couple.base.arrays import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEW = len(COLOURS)
"""Curves that can be told apart by colour."""

MANY = 40
"""Curves that are drawn one by one; of more, bands and a few of them."""

CHOSEN = 3
"""Of many curves those that are drawn: the first, the last, and between."""

POINTS = 4000
"""Of a curve: more than a printed line has dots."""


@dataclass(frozen=True)
class Curve:
    """label: in the legend. values: (n_rows,), or (n_runs, n_rows) of an ensemble. position: on the colour scale.

    dashed: of a pair, the second. marks: times that are marked above the curves, such as spikes.
    """

    label: str
    values: Floats
    position: float = 0.0
    dashed: bool = False
    marks: tuple[float, ...] = ()


@dataclass(frozen=True)
class Scale:
    """A colour scale where there are too many curves for a legend: low to high of `label`."""

    label: str
    low: float
    high: float

    def colour(self, position: float) -> tuple[float, ...]:
        """Colour of a curve; the brightest end of the map is too pale for lines."""
        from matplotlib import colormaps

        share = (position - self.low) / (self.high - self.low) if self.high > self.low else 0.0
        found: tuple[float, ...] = colormaps[MAP](0.92 * share)
        return found


def draw_curves(ax: Axes, time: Floats, curves: Sequence[Curve], scale: Scale | None) -> None:
    """Draw all; with a scale, colours are positions on it and there is no legend but that of bands of many curves."""
    pairs = any(c.dashed for c in curves)
    if scale and colours_of(curves) > MANY:
        for dashed in (False, True) if pairs else (False,):
            _draw_many(ax, time, [c for c in curves if c.dashed is dashed], scale)
        return
    for k, curve in enumerate(curves):
        colour = scale.colour(curve.position) if scale else COLOURS[(k // 2 if pairs else k) % FEW]
        # Where two curves coincide, the earlier one shows as a rim around the later one.
        rims = 1 - k if len(curves) == 2 and not scale and not pairs else 0
        style = (0, (3, 1.5)) if curve.dashed else "-"
        _draw(ax, time, curve, color=colour, lw=0.8 + 0.9 * rims, ls=style, label=None if scale else curve.label)
    _mark(ax, [(c, COLOURS[k % FEW]) for k, c in enumerate(curves) if c.marks] if not scale else [])


def _mark(ax: Axes, marked: Sequence[tuple[Curve, str]]) -> None:
    """A row of ticks above the curves for each that has marks."""
    low, high = ax.dataLim.y0, ax.dataLim.y1
    for row, (curve, colour) in enumerate(marked):
        height = high + (high - low) * (0.04 + 0.06 * (len(marked) - row))
        ax.plot(curve.marks, np.full(len(curve.marks), height), "|", color=colour, ms=5, mew=0.9, label="_spikes")


def colours_of(curves: Sequence[Curve]) -> int:
    """Colours that are needed: of a pair, one."""
    return sum(not c.dashed for c in curves)


def _draw_many(ax: Axes, time: Floats, curves: Sequence[Curve], scale: Scale) -> None:
    """Bands of all curves and of nine in ten, their median, and a few of them by position."""
    values = np.array([c.values if c.values.ndim == 1 else c.values.mean(axis=0) for c in curves])
    low, fifth, middle, most, high = np.percentile(values, [0, 5, 50, 95, 100], axis=0)
    t, bounds = thinned(time, middle, low, fifth, most, high)
    ax.fill_between(t, bounds[1], bounds[4], color="0.88", lw=0, label=f"all {len(curves)}")
    ax.fill_between(t, bounds[2], bounds[3], color="0.74", lw=0, label="9 in 10")
    style = (0, (3, 1.5)) if curves[0].dashed else "-"
    ax.plot(t, bounds[0], color="black", lw=1.0, ls=style, label="median")
    ordered = sorted(curves, key=lambda c: c.position)
    for curve in (ordered[k] for k in np.linspace(0, len(ordered) - 1, CHOSEN).astype(int)):
        mean = curve.values if curve.values.ndim == 1 else curve.values.mean(axis=0)
        t, (shown,) = thinned(time, mean)
        ax.plot(t, shown, color=scale.colour(curve.position), lw=0.7, ls=style, label=curve.label or None)


def _draw(ax: Axes, time: Floats, curve: Curve, *, color: object, lw: float, ls: object, label: str | None) -> None:
    if curve.values.ndim == 1:
        t, (values,) = thinned(time, curve.values)
        ax.plot(t, values, color=color, lw=lw, ls=ls, label=label, solid_joinstyle="round")
        return
    mean = curve.values.mean(axis=0)
    if len(curve.values) > 1:
        from couple.ensemble.run_to_run import statistics

        found = statistics(curve.values)
        spread = np.sqrt(found.variance)
        t, bounds = thinned(time, mean - spread, mean + spread, found.low, found.high)
        ax.fill_between(t, bounds[0], bounds[1], color=color, alpha=0.18, lw=0)
        ax.fill_between(t, bounds[2], bounds[3], color=color, alpha=0.45, lw=0)
    t, (values,) = thinned(time, mean)
    ax.plot(t, values, color=color, lw=min(lw, 1.0), ls=ls, label=label)


def thinned(time: Floats, *values: Floats) -> tuple[Floats, list[Floats]]:
    """At most POINTS of a long record; of each stretch the smallest and the largest of the first, in their order."""
    n = len(time)
    if n <= POINTS:
        return time, list(values)
    stretch = -(-2 * n // POINTS)
    starts = np.arange(0, n, stretch)
    first = values[0]
    low = [s + int(np.argmin(first[s : s + stretch])) for s in starts]
    high = [s + int(np.argmax(first[s : s + stretch])) for s in starts]
    chosen = np.unique([*low, *high, 0, n - 1])
    return time[chosen], [v[chosen] for v in values]
