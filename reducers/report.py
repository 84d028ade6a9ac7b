"""What a reduced model does, as lines and as a figure. matplotlib is imported only when a figure is drawn."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from couple.errors import InputError
from reducers.boltzmann.dbm import DeepBoltzmann
from reducers.closure import closure_terms
from reducers.dynamics.law import Floats
from reducers.evaluate import free_moments, sampled_chains
from reducers.model import ReducedModel
from reducers.moments import lattice_moments

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#999999",
    "#F0E442",
    "#000000",
    "#882255",
)


def report_lines(model: ReducedModel) -> list[tuple[str, str]]:
    """(what, value) pairs that say what a model is, where it may be used, and how good it is."""
    file = model.file
    size = sum(int(np.count_nonzero(table.values)) for table in model.law.tables)
    lines = [
        ("model", f"{file.train.name}: {model.family}, {len(model.law.parameters)} parameters"),
        ("law", f"{file.law.family}, {size} coefficients that are not zero"),
        ("data", f"{', '.join(model.species)}, {model.points} times of {model.dt:g}, hash {model.data_hash[:12]}"),
        (
            "training",
            f"{len(model.history)} steps" + (f", last gap {model.history[-1]:.3g}" if len(model.history) else ""),
        ),
    ]
    lines += [(f"rate of {name}", f"{rate:.4g} ± {error:.2g}") for name, (rate, error) in model.rates.items()]
    lines += [
        (f"ln p at t = {time:g}", f"{value:.2f} ± {error:.1g} held-out, {base:.2f} by independent sites")
        for time, value, error, base in model.likelihoods
    ]
    lines += [(f"NRMSE of {name}", f"{error:.4f}") for name, error in model.held_out.items()]
    for k, name in enumerate(model.law.parameters):
        lines.append(
            (name, f"{model.theta0[0, k]:.4f} at the start, valid in [{model.box[0, k]:.4f}, {model.box[1, k]:.4f}]")
        )
    return lines


def closure_along(model: ReducedModel, name: str, theta: Floats) -> Floats:
    """(T, n) terms of d⟨X⟩/dt of a moment such as "P" or "PP nn" along θ (T, n), by sampling."""
    machine, block = model.model, model.file.report
    if not isinstance(machine, DeepBoltzmann):
        raise InputError("closure terms are sampled from Boltzmann machines", where="report.closure")
    rates = model.law.rates(theta)
    out = np.empty_like(theta)
    for k in range(len(theta)):
        made = sampled_chains(
            machine, theta[k : k + 1], chains=max(block.chains, 100), sweeps=block.sweeps, purpose=f"closure {k}"
        )
        visible = machine.visible
        found = lattice_moments(made.states(0).T, visible.species, visible.shape, model.file.data.periodic)
        if name not in found:
            raise InputError(f'no moment "{name}"; known: {", ".join(found)}', where="report.closure")
        out[k] = closure_terms(rates[k], found[name], made.moments())
    return out


def figure(model: ReducedModel, path: Path) -> Path:
    """Parameters, moments of model and data, closure terms and samples of all layers; returns the picture's path."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    reference, theta = model.reference, model.trajectory()[:, 0]
    names = [key.removesuffix(" mean") for key in reference if key.endswith(" mean") and key != "time mean"]
    deep = isinstance(model.model, DeepBoltzmann)
    closures = model.file.report.closure if deep else ()
    rows = 1 + -(-len(names) // 3) + len(closures) + (1 if deep and len(model.shape) == 2 else 0)
    drawing, axes = plt.subplots(rows, 3, figsize=(10, 2.4 * rows + 0.4), squeeze=False, layout="constrained")
    time = np.arange(len(theta)) * float(model.dt)
    _parameters(axes[0], model, time, theta)
    found = free_moments(model, len(reference["time mean"]))
    for ax, name in zip(axes[1:].ravel(), names, strict=False):
        _moment(ax, name, reference, found[name])
    row = 1 + -(-len(names) // 3)
    for name in closures:
        _closure(axes[row], model, name, time, theta)
        row += 1
    if row < rows:
        _layers(axes[row], model, theta[int(0.74 * (len(theta) - 1))])
    for ax in axes.ravel():
        if not ax.has_data():
            ax.axis("off")
    drawing.suptitle(f"{model.file.train.name} ({model.family})", x=0.01, ha="left", fontsize=10, fontweight="bold")
    try:
        drawing.savefig(path, dpi=150)
    except (ValueError, OSError) as error:
        raise InputError(f"cannot be drawn: {error}", where=str(path)) from None
    finally:
        plt.close(drawing)
    return path


def _parameters(axes: Floats, model: ReducedModel, time: Any, theta: Any) -> None:
    biases = [k for k, name in enumerate(model.law.parameters) if not name.startswith(("W", "J", "K"))]
    others = [k for k in range(theta.shape[1]) if k not in biases]
    for ax, chosen, title in ((axes[0], biases, "biases"), (axes[1], others, "couplings")):
        for i, k in enumerate(chosen):
            ax.plot(time, theta[:, k], color=_COLOURS[i % len(_COLOURS)], lw=1, label=model.law.parameters[k])
        if chosen:
            ax.set_title(title, fontsize=9)
            ax.legend(fontsize=6, frameon=False)
    if model.rates:
        _rates(axes[2], model.rates)
        return
    axes[2].plot(model.history, lw=0.5, color=_COLOURS[0])
    axes[2].set_yscale("log")
    axes[2].set_title("relative gap of wake and sleep, by step", fontsize=9)


def _rates(ax: Axes, rates: dict[str, tuple[float, float]]) -> None:
    """Each reaction in a line, on a scale of its own magnitude: rates of hops and reactions differ by orders."""
    for k, (name, (rate, error)) in enumerate(reversed(rates.items())):
        size = max(abs(rate), 3 * error, 1e-300)
        ax.errorbar(rate / size, k, xerr=error / size, fmt="o", ms=3, lw=1, capsize=2, color=_COLOURS[0])
        ax.annotate(f"{name}: {rate:.3g} ± {error:.1g}", (0.0, k + 0.22), fontsize=6, ha="center")
    ax.axvline(0.0, color="0.7", lw=0.8)
    ax.set_xlim(-1.7, 1.7)
    ax.set_ylim(-0.5, len(rates) - 0.3)
    ax.set_yticks([])
    ax.set_title("rates over their size", fontsize=9)


def _moment(ax: Axes, name: str, reference: dict[str, Floats], found: Floats) -> None:
    at, mean, deviation = (reference[key] for key in ("time mean", f"{name} mean", f"{name} deviation"))
    ax.fill_between(at, mean - deviation, mean + deviation, color="0.85", lw=0, label="run-to-run sd")
    ax.plot(at, mean, color="k", lw=1, label="data")
    ax.plot(at, found.mean(axis=0), color=_COLOURS[1], lw=1, label="model")
    if len(found) > 1:
        error = found.std(axis=0, ddof=1) / np.sqrt(len(found))
        ax.fill_between(at, found.mean(axis=0) - error, found.mean(axis=0) + error, color=_COLOURS[1], alpha=0.3, lw=0)
    ax.set_title(name, fontsize=9)
    ax.legend(fontsize=6, frameon=False)


def _closure(axes: Floats, model: ReducedModel, name: str, time: Any, theta: Any) -> None:
    every = max(1, len(theta) // 60)
    terms = closure_along(model, name, theta[::every])
    for k, parameter in enumerate(model.law.parameters):
        ax = axes[0] if k < len(model.law.parameters) / 2 else axes[1]
        ax.plot(time[::every], terms[:, k], lw=0.8, color=_COLOURS[k % len(_COLOURS)], label=parameter)
    for ax in axes[:2]:
        ax.set_title(f"closure terms of d⟨{name}⟩/dt", fontsize=9)
        ax.legend(fontsize=6, frameon=False)
    axes[2].plot(time[::every], terms.sum(axis=1), lw=1, color=_COLOURS[1], label="sum of terms")
    data, at = model.reference[f"{name} mean"], model.reference["time mean"]
    axes[2].plot(at, np.gradient(data, at), lw=1, color="k", label="data")
    axes[2].legend(fontsize=6, frameon=False)


def _layers(axes: Floats, model: ReducedModel, theta: Floats) -> None:
    assert isinstance(model.model, DeepBoltzmann)
    made = sampled_chains(model.model, theta[None], chains=1, sweeps=100, purpose="picture")
    for level, ax in zip(range(min(3, len(model.model.layers))), axes, strict=False):
        ax.imshow(
            made.states(level)[:, 0].reshape(model.model.layers[level].shape), cmap="viridis", interpolation="none"
        )
        ax.set_title(f"layer {level}", fontsize=9)
        ax.set_axis_off()
