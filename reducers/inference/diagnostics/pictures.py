"""Figures of a posterior: pairs of parameters, training, calibration, predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from couple.analysis.plot.style import COLOURS, MM, WIDTH, panels
from couple.base.arrays import Floats
from reducers.inference.density.flow import Losses
from reducers.inference.diagnostics.simulation_based_calibration import LEVELS, Calibration
from reducers.inference.problem.prior import Prior

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 12
"""Parameters of a pair plot, of more the first."""


def pairs(theta: Floats, prior: Prior, truth: Mapping[str, float], marks: Floats | None = None) -> Figure:
    """Marginals on the diagonal, with the prior in grey, and densities of pairs above it. theta: (n, d) draws.

    truth: parameter → value, orange. marks: (d,) of another point, as the mode, green.
    """
    import matplotlib.pyplot as plt

    n = min(theta.shape[1], MOST)
    size = max(WIDTH, 16 * n * MM)
    drawing: Figure
    drawing, axes = plt.subplots(n, n, figsize=(size, size), squeeze=False, layout="constrained")
    engine: Any = drawing.get_layout_engine()
    engine.set(h_pad=0.005, w_pad=0.005, hspace=0.02, wspace=0.02)
    ends = _limits(theta, prior)
    for row in range(n):
        for column in range(n):
            ax = axes[row, column]
            if column < row:
                ax.axis("off")
            elif column == row:
                _marginal(ax, theta[:, row], prior, row, ends[row])
                _label(ax, prior, row)
            else:
                _pair(ax, theta[:, column], theta[:, row], ends[column], ends[row])
            if column >= row:
                _points(ax, prior, truth, marks, row, column)
    return drawing


def _limits(theta: Floats, prior: Prior) -> Floats:
    """(d, 2): of the prior, or, without bounds, of its mean and three standard deviations and the draws."""
    found = prior.bounds.copy()
    for k, one in enumerate(prior.ranges):
        if not np.isfinite(found[k]).all():
            mean, sd = one.numbers[:2]
            found[k] = min(mean - 3 * sd, theta[:, k].min()), max(mean + 3 * sd, theta[:, k].max())
    return found


def _is_log(prior: Prior, k: int) -> bool:
    return prior.ranges[k].distribution == "loguniform"


def _bins(prior: Prior, k: int, ends: Floats, n: int) -> Floats:
    low, high = ends.tolist()
    return np.asarray(np.geomspace(low, high, n) if _is_log(prior, k) else np.linspace(low, high, n))


def _marginal(ax: Axes, values: Floats, prior: Prior, k: int, ends: Floats) -> None:
    edges = _bins(prior, k, ends, 61)
    heights = np.histogram(values, edges)[0] / len(values)
    chance = np.histogram(prior.draw(50_000, np.random.default_rng(0))[:, k], edges)[0] / 50_000
    ax.stairs(chance, edges, color="0.75", fill=True, alpha=0.6, lw=0)
    ax.stairs(heights, edges, color=COLOURS[0], lw=0.9)
    if _is_log(prior, k):
        ax.set_xscale("log")
    ax.set(xlim=ends, yticks=[], ylim=(0, None))
    ax.spines["left"].set_visible(False)
    ax.tick_params(labelsize=5, pad=1)


def _label(ax: Axes, prior: Prior, k: int) -> None:
    unit = f"\n({prior.units[k]})" if prior.units[k] not in ("", "1") else ""
    ax.set_xlabel(f"{prior.names[k]}{unit}", fontsize=6, labelpad=1)


def _pair(ax: Axes, x: Floats, y: Floats, across: Floats, up: Floats) -> None:
    density, _, _ = np.histogram2d(y, x, bins=(50, 50), range=(up, across))
    ax.imshow(density, origin="lower", aspect="auto", extent=(*across, *up), cmap="Blues", interpolation="nearest")
    ax.set(xticks=[], yticks=[], xlim=across, ylim=up)
    for side in ("top", "right"):
        ax.spines[side].set_visible(True)


def _points(ax: Axes, prior: Prior, truth: Mapping[str, float], marks: Floats | None, row: int, column: int) -> None:
    across, up = prior.names[column], prior.names[row]
    if row == column:
        if across in truth:
            ax.axvline(truth[across], color=COLOURS[1], lw=0.9)
        if marks is not None:
            ax.axvline(marks[column], color=COLOURS[2], lw=0.9, ls="--")
        return
    if across in truth and up in truth:
        ax.plot(truth[across], truth[up], "o", color=COLOURS[1], ms=2.5)
    if marks is not None:
        ax.plot(marks[column], marks[row], "x", color=COLOURS[2], ms=3, mew=0.8)


def training(losses: Sequence[Losses]) -> Figure:
    """Losses of each round over epochs, and the epoch that was kept."""
    drawing, axes = panels(len(losses), height=32.0, columns=min(len(losses), 3))
    for k, (ax, one) in enumerate(zip(axes, losses, strict=False)):
        epochs = np.arange(1, len(one.training) + 1)
        ax.plot(epochs, one.training, lw=0.8, label="training")
        ax.plot(epochs, one.validation, lw=0.8, label="validation")
        ax.axvline(one.best + 1, color="0.6", lw=0.6, ls=":")
        ax.set(xlabel="epoch", ylabel="loss (nats)", title=f"round {k + 1}")
        top = np.quantile(one.validation, 0.9) + 0.1 * np.ptp(one.validation)
        ax.set_ylim(None, max(float(top), float(one.validation[min(3, len(epochs) - 1)])))
    for ax in axes[len(losses) :]:
        ax.axis("off")
    axes[0].legend()
    return drawing


def calibration(found: Calibration, names: Sequence[str]) -> Figure:
    """Ranks of truths as their distribution less that of uniform ones, with a band of 99 %, and expected coverage."""
    drawing, axes = panels(2, height=50.0, columns=2)
    n, draws = found.ranks.shape[0], found.draws
    grid = np.linspace(0, 1, 101)
    spread = 2.576 * np.sqrt(grid * (1 - grid) / n)
    axes[0].fill_between(grid, -spread, spread, color="0.85", lw=0)
    for k, name in enumerate(names):
        share = np.searchsorted(np.sort(found.ranks[:, k] / draws), grid, side="right") / n
        axes[0].plot(grid, share - grid, lw=0.8, color=COLOURS[k % len(COLOURS)], ls="-" if k < 6 else "--", label=name)
    axes[0].set(xlabel="rank of the truth", ylabel="share of truths below − rank", title=f"{n} truths")
    axes[0].legend(ncols=2, fontsize=5.5)
    band = 2.576 * np.sqrt(LEVELS * (1 - LEVELS) / n)
    axes[1].fill_between(LEVELS, LEVELS - band, LEVELS + band, color="0.85", lw=0)
    axes[1].plot(LEVELS, found.expected_coverage(), "o-", ms=2.5, lw=0.8)
    axes[1].plot([0, 1], [0, 1], color="0.5", lw=0.6)
    axes[1].set(xlabel="credible level", ylabel="truths inside", title="expected coverage")
    return drawing


def predictions(simulated: Floats, predicted: Floats, observation: Floats, features: Mapping[str, str]) -> Figure:
    """Each feature in simulations of the prior (grey) and of the posterior (blue), and as observed (orange)."""
    drawing, axes = panels(len(features), height=26.0, columns=min(len(features), 4))
    for k, (name, unit) in enumerate(features.items()):
        ax = axes[k]
        ours, theirs = (a[np.isfinite(a[:, k]), k] for a in (predicted, simulated))
        low, high = np.quantile(theirs, [0.01, 0.99])
        low, high = (min(low, observation[k], *ours), max(high, observation[k], *ours))
        edges = np.linspace(low, high if high > low else low + 1, 41)
        ours, theirs = (np.histogram(a, edges)[0] / max(len(a), 1) for a in (ours, theirs))
        ax.stairs(theirs, edges, color="0.75", fill=True, lw=0)
        ax.stairs(ours, edges, color=COLOURS[0], lw=0.9)
        ax.axvline(observation[k], color=COLOURS[1], lw=0.9)
        ax.set(xlabel=f"{name}" + (f" ({unit})" if unit not in ("", "1") else ""), yticks=[])
    for ax in axes[len(features) :]:
        ax.axis("off")
    return drawing


def correlations(found: Floats, names: Sequence[str]) -> Figure:
    """Conditional correlations of all pairs, (d, d), as a map."""
    drawing, axes = panels(1, height=90.0)
    image = axes[0].imshow(found, cmap="RdBu_r", vmin=-1, vmax=1)
    axes[0].set_xticks(range(len(names)), names, rotation=90, fontsize=5)
    axes[0].set_yticks(range(len(names)), names, fontsize=5)
    drawing.colorbar(image, ax=axes[0], shrink=0.7, label="conditional correlation")
    return drawing
