"""The law of motion of a machine's parameters, and what it says of numbers, out of paths and runs.

A machine is given by the shares of molecules that it expects in each state, in the place of the biases of what is seen,
and by its other parameters (mixed coordinates of an exponential family): dx/dt = (F0 + c F1) φ(x), since the projection
of a master equation that is linear in the drive is linear in it too, and mass action is a polynomial of shares. A
regression on the increments of the paths gives a start; Gauss-Newton on the free-running law refines it, so that it
meets the paths in the metric of what is seen, in which the two kinds of coordinates are orthogonal. Covariances of the
numbers of molecules are polynomials of x as well; how deviations decay, J, is a regression on the runs (Onsager).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import RunError
from reducers.machines.kernels.motion import Law, path
from reducers.machines.paths import Path
from reducers.machines.polynomials import Monomials, fitted
from reducers.machines.sampling import UnitRuns

OUTPUTS = 3
"""Degree of means and covariances, or that of the law if it is larger."""
STEP = 0.125
"""ms: longest step of the law."""
ITERATIONS, REST = 40, 3e-4
"""Gauss-Newton steps at most; they end where the misfit falls by no more than this share."""
MOST = 1.0
"""Misfit, in standard deviations of a site, of a law that does not repeat the runs."""
SMALL = 1e-4
"""Change of a coefficient for its derivative."""
TURNS = 4
"""Rounds of the regression for J."""
WEAK = 0.5
"""Molecules, added to the variances in which errors of means are counted."""


@dataclass(frozen=True)
class LearnedLaw:
    """model: see `Law`. centre, width: (n,) coordinates, see above, are centre + width x. biases: (M, S) by which those
    of what is seen are off the logits of the shares. start: (C, n) x at the start. anchors: (P, n) x along the paths;
    shares: (P, S) of molecules that are expected in each state there. misfit: root mean square in standard deviations
    of a site's numbers.
    """

    model: Law
    centre: Floats
    width: Floats
    biases: Floats
    start: Floats
    anchors: Floats
    shares: Floats
    misfit: float


def learn_law(
    found: Path, moving: np.ndarray, runs: UnitRuns, degree: int, tell: Callable[[str], None] = lambda text: None
) -> LearnedLaw:
    """The law of the runs that are learned from. Raises RunError if no law repeats the paths."""
    seen, units = found.means.shape[-1], runs.states.shape[2]
    coordinates = np.concatenate([found.means / units, found.theta[..., seen:][..., moving[seen:]]], axis=-1)
    low, high = coordinates.min(axis=(0, 1)), coordinates.max(axis=(0, 1))
    centre, width = 0.5 * (low + high), 0.5 * (high - low) + 1e-9
    x = (coordinates - centre) / width
    n = x.shape[-1]
    basis = Monomials(n, max(OUTPUTS, degree))
    outputs, biases = _outputs(x, found, basis, units, centre, width)
    metric = _metric(found.fisher[:, :, moving][..., moving], seen, units) * np.outer(width, width)
    law, misfit = None, np.inf
    for so_far in range(min(2, degree), degree + 1):  # one of lower degree is where the next begins
        few = len(Monomials(n, so_far))
        first = _regressed(x, runs, few, basis)
        if law is not None:
            first = np.concatenate([law.law, np.zeros((few - len(law.law), 2, n))])
        sizes = np.array([n, len(basis), few, seen, units])
        law = Law(basis.recipe, first, outputs, _turn(x, runs, few, basis), sizes, STEP)
        law, misfit = _refined(law, x, metric, runs, tell)
    assert law is not None
    p = found.means / units
    return LearnedLaw(law, centre, width, biases, x[:, 0], x.reshape(-1, n), p.reshape(-1, seen), misfit)


def _regressed(x: Floats, runs: UnitRuns, few: int, basis: Monomials) -> Floats:
    """(few, 2, n) from increments between configurations, x on a line between them."""
    windows, keep = runs.drive.shape[1] // runs.keep * runs.keep, runs.keep
    part = (np.arange(keep) + 0.5) / keep
    between = x[:, :-1, None] * (1 - part[:, None]) + x[:, 1:, None] * part[:, None]
    phi = basis.values(between)[..., :few]
    drive = runs.drive[:, :windows].reshape(len(x), -1, keep)
    both = np.concatenate([phi.sum(axis=2), (phi * drive[..., None]).sum(axis=2)], axis=-1) * runs.every
    rows = both.reshape(-1, 2 * few)
    coefficients = fitted(rows, np.diff(x, axis=1).reshape(len(rows), -1), np.ones(len(rows)), 1e-5)
    return np.ascontiguousarray(coefficients.reshape(2, few, -1).transpose(1, 0, 2))


def _metric(fisher: Floats, seen: int, units: int) -> Floats:
    """(…, n, n) of mixed coordinates: shares and, orthogonal to them, what is left of the other parameters."""
    biases = fisher[..., :seen, :seen] + 0.05 * np.eye(seen)
    across = fisher[..., :seen, seen:]
    out = np.zeros_like(fisher)
    out[..., :seen, :seen] = units**2 * np.linalg.inv(biases + WEAK * np.eye(seen))
    rest = fisher[..., seen:, seen:] - across.swapaxes(-1, -2) @ np.linalg.solve(biases, across)
    out[..., seen:, seen:] = 0.5 * (rest + rest.swapaxes(-1, -2))
    return out


def _outputs(
    x: Floats, found: Path, basis: Monomials, units: int, centre: Floats, width: Floats
) -> tuple[Floats, Floats]:
    """(M, S + S + S(S-1)/2), see `Law`, and (M, S) of the biases, see `LearnedLaw`."""
    p = np.clip(found.means / units, 1e-5, 1 - 1e-5)
    rest = np.clip(1.0 - p.sum(axis=-1, keepdims=True), 1e-5, 1.0)
    seen = p.shape[-1]
    variance = np.diagonal(found.covariances, axis1=-2, axis2=-1)
    values = [found.theta[..., :seen] - np.log(p / rest)]
    values.append(np.log(np.maximum(variance / (units * p * (1 - p)), 1e-3)))
    for s in range(seen):
        for t in range(s):
            r = found.covariances[..., s, t] / np.sqrt(np.maximum(variance[..., s] * variance[..., t], 1e-9))
            values.append(np.arctanh(np.clip(r, -0.97, 0.97))[..., None])
    flat = np.concatenate(values, axis=-1).reshape(-1, 2 * seen + len(values) - 2)
    rows = basis.values(x).reshape(-1, len(basis))
    certain = (units * p.min(axis=-1)).reshape(-1)
    made = fitted(rows, flat, certain + 0.1)
    biases, shares = made[:, :seen].copy(), np.zeros((len(basis), seen))
    shares[0], shares[1 : 1 + seen] = centre[:seen], np.diag(width[:seen])
    return np.ascontiguousarray(np.concatenate([shares, made[:, seen:]], axis=1)), biases


def _turn(x: Floats, runs: UnitRuns, few: int, basis: Monomials) -> Floats:
    """(few, 2, S, S) J of deviations, d(t + h) = exp(hJ) d(t) on average over runs in each window: a regression of the
    change on hJ m, where m = (exp(hJ) - 1) / hJ d(t) is what there is on average, first its mean between the ends."""
    keep, every = runs.keep, runs.every
    d = runs.numbers.astype(float)
    d -= d.mean(axis=1, keepdims=True)
    c, r, _, s = d.shape
    windows = runs.drive.shape[1] // keep * keep
    now, after = d[:, :, :windows], d[:, :, 1 : windows + 1]
    change = np.einsum("crti,crtj->ctij", after - now, now) / r
    middle = 0.5 * np.einsum("crti,crtj->ctij", after + now, now) / r
    part = (np.arange(keep) + 0.5) / keep
    between = x[:, :-1, None] * (1 - part[:, None]) + x[:, 1:, None] * part[:, None]
    phi = basis.values(between)[..., :few].reshape(c, windows, few)
    phi = np.concatenate([phi, phi * runs.drive[:, :windows, None]], axis=-1)
    spread = np.einsum("crti,crtj->ctij", now, now) / r
    scale = 1.0 / (np.sqrt(np.einsum("ctii->cti", spread)) + 0.1)
    out = np.empty((few, 2, s, s))
    for _ in range(TURNS):
        rows = every * np.einsum("ctk,ctuj->ctjku", phi, middle)  # (…, j, coefficient, u): J[s, u] sums over u
        for i in range(s):
            weight = scale * scale[..., i, None]
            left = (rows * weight[..., None, None]).reshape(-1, phi.shape[-1] * s)
            right = (change[:, :, i] * weight).reshape(-1)
            found = fitted(left, right[:, None], np.ones(len(left)), 1e-7)[:, 0]
            out[:, :, i] = found.reshape(2, few, s).transpose(1, 0, 2)
        z = every * np.einsum("ctk,kij->ctij", phi, out.transpose(1, 0, 2, 3).reshape(2 * few, s, s))
        middle = _mean_over_a_window(z) @ spread
    return out


def _mean_over_a_window(z: Floats) -> Floats:
    """(…, S, S) (exp(z) - 1) / z by its series."""
    term = np.broadcast_to(np.eye(z.shape[-1]), z.shape)
    out = term.copy()
    for k in range(1, 16):
        term = term @ z / (k + 1)
        out += term
    return out


def free_run(law: Law, start: Floats, runs: UnitRuns) -> Floats:
    """(C, T, n) x of the free-running law at the times of configurations."""
    out = np.empty((len(start), runs.drive.shape[1] // runs.keep + 1, start.shape[1]))
    path(law, np.ascontiguousarray(start), runs.drive, runs.every, runs.keep, out)
    return out


def _refined(law: Law, x: Floats, metric: Floats, runs: UnitRuns, tell: Callable[[str], None]) -> tuple[Law, float]:
    """The law whose free runs are nearest to the paths (C, T, n) in the metric (C, T, n, n)."""
    size, axes = np.linalg.eigh(metric)
    roots = np.sqrt(np.maximum(size, 0.0) + 0.1)[..., None] * axes.swapaxes(-1, -2)
    start = x[:, 0].mean(axis=0)

    def residual(one: Law) -> Floats:
        gap = free_run(one, np.tile(start, (len(x), 1)), runs) - x
        return np.asarray(np.einsum("ctij,ctj->cti", roots, gap)).ravel()

    r = residual(law)
    value, damp = float((r**2).mean()), 1e-3
    for _ in range(ITERATIONS):
        flat = law.law.ravel()
        columns = []
        for j in range(len(flat)):
            moved = flat.copy()
            moved[j] += SMALL
            columns.append((residual(law._replace(law=moved.reshape(law.law.shape))) - r) / SMALL)
        jacobian = np.array(columns).T
        gram, slope = jacobian.T @ jacobian, jacobian.T @ r
        before = value
        for _attempt in range(8):
            step = np.linalg.solve(gram + damp * np.diag(np.diag(gram) + 1e-9 * np.trace(gram)), -slope)
            other = law._replace(law=(flat + step).reshape(law.law.shape))
            new = residual(other)
            if float((new**2).mean()) < value:
                law, r, value, damp = other, new, float((new**2).mean()), max(damp / 5, 1e-9)
                break
            damp *= 6.0
        tell(f"law: misfit {np.sqrt(value):.4g} standard deviations of a site")
        if before - value < REST * before:
            break
    if not np.isfinite(value) or value > MOST**2:
        raise RunError("no law of this degree repeats the runs: give machine.degree, more runs, or gentler stimuli")
    return law, float(np.sqrt(value))
