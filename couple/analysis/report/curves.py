"""What is over time, and over what varies: figures for plotly, as plain tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from couple.analysis.plot.curves import Curve, thinned
from couple.analysis.plot.style import COLOURS
from couple.analysis.plot.traces import Panel, panels_of
from couple.analysis.report.numbers import plain
from couple.base.arrays import Floats
from couple.ensemble.ensemble import Ensemble
from couple.storage.records.record_file import Recording
from couple.storage.records.results import Results

SHOWN = 60
"""Curves of a panel; of more, so many of them."""

NAMED = 12
"""Curves of a panel that a legend tells apart; more are coloured in their order and named where the mouse is."""

IN_ORDER = ("#440154", "#46327e", "#365c8d", "#277f8e", "#1fa187", "#4ac16d", "#9fda3a")
"""Of viridis, without its palest end."""

HEIGHT, GAP = 190, 34
"""Pixels of a panel, and between two."""


def curve_figure(recording: Recording) -> dict[str, Any] | None:
    """All panels above each other on one axis of time; None without records."""
    found = panels_of(recording)
    if not found or not len(recording.time):
        return None
    data: list[dict[str, Any]] = []
    layout: dict[str, Any] = {
        "height": (HEIGHT + GAP) * len(found) + 60,
        "xaxis": {"title": {"text": f"time ({recording.time_unit})"}, "anchor": f"y{_number(len(found) - 1)}"},
        "showlegend": any(len(p.curves) > 1 for p in found),
        "hovermode": "x unified" if sum(len(p.curves) for p in found) <= 24 else "closest",
    }
    for k, panel in enumerate(found):
        share = 1 / len(found)
        top = 1 - k * share
        layout[f"yaxis{_number(k)}"] = {
            "title": {"text": panel.label.replace("\n", "<br>")},
            "domain": [top - share * HEIGHT / (HEIGHT + GAP), top],
            "rangemode": "tozero" if panel.from_zero else "normal",
        }
        data += _panel(recording, panel, k)
    most = max(len(p.curves) for p in found)
    note = f"Every {-(-most // SHOWN)}th of {most} curves is drawn; all are in the file." if most > SHOWN else ""
    return {"data": data, "layout": layout, "note": note}


def _number(k: int) -> str:
    """How plotly numbers axes: the first has none."""
    return "" if k == 0 else str(k + 1)


def _panel(recording: Recording, panel: Panel, k: int) -> list[dict[str, Any]]:
    step = -(-len(panel.curves) // SHOWN)
    pairs = any(c.dashed for c in panel.curves)
    shown = _in_pairs(panel, step) if pairs else panel.curves[::step]
    each = 2 if pairs else 1
    of = len(shown) // each
    colours = COLOURS if of <= NAMED else IN_ORDER
    hidden = {"showlegend": False} if of > NAMED or len(panel.curves) == 1 else {}
    traces = []
    for n, curve in enumerate(shown):
        number = n // each
        colour = colours[number % len(colours)] if of <= NAMED else colours[number * len(colours) // of]
        traces += [trace | hidden for trace in _curve(recording.time, curve, colour, k, panel)]
    return traces


def _in_pairs(panel: Panel, step: int) -> list[Curve]:
    """Every so manieth solid curve with the dashed one behind it."""
    return [curve for k in range(0, len(panel.curves), 2 * step) for curve in panel.curves[k : k + 2]]


def _curve(time: Floats, curve: Curve, colour: str, k: int, panel: Panel) -> list[dict[str, Any]]:
    """A line; of an ensemble its mean, and a band of one standard deviation of runs."""
    mean = curve.values if curve.values.ndim == 1 else np.nanmean(curve.values, axis=0)
    name = curve.label or panel.label.partition("\n")[0]
    common = {"yaxis": f"y{_number(k)}", "legendgroup": name, "name": name}
    made: list[dict[str, Any]] = []
    if curve.values.ndim == 2 and len(curve.values) > 1:
        spread = np.nanstd(curve.values, axis=0, ddof=1)
        t, (low, high) = thinned(time, mean - spread, mean + spread)
        made.append(
            {
                **common,
                "x": [*plain(t, 7), *plain(t[::-1], 7)],
                "y": [*plain(high), *plain(low[::-1])],
                "fill": "toself",
                "fillcolor": f"{colour}33",
                "line": {"width": 0},
                "hoverinfo": "skip",
                "showlegend": False,
                "mode": "lines",
            }
        )
    t, (values,) = thinned(time, mean)
    line = {"color": colour, "width": 1.4, "dash": "dash" if curve.dashed else "solid"}
    made.append({**common, "x": plain(t, 7), "y": plain(values), "mode": "lines", "line": line})
    return made


def spike_figure(recording: Recording) -> dict[str, Any] | None:
    """A row of marks for each cell or soma; None without spikes."""
    if not isinstance(recording, Results):
        return None
    times, trains = recording.spikes()
    if not len(times):
        return None
    names = list(trains)
    rows = [k for k, name in enumerate(names) for _ in range(len(trains[name]))]
    marks = {
        "x": plain(np.concatenate([trains[name] for name in names]), 7),
        "y": rows,
        "text": [names[k] for k in rows],
        "mode": "markers",
        "marker": {"symbol": "line-ns-open", "size": 7, "color": "#222"},
        "hovertemplate": "%{text}: %{x} ms<extra></extra>",
    }
    shown = (
        {"tickvals": list(range(len(names))), "ticktext": names} if len(names) <= 25 else {"title": {"text": "cell"}}
    )
    height = min(140 + 16 * len(names), 640)
    span = [float(recording.time[0]), float(recording.time[-1])]
    return {"data": [marks], "layout": {"height": height, "xaxis": {"title": {"text": "time (ms)"}, "range": span},
                                        "yaxis": shown, "showlegend": False}}  # fmt: skip


def parameter_figures(recording: Recording) -> dict[str, Any] | None:
    """The mean of each panel's first curve over time, of every run, against each key that varies; None if none does."""
    if not isinstance(recording, Ensemble) or not recording.parameters:
        return None
    found = [p for p in panels_of(recording) if p.curves][:6]
    keys = [k for k, v in recording.parameters.items() if len(np.unique(v)) > 1][:4]
    if not found or not keys:
        return None
    data: list[dict[str, Any]] = []
    layout: dict[str, Any] = {"height": 230 * len(found) + 60, "showlegend": False,
                              "grid": {"rows": len(found), "columns": len(keys), "pattern": "independent"}}  # fmt: skip
    units = recording.parameter_units
    for row, panel in enumerate(found):
        for column, key in enumerate(keys):
            k = row * len(keys) + column
            data.append(_scatter(panel.curves, recording.parameters[key], recording.seeds, k))
            unit = "" if units[key] == "1" else f" ({units[key]})"
            layout[f"xaxis{_number(k)}"] = {"title": {"text": f"{key}{unit}" if row == len(found) - 1 else ""}}
            layout[f"yaxis{_number(k)}"] = {"title": {"text": f"mean {panel.label}".replace("\n", "<br>")}}
    return {"data": data, "layout": layout}


def _scatter(curves: Sequence[Curve], values: Floats, seeds: Any, k: int) -> dict[str, Any]:
    means = np.mean([np.nanmean(np.atleast_2d(c.values), axis=1) for c in curves], axis=0)
    return {
        "x": plain(values),
        "y": plain(means),
        "text": [f"seed {seed}" for seed in np.asarray(seeds).tolist()],
        "mode": "markers",
        "marker": {"color": COLOURS[0], "opacity": 0.6},
        "xaxis": f"x{_number(k)}",
        "yaxis": f"y{_number(k)}",
    }
