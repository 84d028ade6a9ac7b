"""What a reduced model does, as lines and as a figure. matplotlib is imported only when a figure is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from couple.base.arrays import Floats
from reducers.dbd.chains.inhomogeneous import InhomogeneousChain
from reducers.dbd.energy.dbm import DeepBoltzmann
from reducers.dbd.energy.mixture import FORBIDDEN, Mixture, components
from reducers.dbd.model.model import ReducedModel
from reducers.dbd.report.closure_terms import Terms, learned_closure
from reducers.dbd.report.mixing import Mixing
from reducers.dbd.report.moment_errors import free_moments, mean_error, sampled_chains
from reducers.training.figures import save_figure
from reducers.training.verdict import verdict_lines

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
_INKS = ((0.0, 0.2, 0.9), (0.0, 0.0, 0.0), (0.8, 0.1, 0.1))


def report_lines(model: ReducedModel, closures: Mapping[str, Terms] | None = None) -> list[tuple[str, str]]:
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
    lines += verdict_lines("" if model.verdict is None else model.verdict.to_json())
    lines += [(f"rate of {name}", f"{rate:.4g} ± {error:.2g}") for name, (rate, error) in model.rates.items()]
    lines += [
        (f"ln p at t = {time:g}", f"{value:.2f} ± {error:.1g} held-out, {base:.2f} by independent sites")
        for time, value, error, base in model.likelihoods
    ]
    lines += [(f"mixing at t = {m.time:g}", m.words) for m in (Mixing(*row) for row in model.mixing)]
    lines += [(f"NRMSE of {name}", f"{error:.4f}") for name, error in model.held_out.items()]
    if model.peers or model.checked:
        how = f"as above ({model.file.report.sweeps} sweeps, random)"
        lines.append((f"mean NRMSE, {how}", f"{mean_error(model.held_out):.4f}"))
    lines += [(f"mean NRMSE, {how}", f"{e:.4f}") for how, e in (*model.checked.items(), *model.peers.items())]
    for name, closure in (closures or {}).items():
        smooth = f"Gaussian filter of sd {model.file.report.smooth * model.dt:g} over both"
        lines.append((f"closure of {name}", f"correlation {closure.correlation:.4f} with the data ({smooth})"))
    for k, name in enumerate(model.law.parameters):
        lines.append(
            (name, f"{model.theta0[0, k]:.4f} at the start, valid in [{model.box[0, k]:.4f}, {model.box[1, k]:.4f}]")
        )
    return lines


def figure(model: ReducedModel, path: Path, closures: dict[str, Terms] | None = None) -> Path:
    """Parameters, moments of model and data, closure terms and samples of all layers; returns the picture's path.

    closures: of the moments in `report.closure` if they are known already (`terms.learned_closure`).
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    reference, theta = model.reference, model.trajectory()[:, 0]
    names = [key.removesuffix(" mean") for key in reference if key.endswith(" mean") and key != "time mean"]
    deep = isinstance(model.model, DeepBoltzmann | Mixture)
    if closures is None:
        closures = learned_closure(model, model.file.report.closure) if deep else {}
    above = (len(model.model.absent) if isinstance(model.model, Mixture) else 0) + 1
    drawn = -(-len(names) // 3)
    terms = 3 * -(-len(closures) // 3)
    rows = above + drawn + terms + (1 if deep and len(model.shape) == 2 else 0)
    drawing, axes = plt.subplots(rows, 3, figsize=(10, 2.4 * rows + 0.4), squeeze=False, layout="constrained")
    time = np.arange(len(theta)) * float(model.dt)
    _parameters(axes[:above], model, time, theta)
    found = free_moments(model)
    for ax, name in zip(axes[above : above + drawn].ravel(), names, strict=False):
        if isinstance(model.model, InhomogeneousChain):
            _profile(ax, name, model.model, reference, found[name])
        else:
            _moment(ax, name, reference, found[name])
    for k, (name, closure) in enumerate(closures.items()):
        top = above + drawn + 3 * (k // 3)
        _closure(axes[top : top + 3, k % 3], model, name, closure)
    if deep and len(model.shape) == 2:
        _layers(axes[-1], model, int(0.74 * (len(theta) - 1)))
    for ax in axes.ravel():
        if not ax.has_data():
            ax.axis("off")
    drawing.suptitle(f"{model.file.train.name} ({model.family})", x=0.01, ha="left", fontsize=10, fontweight="bold")
    return save_figure(drawing, path)


def _parameters(axes: Floats, model: ReducedModel, time: Any, theta: Any) -> None:
    """Biases and couplings, a row for each class; the last column: the gap, and the shares of classes."""
    names, absent = model.law.parameters, model.model.absent if isinstance(model.model, Mixture) else ()
    first = len(components(model.model, theta)[0].parameters) if absent else len(names)  # type: ignore[arg-type]
    for k, row in enumerate(axes):
        begin = k * (first + 1)
        mine = [i for i in range(begin, begin + first) if theta[0, i] > FORBIDDEN]
        prefix = f"no{absent[k - 1]}_" if k else ""
        couplings = [i for i in mine if _couples(names[i].removeprefix(prefix))]
        biases = [i for i in mine if i not in couplings]
        for ax, chosen, title in ((row[0], biases, "biases"), (row[1], couplings, "couplings")):
            for c, i in enumerate(chosen):
                ax.plot(time, theta[:, i], color=_COLOURS[c % len(_COLOURS)], lw=1, label=names[i])
            if chosen:
                ax.set_title(title + (f", class without {absent[k - 1]}" if k else ""), fontsize=9)
                ax.legend(fontsize=6, frameon=False)
    if model.rates:
        _rates(axes[0][2], model.rates)
        return
    axes[0][2].plot(model.history, lw=0.5, color=_COLOURS[0])
    axes[0][2].set_yscale("log")
    axes[0][2].set_title("relative gap of model and data, by step", fontsize=9)
    if isinstance(model.model, Mixture):
        shares = model.model.split(theta)[0]
        for k, name in enumerate(absent, start=1):
            axes[k][2].plot(time, shares[:, k], lw=1, color=_COLOURS[0])
            axes[k][2].set_title(f"share of the class without {name}", fontsize=9)


def _couples(parameter: str) -> bool:
    """Whether a parameter, without its class, is a coupling and not a bias."""
    return parameter.startswith(("W", "J", "K"))


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


def _profile(ax: Axes, name: str, chain: InhomogeneousChain, reference: dict[str, Floats], found: Floats) -> None:
    """Per site or bond along the row, at four times: data with their errors, model as lines."""
    at, mean, error = (reference[key] for key in ("time mean", f"{name} mean", f"{name} error"))
    fields = name.startswith("<h")
    places, hats = (chain.site_nodes, chain.site_hats) if fields else (chain.bond_nodes, chain.bond_hats)
    width = hats.sum(axis=0)
    for row, colour in zip(np.unique(np.linspace(0, len(at) - 1, 4).round().astype(int)), _COLOURS, strict=False):
        ax.errorbar(places, mean[row] / width, error[row] / width, fmt="o", ms=3, lw=1, color=colour)
        ax.plot(places, found[0, row] / width, lw=1, color=colour, label=f"t = {at[row]:g}")
    ax.set(title=f"{name} per {'site' if fields else 'bond'}: data dots, model lines", xlabel="site")
    ax.title.set_fontsize(9)
    ax.legend(fontsize=6, frameon=False)


def _closure(axes: Floats, model: ReducedModel, name: str, closure: Terms) -> None:
    """A column: terms of biases, terms of couplings, and their sum beside the derivative of the data."""
    size = np.abs(closure.terms).max(axis=0)
    shown = np.argsort(-size)[: len(_COLOURS)]
    for i, k in enumerate(sorted(shown)):
        parameter = model.law.parameters[k]
        coupling = _couples(parameter.split("_", 1)[-1] if parameter.startswith("no") else parameter)
        axes[int(coupling)].plot(closure.time, closure.terms[:, k], lw=0.8, color=_COLOURS[i], label=parameter)
    for ax, what in zip(axes[:2], ("biases", "couplings"), strict=True):
        ax.set_title(f"terms of d⟨{name}⟩/dt: {what}", fontsize=9)
        if ax.lines:
            ax.legend(fontsize=5, frameon=False)
    axes[2].plot(closure.time, closure.total, lw=1, color=_COLOURS[1], label="sum of terms")
    axes[2].plot(closure.time, closure.data, lw=1, color="k", label="data")
    axes[2].set_title(f"d⟨{name}⟩/dt, both filtered: correlation {closure.correlation:.3f}", fontsize=9)
    axes[2].legend(fontsize=6, frameon=False)


def _layers(axes: Floats, model: ReducedModel, at: int) -> None:
    """Probabilities of the units of each layer, given their neighbours, after 100 sweeps from a random configuration.

    The first species is blue, the second black (arXiv:1905.12122, fig. 2c).
    """
    assert isinstance(model.model, DeepBoltzmann | Mixture)
    machine, _, thetas = components(model.model, model.trajectory()[at, 0])
    made = sampled_chains(machine, thetas[:1], chains=1, sweeps=100, purpose="picture")
    for level, ax in zip(range(min(3, len(machine.layers))), axes, strict=False):
        p = made.probabilities(level, thetas[0])[:, 0]
        ink = 1.0 - np.array(_INKS)[: p.shape[1]]
        ax.imshow(np.clip(1.0 - p[:, : len(ink)] @ ink, 0, 1).reshape(*machine.layers[level].shape, 3))
        title = " ".join(f"{s} {c}" for s, c in zip(machine.layers[level].species, ("blue", "black"), strict=False))
        ax.set_title(f"layer {level} at t = {at * model.dt:g} ({title})", fontsize=9)
        ax.set_axis_off()
