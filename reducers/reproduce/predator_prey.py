"""Predator and prey on a lattice of 40 x 40 sites: numbers and neighbours over 500 steps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.stats import norm

from couple.base.arrays import Floats
from couple.ensemble import Ensemble, sample
from couple.experiment import Experiment
from couple.projects.examples import examples_folder
from reducers.data.moments import Estimate
from reducers.reproduce.figure import PublishedFigure, Reproduced, Row

RUNS = 300
TIMES = (50, 100, 150, 200, 250, 300)
PUBLISHED = {
    "P": ((137.0, 23.8), (350.1, 71.0), (598.5, 184.9), (316.1, 236.9), (170.9, 182.3), (315.1, 193.9)),
    "H": ((28.4, 7.7), (30.3, 17.3), (174.2, 75.9), (307.1, 145.8), (93.2, 83.0), (50.0, 65.9)),
    "P P": ((26.1, 9.8), (169.1, 72.1), (640.1, 357.5), (385.3, 442.8), (109.3, 302.8), (210.9, 315.2)),
    "H P": ((5.5, 2.8), (13.0, 8.4), (75.5, 34.4), (83.5, 57.2), (13.9, 24.0), (16.0, 21.6)),
}
"""Mean and deviation over 300 runs of the authors' program at TIMES."""
THEIR_RUNS = 300
BOUND = float(norm.isf(0.01 / 2 / (len(PUBLISHED) * len(TIMES))))
"""Standard errors that one of all comparisons exceeds by chance in one case of a hundred."""


def predator_prey(folder: Path, tell: Callable[[str], None]) -> Reproduced:
    """Means over runs beside those of the authors' program; the error is that of the difference."""
    import matplotlib.pyplot as plt

    file = examples_folder() / "lattice" / "lotka_volterra.toml"
    experiment = Experiment.load(file, ["site.field.lattice.snapshots=false"])
    tell(f"{RUNS} runs of 500 steps")
    rows = []
    drawing, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    with sample(experiment, RUNS, folder=folder / "lotka-volterra") as ensemble:
        time, moments = np.asarray(ensemble.time), _moments(ensemble)
    for name, known in PUBLISHED.items():
        found = Estimate.of(moments[name])
        for t, (published, deviation) in zip(TIMES, known, strict=True):
            k = int(np.argmin(abs(time - t)))
            both = float(np.hypot(found.error[k], deviation / np.sqrt(THEIR_RUNS)))
            what = f"{name} at step {t}" if len(name) == 1 else f"neighbours {name} at step {t}"
            rows.append(Row(what, float(found.mean[k]), published, error=both, bound=BOUND))
        ax = axes[0] if len(name) == 1 else axes[1]
        line = ax.plot(time, found.mean, label=name)[0]
        low, high = found.mean - 2 * found.error, found.mean + 2 * found.error
        ax.fill_between(time, low, high, color=line.get_color(), alpha=0.25, lw=0)
        ax.plot(TIMES, [m for m, _ in known], "o", mfc="none", color=line.get_color())
    for ax, title in zip(axes, ("numbers", "pairs of neighbours"), strict=True):
        ax.set(xlabel="step", title=f"{title}; circles: published", ylim=(0, None))
        ax.legend(frameon=False)
    return Reproduced(rows, drawing)


def _moments(ensemble: Ensemble) -> dict[str, Floats]:
    """Name → (runs, T) numbers of molecules, and of pairs of neighbours."""
    counts = {name: np.asarray(ensemble[f"field.{name}"]) for name in ("P", "H")}
    pairs = ensemble.file["field/nn"]
    return counts | {name: np.asarray(pairs[:, :, 0, k]) for k, name in enumerate(pairs.attrs["pair"])}


FIGURE = PublishedFigure(
    "predator and prey on a lattice: numbers and neighbours of 300 runs",
    "Ernst, Bartol, Sejnowski, Mjolsness (2019), arXiv:1905.12122, Fig. 1", 1, predator_prey,
)  # fmt: skip
