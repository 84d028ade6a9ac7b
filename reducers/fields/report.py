"""What a reduced model of fields is and does, as lines and as a figure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from couple.base.arrays import Floats
from reducers.fields.model import FieldModel
from reducers.training.figures import save_figure
from reducers.training.verdict import verdict_lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def report_lines(model: FieldModel) -> list[tuple[str, str]]:
    """(what, value) pairs: law with standard errors, data, where it may be used, and how good it is."""
    file = model.file
    n, d = model.places.shape
    lines = [
        ("model", f"{file.train.name}: fields of {', '.join(model.species)} on {n} nodes in {d} dimensions"),
        ("data", f"{len(model.time)} times from {model.time[0]:g} to {model.time[-1]:g}, hash {model.data_hash[:12]}"),
        ("training", f"{len(model.history)} steps, misfit {model.history[-1]:.6g}"),
    ]
    lines += verdict_lines(model.verdict)
    known = np.isfinite(model.errors).all()
    errors = model.errors if known else model.information
    for name, value, error in zip(model.law.names, model.values, errors, strict=True):
        lines.append((name, f"{value:.6g} ± {error:.2g}" + ("" if known else " (if snapshots were independent)")))
    for a, name in enumerate(model.species):
        lines.append((f"ν of {name}", f"valid in [{model.box[0, a]:.4f}, {model.box[1, a]:.4f}]"))
    for name, value in model.held_out.items():
        if not name.endswith(", error"):
            error = model.held_out.get(f"{name}, error")
            lines.append((name, f"{value:.4f}" + ("" if error is None else f" ± {error:.4f} per run")))
    return lines


def figure(model: FieldModel, path: Path) -> Path:
    """ν and density at four times, law beside estimates, and the number of particles; returns the picture's path."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = np.unique(np.linspace(0, len(model.time) - 1, 4).astype(int))
    draw = {1: _lines, 2: _maps}.get(model.places.shape[1], _profiles)
    species = range(len(model.species))
    height, width = (len(rows), 4) if draw is _maps else (2, 2)
    size = (2.8 * width if draw is _maps else 9, 2.5 * height * len(species) + 0.4)
    drawing, axes = plt.subplots(height * len(species), width, squeeze=False, layout="constrained", figsize=size)
    for a in species:
        draw(axes[a * height : (a + 1) * height], model, a, rows)
    drawing.suptitle(f"{model.file.train.name} (field)", x=0.01, ha="left", fontsize=10, fontweight="bold")
    return save_figure(drawing, path)


def _lines(axes: Any, model: FieldModel, a: int, rows: Any) -> None:
    import matplotlib.pyplot as plt

    order = np.argsort(model.places[:, 0])
    x = model.places[order, 0]
    colours = plt.get_cmap("viridis")(np.linspace(0, 0.85, len(rows)))
    for k, colour in zip(rows, colours, strict=True):
        law, own = model.nu[0, k, a, order], model.estimates[0, k, a, order]
        axes[0, 0].plot(x, law, color=colour, lw=1.2, label=f"t = {model.time[k]:.4g}")
        axes[0, 0].plot(x, own, color=colour, lw=0.8, ls=":")
        axes[0, 1].plot(x, np.exp(-law), color=colour, lw=1.2)
        axes[0, 1].plot(x, np.exp(-own), color=colour, lw=0.8, ls=":")
    _label(axes[0, 0], f"ν of {model.species[a]} (dotted: estimates)", "x")
    _label(axes[0, 1], "density e^(-ν) per run", "x")
    axes[0, 0].legend(fontsize=6, frameon=False)
    _numbers(axes[1, 0], model, a)
    _misfit(axes[1, 1], model)


def _maps(axes: Any, model: FieldModel, a: int, rows: Any) -> None:
    from matplotlib.tri import Triangulation

    mesh = Triangulation(*model.places.T, model.cells)
    for panel, k in zip(axes, rows, strict=True):
        law, own = model.nu[0, k, a], model.estimates[0, k, a]
        shown = (
            ("ν, law", law),
            ("ν, estimate", own),
            ("density, law", np.exp(-law)),
            ("density, estimate", np.exp(-own)),
        )
        for ax, (name, values), like in zip(panel, shown, (law, law, np.exp(-law), np.exp(-law)), strict=True):
            image = ax.tripcolor(mesh, values, shading="gouraud", vmin=like.min(), vmax=like.max())
            ax.set_aspect("equal")
            ax.set_title(f"{name}, t = {model.time[k]:.4g}", fontsize=8)
            ax.set_axis_off()
            ax.figure.colorbar(image, ax=ax, shrink=0.8).ax.tick_params(labelsize=6)


def _profiles(axes: Any, model: FieldModel, a: int, rows: Any) -> None:
    """Means of slices across the longest axis."""
    import matplotlib.pyplot as plt

    along = model.places[:, int(np.argmax(np.ptp(model.places, axis=0)))]
    slices = np.linspace(along.min(), along.max(), 25)
    number = np.clip(np.digitize(along, slices) - 1, 0, 23)
    count = np.bincount(number, minlength=24)
    middle = ((slices[1:] + slices[:-1]) / 2)[count > 0]

    def mean(values: Floats) -> Floats:
        return np.asarray((np.bincount(number, values, minlength=24) / np.maximum(count, 1))[count > 0])

    colours = plt.get_cmap("viridis")(np.linspace(0, 0.85, len(rows)))
    for k, colour in zip(rows, colours, strict=True):
        for nu, style in ((model.nu[0, k, a], "-"), (model.estimates[0, k, a], ":")):
            label = f"t = {model.time[k]:.4g}" if style == "-" else None
            axes[0, 0].plot(middle, mean(nu), color=colour, ls=style, lw=1, label=label)
            axes[0, 1].plot(middle, mean(np.exp(-nu)), color=colour, ls=style, lw=1)
    _label(axes[0, 0], f"ν of {model.species[a]}, mean over slices (dotted: estimates)", "along the longest axis")
    _label(axes[0, 1], "density e^(-ν) per run", "along the longest axis")
    axes[0, 0].legend(fontsize=6, frameon=False)
    _numbers(axes[1, 0], model, a)
    _misfit(axes[1, 1], model)


def _numbers(ax: Axes, model: FieldModel, a: int) -> None:
    sizes = _node_measures(model)
    ax.plot(model.time, np.exp(-model.nu[0, :, a]) @ sizes, lw=1.2, label="law")
    ax.plot(model.time, np.exp(-model.estimates[0, :, a]) @ sizes, "k.", ms=3, label="estimates")
    ax.set_ylim(bottom=0)
    _label(ax, f"{model.species[a]} per run", "time")
    ax.legend(fontsize=6, frameon=False)


def _misfit(ax: Axes, model: FieldModel) -> None:
    ax.plot(np.arange(1, len(model.history) + 1), model.history - model.history.min() + 1e-6, ".-", lw=0.8)
    ax.set_yscale("log")
    _label(ax, "misfit above the last, by step", "step")


def _node_measures(model: FieldModel) -> Floats:
    """(N,) share of each node in the mesh."""
    corners = model.places[model.cells]
    edges = corners[:, 1:] - corners[:, :1]
    size = np.sqrt(np.maximum(np.linalg.det(edges @ edges.transpose(0, 2, 1)), 0.0))
    size /= np.prod(np.arange(1, model.cells.shape[1]))
    out = np.zeros(len(model.places))
    np.add.at(out, model.cells, size[:, None] / model.cells.shape[1])
    return out


def _label(ax: Axes, title: str, x: str) -> None:
    ax.set_title(title, fontsize=9)
    ax.set_xlabel(x, fontsize=8)
    ax.tick_params(labelsize=7)
