"""Free ions along a dendrite over time: a map for every section, distance upwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from couple.analysis.plot.style import MAP, head, panels
from couple.analysis.plot.traces import note_of
from couple.base.arrays import Floats
from couple.storage.records.record_file import Recording

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_SECTIONS = 8
"""Sections with a map of their own; the rest are left out, and the figure says so."""


def cables_of(recording: Recording) -> list[tuple[str, str]]:
    """(site, species) of the first free species of every site along sections."""
    found = []
    for site in recording.sites():
        known = recording.labels(site, "counts_along", "species")
        found += [(site, s) for s in recording.free(site) if s in known][:1]
    return found


def draw_along(recording: Recording) -> Figure:
    """One scale of colours for all sections of all sites."""
    maps = [m for site, species in cables_of(recording) for m in _maps(recording, site, species)]
    shown, species = maps[:MOST_SECTIONS], cables_of(recording)[0][1]
    low, high = min(float(v.min()) for _, _, v in maps), max(float(v.max()) for _, _, v in maps)
    low = 0.0 if low < 0.4 * high else low
    time = recording.time
    right = np.append(time, time[-1] + (time[-1] - time[-2] if len(time) > 1 else 1.0))
    drawing, axes = panels(len(shown), height=32.0, extra=12, sharex=True)
    for (name, away, values), ax in zip(shown, axes, strict=True):
        drawn = ax.pcolormesh(right, _edges(away), values.T, cmap=MAP, vmin=low, vmax=high, rasterized=True)
        ax.set_ylabel(f"{name}\n(µm)")
    axes[-1].set_xlabel(f"time ({recording.time_unit})")
    drawing.colorbar(drawn, ax=axes, pad=0.02, aspect=40, label=f"free {species} (µM)").outline.set_linewidth(0.4)
    more = f"; {len(maps) - len(shown)} more sections" if len(maps) > len(shown) else ""
    head(drawing, recording.name, note_of(recording) + more)
    return drawing


def _maps(recording: Recording, site: str, species: str) -> list[tuple[str, Floats, Floats]]:
    """Section, distances (n,) and values (n_rows, n), means of an ensemble, of a site."""
    values = recording.along(site, species)
    values = values if values.ndim == 2 else values.mean(axis=0)
    away, sections = recording.cable(site)
    rows = {name: [i for i, s in enumerate(sections) if s == name] for name in dict.fromkeys(sections)}
    return [(name, away[at], values[:, at]) for name, at in rows.items()]


def _edges(middles: Floats) -> Floats:
    """Ends of equally long segments."""
    half = (middles[1] - middles[0]) / 2 if len(middles) > 1 else 0.5
    return np.append(middles - half, middles[-1] + half)
