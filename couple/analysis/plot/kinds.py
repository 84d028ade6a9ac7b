"""The kinds of figures, and which a file has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from couple.analysis.plot.along import cables_of, draw_along
from couple.analysis.plot.parameters import draw_parameters, parameters_of
from couple.analysis.plot.style import COLOURS, MAP, head, panels
from couple.analysis.plot.traces import draw_traces, note_of, panels_of, positions
from couple.base.arrays import Floats
from couple.storage.records.record_file import Recording
from couple.storage.records.results import Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TALLEST = 180.0
"""mm of a map: a page of most journals, however many sites there are."""

MOST_BARS = 25
"""Bars of a ledger."""

Kind = Literal["traces", "parameters", "sites", "along", "ledger", "timing"]


def kinds_of(recording: Recording) -> list[Kind]:
    """The kinds for which the file has something to show."""
    found: list[Kind] = ["traces"] if panels_of(recording) else []
    if found and any(len(p.levels) > 1 for p in parameters_of(recording)):
        found.append("parameters")
    if len(_sites(recording)[0]) > 1:
        found.append("sites")
    if cables_of(recording):
        found.append("along")
    if isinstance(recording, Results):
        found += ["ledger"] if recording.ledger()["sites"] else []
        found += ["timing"]
    return found


def draw(recording: Recording, kind: Kind, of: str | None = None, *, by_site: bool = False) -> Figure:
    """The figure, open. of, by_site: which traces, see `chosen_panels`. Raises InputError."""
    if kind == "sites":
        return _draw_sites(recording)
    if kind == "parameters":
        return draw_parameters(recording)
    if kind == "along":
        return draw_along(recording)
    if kind == "traces":
        return draw_traces(recording, of, by_site=by_site)
    assert isinstance(recording, Results)
    return _draw_ledger(recording) if kind == "ledger" else _draw_timing(recording)


def _sites(recording: Recording) -> tuple[list[str], str]:
    """Sites that hold the free species that most of them have, by distance, and that species."""
    free = [s for site in recording.sites() for s in recording.free(site)]
    species = max(dict.fromkeys(free), key=free.count, default="")
    at = positions(recording)
    return sorted((s for s in recording.sites() if species in recording.free(s)), key=at.__getitem__), species


def _draw_sites(recording: Recording) -> Figure:
    """A row of colours for every site."""
    sites, species = _sites(recording)
    values = np.array([_mean(recording.micromolar(site, species)) for site in sites])
    time = recording.time
    drawing, (ax,) = panels(1, height=min(max(30.0, 3.2 * len(sites)), TALLEST), extra=12)
    low = 0.0 if values.min() < 0.4 * values.max() else float(values.min())
    middle = np.append(time, time[-1] + (time[-1] - time[-2] if len(time) > 1 else 1.0))
    shown = ax.pcolormesh(middle, np.arange(len(sites) + 1), values, cmap=MAP, vmin=low, rasterized=True)
    every = -(-len(sites) // 40)
    ax.set_yticks(np.arange(len(sites))[::every] + 0.5, sites[::every], fontsize=5.5)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel(f"time ({recording.time_unit})")
    drawing.colorbar(shown, ax=ax, pad=0.02, aspect=30, label=f"free {species} (µM)").outline.set_linewidth(0.4)
    runs = recording.file["run"].shape[0] if "run" in recording.file else 0
    head(drawing, recording.name, f"mean of {runs} runs" if runs else note_of(recording))
    return drawing


def _mean(values: Floats) -> Floats:
    return values if values.ndim == 1 else np.asarray(values.mean(axis=0))


def _draw_ledger(results: Results) -> Figure:
    """What became of all that a site held or got: one bar, whose parts add up to it."""
    every = results.ledger()["sites"]
    entries = sorted(every, key=lambda e: -e["received"])[:MOST_BARS] if len(every) > MOST_BARS else every
    rows = np.arange(len(entries))
    drawing, (ax,) = panels(1, height=max(12.0, 7.0 * len(entries)), extra=16)
    left = np.zeros(len(entries))
    for colour, part in zip(COLOURS, ("free", "bound", "extruded"), strict=False):
        width = np.array([e[part] for e in entries])
        ax.barh(rows, width, left=left, color=colour, height=0.5, label=part)
        left += width
    got = np.array([e["held_at_start"] + e["received"] for e in entries])
    ax.vlines(got, rows - 0.32, rows + 0.32, color="black", lw=1.2, label="held at start + received")
    for row, e in zip(rows.tolist(), entries, strict=True):  # what is too little to be seen can be read
        text = "   ".join(f"{part} {e[part]:,.0f}" for part in ("free", "bound", "extruded"))
        ax.text(0, row - 0.3, text, va="bottom", fontsize=5.5, color="0.25")
    ax.set_ylim(-0.75, len(entries) - 0.5)
    ax.set_yticks(rows, [f"{e['substance']} in {e['site']}" for e in entries])
    ax.invert_yaxis()
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("ions")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=4)
    worst = results.ledger()["max_imbalance_ions"]
    more = f"; the {len(entries)} of {len(every)} that received most" if len(every) > len(entries) else ""
    head(drawing, results.name, f"largest imbalance {worst:g} ions{more}")
    return drawing


def _draw_timing(results: Results) -> Figure:
    """Wall-clock seconds of every component."""
    seconds = {k: v for k, v in results.seconds().items() if k != "cpu_seconds"}
    names = sorted(seconds, key=seconds.__getitem__)
    total = sum(seconds.values()) or 1.0
    drawing, (ax,) = panels(1, height=max(15.0, 5.0 * len(names)), extra=12)
    bars = ax.barh(names, [seconds[n] for n in names], color=COLOURS[0], height=0.65)
    ax.bar_label(bars, [f"{100 * seconds[n] / total:.3g} %" for n in names], padding=2, fontsize=6.5)
    ax.margins(x=0.12)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("wall-clock time (s)")
    head(drawing, results.name, f"{total:.3g} s in all")
    return drawing
