"""Free-running courses of the reduced law, their divergence from the data, and its exact gradient by the rates."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import InputError, RunError
from reducers.gccd.data.protocol_data import ProtocolData
from reducers.gccd.law.adjoint import run_back
from reducers.gccd.law.graph import divergence
from reducers.gccd.law.kernel import DK, DP, N_RATES, N_STATE, NODES, run
from reducers.gccd.law.library import expanded, reduced
from reducers.gccd.law.propagators import rates_pulled, tables

FLOOR = 1e-6
"""Added to the model's probabilities in the divergence: below what any ensemble can see."""


@dataclass(frozen=True)
class StimulusCourse:
    """One stimulus. start (29,), calcium (n_windows,), calmodulin and subunits in uM; every: windows of a row.

    target: (T, 45) probabilities of the data. weight: of this course in the mean divergence.
    """

    name: str
    start: Floats
    calcium: Floats
    window: float
    every: int
    calmodulin: float
    subunits: float
    target: Floats
    weight: float

    @property
    def time(self) -> Floats:
        """(T,) ms of rows."""
        return np.asarray(np.arange(len(self.target)) * (self.window * self.every))


def courses_of(data: Sequence[ProtocolData], *, test: bool) -> list[StimulusCourse]:
    """All courses that are tested on, or learned from; protocols weigh alike."""
    found = []
    for one in data:
        chosen = [i for i, s in enumerate(one.stimuli) if s.test == test]
        found += [_course(one, i, 1.0 / len(chosen)) for i in chosen]
    whole = sum(c.weight for c in found)
    return [StimulusCourse(**{**c.__dict__, "weight": c.weight / whole}) for c in found]


def _course(data: ProtocolData, i: int, weight: float) -> StimulusCourse:
    census = data.concentrations[i]
    calmodulin = float(census[0, :45].sum())
    return StimulusCourse(
        f"{data.name} {data.stimuli[i].name}",
        reduced(census[0]),
        data.stimuli[i].calcium,
        data.window,
        round(float(data.time[1] - data.time[0]) / data.window),
        calmodulin,
        float(census[0, 9:].sum()),
        census[:, :45] / calmodulin,
        weight,
    )


def substeps(window: float, step: float) -> int:
    """Steps of a window, none longer than `step`."""
    return max(1, int(np.ceil(window / step - 1e-9)))


class CaMKIILaw:
    """The law at given rates (48,), with its tables for every length of step that is asked for."""

    def __init__(self, rates: Floats, graph: int, step: float) -> None:
        if rates.shape != (N_RATES,) or not np.isfinite(rates).all() or (rates < 0).any():
            raise InputError(f"a law has {N_RATES} rates of 0 or more")
        self.rates, self.graph, self.step = rates, graph, step
        self._tables: dict[float, Floats] = {}

    def table(self, h: float) -> Floats:
        """(NODES, 24) propagators of the lobes for steps of h ms, kept."""
        if h not in self._tables:
            self._tables[h] = tables(self.rates[:16], h)
        return self._tables[h]

    def path(self, course: StimulusCourse) -> tuple[Floats, int]:
        """All steps (n, 29) of a course from its start, and the steps of a row. Raises RunError if it diverges."""
        n = substeps(course.window, self.step)
        h = course.window / n
        out = np.empty((len(course.calcium) * n + 1, N_STATE))
        start = course.start.copy()
        run(start, self.rates, course.subunits, self.table(h), course.calcium, n, h, self.graph, out)
        if not np.isfinite(out[-1]).all():
            raise RunError(f"the law diverges under {course.name}")
        return out, n * course.every

    def rows(self, course: StimulusCourse) -> Floats:
        """(T, 29) at the rows of the data."""
        path, every = self.path(course)
        return path[::every]

    def probabilities(self, course: StimulusCourse) -> Floats:
        """(T, 45) at the rows of the data."""
        return expanded(self.rows(course)) / course.calmodulin


def mean_divergence(rates: Floats, courses: Sequence[StimulusCourse], graph: int, step: float) -> tuple[float, Floats]:
    """Weighted mean over courses and rows of D(data ‖ model) per molecule, nats, and its gradient (48,)."""
    law = CaMKIILaw(rates, graph, step)
    for course in courses:
        law.table(course.window / substeps(course.window, step))
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    with ThreadPoolExecutor(max(1, min(workers, 8))) as pool:
        parts = list(pool.map(lambda course: _one(law, course), courses))
    value, gradient = 0.0, np.zeros(N_RATES)
    by_step: dict[float, Floats] = {}
    for part, gk, gtable, h in parts:  # in order: sums do not depend on the threads
        value += part
        gradient += gk
        by_step[h] = by_step.get(h, np.zeros((NODES, 24))) + gtable
    for h, gtable in by_step.items():
        gradient[:16] += rates_pulled(rates[:16], h, gtable)
    return value, gradient


def _one(law: CaMKIILaw, course: StimulusCourse) -> tuple[float, Floats, Floats, float]:
    path, every = law.path(course)
    rows = path[::every]
    scale = course.weight / len(rows)
    q = expanded(rows) / course.calmodulin + FLOOR
    value = scale * float(divergence(course.target, q).sum())
    slopes = pull_back_divergence(rows, -scale * course.target / q / course.calmodulin)
    slopes[0] = 0.0
    n = every // course.every
    gk, gtable = np.zeros(N_RATES), np.zeros((NODES, 24))
    h = course.window / n
    run_back(
        path, law.rates, course.subunits, law.table(h), course.calcium, n, h, law.graph, slopes, every,
        gk, gtable,
    )  # fmt: skip
    return value, gk, gtable, h


def pull_back_divergence(y: Floats, g: Floats) -> Floats:
    """(T, 29) derivative by the state of what has derivative g (T, 45) by `expanded`."""
    out = np.zeros_like(y)
    out[:, :9] = g[:, :9]
    for kind, at, paired in ((1, 9, DK), (3, 18, DP)):
        alone, pair = g[:, 9 * kind : 9 * kind + 9], g[:, 9 * kind + 9 : 9 * kind + 18]
        x = y[:, at : at + 9]
        whole = x.sum(axis=1)
        safe = np.where(whole > 0, whole, 1.0)
        share = np.clip(np.where(whole > 0, y[:, paired] / safe, 0.0), 0.0, 1.0)
        lean = np.where(whole > 0, (x * (pair - alone)).sum(axis=1) / safe, 0.0)
        out[:, at : at + 9] = alone + share[:, None] * (pair - alone) - (share * lean)[:, None]
        out[:, paired] = lean
    return out
