"""Fields from particles: penalised maximum likelihood with the exact Hessian.

Independent particles of the intensity λ = e^{-ν} have the log-likelihood Σ_runs [-Σ_i ν(x_i) - ∫e^{-ν}] (a Poisson
process). With loads b_j = Σ_i φ_j(x_i) over R runs the estimate minimises
    b·ν + R∫e^{-ν} + ½ smooth ν·Qν  (+ ½ couple ∫∫ (∂²ν/∂t²)² dx dt),
which is convex; Q penalises ∫|∇ν|² or ∫|Δν|². Since Q·1 = 0, ∫e^{-ν} is the mean number of particles exactly, at every
time if times are independent. They can be coupled by the last term (two times: by their difference).

Gauge: the constant in ν is the chemical potential. Here e^{-ν} counts particles per run, so that death makes ν grow at
its rate; `normalised` shifts to ∫e^{-ν} = 1, the distribution of one particle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.sparse import block_diag, csc_array, csr_array, diags_array, kron
from scipy.sparse.linalg import splu

from couple.base.arrays import Floats
from couple.base.errors import InputError, RunError
from reducers.fields.density.basis import FieldBasis

PriorName = Literal["gradient", "laplacian"]
MOST_ITERATIONS = 60
CLOSE = 1e-9


@dataclass(frozen=True)
class Prior:
    """How smooth a field is. kind: "gradient" penalises |∇ν|², "laplacian" |Δν|² (and a slope at the boundary).

    smooth: weight of it. couple: weight of changes from time to time, 0 for independent times.
    """

    kind: PriorName = "laplacian"
    smooth: float = 1.0
    couple: float = 0.0

    def __post_init__(self) -> None:
        if not (np.isfinite(self.smooth) and self.smooth > 0 and np.isfinite(self.couple) and self.couple >= 0):
            raise InputError(
                f"needs a positive weight of smoothness, not {self.smooth} and {self.couple}", where="prior"
            )


def roughness(basis: FieldBasis, kind: PriorName) -> Any:
    """(N, N) sparse Q with ν·Qν = ∫|∇ν|², or ∫|Δν|² by lumped masses."""
    if kind == "gradient":
        return csr_array(basis.stiffness)
    lumped = np.asarray(basis.mass.sum(axis=1)).ravel()
    return csr_array(basis.stiffness @ diags_array(1.0 / lumped) @ basis.stiffness)


def estimate_fields(
    basis: FieldBasis, load: Floats, runs: float, prior: Prior, time: Floats | None = None, start: Floats | None = None
) -> Floats:
    """ν (T, N) of one species from summed loads (T, N) of `runs` runs (any positive exposure).

    time: (T,), needed where times are coupled. start: where Newton's method begins.
    Raises InputError without particles and RunError if Newton's method does not converge.
    """
    empty = ~(load.sum(axis=1) > 0)
    if empty.all() or (empty.any() and not prior.couple):
        raise InputError(f"there are no particles at time {int(np.argmax(empty))}: leave it out, or couple the times")
    rough = prior.smooth * roughness(basis, prior.kind)
    if not prior.couple or len(load) == 1:
        one = [_newton(basis, b[None], runs, rough, None if start is None else start[k : k + 1])
               for k, b in enumerate(load)]  # fmt: skip
        return np.concatenate(one)
    if time is None:
        raise InputError("coupled times need the times", where="prior")
    gaps = np.diff(time)
    rates = np.diff(np.eye(len(time)), axis=0) / gaps[:, None]
    if len(time) > 2:
        rates = np.diff(rates, axis=0)
        gaps = (gaps[1:] + gaps[:-1]) / 2
        rates = rates / gaps[:, None]
    walk = csr_array(prior.couple * rates.T @ (rates * gaps[:, None]))
    penalty = csr_array(kron(diags_array(np.ones(len(time))), rough) + kron(walk, basis.mass))
    return _newton(basis, load, runs, penalty, start)


def _newton(basis: FieldBasis, load: Floats, runs: float, penalty: Any, start: Floats | None) -> Floats:
    """Minimum over ν (T, N) of b·ν + R∫e^{-ν} + ½ν·Pν, from the best constant."""
    if start is None:
        mean = np.maximum(load.sum(axis=1, keepdims=True), 0.5)
        start = np.repeat(np.log(runs * basis.measure / mean), basis.size, axis=1)
    nu = start.copy()
    value = _objective(basis, nu, load, runs, penalty)
    for _ in range(MOST_ITERATIONS):
        slope = load - runs * np.stack([basis.weights(x) for x in nu]) + (penalty @ nu.ravel()).reshape(nu.shape)
        masses = [runs * basis.weighted_mass(x) for x in nu]
        hessian = csc_array((block_diag(masses) if len(masses) > 1 else masses[0]) + penalty)
        step = -splu(hessian).solve(slope.ravel()).reshape(nu.shape)
        nu, value, size = _search(basis, nu, step, value, float((slope * step).sum()), load, runs, penalty)
        if size <= CLOSE:
            return nu
    raise RunError("the field cannot be estimated: Newton's method does not converge; give a larger prior.smooth")


def _search(
    basis: FieldBasis, nu: Floats, step: Floats, value: float, slope: float, load: Floats, runs: float, penalty: Any
) -> tuple[Floats, float, float]:
    """Go along the step as far as the objective falls enough (Armijo); returns ν, its value and the largest change."""
    size = float(np.abs(step).max())
    if not np.isfinite(size):
        raise RunError("the field cannot be estimated: its Hessian is singular; give a larger prior.smooth")
    if size <= CLOSE:
        return nu + step, value, size
    share = min(1.0, 8.0 / size)
    rounding = 1e-12 * abs(value)
    while share > 1e-10:
        new = nu + share * step
        found = _objective(basis, new, load, runs, penalty)
        if found <= value + 1e-4 * share * slope + rounding:
            return new, found, share * size
        share /= 2
    return nu, value, 0.0


def _objective(basis: FieldBasis, nu: Floats, load: Floats, runs: float, penalty: Any) -> float:
    expected = sum(float(basis.weights(x).sum()) for x in nu)
    with np.errstate(over="ignore", invalid="ignore"):
        value = float((load * nu).sum() + runs * expected + 0.5 * nu.ravel() @ (penalty @ nu.ravel()))
    return value if np.isfinite(value) else np.inf


def normalised(basis: FieldBasis, nu: Floats) -> Floats:
    """ν + ln∫e^{-ν}, the field of one particle; ν (…, N)."""
    flat = nu.reshape(-1, nu.shape[-1])
    totals = np.array([basis.weights(x).sum() for x in flat])
    return (flat + np.log(totals)[:, None]).reshape(nu.shape)
