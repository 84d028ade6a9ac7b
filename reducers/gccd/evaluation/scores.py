"""How good a law is: errors of moments and divergence per molecule on courses that it was not learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from couple.base.arrays import Floats
from reducers.gccd.data.protocol_data import ProtocolData
from reducers.gccd.fit.boltzmann_learning import fit_slices
from reducers.gccd.fit.free_runs import CaMKIILaw, StimulusCourse
from reducers.gccd.law.graph import GRAPHS, SiteGraph, divergence
from reducers.gccd.law.molecule import STATES, observables

PAIR_NAMES = tuple(name for name in SiteGraph.named("all pairs").parameters if " " in name)
"""Moments of two sites: C1 N1, C1 B, ..., P D."""


def pair_moments(probabilities: Floats) -> Floats:
    """(…, len(PAIR_NAMES))."""
    graph = SiteGraph.named("all pairs")
    columns = [graph.parameters.index(name) for name in PAIR_NAMES]
    return np.asarray(probabilities @ graph.features[:, columns])


OBSERVED = ("bound", "phosphorylated", "paired", "calcium")
"""What a law is judged by, of a calmodulin."""


@dataclass(frozen=True)
class LawScore:
    """NRMSE (root mean square of the error over that of the data, all courses and rows together) and divergence.

    pairs: of all pair moments together; worst_pair: of the one that is worst. divergence: nats per molecule;
    sampling: what a perfect model would have, from the number of molecules in the data.
    """

    bound: float
    phosphorylated: float
    paired: float
    calcium: float
    pairs: float
    worst_pair: float
    worst_name: str
    divergence: float
    sampling: float

    def as_dict(self) -> dict[str, float | str]:
        """All of it by name, for JSON."""
        return asdict(self)


def score(law: CaMKIILaw, courses: Sequence[StimulusCourse], molecules: Sequence[float]) -> LawScore:
    """Errors of a law on courses, the data of each from `molecules` molecules of calmodulin."""
    model = [law.probabilities(course) for course in courses]
    data = [course.target for course in courses]
    errors = observable_errors(model, data)
    found, seen = [pair_moments(m) for m in model], [pair_moments(d) for d in data]
    each = [nrmse([f[:, k] for f in found], [s[:, k] for s in seen]) for k in range(len(PAIR_NAMES))]
    worst = int(np.argmax(each))
    gaps = [float(divergence(d, m + 1e-6).mean()) for d, m in zip(data, model, strict=True)]
    floor = [float(((d * n > 1).sum(axis=1) - 1).mean() / (2 * n)) for d, n in zip(data, molecules, strict=True)]
    return LawScore(
        **errors,
        pairs=nrmse(found, seen),
        worst_pair=each[worst],
        worst_name=PAIR_NAMES[worst],
        divergence=float(np.mean(gaps)),
        sampling=float(np.mean(floor)),
    )


def observable_errors(model: Sequence[Floats], data: Sequence[Floats]) -> dict[str, float]:
    """NRMSE of each of the OBSERVED, over all courses (T, 45) together."""
    return {
        name: nrmse([observables(m)[name] for m in model], [observables(d)[name] for d in data]) for name in OBSERVED
    }


def errors_at_rest(courses: Sequence[StimulusCourse]) -> dict[str, float]:
    """The errors of a model that stays as each course begins."""
    data = [course.target for course in courses]
    return observable_errors([np.tile(d[:1], (len(d), 1)) for d in data], data)


def nrmse(model: Sequence[Floats], data: Sequence[Floats]) -> float:
    """Root mean square of the error over that of the data; all pairs of arrays of one shape together."""
    error = sum(float(((m - d) ** 2).sum()) for m, d in zip(model, data, strict=True))
    return float(np.sqrt(error / max(sum(float((d**2).sum()) for d in data), 1e-300)))


def molecules_of(data: Sequence[ProtocolData], *, test: bool) -> list[float]:
    """Molecules of calmodulin behind each course, in the order of `courses_of`."""
    return [float(d.counts[i, 0, :45].sum()) for d in data for i, s in enumerate(d.stimuli) if s.test == test]


def interactions(
    graph: str, course: StimulusCourse, molecules: float, rows: int, pseudo: float
) -> tuple[Floats, Floats]:
    """(rows,) ms and (rows, n) μ(t) by Boltzmann learning at every `T / rows`-th slice of a course."""
    family = SiteGraph.named(graph)
    chosen = np.unique(np.linspace(0, len(course.target) - 1, rows).astype(int))
    smooth = (course.target[chosen] * molecules + pseudo / len(STATES)) / (molecules + pseudo)
    return course.time[chosen], fit_slices(family, smooth)


def static_divergence(graph: str, courses: Sequence[StimulusCourse], molecules: Sequence[float], rows: int) -> float:
    """Mean over slices of D(data ‖ best of the graph): what the graph itself cannot express, nats per molecule."""
    family = SiteGraph.named(graph)
    found = []
    for course, n in zip(courses, molecules, strict=True):
        _, mu = interactions(graph, course, n, rows, 0.5)
        chosen = np.unique(np.linspace(0, len(course.target) - 1, rows).astype(int))
        model = np.stack([family.probabilities(m) for m in mu])
        found.append(float(divergence(course.target[chosen], model).mean()))
    return float(np.mean(found))


STATIC = tuple(GRAPHS)
"""Graphs whose static divergence is shown."""
