"""From a training to the block that the engine takes, with what its report draws."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from couple.base.arrays import Floats
from couple.chemistry.network import ReactionNetwork
from reducers.gccd.block import MarkovFieldBlock
from reducers.gccd.data.protocol_data import ProtocolData
from reducers.gccd.data.settings import GccdFile
from reducers.gccd.evaluation.scores import interactions, molecules_of
from reducers.gccd.evaluation.validation import ValidationResult
from reducers.gccd.fit.boltzmann_learning import fit_slices
from reducers.gccd.fit.free_runs import CaMKIILaw, StimulusCourse, courses_of
from reducers.gccd.fit.lasso import LassoChoice
from reducers.gccd.law.graph import SiteGraph
from reducers.gccd.law.kernel import MODES
from reducers.gccd.law.library import NAMES
from reducers.gccd.law.molecule import IONS, STATES, names_in, observables
from reducers.markov.block import About

ROWS = 60
"""Rows of a course that are kept for figures."""
FINE = 500
"""Values of its calcium."""
SHOWN = 3
"""Held-out courses that are drawn."""
SAID = ("held_out", "static", "on", "graph", "terms", "came_back", "by_protocol", "mean_field", "validated")
"""What the file repeats of the summary."""


@dataclass(frozen=True)
class TrainingResult:
    """What a training hands on.

    file, content: its tables, checked and as read. data: of each protocol, with hash `data_hash`. rates: (48,) per ms
    and uM, of the graph that was asked for. lasso: the path they began from. history: mean divergence by iteration.
    summary: what `summary.json` says.
    """

    file: GccdFile
    content: dict[str, Any]
    network: ReactionNetwork
    data: list[ProtocolData]
    data_hash: str
    rates: Floats
    lasso: LassoChoice
    history: list[float]
    validated: list[ValidationResult]
    summary: dict[str, Any]


def build_block(learned: TrainingResult) -> MarkovFieldBlock:
    """The block for `engine = "surrogate"`, with the arrays that `couple model` draws."""
    graph, courses = learned.file.gccd.graph, courses_of(learned.data, test=False)
    calcium = np.concatenate([course.calcium for course in courses])
    held_out = {key: value for key, value in learned.summary["held_out"][graph].items() if isinstance(value, float)}
    for v in learned.validated:
        held_out |= {f"{v.name} {q}": found.nrmse for q, found in v.compared["model"].items()}
    about = About.of(
        learned.network,
        learned.file.gccd.block,
        names_in(learned.network.names),
        "Ca",
        drive_box=(0.0, float(calcium.max())),
        box=_box(courses),
        data_hash=learned.data_hash,
        held_out=held_out,
        training=json.dumps(learned.content),
        verdict=json.dumps({k: v for k, v in learned.summary["verdict"].items() if k != "text"}),
    )
    totals = np.array([[c.calmodulin for c in courses], [c.subunits for c in courses]])
    span = np.stack([totals.min(axis=1), totals.max(axis=1)], axis=1)
    return MarkovFieldBlock(about, learned.rates, MODES[graph], span, report_arrays(learned))


def _box(courses: list[StimulusCourse]) -> Floats:
    """(2, 4) least and most share of calmodulin that is bound, phosphorylated, paired; calcium per molecule."""
    found = np.concatenate([c.target for c in courses])
    seen = np.stack([*list(observables(found).values())[:3], found @ IONS], axis=1)
    return np.stack([seen.min(axis=0), seen.max(axis=0)])


def report_arrays(learned: TrainingResult) -> dict[str, npt.NDArray[Any]]:
    """Arrays that `couple model` draws: the lasso path, interactions, courses, scores; text is bytes."""
    lasso = learned.lasso
    out: dict[str, npt.NDArray[Any]] = {
        "summary": _text(json.dumps({k: learned.summary[k] for k in SAID})),
        "names": _text(json.dumps(NAMES)),
        "penalties": lasso.penalties,
        "path": lasso.rates.astype(np.float32),
        "error": lasso.error,
        "deviation": lasso.deviation,
        "at": np.array(lasso.at),
        "history": np.array(learned.history),
    }
    tested, molecules = courses_of(learned.data, test=True), molecules_of(learned.data, test=True)
    final = CaMKIILaw(learned.rates, MODES[learned.file.gccd.graph], learned.file.refine.step)
    for k, i in enumerate(_shown(tested)):
        out |= {f"course{k}_{key}": value for key, value in _course(final, tested[i], molecules[i]).items()}
    for k, validated in enumerate(learned.validated):
        out |= {f"validated{k}_{key}": value for key, value in _validated(validated).items()}
    return out


def _validated(found: ValidationResult) -> dict[str, npt.NDArray[Any]]:
    """What one validation shows."""
    said = {"name": found.name, "engine": found.engine, "own": found.own, "stimuli": json.dumps(found.stimuli)}
    courses = {key: getattr(found, key).astype(np.float32) for key in ("time", "means", "errors", "reference", "model")}
    return {**{key: _text(text) for key, text in said.items()}, **courses}


def _text(text: str) -> npt.NDArray[np.uint8]:
    return np.frombuffer(text.encode(), dtype=np.uint8)


def text_of(array: npt.NDArray[Any]) -> str:
    """Text that a report holds."""
    return np.asarray(array, dtype=np.uint8).tobytes().decode()


def _shown(courses: list[StimulusCourse]) -> list[int]:
    """Of the longest courses, some of all kinds."""
    longest = max(c.time[-1] for c in courses)
    chosen = [i for i, c in enumerate(courses) if c.time[-1] == longest]
    return [chosen[k] for k in np.unique(np.linspace(0, len(chosen) - 1, SHOWN).astype(int))]


def _course(law: CaMKIILaw, course: StimulusCourse, molecules: float) -> dict[str, npt.NDArray[Any]]:
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
        "mu_model": fit_slices(family, smooth).astype(np.float32),
        **{f"{who}_{key}": v.astype(np.float32) for who, seen in found.items() for key, v in seen.items()},
    }
