"""Predator and prey: which interactions drive numbers and pairs, and whether their sum is the data's derivative.

The three columns of the published figure (arXiv:1905.12122, Fig. 3): prey, neighbouring prey, and hunters beside prey
at distance two; here by the lattice model whose units are all seen, which has no hidden layers to share the work.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from couple.projects.examples import examples_folder
from reducers.dbd.model.model import ReducedModel
from reducers.dbd.report.closure_terms import Terms, learned_closure
from reducers.dbd.report.moment_errors import free_moments
from reducers.dbd.training import DistributionTraining
from reducers.reproduce.figure import PublishedFigure, Reproduced, Row
from reducers.training.folder import MODEL

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = ("P", "PP nn", "HP m2")
NEARLY = 0.05
"""By which the correlation of the sum with the derivative may fall short of one: the source says nearly identical."""
SHOWN = 5
"""Terms of a panel, the largest."""


def predator_prey_closure(folder: Path, tell: Callable[[str], None]) -> Reproduced:
    """Train the example of the visible lattice model, and draw its closure."""
    tell("learning the model from 400 runs of the lattice")
    file = examples_folder() / "reduce" / "lotka_volterra_visible.toml"
    DistributionTraining.new(file, folder / "predator-prey", ["report.checked=[]"], force=True, tell=tell).run()
    return of_model(ReducedModel.read(folder / "predator-prey" / MODEL))


def of_model(model: ReducedModel) -> Reproduced:
    """Rows and drawing of a trained model."""
    closures = learned_closure(model, COLUMNS)
    rows = [
        Row(f"correlation of the sum of terms with d<{name}>/dt of the runs", c.correlation, 1.0, allowed=NEARLY)
        for name, c in closures.items()
    ]
    rows += [Row(f"NRMSE of <{name}> on held-out runs", model.held_out[name]) for name in COLUMNS]
    return Reproduced(rows, _columns(model, closures))


def _columns(model: ReducedModel, closures: dict[str, Terms]) -> Figure:
    """From the top: a moment of model and runs, terms of biases, terms of couplings, their sum and the derivative."""
    import matplotlib.pyplot as plt

    drawing: Figure
    drawing, axes = plt.subplots(4, len(closures), figsize=(11, 10), sharex=True, layout="constrained")
    found, names = free_moments(model), model.law.parameters
    for column, (name, c) in zip(axes.T, closures.items(), strict=True):
        column[0].plot(c.time, model.reference[f"{name} mean"], color="k", label="runs")
        column[0].plot(c.time, found[name].mean(axis=0), color="#D55E00", label="model")
        column[0].set_title(f"⟨{name}⟩")
        for k in np.argsort(-np.abs(c.terms).max(axis=0))[: 2 * SHOWN]:
            panel = column[2 if "J0" in names[k] else 1]
            panel.plot(c.time, c.terms[:, k], lw=1, label=names[k])
        column[1].set_title("terms of biases")
        column[2].set_title("terms of couplings")
        column[3].plot(c.time, c.data, color="k", label="runs")
        column[3].plot(c.time, c.total, color="#D55E00", label="sum of terms")
        column[3].set(title=f"d⟨{name}⟩/dt, both filtered", xlabel="step")
        for ax in column:
            ax.legend(frameon=False, fontsize=7)
    return drawing


FIGURE = PublishedFigure(
    "predator and prey: the interactions that drive numbers and pairs, and their sum",
    "Ernst et al. (2019), arXiv:1905.12122, Fig. 3", 3, predator_prey_closure,
)  # fmt: skip
