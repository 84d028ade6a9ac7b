"""What a model of CaMKII is and how good, as lines and as a figure. matplotlib is imported only when one is drawn."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from couple.analysis.plot.style import COLOURS, MM, WIDTH, save, styled
from reducers.gccd.block import MarkovFieldBlock
from reducers.gccd.export import text_of
from reducers.gccd.law.graph import SiteGraph
from reducers.gccd.law.kernel import N_RATES
from reducers.training.verdict import verdict_lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANELS = ("bound", "phosphorylated", "paired", "calcium")


def ablation_lines(summary: Mapping[str, Any]) -> list[str]:
    """The table of graphs: errors of the law on held-out kinds, divergence of the law and of the graph itself."""
    lines = [
        f"{'graph':<12} {'free μ':>6} {'bound':>7} {'phosph.':>7} {'paired':>7} {'pairs':>7} {'worst':>7} "
        f"{'KL law':>9} {'KL graph':>9}"
    ]
    for graph in sorted({*summary["held_out"], *summary["static"]}, key=lambda g: len(SiteGraph.named(g).parameters)):
        found = summary["held_out"].get(graph)
        size = len(SiteGraph.named(graph).parameters)
        shown = (
            [f"{100 * found[k]:6.2f}%" for k in ("bound", "phosphorylated", "paired", "pairs", "worst_pair")]
            if found
            else 5 * ["      -"]
        )
        law = f"{found['divergence']:9.5f}" if found else f"{'-':>9}"
        static = f"{summary['static'][graph]:9.5f}" if graph in summary["static"] else f"{'-':>9}"
        lines.append(f"{graph:<12} {size:>6} {' '.join(shown)} {law} {static}")
    return lines


def protocol_lines(summary: Mapping[str, Any]) -> list[str]:
    """Errors by protocol; where ions came in, what any law that the mean calcium drives leaves out."""
    lines = []
    for name, found in summary.get("by_protocol", {}).items():
        said = ", ".join(f"{k} {100 * found[k]:.2f}%" for k in (*PANELS[:3], "pairs"))
        lines.append(f"{name}: {said}")
        if summary["mean_field"].get(name):
            left = summary["mean_field"][name]
            said = ", ".join(f"{k} {100 * left[k]:.2f}% (chance {100 * left[f'chance {k}']:.2f}%)" for k in PANELS[:3])
            lines.append(f"{name}, left out by a mean calcium: {said}, pairs {100 * left['pairs']:.2f}%")
    return lines


def validation_lines(summary: Mapping[str, Any]) -> list[str]:
    """Finer models beside the law and beside the engine that it was learned from."""
    lines = []
    for name, found in summary.get("validated", {}).items():
        runs = {"model": "", found["own"]: f" ({found['against']} runs)"}
        for other, compared in found["compared"].items():
            head = f"{name}: {found['engine']} ({found['runs']} runs) and {other}{runs[other]}"
            lines.append(f"{head}: {', '.join(_apart(q, c) for q, c in compared.items())}")
    return lines


def _apart(quantity: str, found: Mapping[str, Any]) -> str:
    judged = "" if found["p"] is None else f", {found['errors']:.1f} SE, p {found['p']:.2g}"
    what = "calcium held" if quantity == "calcium" else quantity
    return f"{what} {100 * found['nrmse']:.2f}% apart (chance {100 * found['chance']:.2f}%{judged})"


def report_lines(block: MarkovFieldBlock) -> list[tuple[str, str]]:
    """(what, value) pairs."""
    about = block.about
    lines = [
        ("model", f"{about.name}: Markov random field, {int(np.count_nonzero(block.rates))} terms"),
        ("species", f"{len(about.species)}, driven by {about.drive}"),
        ("data", f"hash {about.data_hash[:12]}"),
        *verdict_lines(about.verdict),
        ("drive", f"0 .. {about.drive_box[1]:.4g} uM {about.drive}"),
    ]
    for k, what in enumerate(("calmodulin", "CaMKII")):
        lines.append((what, f"{block.totals[k, 0]:.4g} .. {block.totals[k, 1]:.4g} uM in training"))
    for k, what in enumerate(PANELS):
        lines.append((what, f"{about.box[0, k]:.4f} .. {about.box[1, k]:.4f} per calmodulin in training"))
    lines += [(f"held-out {name}", f"{value:.5f}") for name, value in about.held_out.items()]
    if "summary" in block.more:
        summary = json.loads(text_of(block.more["summary"]))
        lines += [("held-out kinds", ", ".join(summary["on"]))]
        lines += [("" if k else "ablation", line) for k, line in enumerate(ablation_lines(summary))]
        lines += [("held-out", line) for line in protocol_lines(summary)]
        lines += [("validated", line) for line in validation_lines(summary)]
    return lines


def figure(block: MarkovFieldBlock, path: Path) -> Path:
    """Held-out courses, interactions, the lasso path, the ablation, and what finer models say."""
    import matplotlib.pyplot as plt

    more = block.more
    shown = [k for k in range(9) if f"course{k}_name" in more]
    with styled():
        validated = [k for k in range(9) if f"validated{k}_name" in more]
        rows = 6 + 2 + len(validated)
        drawing, axes = plt.subplots(
            rows, max(len(shown), 2), figsize=(1.5 * WIDTH, (rows * 26 + 8) * MM), squeeze=False, layout="constrained"
        )
        for column, k in enumerate(shown):
            _course(axes[:6, column], more, k, last=column == len(shown) - 1)
        _path(axes[6, 0], more)
        _error(axes[6, 1], more)
        _history(axes[7, 0], more)
        if "summary" in more:
            _ablation(axes[7, 1], json.loads(text_of(more["summary"])))
        for row, k in enumerate(validated):
            _validated(axes[8 + row], more, f"validated{k}_")
        for ax in axes.ravel():
            if not ax.has_data():
                ax.axis("off")
        drawing.suptitle(f"{block.about.name}  ·  Markov random field, held-out stimuli", x=0.01, ha="left", fontsize=7)
        save(drawing, path)
    return path


def _course(axes: np.ndarray[Any, Any], more: Mapping[str, Any], k: int, last: bool) -> None:
    time, name = more[f"course{k}_time"] * 1e-3, text_of(more[f"course{k}_name"])
    calcium = more[f"course{k}_calcium"]
    axes[0].plot(np.linspace(0, time[-1], len(calcium)), calcium, color="0.3", lw=0.6)
    axes[0].set_title(name)
    axes[0].set_ylabel("Ca (µM)")
    for ax, key, colour in zip(axes[1:5], PANELS, COLOURS, strict=False):
        ax.plot(time, more[f"course{k}_data_{key}"], ".", ms=2.5, color="0.25", label="fine model")
        ax.plot(time, more[f"course{k}_model_{key}"], color=colour, lw=1, label="reduced")
        ax.set_ylim(bottom=0)
        ax.set_ylabel(key if key != "calcium" else "Ca held / 4")
    axes[1].legend()
    names = SiteGraph.named("triples").parameters
    for i, key in enumerate(("C2", "N2", "B", "P", "D", "C2 B")):
        j = names.index(key)
        colour = COLOURS[i % len(COLOURS)]
        axes[5].plot(time, more[f"course{k}_mu"][:, j], ".", ms=2, color=colour)
        axes[5].plot(time, more[f"course{k}_mu_model"][:, j], lw=0.8, color=colour, label=key)
    axes[5].set_ylabel("µ")
    axes[5].set_xlabel("time (s)")
    if last:
        axes[5].legend(ncols=3, fontsize=5, loc="upper center", bbox_to_anchor=(0.5, -0.5))


def _validated(axes: np.ndarray[Any, Any], more: Mapping[str, Any], key: str) -> None:
    """The first stimuli of a validation, one for each axis."""
    time, names = more[f"{key}time"], json.loads(text_of(more[f"{key}stimuli"]))
    engine, own = text_of(more[f"{key}engine"]), text_of(more[f"{key}own"])
    for i, ax in enumerate(axes[: len(names)]):
        for k, colour in zip((0, 1), COLOURS, strict=False):
            means, errors = more[f"{key}means"][i, :, k], 2 * more[f"{key}errors"][i, :, k]
            ax.errorbar(time, means, errors, fmt=".", ms=2.5, elinewidth=0.5, color="0.25", label=None if k else engine)
            ax.plot(time, more[f"{key}reference"][i, :, k], "--", lw=0.8, color="0.55", label=None if k else own)
            ax.plot(time, more[f"{key}model"][i, :, k], lw=1, color=colour, label=PANELS[k])
        ax.set_title(f"{text_of(more[f'{key}name'])} {names[i]}")
        ax.set_xlabel("time (ms)")
        ax.set_ylim(bottom=0)
    axes[0].legend(fontsize=5, loc="center right")


def _path(ax: Axes, more: Mapping[str, Any]) -> None:
    path, penalties = more["path"], more["penalties"]
    scale = np.maximum(path.max(axis=0), 1e-30)
    for j in range(path.shape[1]):
        if path[:, j].any():
            colour = COLOURS[0] if j < N_RATES else COLOURS[1]
            ax.plot(penalties, path[:, j] / scale[j], color=colour, lw=0.5, alpha=0.6)
    ax.axvline(penalties[int(more["at"])], color="0.4", lw=0.6, ls="--")
    ax.set_xscale("log")
    ax.invert_xaxis()
    ax.set_xlabel("penalty, relative")
    ax.set_ylabel("rate / largest")
    ax.set_title("lasso path: reactions blue, decoys orange")


def _error(ax: Axes, more: Mapping[str, Any]) -> None:
    penalties, error, deviation = (more[k] for k in ("penalties", "error", "deviation"))
    support = (more["path"] > 0).sum(axis=1)
    ax.errorbar(support, error, yerr=deviation, fmt=".-", ms=3, lw=0.6, elinewidth=0.5)
    ax.axvline(support[int(more["at"])], color="0.4", lw=0.6, ls="--")
    ax.set_yscale("log")
    ax.set_xlabel("terms")
    ax.set_ylabel("error, stimuli left out")
    assert len(penalties) == len(error)


def _history(ax: Axes, more: Mapping[str, Any]) -> None:
    ax.plot(np.arange(1, len(more["history"]) + 1), 1e3 * np.asarray(more["history"]), lw=0.8)
    ax.set_xlabel("iteration of the adjoint refinement")
    ax.set_ylabel("KL (10⁻³ nats)")


def _ablation(ax: Axes, summary: Mapping[str, Any]) -> None:
    graphs = sorted(summary["static"], key=lambda g: len(SiteGraph.named(g).parameters))
    at = np.arange(len(graphs))
    ax.bar(at - 0.2, [summary["static"][g] for g in graphs], 0.4, color=COLOURS[0], label="graph itself")
    law = [summary["held_out"][g]["divergence"] if g in summary["held_out"] else np.nan for g in graphs]
    ax.bar(at + 0.2, law, 0.4, color=COLOURS[1], label="learned law")
    sampling = next(iter(summary["held_out"].values()))["sampling"]
    ax.axhline(sampling, color="0.4", lw=0.6, ls="--", label="sampling alone")
    ax.set_yscale("log")
    ax.set_xticks(at, [g.replace(" ", "\n") for g in graphs], fontsize=5.5)
    ax.set_ylabel("KL per molecule")
    ax.legend(fontsize=5)
