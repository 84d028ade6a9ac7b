"""From a training to the block that the engine takes, with what its report draws."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from couple.base.arrays import Floats
from reducers.gccd.block import MarkovFieldBlock
from reducers.gccd.courses import Course, Law, courses_of
from reducers.gccd.evaluate import interactions, molecules_of
from reducers.gccd.graph import SiteGraph
from reducers.gccd.learning import learn
from reducers.gccd.library import NAMES
from reducers.gccd.molecule import IONS, STATES, names_in, observables
from reducers.gccd.sampling import load_network
from reducers.gccd.validation import Validated
from reducers.markov.block import About

if TYPE_CHECKING:
    from reducers.gccd.training import GccdTraining

ROWS = 60
"""Rows of a course that are kept for figures."""
FINE = 500
"""Values of its calcium."""
SHOWN = 3
"""Held-out courses that are drawn."""
SAID = ("held_out", "static", "on", "graph", "terms", "came_back", "by_protocol", "mean_field", "validated")
"""What the file repeats of the summary."""


def block_of(training: GccdTraining, summary: dict[str, Any]) -> MarkovFieldBlock:
    """The model of the graph that was asked for."""
    from reducers.gccd.training import MODES

    graph = training.graphs[0]
    network = load_network(training.site)
    learned = training.courses
    calcium = np.concatenate([course.calcium for course in learned])
    held_out = {key: value for key, value in summary["held_out"][graph].items() if isinstance(value, float)}
    for v in training.validated:
        held_out |= {f"{v.name} {q}": found.nrmse for q, found in v.compared["model"].items()}
    about = About.of(
        network,
        training.file.gccd.block,
        names_in(network.names),
        "Ca",
        drive_box=(0.0, float(calcium.max())),
        box=_box(learned),
        data_hash=training.digest(),
        held_out=held_out,
        training=json.dumps(training.content),
    )
    totals = np.array([[c.calmodulin for c in learned], [c.subunits for c in learned]])
    span = np.stack([totals.min(axis=1), totals.max(axis=1)], axis=1)
    return MarkovFieldBlock(about, training.rates(graph), MODES[graph], span, report(training, summary))


def _box(courses: list[Course]) -> Floats:
    """(2, 4) least and most share of calmodulin that is bound, phosphorylated, paired; calcium per molecule."""
    found = np.concatenate([c.target for c in courses])
    seen = np.stack([*list(observables(found).values())[:3], found @ IONS], axis=1)
    return np.stack([seen.min(axis=0), seen.max(axis=0)])


def report(training: GccdTraining, summary: dict[str, Any]) -> dict[str, npt.NDArray[Any]]:
    """Arrays that `couple model` draws: the lasso path, interactions, courses, scores."""
    graph, law = training.graphs[0], training.law
    out: dict[str, npt.NDArray[Any]] = {
        "summary": _text(json.dumps({k: summary[k] for k in SAID})),
        "names": _text(json.dumps(NAMES)),
        "penalties": law.penalties,
        "path": law.rates.astype(np.float32),
        "error": law.error,
        "deviation": law.deviation,
        "at": np.array(law.at),
        "history": np.array([*training.first.descent.history, *training.refined[graph].descent.history]),
    }
    tested, molecules = courses_of(training.data, test=True), molecules_of(training.data, test=True)
    final = Law(training.rates(graph), training.descents_mode(graph), training.file.refine.step)
    for k, i in enumerate(_shown(tested)):
        out |= {f"course{k}_{key}": value for key, value in _course(final, tested[i], molecules[i]).items()}
    for k, validated in enumerate(training.validated):
        out |= {f"validated{k}_{key}": value for key, value in _validated(validated).items()}
    return out


def _validated(found: Validated) -> dict[str, npt.NDArray[Any]]:
    """What one validation shows."""
    said = {"name": found.name, "engine": found.engine, "own": found.own, "stimuli": json.dumps(found.stimuli)}
    courses = {key: getattr(found, key).astype(np.float32) for key in ("time", "means", "errors", "reference", "model")}
    return {**{key: _text(text) for key, text in said.items()}, **courses}


def _text(text: str) -> npt.NDArray[np.uint8]:
    return np.frombuffer(text.encode(), dtype=np.uint8)


def text_of(array: npt.NDArray[Any]) -> str:
    """Text that a report holds."""
    return np.asarray(array, dtype=np.uint8).tobytes().decode()


def _shown(courses: list[Course]) -> list[int]:
    """Of the longest courses, some of all kinds."""
    longest = max(c.time[-1] for c in courses)
    chosen = [i for i, c in enumerate(courses) if c.time[-1] == longest]
    return [chosen[k] for k in np.unique(np.linspace(0, len(chosen) - 1, SHOWN).astype(int))]


def _course(law: Law, course: Course, molecules: float) -> dict[str, npt.NDArray[Any]]:
    """What one held-out course shows of data and model."""
    time, mu = interactions("triples", course, molecules, ROWS, 0.5)
    at = np.searchsorted(course.time, time)
    model = law.probabilities(course)
    smooth = (model[at] * molecules + 0.5 / len(STATES)) / (molecules + 0.5)
    family = SiteGraph.named("triples")
    found = {"data": observables(course.target[at]), "model": observables(model[at])}
    fine = course.calcium[:: max(1, len(course.calcium) // FINE)]
    return {
        "name": _text(course.name),
        "time": time.astype(np.float32),
        "calcium": fine.astype(np.float32),
        "mu": mu.astype(np.float32),
        "mu_model": learn(family, smooth).astype(np.float32),
        **{f"{who}_{key}": v.astype(np.float32) for who, seen in found.items() for key, v in seen.items()},
    }
