"""Terms that the regression left out and the adjoint asks back: it sees slow courses that the regression does not.

The divergence is taken for a parabola about the rates k that were reached, S + g·d + d'Hd/2 for a change d: g is the
adjoint's gradient, H its finite differences. Its least for k + d ≥ 0 is one Newton step for all terms together, those
included that are 0 now.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.optimize import nnls

from couple.base.arrays import Floats
from reducers.gccd.law.kernel import ON, PAIR, PHOS

EVIDENCE = 4.0
"""Log-likelihood that a term must gain over all molecules, as if each had been seen once."""
LARGEST = 3.0
"""Factor by which a rate may change in the step."""

Divergence = Callable[[Floats], tuple[float, Floats]]


def recover_terms(divergence: Divergence, rates: Floats, molecules: float) -> Floats:
    """(48,) rates after the step; an absent term comes back if it gains more than EVIDENCE / molecules."""
    scale = np.where(rates > 0, rates, _typical())
    gradient, curvature = _parabola(divergence, rates, scale)
    now = rates / scale
    absent = [int(j) for j in np.flatnonzero((rates == 0) & (np.diag(curvature) > 0))]
    present = np.flatnonzero(rates > 0).tolist()
    best, value = _least(gradient, curvature, now, present + absent)
    while True:
        back = [j for j in absent if best[j] > 0]
        without = [_least(gradient, curvature, now, present + [i for i in back if i != j]) for j in back]
        losses = [other[1] - value for other in without]
        if not back or min(losses) > EVIDENCE / molecules:
            break
        weakest = int(np.argmin(losses))
        absent, (best, value) = [j for j in back if j != back[weakest]], without[weakest]
    bounded = np.where(rates > 0, np.clip(best, now / LARGEST, now * LARGEST), best)
    return np.asarray(bounded * scale)


def _typical() -> Floats:
    """(48,) per ms and uM: small against what would matter."""
    out = np.full(48, 1e-4)
    out[:16:2], out[ON : ON + 9], out[PAIR] = 1e-3, 1e-6, 1e-3
    out[PHOS:] = 1e-5
    return out


def _parabola(divergence: Divergence, rates: Floats, scale: Floats) -> tuple[Floats, Floats]:
    """g and H in units of `scale`."""
    gradient = divergence(rates)[1] * scale
    curvature = np.empty((len(rates), len(rates)))
    for j in range(len(rates)):
        moved = rates.copy()
        step = 1e-3 if rates[j] > 0 else 1.0
        moved[j] += step * scale[j]
        curvature[j] = (divergence(moved)[1] * scale - gradient) / step
    return gradient, 0.5 * (curvature + curvature.T)


def _least(gradient: Floats, curvature: Floats, now: Floats, free: Sequence[int]) -> tuple[Floats, float]:
    """Where the parabola is least among the rates `free` ≥ 0, all others 0 (as they are now), and its value there."""
    at = np.asarray(sorted(free), dtype=int)
    values, vectors = np.linalg.eigh(curvature[np.ix_(at, at)])
    kept = values > 1e-7 * values.max()
    root = np.sqrt(values[kept])
    goal = root * (vectors[:, kept].T @ now[at]) - (vectors[:, kept].T @ gradient[at]) / root
    out = np.zeros_like(now)
    out[at] = nnls((vectors[:, kept] * root).T, goal)[0]
    change = out - now
    return out, float(gradient @ change + 0.5 * change @ curvature @ change)
