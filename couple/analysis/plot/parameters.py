"""What the records of an ensemble depend on: each quantity against each key that varies."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from couple.analysis.plot.style import COLOURS, MAP, head, panels
from couple.analysis.plot.traces import Panel, panels_of
from couple.base.arrays import Floats
from couple.storage.records.record_file import Recording

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 5
"""Quantities, and keys, that are drawn: a page has room for no more."""

FEW_VALUES = 20
"""Of a key: of so many the means are drawn, of more only the runs."""


@dataclass(frozen=True)
class Parameter:
    """A key that varies. label: its last words and unit. values: (n_runs,)."""

    label: str
    values: Floats

    @property
    def levels(self) -> Floats:
        """Values that it takes."""
        return np.unique(self.values)


def parameters_of(recording: Recording) -> list[Parameter]:
    """The keys that vary; none in results of one run, and where only the seed does."""
    if "parameters" not in recording.file:
        return []
    data = recording.file["parameters"]
    names = zip(map(str, data.attrs["parameter"]), map(str, data.attrs["units"]), np.asarray(data).T, strict=True)
    return [Parameter(_words(key) + f" ({unit})" * (unit != "1"), v) for key, unit, v in names]


def _words(key: str) -> str:
    """The end of a key: two words, or three where one is the number of an entry."""
    words = key.split(".")
    return ".".join(words[-3:] if any(w.isdigit() for w in words[-2:]) else words[-2:])


def draw_parameters(recording: Recording) -> Figure:
    """A row for each quantity, a column for each key; of two keys on a grid, maps."""
    found = [p for p in parameters_of(recording) if len(p.levels) > 1][:MOST]
    shown = panels_of(recording)[:MOST]
    if len(found) == 2 and all(len(p.levels) <= FEW_VALUES for p in found):
        drawing, axes = panels(len(shown), sharex=True, height=38)
        for ax, panel in zip(axes, shown, strict=True):
            _draw_map(drawing, ax, found, panel)
        axes[-1].set_xlabel(found[0].label)
    else:
        drawing, axes = panels(len(shown) * len(found), columns=len(found), height=32)
        for k, ax in enumerate(axes):
            row, column = divmod(k, len(found))
            _draw_runs(ax, found[column], shown[row])
            ax.set_ylabel(_label(shown[row]) if column == 0 else "")
            ax.set_xlabel(found[column].label if row == len(shown) - 1 else "")
    drawing.align_ylabels(axes)
    head(drawing, recording.name, _note(recording))
    return drawing


def summary_of(panel: Panel) -> Floats:
    """(n_runs,) mean over time and sites; of a voltage its maximum."""
    values = np.array([curve.values for curve in panel.curves if not curve.dashed])
    return np.asarray(values.max(axis=(0, 2)) if panel.label.startswith("V ") else values.mean(axis=(0, 2)))


def _label(panel: Panel) -> str:
    return f"largest {panel.label}" if panel.label.startswith("V ") else f"mean {panel.label}"


def _draw_runs(ax: Axes, parameter: Parameter, panel: Panel) -> None:
    y = summary_of(panel)
    ax.plot(parameter.values, y, ".", color="0.6", ms=2.5, rasterized=len(y) > 2000)
    if len(parameter.levels) <= FEW_VALUES:
        groups = [y[parameter.values == level] for level in parameter.levels]
        means = np.array([np.nanmean(g) if np.isfinite(g).any() else np.nan for g in groups])
        errors = [
            np.nanstd(g, ddof=1) / np.sqrt(np.isfinite(g).sum()) if np.isfinite(g).sum() > 1 else 0 for g in groups
        ]
        ax.errorbar(parameter.levels, means, errors, color=COLOURS[0], marker="o", ms=3, lw=0.9, capsize=2)


def _draw_map(drawing: Figure, ax: Axes, keys: list[Parameter], panel: Panel) -> None:
    across, up = keys
    y = summary_of(panel)
    cells = np.full((len(up.levels), len(across.levels)), np.nan)
    for i, v in enumerate(up.levels):
        for j, u in enumerate(across.levels):
            here = y[(across.values == u) & (up.values == v)]
            cells[i, j] = np.nanmean(here) if np.isfinite(here).any() else np.nan
    shown = ax.pcolormesh(np.arange(len(across.levels) + 1), np.arange(len(up.levels) + 1), cells, cmap=MAP)
    for axis, levels in ((ax.xaxis, across.levels), (ax.yaxis, up.levels)):
        axis.set_ticks(np.arange(len(levels)) + 0.5, [f"{level:.3g}" for level in levels])
    ax.set_ylabel(up.label)
    drawing.colorbar(shown, ax=ax, pad=0.02, label=_label(panel)).outline.set_linewidth(0.4)


def _note(recording: Recording) -> str:
    runs = recording.file["run"].shape[0]
    failed = sum(bool(why) for why in recording.file["failure"].asstr()[:])
    engines = ", ".join(dict.fromkeys(json.loads(recording.file.attrs["engines"]).values()))
    return f"{engines}; {runs} runs, means with their standard errors" + (f"; {failed} failed" if failed else "")
