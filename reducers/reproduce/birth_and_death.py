"""One species that divides and dies, as a geometric distribution whose parameter obeys a law that is learned."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from couple.projects.examples import examples_folder
from reducers.dbd.energy.wellmixed import mean_of_geometric
from reducers.dbd.fit.adjoint import RK4, Solver
from reducers.dbd.laws.birth_death import BirthDeath
from reducers.dbd.training import DistributionTraining
from reducers.reproduce.figure import PublishedFigure, Reproduced, Row

BIRTH, DEATH = 0.5, 1.5
COURSES = {0.5: (0.727336, 1.016464), 1.0: (1.343639, 1.735326), 0.1: (0.159903, 0.251447)}
"""ν(0) → ν at 0.5 and at 1."""
NUMBERS = (1.541494, 0.934963, 0.567084)
"""⟨n⟩ at 0, 0.5 and 1 from ν(0) = 0.5."""
PER_SECOND = 1000.0
"""The training counts in milliseconds."""
STEPS = 400
DIGITS = 1e-6
SIDE = "law.side=1.0"
"""Elements of the law so wide that 1,200 runs determine it."""
TOLERANCE = 0.1
INTERIOR = (0.15, 0.85)


def birth_and_death(folder: Path, tell: Callable[[str], None]) -> Reproduced:
    """Courses of ν under the exact law, and the law as it is learned from runs of the stochastic simulation."""
    import matplotlib.pyplot as plt

    exact, time, rows, courses = BirthDeath(BIRTH, DEATH), np.linspace(0, 1, STEPS + 1), [], {}
    for start, known in COURSES.items():
        solver = Solver(1 / STEPS, RK4)
        path = solver.path(np.array([[start]]), STEPS)
        solver.solve(exact, path)
        courses[start] = course = path[:, 0, 0]
        for k, published in zip((STEPS // 2, STEPS), known, strict=True):
            what = f"nu({time[k]:g}) from {start:g}"
            rows.append(Row(what, float(course[k]), published, allowed=DIGITS))
    numbers = mean_of_geometric(courses[0.5][:: STEPS // 2])
    for at, number, published in zip((0, 0.5, 1), numbers, NUMBERS, strict=True):
        rows.append(Row(f"<n>({at:g}) from nu = 0.5", float(number), published, allowed=DIGITS))

    tell("learning the law from 1,200 runs")
    file = examples_folder() / "reduce" / "decay.toml"
    training = DistributionTraining.new(file, folder / "decay", [SIDE], force=True)
    training.run()
    axis = np.linspace(*_seen(training), 60)
    learned, true = PER_SECOND * training.fit.law.rates(axis[:, None])[:, 0], exact.rates(axis[:, None])[:, 0]
    inside = (axis >= INTERIOR[0]) & (axis <= INTERIOR[1])
    off = float(np.sqrt(np.mean((learned[inside] / true[inside] - 1) ** 2)))
    what = f"learned F, nu in {list(INTERIOR)}: rms of its relative error"
    rows.append(Row(what, off, 0.0, allowed=TOLERANCE))

    drawing, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
    for start, course in courses.items():
        left.plot(time, course, label=f"from {start:g}")
    left.set(xlabel="time", ylabel="ν", title="dν/dt = (k$_D$ - k$_B$)(1 - e$^{-ν}$)")
    left.legend(frameon=False)
    right.plot(axis, true, color="0.4", label="exact")
    right.plot(axis, learned, "--", color="#D55E00", label="learned")
    right.set(xlabel="ν", ylabel="F", title="the law")
    right.legend(frameon=False)
    return Reproduced(rows, drawing)


def _seen(training: DistributionTraining) -> tuple[float, float]:
    """Where the learned trajectories have been."""
    path = training.fit.trajectory()
    return float(path.min()), float(path.max())


FIGURE = PublishedFigure(
    "birth and death of one species: courses of nu, and the law learned from runs",
    "Ernst et al. (2018), J Chem Phys 149:034107, Fig. 1-3", 2, birth_and_death,
)  # fmt: skip
