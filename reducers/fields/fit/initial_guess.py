"""Where the learning of a law begins: fields of every time by themselves, and a regression on them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from couple.base.arrays import Floats
from reducers.fields.density.basis import FieldBasis
from reducers.fields.density.estimates import Prior, estimate_fields
from reducers.fields.fit.misfit import ParticleEnsemble
from reducers.fields.laws.stepper import FieldStepper


def regress_coefficients(
    stepper: FieldStepper, ensembles: Sequence[ParticleEnsemble], fields: Sequence[Floats], ridge: float = 0.0
) -> Floats:
    """Coefficients by weighted least squares from fields (T, species, N) estimated at each time: where to begin.

    Compares w(ν_{k+1}) - w(ν_k) with the mean of G(ν_k) and G(ν_{k+1}), residuals weighted as Poisson numbers.
    """
    law, form = stepper.law, stepper.form
    for nu in fields:
        for row in nu:
            law.reserve(row)
    kept, size = law.vector(), law.size
    normal, right = np.zeros((size, size)), np.zeros(size)
    for e, nu in zip(ensembles, fields, strict=True):
        weights = np.stack([[form.weights(x) for x in row] for row in nu])
        amount = np.stack([[stepper.basis.weights(x) for x in row] for row in nu])
        columns = []
        for unit in np.eye(size):
            law.assign(unit)
            g = np.stack([[form.rates(x, f) for x, f in zip(row, law.values(row), strict=True)] for row in nu])
            columns.append(0.5 * np.diff(e.time)[:, None, None] * (g[1:] + g[:-1]))
        scale = e.runs / np.maximum((amount[1:] + amount[:-1]) / 2, 1e-3 * amount.mean())
        phi = np.stack([c.ravel() for c in columns], axis=1)
        normal += phi.T @ (scale.ravel()[:, None] * phi)
        right += phi.T @ (scale * np.diff(weights, axis=0)).ravel()
    law.assign(kept)
    floor = ridge + 1e-12 * max(float(np.trace(normal)), 1e-300)
    return np.asarray(np.linalg.solve(normal + floor * np.eye(size), right))


def estimate_all_fields(basis: FieldBasis, load: Floats, runs: float, priors: Sequence[Prior], time: Floats) -> Floats:
    """(T, species, N) estimates from summed loads (T, species, N)."""
    return np.stack([estimate_fields(basis, load[:, a], runs, p, time) for a, p in enumerate(priors)], axis=1)
