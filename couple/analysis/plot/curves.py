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

POINTS = 4000
"""Of a curve: more than a printed line has dots."""


@dataclass(frozen=True)
class Curve:
    """label: in the legend. values: (n_rows,), or (n_runs, n_rows) of an ensemble. position: on the colour scale.

    dashed: of a pair, the second.
    """

    label: str
    values: Floats
    position: float = 0.0
    dashed: bool = False


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
    """Draw all; with a scale, colours are positions on it and there is no legend."""
    pairs = any(c.dashed for c in curves)
    for k, curve in enumerate(curves):
        colour = scale.colour(curve.position) if scale else COLOURS[(k // 2 if pairs else k) % FEW]
        # Where curves coincide, the earlier ones show as a rim around the later ones.
        rims = 0 if scale or pairs else len(curves) - 1 - k
        style = (0, (3, 1.5)) if curve.dashed else "-"
        _draw(ax, time, curve, color=colour, lw=0.8 + 0.9 * rims, ls=style, label=None if scale else curve.label)


def _draw(ax: Axes, time: Floats, curve: Curve, *, color: object, lw: float, ls: object, label: str | None) -> None:
    if curve.values.ndim == 1:
        t, (values,) = thinned(time, curve.values)
        ax.plot(t, values, color=color, lw=lw, ls=ls, label=label, solid_joinstyle="round")
        return
    mean = curve.values.mean(axis=0)
    if len(curve.values) > 1:
        from couple.ensemble.statistics import statistics

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
