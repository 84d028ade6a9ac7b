"""How far engines are apart, in standard errors."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scipy.stats import norm

from couple.analysis.regimes.ensemble import Case, EngineMoments, Refusal, case_of, damkoehler, run_engine
from couple.analysis.regimes.scores import mean_score, variance_score
from couple.base import registry
from couple.base.arrays import Floats
from couple.base.errors import InputError, nearest
from couple.experiment import Experiment

ALPHA = 0.01
"""Chance that engines that are equal are called different, over all comparisons of a table."""
UNIFORM = ("cme", "lattice", "gridded", "ssa")
NON_UNIFORM = ("lattice", "gridded", "spde", "cme", "ssa")
"""Whom the others are held against: the first that ran, in a site that diffusion mixes and in one that it does not."""


@dataclass(frozen=True)
class RegimeRow:
    """One engine held against the reference, for one quantity.

    mean_z, variance_z: differences in standard errors, nan where there is nothing to compare. differs: by more than
    chance; False is no proof that it is the same; None for the reference itself, and where it cannot be judged.
    """

    ensemble: EngineMoments
    mean: float
    variance: float
    mean_z: float
    variance_z: float
    differs: bool | None


@dataclass(frozen=True)
class RegimeComparison:
    """All engines on one chemistry.

    quantity: a species or observable. reference: name of the engine that the others are held against. bound: standard
    errors above which they differ. number: molecules (mean of the quantity). damkoehler: see `ensemble.damkoehler`.
    """

    name: str
    quantity: str
    time: float
    reference: str
    bound: float
    rows: tuple[RegimeRow, ...]
    refusals: tuple[Refusal, ...]
    number: float
    damkoehler: float

    def json(self) -> dict[str, object]:
        """Plain numbers, for --json."""
        rows = [
            {
                "engine": r.ensemble.engine,
                "runs": r.ensemble.runs,
                "mean": _by_name(r.ensemble.quantities, r.ensemble.mean),
                "variance": _by_name(r.ensemble.quantities, r.ensemble.variance),
                "mean_z": None if math.isnan(r.mean_z) else r.mean_z,
                "variance_z": None if math.isnan(r.variance_z) else r.variance_z,
                "differs": r.differs,
                "cpu_seconds_per_run": r.ensemble.seconds,
            }
            for r in self.rows
        ]
        return {
            "name": self.name,
            "quantity": self.quantity,
            "time_ms": self.time,
            "reference": self.reference,
            "bound": self.bound,
            "damkoehler": self.damkoehler,
            "engines": rows,
            "refused": {r.engine: r.reason for r in self.refusals},
        }


def _by_name(names: Sequence[str], values: Floats) -> dict[str, float | None]:
    """Values by their names, None of what is not known."""
    return {k: v if math.isfinite(v) else None for k, v in zip(names, values.tolist(), strict=True)}


def compare(
    experiment: Experiment,
    *,
    quantity: str | None = None,
    site: str | None = None,
    engines: Sequence[str] | None = None,
    against: str | None = None,
    runs: int = 200,
    seconds: float = 30.0,
    progress: Callable[[str], None] = lambda _: None,
) -> RegimeComparison:
    """Run one site's chemistry through every engine (or those named) and hold them against a reference.

    quantity: species or observable, by default the first observable, else the first species that changes. runs and
    seconds: of each engine, at most. Raises InputError for unknown names, or if no engine runs.
    """
    case = case_of(experiment, site)
    chosen = list(engines or registry.names("couple.engines"))
    for name in chosen:
        if name not in registry.names("couple.engines"):
            known = registry.names("couple.engines")
            raise InputError(f'unknown engine "{name}"; {nearest(name, known)}', where="--engines")
    if quantity is not None and quantity not in case.quantities:
        raise InputError(f'unknown quantity "{quantity}"; {nearest(quantity, case.quantities)}', where="--of")
    found: list[EngineMoments] = []
    refusals: list[Refusal] = []
    for name in chosen:
        progress(name)
        result = run_engine(case, name, runs, seconds)
        if isinstance(result, Refusal):
            refusals.append(result)
        else:
            found.append(result)
    if not found:
        reasons = "; ".join(f"{r.engine}: {r.reason}" for r in refusals)
        raise InputError(f"no engine runs this chemistry ({reasons})", where=experiment.where)
    shown = quantity or _default(case, found[0])
    return _held_against(case, found, refusals, shown, against)


def _default(case: Case, ensemble: EngineMoments) -> str:
    """The first observable, else the first species that changes."""
    if case.network.observables:
        return next(iter(case.network.observables))
    changes = [abs(m - n) > 1e-9 * max(n, 1) for m, n in zip(ensemble.mean, case.initial, strict=False)]
    return case.network.names[changes.index(True) if True in changes else 0]


def _held_against(
    case: Case, found: list[EngineMoments], refusals: list[Refusal], quantity: str, against: str | None
) -> RegimeComparison:
    ran = {e.engine: e for e in found}
    if against is not None and against not in ran:
        raise InputError(f'"{against}" did not run; {nearest(against, ran)}', where="--against")
    da = damkoehler(case, found[0].mean)
    order = (*(NON_UNIFORM if da > 1 else UNIFORM), *ran)
    reference = ran[against or next(name for name in order if name in ran)]
    k = case.quantities.index(quantity)
    bound = float(norm.isf(ALPHA / (2 * max(1, 2 * (len(found) - 1)))))
    rows = tuple(_row(e, reference, k, bound) for e in found)
    return RegimeComparison(
        case.experiment.experiment.name,
        quantity,
        case.clock.time(case.clock.windows),
        reference.engine,
        bound,
        rows,
        tuple(refusals),
        float(reference.mean[k]),
        da,
    )


def _row(e: EngineMoments, reference: EngineMoments, k: int, bound: float) -> RegimeRow:
    mean, variance = float(e.mean[k]), float(e.variance[k])
    if e is reference:
        return RegimeRow(e, mean, variance, math.nan, math.nan, None)
    mean_z, variance_z = mean_score(e, reference, k), variance_score(e, reference, k)
    known = [abs(z) for z in (mean_z, variance_z) if not math.isnan(z)]
    return RegimeRow(e, mean, variance, mean_z, variance_z, max(known) > bound if known else None)
