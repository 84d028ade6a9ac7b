"""Rates of reactions out of runs: a regression on what each would do, then Gauss-Newton on the free-running moments.

The moments that the distribution keeps are sufficient: where they agree the divergence of the runs from the model is
least. The regression is exact in the distribution of the runs (no closure), and gives rates that are 0 or more; those
that remain are refined so that moments of the free-running model meet those of the runs, weighted by the variance that
single runs have. Standard errors are those of the sandwich: what each run contributes, and how far that moves a rate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from couple.base.arrays import Floats
from couple.base.errors import RunError
from reducers.copy_numbers.chemistry import Kinetics
from reducers.copy_numbers.kernels.motion import advance, moments_about
from reducers.copy_numbers.kernels.reactions import effects
from reducers.copy_numbers.kernels.tables import Places, fields_of, work_of
from reducers.copy_numbers.kernels.tangent import look
from reducers.copy_numbers.powers import Powers
from reducers.copy_numbers.sampling import CopyNumberRuns

GROUPS = 16
"""Of runs, whose scatter gives standard errors."""
STEP = 0.01
"""Relative change of a rate for its derivative."""
ITERATIONS, REST = 12, 0.02
"""Gauss-Newton steps at most; they end at one of so many standard errors."""
ROOM = 3.0
"""A number without a bound may reach so many times what was seen."""


@dataclass(frozen=True)
class Moments:
    """Of runs about a centre: mean, variance (C, T + 1, kept), groups (G, C, T + 1, kept), low (C, T + 1, low)."""

    centre: Floats
    scale: Floats
    mean: Floats
    variance: Floats
    groups: Floats
    low: Floats


@dataclass(frozen=True)
class LearnedRates:
    """factors, errors: (R,) of the rates of the chemistry that the law began with. misfit: χ² per number."""

    factors: Floats
    errors: Floats
    misfit: float


def moments_of(runs: CopyNumberRuns, powers: Powers) -> Moments:
    """Moments of runs, scaled by their overall mean and deviation."""
    n = runs.numbers.astype(float)
    centre, scale = n.mean(axis=(0, 1, 2)), np.maximum(n.std(axis=(0, 1, 2)), 0.5)
    size = n.shape[1] // GROUPS * GROUPS
    groups: list[Floats] = []
    low, square = np.zeros((*n.shape[::2][:2], powers.low)), np.zeros((*n.shape[::2][:2], powers.kept))
    for g in range(GROUPS):
        x = powers.values((n[:, g:size:GROUPS] - centre) / scale)
        low += x.mean(axis=1) / GROUPS
        square += (x[..., 1 : powers.kept + 1] ** 2).mean(axis=1) / GROUPS
        groups.append(x[..., 1 : powers.kept + 1].mean(axis=1))
    each = np.array(groups)
    mean = each.mean(axis=0)
    return Moments(centre, scale, mean, np.maximum(square - mean**2, 0.0), each, low)


def learn_rates(
    found: Kinetics, runs: CopyNumberRuns, order: int, tell: Callable[[str], None] = lambda text: None
) -> LearnedRates:
    """Factors of the rates in `found`. Raises RunError if the free-running model diverges."""
    powers = Powers(len(found.moving), order)
    data = moments_of(runs, powers)
    simulate = FreeRuns(found, runs, order, data)
    factors = _regress(found, runs, order, data, simulate.consts)
    on = np.flatnonzero(factors > 1e-9 * factors.max())
    if not len(on):
        raise RunError("nothing moves in these runs: give stimuli that move it")
    tell(f"{len(on)} of {len(factors)} reactions are needed")
    weight = len(runs.numbers[0]) / (data.variance + 1e-3)
    weight[:, 0] = 0.0
    value = np.inf
    for _ in range(ITERATIONS):
        derivative, gap = simulate.derivatives(factors, on)
        hessian = np.einsum("rctk,ctk,sctk->rs", derivative, weight, derivative)
        pull = np.einsum("rctk,ctk,ctk->r", derivative, weight, gap)
        step = np.linalg.solve(hessian + 1e-9 * np.diag(np.diag(hessian)), pull)
        value = float((weight * gap**2).sum() / np.count_nonzero(weight))
        factors[on] *= np.exp(np.clip(step, -0.7, 0.7))
        moved = float(np.max(np.abs(step) / np.sqrt(np.diag(np.linalg.inv(hessian)))))
        tell(f"misfit {value:.4g}, largest step {moved:.2g} standard errors")
        if moved < REST:
            break
    each = np.einsum("rctk,ctk,gctk->gr", derivative, weight, data.groups - data.mean)
    influence = np.linalg.solve(hessian, each.T)
    spread = influence.var(axis=1, ddof=1) / GROUPS
    errors = np.zeros(len(factors))
    errors[on] = factors[on] * np.sqrt(spread)
    return LearnedRates(factors, errors, value)


def _regress(found: Kinetics, runs: CopyNumberRuns, order: int, data: Moments, consts: Floats) -> Floats:
    """(R,) factors that explain the changes of all moments best, 0 or more."""
    model = found.model(order)
    reactions, kept, low = len(model.driven), int(model.sizes[1]), int(model.sizes[2])
    each = np.zeros((reactions, kept, low))
    effects(model, consts, data.centre, data.scale, each)
    rates = found.places([runs.geometry], runs.start[:1, 0, :][:, list(found.following)], np.ones(len(found.moving)))
    middle = 0.5 * (data.low[:, 1:] + data.low[:, :-1])
    columns = np.einsum("rkl,ctl->ctkr", each, middle) * (runs.every * rates.rates[0])
    columns *= np.where(model.driven == 1, runs.drive[:, :, None, None], 1.0)
    change = np.diff(data.low[..., 1 : kept + 1], axis=1)
    weight = 1.0 / np.sqrt(np.diff(data.groups, axis=2).var(axis=0).mean(axis=(0, 1)) + 1e-12)
    a, b = (columns * weight[:, None]).reshape(-1, reactions), (change * weight).ravel()
    scale = np.sqrt((a**2).sum(axis=0)) + 1e-300
    return np.asarray(nnls(a.T @ a / np.outer(scale, scale), a.T @ b / scale, maxiter=1000)[0] / scale)


class FreeRuns:
    """Free-running models from the moments of runs at their start, one for each stimulus and each change of a rate."""

    def __init__(self, found: Kinetics, runs: CopyNumberRuns, order: int, data: Moments) -> None:
        self.found, self.runs, self.data, self.order = found, runs, data, order
        self.model, self.powers = found.model(order), Powers(len(found.moving), order)
        self.room = found.room(runs.start.mean(axis=1))
        self.consts = self._places(self.room[:1]).consts[0]

    def _places(self, room: Floats) -> Places:
        per_um = 1e-3 * 602214.076 * self.runs.geometry.volume
        most = ROOM * (self.runs.numbers.max(axis=(0, 1, 2)) + 5.0) / per_um
        return self.found.places([self.runs.geometry] * len(room), room, most)

    def run(self, factors: Floats) -> Floats:
        """(n, C, T + 1, kept) moments about the centre of the data, at factors (n, R). Raises RunError."""
        n, c, s = len(factors), len(self.runs.drive), len(self.found.moving)
        places = self._places(np.tile(self.room, (n, 1)))
        places.rates[...] *= np.repeat(factors, c, axis=0)
        kept = self.powers.kept
        fields = fields_of(n * c, kept, s)
        fields.moments[...] = np.tile(self.data.mean[:, 0], (n, 1))
        fields.centre[...], fields.scale[...] = self.data.centre, self.data.scale
        work = work_of(kept, self.powers.low, len(self.powers.exponents))
        for i in range(n * c):
            look(self.model, places, fields, i, work)
        steps = self.runs.drive.shape[1]
        out, numbers = np.empty((steps + 1, n * c, kept)), np.empty((n * c, s))
        words = np.zeros((n * c, 4), dtype=np.uint64)
        for k in range(steps + 1):
            if k:
                drive = np.tile(self.runs.drive[:, k - 1], n)
                args = (self.model, places, fields, work, drive, self.runs.every, words, False, numbers)
                if advance(*args):
                    raise RunError("the law diverges: give more runs, or stimuli that move it less at once")
            moments_about(self.model, fields, self.data.centre, self.data.scale, work, out[k])
        return out.reshape(steps + 1, n, c, kept).transpose(1, 2, 0, 3)

    def derivatives(self, factors: Floats, on: np.ndarray[tuple[int], np.dtype[np.int64]]) -> tuple[Floats, Floats]:
        """(r, C, T + 1, kept) by the logarithm of each factor that is on; and the gap of the data."""
        changed = np.tile(factors, (len(on) + 1, 1))
        changed[np.arange(len(on)) + 1, on] *= np.exp(STEP)
        found = self.run(changed)
        return (found[1:] - found[0]) / STEP, self.data.mean - found[0]
