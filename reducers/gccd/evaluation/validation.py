"""The learned law and the engine that it was learned from beside a finer model, under the same courses of calcium.

A run is one observation: courses are compared by their largest difference in standard errors, judged against runs that
are grouped at random, and by Holm's procedure over all of a validation (`couple.analysis.compare.two_groups`). Where
hardly any molecule of all runs is in a state, or hardly any is not, the scatter of some runs tells no standard
error: such rows are not judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from couple.analysis.compare.two_groups import course, holm
from couple.base.arrays import Floats
from reducers.data.stimuli import CalciumStimulus
from reducers.gccd.data.protocol_data import UM, ProtocolData
from reducers.gccd.fit.free_runs import CaMKIILaw, courses_of
from reducers.gccd.law.molecule import observables

FEW = 10.0
"""Molecules of all runs of the finer model, expected in a state and not in it, below which a row is not judged."""
QUANTITIES = ("bound", "phosphorylated", "paired", "calcium")
"""Of a calmodulin, see `molecule.observables`."""


@dataclass(frozen=True)
class QuantityComparison:
    """One quantity of the finer model against another model, over all stimuli.

    nrmse: root mean square of the difference of mean courses over that of the finer model; chance: what the scatter of
    runs alone would give. errors: largest difference in standard errors, under the stimulus `at`; apart: largest
    difference. p: the least over stimuli that both are the same, adjusted; NaN without scatter.
    """

    nrmse: float
    chance: float
    errors: float
    apart: float
    at: str
    p: float


@dataclass(frozen=True)
class ValidationResult:
    """name: of the validation. engine: the finer; own: that of the experiment. runs, against: of both.

    time: (T,) ms. means, errors: (S, T, 4) of the finer model; reference: (S, T, 4) of the experiment's own engine;
    model: (S, T, 4) of the law. compared: `own` or "model" → quantity → Compared.
    """

    name: str
    engine: str
    own: str
    runs: int
    against: int
    stimuli: tuple[str, ...]
    time: Floats
    means: Floats
    errors: Floats
    reference: Floats
    model: Floats
    compared: dict[str, dict[str, QuantityComparison]]

    def as_dict(self) -> dict[str, Any]:
        """Numbers for a summary, without courses; a p that is not known is None."""
        compared = {
            other: {q: asdict(c) | {"p": c.p if np.isfinite(c.p) else None} for q, c in found.items()}
            for other, found in self.compared.items()
        }
        keys = ("engine", "own", "runs", "against", "stimuli")
        return {**{key: getattr(self, key) for key in keys}, "compared": compared}


def whole_ions(stimuli: Sequence[CalciumStimulus], volume: float) -> tuple[CalciumStimulus, ...]:
    """The same courses, of as many whole ions as are nearest in a volume (um^3)."""
    scale = volume * UM
    return tuple(replace(s, calcium=np.rint(s.calcium * scale) / scale) for s in stimuli)


def validate(
    finer: ProtocolData, reference: ProtocolData, law: CaMKIILaw, engines: tuple[str, str]
) -> ValidationResult:
    """Both with shares of each run, under the same stimuli. engines: names of the finer and of the other."""
    assert finer.shares is not None and reference.shares is not None
    courses = courses_of([reference], test=False)
    model = np.stack([np.stack([*observables(law.probabilities(c)).values()], axis=1) for c in courses])
    others = {engines[1]: reference.shares, "model": model[None]}
    names = tuple(s.name for s in finer.stimuli)
    molecules = finer.counts[:, 0, :45].sum(axis=1)
    known = molecules[:, None, None] * np.minimum(model, 1.0 - model) >= FEW
    judged = {other: _judged(finer.shares, shares, known) for other, shares in others.items()}
    adjusted = iter(holm([p for found in judged.values() for _, p in found]))
    ps = {other: np.array([next(adjusted) for _ in found]).reshape(len(names), -1) for other, found in judged.items()}
    errors = {other: np.array([e for e, _ in found]).reshape(len(names), -1) for other, found in judged.items()}
    compared = {
        other: {
            q: _compared(finer.shares, shares, k, names, errors[other], ps[other]) for k, q in enumerate(QUANTITIES)
        }
        for other, shares in others.items()
    }
    return ValidationResult(
        finer.name,
        *engines,
        finer.runs,
        reference.runs,
        names,
        finer.time,
        finer.shares.mean(axis=0),
        _error(finer.shares),
        reference.shares.mean(axis=0),
        model,
        compared,
    )


def _judged(a: Floats, b: Floats, known: npt.NDArray[np.bool_]) -> list[tuple[float, float]]:
    """(standard errors, p) of every stimulus and quantity; a, b (runs, S, T, 4). known: (S, T, 4) rows to be judged."""
    rng = np.random.default_rng(0)
    _, n_stimuli, _, n_quantities = a.shape
    out = []
    for i, k in [(i, k) for i in range(n_stimuli) for k in range(n_quantities)]:
        rows = known[i, :, k]
        out.append(course(a[:, i, rows, k], b[:, i, rows, k], rng) if rows.any() else (np.nan, np.nan))
    return out


def _compared(a: Floats, b: Floats, k: int, names: tuple[str, ...], errors: Floats, p: Floats) -> QuantityComparison:
    """Quantity k of shares (runs, S, T, 4); errors, p: (S, 4)."""
    x, y = a[..., k].mean(axis=0), b[..., k].mean(axis=0)
    scatter = _error(a)[..., k] ** 2 + _error(b)[..., k] ** 2
    size = max(float((x**2).sum()), 1e-300)
    most = int(np.nanargmax(np.where(np.isnan(errors[:, k]), -1.0, errors[:, k])))
    known = p[:, k][np.isfinite(p[:, k])]
    return QuantityComparison(
        nrmse=float(np.sqrt(((x - y) ** 2).sum() / size)),
        chance=float(np.sqrt(scatter.sum() / size)),
        errors=float(np.nan_to_num(errors[most, k])),
        apart=float(np.abs(x[most] - y[most]).max()),
        at=names[most],
        p=float(known.min()) if len(known) else float("nan"),
    )


def _error(shares: Floats) -> Floats:
    """(S, T, 4) standard error of the mean; 0 of a single course, which is no sample."""
    if len(shares) < 2:
        return np.zeros(shares.shape[1:])
    return np.asarray(shares.std(axis=0, ddof=1) / np.sqrt(len(shares)))
