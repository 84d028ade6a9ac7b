"""The figure of a comparison: likelihoods, p(k), correlations, and what a fit costs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from couple.analysis.plot.style import COLOURS, MAP, head, panels, save, styled
from reducers.population.comparison.comparison import PopulationComparison, Score, correlations
from reducers.population.comparison.report import gain

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw(found: PopulationComparison, path: Path) -> Path:
    """The path, at which the figure is now. Raises InputError as `write_picture`."""
    with styled():
        drawing, axes = panels(6, height=42, columns=2)
        _likelihoods(axes[0], found)
        _counts(axes[1], found)
        _raster(axes[2], found)
        _patterns(axes[3], found)
        _splits(axes[4], found)
        _costs(axes[5], found)
        head(drawing, found.name, f"{found.neurons} neurons, {found.windows} windows")
        save(drawing, path)
    return path


def _colour(found: PopulationComparison, score: Score) -> str:
    return COLOURS[[s.kind for s in found.scores].index(score.kind) % len(COLOURS)]


def _fitted(found: PopulationComparison) -> list[Score]:
    return [s for s in found.scores if not s.refused]


def _likelihoods(axes: Axes, found: PopulationComparison) -> None:
    listed = [(s, gain(s, found)) for s in _fitted(found)]
    shown = [(s, g) for s, g in listed if g is not None and np.isfinite(g[:2]).all()]
    ends = [(g[0] - 2 * g[1], g[0] + 2 * g[1]) for s, g in shown if not (s.model and s.model.ORDERED)]
    low, high = min((a for a, _ in ends), default=0.0), max((b for _, b in ends), default=0.0)
    far = 2 * max(high, -low, 1e-12)  # beyond, which windows before one make, is told in words
    for row, (score, apart) in enumerate(shown):
        if abs(apart[0]) > far and ends:
            axes.text(0.98, row, f"{apart[0]:+.3f} \N{RIGHTWARDS ARROW}", transform=axes.get_yaxis_transform(),
                      ha="right", va="center", color=_colour(found, score))  # fmt: skip
            continue
        axes.errorbar(apart[0], row, xerr=2 * apart[1], fmt="o", ms=3, lw=1, color=_colour(found, score))
    axes.axvline(0, color="0.6", lw=0.6)
    axes.set_yticks(range(len(shown)), [s.kind for s, _ in shown])
    axes.set_ylim(max(len(shown), 1) - 0.5, -0.5)
    base = found.reference
    at = "" if base is None or base.held_out is None else f" over {base.kind} ({base.held_out.mean().value:.3f})"
    axes.set_xlabel(f"held-out gain{at}\nbits per neuron and window, ±2 SE")


def _counts(axes: Axes, found: PopulationComparison) -> None:
    seen = found.data.count
    last = int(np.flatnonzero(seen).max()) + 2
    k = np.arange(len(seen))[:last]
    for score in _fitted(found):
        shown = np.where(score.p_k[:last] > 0, score.p_k[:last], np.nan)
        style = "-" if list(found.scores).index(score) < len(COLOURS) else "--"
        axes.plot(k, shown, style, lw=0.9, color=_colour(found, score), label=score.kind)
    axes.plot(k, np.where(seen[:last] > 0, seen[:last], np.nan), "k.", ms=3.5, label="data", zorder=3)
    axes.set_yscale("log")
    axes.set_ylim(bottom=0.3 / found.windows)
    axes.set_xlabel("active neurons k")
    axes.set_ylabel("p(k)")
    axes.legend(fontsize=5, loc="lower left", labelspacing=0.2)


def _raster(axes: Axes, found: PopulationComparison) -> None:
    """Correlations of the model that is the likeliest, over those of the data."""
    best = found.best or next(iter(_fitted(found)), None)
    if best is None or best.model is None:
        return
    upper = np.triu_indices(found.neurons, 1)
    x = correlations(found.data)[upper]
    y = correlations(best.model.moments(seed=2, samples=20_000))[upper]
    if len(x) > 2000:
        axes.hexbin(x, y, gridsize=40, bins="log", cmap=MAP, lw=0, mincnt=1, rasterized=True)
    else:
        axes.plot(x, y, ".", ms=2, color=COLOURS[0], alpha=0.6, mew=0)
    ends = [min(x.min(), y.min()), max(x.max(), y.max())]
    axes.plot(ends, ends, color="0.6", lw=0.6, zorder=0)
    axes.locator_params(axis="x", nbins=4)
    axes.set_xlabel("correlation of pairs, data")
    axes.set_ylabel(f"{best.kind} (the likeliest)")


def _patterns(axes: Axes, found: PopulationComparison) -> None:
    """Cumulative distributions: the probability of the likeliest patterns over their number."""
    for score in _fitted(found):
        if (one := score.description) is None:
            continue
        bits = np.linspace((one.mean - 4 * one.sd).min(), (one.mean + 4 * one.sd).max(), 200)
        style = "-" if list(found.scores).index(score) < len(COLOURS) else "--"
        axes.plot(one.log2_patterns_above(bits), one.mass_above(bits), style, lw=0.9, color=_colour(found, score))
    axes.axhline(0.5, color="0.6", lw=0.6)
    axes.set_xlim(left=0, right=found.neurons)
    axes.set_xlabel("log₂ number of likeliest patterns")
    axes.set_ylabel("their probability")


def _splits(axes: Axes, found: PopulationComparison) -> None:
    """Gains of each split, whose signs are counted, beyond the error of the mean."""
    base = found.reference
    if base is None or base.held_out is None:
        return
    listed = [(s, s.held_out, gain(s, found)) for s in _fitted(found)]
    shown = [(s, h, g[1]) for s, h, g in listed if h is not None and g is not None and np.isfinite(g[:2]).all()]
    for row, (score, held, error) in enumerate(shown):
        z = held.less(base.held_out).by_split / max(error, 1e-300)
        axes.plot(z, np.full(len(z), row), "o", ms=2, alpha=0.6, mew=0, color=_colour(found, score))
    axes.axvspan(-2, 2, color="0.9", lw=0)
    axes.set_xscale("symlog", linthresh=2, linscale=0.5)
    ticks = [t for t in (-100, -10, -2, 0, 2, 10, 100) if axes.get_xlim()[0] <= t <= axes.get_xlim()[1]]
    axes.set_xticks(ticks, [f"{t:d}" for t in ticks])
    axes.set_xticks([], minor=True)
    axes.set_yticks(range(len(shown)), [s.kind for s, _, _ in shown])
    axes.invert_yaxis()
    axes.set_xlabel("gain of each split, in SE of the mean")


def _costs(axes: Axes, found: PopulationComparison) -> None:
    several = bool(found.costs)
    for row, score in enumerate(_fitted(found)):
        if several:
            points = [(c.neurons, c.seconds) for c in found.costs if c.kind == score.kind]
            n, seconds = zip(*sorted([*points, (found.neurons, score.seconds)]), strict=True)
            style = "o-" if row < len(COLOURS) else "s--"
            axes.loglog(n, np.maximum(seconds, 1e-4), style, ms=2.5, lw=0.9, color=_colour(found, score))
        else:
            axes.barh(row, max(score.seconds, 1e-4), color=_colour(found, score), height=0.7)
    if several:
        axes.set_xlabel("neurons")
        axes.set_ylabel("fit, CPU s (lines as in p(k))")
        sizes = sorted({found.neurons, *(c.neurons for c in found.costs)})
        axes.set_xticks(sizes, [str(n) for n in sizes], minor=False)
        axes.set_xticks([], minor=True)
    else:
        axes.set_xscale("log")
        axes.set_yticks(range(len(_fitted(found))), [s.kind for s in _fitted(found)])
        axes.invert_yaxis()
        axes.set_xlabel("fit, CPU s")
