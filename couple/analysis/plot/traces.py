"""Everything over time: voltage, free ions, observables, ions in and out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import numpy as np

from couple.analysis.plot.curves import FEW, Curve, Scale, colours_of, draw_curves
from couple.analysis.plot.style import MAP, head, panels
from couple.base.errors import InputError, nearest
from couple.storage.records.record_file import Recording
from couple.storage.records.spike_trains import soma_spikes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FLATTENS = 5.0
"""Ratio of sizes from which on sites are compared by size, not by number of molecules."""


MOST_PANELS = 40
"""Of a figure: more cannot be read on a page."""

LEGEND = 72
"""Characters of a line of a legend that the figure has room for."""


@dataclass(frozen=True)
class Panel:
    """label: of the y axis, with its unit. from_zero: whether the axis starts at 0."""

    label: str
    curves: tuple[Curve, ...]
    from_zero: bool = True


def panels_of(recording: Recording) -> list[Panel]:
    """Panels of all that there is to show; counts of all species if there is nothing else."""
    makers: tuple[Callable[[Recording], list[Panel]], ...] = (_voltages, _free, _observables, _parameters, _books)
    found = [panel for make in makers for panel in make(recording) if panel.curves]
    return found or [panel for panel in _counts(recording) if panel.curves]


def chosen_panels(recording: Recording, of: str | None = None, *, by_site: bool = False) -> list[Panel]:
    """Those whose name a pattern fits ("V", "Ca", "SK*"); by_site: one for each curve instead of one for all sites.

    Raises InputError that names what there is.
    """
    found = panels_of(recording)
    if of is not None:
        names = [_name(panel) for panel in found]
        found = [panel for panel, name in zip(found, names, strict=True) if fnmatchcase(name, of)]
        if not found:
            raise InputError(f'nothing is called "{of}"; {nearest(of, names)}', where="--of")
    if not by_site:
        return found
    split = [_of_sites(panel) for panel in found]
    panels = [panel for several in split for panel in several]
    if len(panels) > MOST_PANELS:
        raise InputError(f"{len(panels)} panels, {MOST_PANELS} are the limit: choose some with --of", where="--by")
    return panels


def _name(panel: Panel) -> str:
    """ "free Ca (µM)" → "Ca", "SK open (molecules)" → "SK_open"."""
    return panel.label.replace("\n", " ").rpartition(" (")[0].removeprefix("free ").replace(" ", "_") or panel.label


def _of_sites(panel: Panel) -> list[Panel]:
    """A panel for each curve, or pair of a solid and a dashed one."""
    step = 2 if any(c.dashed for c in panel.curves) else 1
    groups = [panel.curves[k : k + step] for k in range(0, len(panel.curves), step)]
    if len(groups) == 1:
        return [panel]
    head, _, unit = panel.label.replace("\n", " ").rpartition(" (")
    return [
        Panel(f"{curves[0].label}\n{head or 'ions'}{unit and f' ({unit}'}", curves, panel.from_zero)
        for curves in groups
    ]


def draw_traces(recording: Recording, of: str | None = None, *, by_site: bool = False) -> Figure:
    """Panels above each other, on one time axis; see `chosen_panels`."""
    found = chosen_panels(recording, of, by_site=by_site)
    scaled = [k for k, panel in enumerate(found) if colours_of(panel.curves) > FEW]
    scale = scale_of(recording) if scaled else None
    drawing, axes = panels(len(found), sharex=True)
    shown: list[str] = []
    for panel, ax in zip(found, axes, strict=True):
        shown = _draw_panel(recording, panel, ax, scale, shown)
    axes[-1].set_xlabel(f"time ({recording.time_unit})")
    if scale is not None:
        _colour_bar(drawing, [axes[k] for k in scaled], scale)
    drawing.align_ylabels(axes)
    head(drawing, recording.name, note_of(recording))
    return drawing


def note_of(recording: Recording) -> str:
    """Engines, what the bands are, and the status if it is not complete."""
    runs = recording.file["run"].shape[0] if "run" in recording.file else 0
    parts = [", ".join(dict.fromkeys(recording.engines().values()))]
    if runs:
        parts.append(f"{runs} runs: mean, its 95 % confidence (dark), ± 1 s.d. of runs (light)")
    if recording.status != "complete":
        parts.append(recording.status)
    return "; ".join(parts)


def positions(recording: Recording) -> dict[str, float]:
    """Place of each site on the scale: its path distance from the soma in µm if the file has it, else its number."""
    found: dict[str, float] = {}
    for number, (site, (component, row)) in enumerate(recording.sites().items()):
        distances = recording.file[component].attrs.get("distance_um")
        found[site] = float(number + 1 if distances is None else distances[row])
    return found


def scale_of(recording: Recording) -> Scale:
    """Colours of sites, and of voltages where their distances are known too."""
    values = [*positions(recording).values(), *_voltage_positions(recording)]
    return Scale("path distance (µm)" if _measured(recording) else "site", min(values), max(values))


def _measured(recording: Recording) -> bool:
    """Whether colours of sites are path distances."""
    return any("distance_um" in recording.file[component].attrs for component, _ in recording.sites().values())


def _voltage_positions(recording: Recording) -> list[float]:
    """Path distances of recorded voltages in µm; empty if they or those of the sites are not known."""
    if "neuron/v" not in recording.file or not _measured(recording):
        return []
    return [float(d) for d in recording.file["neuron"].attrs.get("distance_um", ())]


def _draw_panel(recording: Recording, panel: Panel, ax: Axes, scale: Scale | None, shown: list[str]) -> list[str]:
    """Draw a panel; names of the colours that are known then. shown: those of the panels above it."""
    many = scale is not None and colours_of(panel.curves) > FEW
    draw_curves(ax, recording.time, panel.curves, scale if many else None)
    ax.set_ylabel(panel.label)
    ax.margins(x=0)
    if panel.from_zero and ax.dataLim.y0 < 0.6 * ax.dataLim.y1:
        ax.set_ylim(bottom=0)
    lines, names = ax.get_legend_handles_labels()
    if any(c.dashed for c in panel.curves) and len(panel.curves) > FEW:
        ax.plot([], [], color="0.3", lw=0.8, label="entered")
        ax.plot([], [], color="0.3", lw=0.8, ls=(0, (3, 1.5)), label="left")
        lines, names = (list(x)[-2:] for x in ax.get_legend_handles_labels())
    if names and names != shown:
        fits = max(1, LEGEND // (max(map(len, names)) + 4))
        ax.legend(lines, names, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=min(len(names), fits))
    return names or shown


def _colour_bar(drawing: Figure, axes: list[Axes], scale: Scale) -> None:
    """A bar of its own at the right of the panels whose colours it explains."""
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize
    from matplotlib.ticker import MaxNLocator

    colours = ListedColormap(colormaps[MAP](np.linspace(0, 0.92, 256)))
    shown = ScalarMappable(Normalize(scale.low, scale.high), colours)
    ticks = MaxNLocator(5, integer=True)
    for ax in axes:  # one for each: a bar over several would take its room from panels that it does not explain
        bar = drawing.colorbar(shown, ax=ax, fraction=0.03, pad=0.015, aspect=14, label=scale.label, ticks=ticks)
        bar.outline.set_linewidth(0.4)


# A maker returns its panels, without curves where there is nothing.


def _voltages(recording: Recording) -> list[Panel]:
    """Voltages; a tick above for each spike of a soma."""
    voltages = recording.voltages()
    at = _voltage_positions(recording) or np.linspace(*_ends(recording), len(voltages)).tolist()
    spikes = {name: tuple(runs[0].tolist()) for name, runs in soma_spikes(recording).items() if len(runs) == 1}
    curves = tuple(Curve(s, v, p, marks=spikes.get(s, ())) for (s, v), p in zip(voltages.items(), at, strict=True))
    return [Panel("V (mV)", curves, from_zero=False)]


def _ends(recording: Recording) -> tuple[float, float]:
    values = list(positions(recording).values()) or [0.0]
    return min(values), max(values)


def _free(recording: Recording) -> list[Panel]:
    """A panel for each species."""
    at = positions(recording)
    found: dict[str, list[Curve]] = {}
    for site in recording.sites():
        for species in recording.free(site):
            found.setdefault(species, []).append(
                Curve(_label(recording, site), recording.micromolar(site, species), at[site])
            )
    return [Panel(f"free {species} (µM)", tuple(curves)) for species, curves in found.items()]


def _observables(recording: Recording) -> list[Panel]:
    """A panel for each; where sites differ much in size, by their size."""
    sites_of: dict[str, list[str]] = {}
    for site in recording.sites():
        for name in recording.labels(site, "means", "observable"):
            sites_of.setdefault(name, []).append(site)
    return [_observable(recording, name, sites) for name, sites in sites_of.items()]


def _parameters(recording: Recording) -> list[Panel]:
    """A panel for each parameter that sites set in the electrical model."""
    at = positions(recording)
    found = []
    for name, unit in recording.linked_parameters().items():
        sites = recording.sites_of(name)
        curves = tuple(Curve(site, recording.parameter(site, name), at.get(site.split()[0], 0.0)) for site in sites)
        found.append(Panel(f"{name}\n({'of its own' if unit == '1' else unit})", curves))
    return found


def _observable(recording: Recording, name: str, sites: list[str]) -> Panel:
    homes = {recording.observed_on(site, name) for site in sites}
    home = homes.pop() if len(homes) == 1 else ""
    if home == "membrane" and _differ(recording, sites, "area_um2"):
        values, unit = recording.per_membrane, "1/µm²"
    elif home == "volume" and _differ(recording, sites, "volume_um3"):
        values, unit = recording.per_volume, "µM"
    else:
        values, unit = recording.observable, "molecules"
    at = positions(recording)
    curves = tuple(Curve(_label(recording, site), values(site, name), at[site]) for site in sites)
    return Panel(f"{_words(name)}\n({unit})", curves)


def _differ(recording: Recording, sites: list[str], size: str) -> bool:
    """Whether the largest site would flatten the others' curves."""
    places = recording.sites()
    sizes = [float(recording.file[component].attrs[size][row]) for component, row in map(places.__getitem__, sites)]
    return max(sizes) > FLATTENS * min(sizes)


def _books(recording: Recording) -> list[Panel]:
    """What entered (solid) and left (dashed), since the start."""
    at, curves = positions(recording), []
    for site in recording.sites():
        of = _label(recording, site)
        for species in recording.labels(site, "influx", "species"):
            curves.append(Curve(f"entered {of}".strip(), recording.entered(site, species), at[site]))
            left = recording.extruded(site)
            if left:
                total = np.sum(list(left.values()), axis=0)
                curves.append(Curve(f"left {of}".strip(), total, at[site], dashed=True))
    return [Panel("ions", tuple(curves), from_zero=False)]


def _counts(recording: Recording) -> list[Panel]:
    return [
        Panel(f"molecules {_label(recording, site)}".strip(), tuple(Curve(s, recording.counts(site, s)) for s in names))
        for site in recording.sites()
        if (names := recording.labels(site, "counts", "species"))
    ]


def _label(recording: Recording, site: str) -> str:
    """A site's name, where there is more than one."""
    return site if len(recording.sites()) > 1 else ""


def _words(name: str) -> str:
    return name.replace("_", " ")
