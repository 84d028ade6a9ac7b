"""The report as a figure: courses with their scatter, correlations, spikes, CPU time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from couple.analysis.compare.comparison import Comparison
from couple.analysis.compare.sides import Side
from couple.analysis.compare.spikes import spike_times
from couple.analysis.compare.two_groups import correlation_time
from couple.analysis.plot.style import COLOURS, MM, head, save, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LONG = 110
"""Characters of a line of the legend."""

MOST = 8
"""Quantities that are drawn: those that differ first."""


def draw(found: Comparison, path: Path) -> Path:
    """Write the figure; its suffix sets the format. Raises InputError if the disk refuses."""
    names = _chosen(found)
    fluctuating = [n for n in names if found.sides[0].series[n].kind in ("observable", "conductance")]
    spiking = [n for n in names if any(row.quantity == n and row.of == "spikes" for row in found.rows)]
    with styled():
        import matplotlib.pyplot as plt

        n = len(names) + bool(spiking)
        figure = plt.figure(figsize=(183 * MM, (max(n * 26.0, 52.0) + 12) * MM), layout="constrained")
        figure.get_layout_engine().set(h_pad=0.03, w_pad=0.05)
        grid = figure.add_gridspec(n, 2, width_ratios=(2.2, 1))
        left: list[Axes] = []
        for k, name in enumerate(names):
            left.append(figure.add_subplot(grid[k, 0], sharex=left[0] if left else None))
            _course(left[-1], found, name)
        if spiking:
            left.append(figure.add_subplot(grid[len(names), 0], sharex=left[0]))
            _raster(left[-1], found, spiking[0])
        for ax in left[:-1]:
            ax.tick_params(labelbottom=False)
        left[-1].set_xlabel(f"time ({found.sides[0].time_unit})")
        right = [*fluctuating[: n - 1], ""]
        for k, name in enumerate(right):
            ax = figure.add_subplot(grid[k, 1])
            _correlation(ax, found, name) if name else _seconds(ax, found.sides)
        lines, _ = left[0].get_legend_handles_labels()
        figure.legend(lines, [_short(s) for s in found.sides], loc="outside lower left")
        head(figure, f"{' and '.join(s.label for s in found.sides)}", "means over runs; bands: one sd of runs")
        save(figure, path)
    return path


def _short(side: Side) -> str:
    """What a side is; of a long line the middle is left out, its own changes stand last."""
    words = side.what.split(" ")
    text = " ".join([Path(words[0]).name, *words[1:]])
    text = text if len(text) <= LONG else f"{text[:20]} ... {text[20 - LONG :]}"
    return f"{side.label}: {text} ({side.runs} runs)"


def _chosen(found: Comparison) -> list[str]:
    off = {row.quantity for row in found.rows if row.differs}
    names = found.quantities()
    kept = sorted(names, key=lambda n: (n not in off, names.index(n)))[:MOST]
    return [n for n in names if n in kept]


def _course(ax: Axes, found: Comparison, name: str) -> None:
    for side, colour in zip(found.sides, COLOURS, strict=False):
        values = side.series[name].values
        mean = values.mean(axis=0)
        ax.plot(side.time, mean, color=colour, lw=0.9, label=side.label)
        if len(values) > 1 and not side.fixed:
            sd = values.std(axis=0, ddof=1)
            ax.fill_between(side.time, mean - sd, mean + sd, color=colour, alpha=0.18, lw=0)
    series = found.sides[0].series[name]
    off = [row for row in found.rows if row.quantity == name and row.differs]
    note = ", ".join(dict.fromkeys(row.of for row in off))
    judged = any(row.quantity == name and row.differs is not None for row in found.rows)
    exact = all(row.exact for row in found.rows if row.quantity == name)
    rest = ("equal" if exact else "not distinguished") if judged else "not judged"
    ax.set_ylabel({"count": "molecules", "uM": "µM", "S/cm^2": "S/cm²", "uS": "µS"}.get(series.unit, series.unit))
    ax.set_title(
        f"{name}: differs in {note}" if note else f"{name}: {rest}", loc="left", color="#B00020" if note else "0.2"
    )


def _raster(ax: Axes, found: Comparison, name: str) -> None:
    """Spikes of each run, sides above each other."""
    level, ticks = 0, []
    for side, colour in zip(found.sides, COLOURS, strict=False):
        trains = [spike_times(v, side.time, found.threshold) for v in side.series[name].values[:20]]
        ax.eventplot(trains, lineoffsets=list(range(level, level + len(trains))), colors=colour, lw=0.8)
        ticks.append((level + (len(trains) - 1) / 2, side.label))
        level += len(trains) + 1
    ax.set_yticks([t for t, _ in ticks], [label for _, label in ticks])
    ax.set_title(f"spikes of {name.removeprefix('V ')}", loc="left", color="0.2")


def _correlation(ax: Axes, found: Comparison, name: str) -> None:
    drawn = False
    for side, colour in zip(found.sides, COLOURS, strict=False):
        step = float(side.time[1] - side.time[0])
        tau, _, rho, _ = correlation_time(side.series[name].values, step)
        if len(rho):
            shown = rho[: max(2, min(len(rho), int(8 * tau / step) + 2))]
            ax.plot(np.arange(len(shown)) * step, shown, color=colour, lw=0.9)
            drawn = True
    if drawn:
        ax.axhline(0, color="0.7", lw=0.5, zorder=0)
        ax.set_xlabel(f"lag ({found.sides[0].time_unit})")
    else:
        ax.text(0.5, 0.5, "no fluctuations to correlate", ha="center", va="center", transform=ax.transAxes)
        ax.set_xticks([])
        ax.set_yticks([])
    ax.set_title(f"correlation of {name}", loc="left", color="0.2")


def _seconds(ax: Axes, sides: tuple[Side, ...]) -> None:
    """CPU seconds of each side, by part."""
    parts = [p for p in dict.fromkeys(p for s in sides for p in s.parts) if p != "all"]
    shades = ("0.25", "0.5", "0.7", "0.85", "0.93")
    base = np.zeros(len(sides))
    for k, part in enumerate(parts):
        heights = np.array([float(s.parts[part].mean()) if part in s.parts else 0.0 for s in sides])
        ax.barh([s.label for s in sides], heights, left=base, color=shades[k % len(shades)], label=part, height=0.6)
        base += heights
    ax.invert_yaxis()
    ax.legend(loc="upper left", bbox_to_anchor=(0.0, -0.3), ncols=2, fontsize=5.5)
    ax.set_title("CPU s per run", loc="left", color="0.2")
