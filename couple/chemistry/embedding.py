"""Rates of a Markov chain from its transition matrix over a lag: the generator whose propagator it is.

A matrix T over a lag is that of constant rates if its logarithm has no rate below 0 (the embedding problem). Matrices
that are estimated from counts seldom are exactly; the nearest generator to log T / lag, row by row, is then one way out
(Kreinin & Sidelnikova 2001, Algo Research Quarterly 4:23), whose error is said in T.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import expm, logm

from couple.base.arrays import Floats
from couple.base.errors import InputError

ROUNDING = 1e-9
"""Of the fastest rate: what is below 0 by less, or not real by less, is rounding."""
SUM = 1e-6
"""By which rows of a matrix may miss 1; estimates are written with six digits or more."""


@dataclass(frozen=True)
class Generator:
    """rates: (n, n) per ms from a row's state to a column's, rows sum to 0. error: largest of |exp(rates lag) - T|."""

    rates: Floats
    error: float


def generator_of(matrix: Floats, lag: float, states: Sequence[str], *, nearest: bool = False) -> Generator:
    """The rates of constant ones by which a chain has this (n, n) matrix over a lag (ms), rows from, columns to.

    nearest: take the nearest generator where there is none. Raises InputError for what is no transition matrix, and
    for one without a generator, with the error that the nearest one would have.

    >>> generator_of(np.array([[0.9, 0.1], [0.2, 0.8]]), 1.0, ("C", "O")).rates.round(4).tolist()
    [[-0.1189, 0.1189], [0.2378, -0.2378]]
    """
    t = _checked(matrix, states)
    if np.linalg.svd(t, compute_uv=False)[-1] < 1e-12:
        raise InputError(
            "the matrix is singular: over this lag all is forgotten, and it has no logarithm; take a shorter one"
        )
    log = logm(t) / lag
    real, imaginary = np.real(log), float(np.abs(np.imag(log)).max())
    off = real - np.diag(np.diag(real))
    tolerance = ROUNDING * max(float(np.abs(real).max()), 1e-300)
    exact = imaginary <= tolerance and float(off.min(initial=0.0)) >= -tolerance
    rates = _nearest(real)
    found = Generator(rates, float(np.abs(expm(lag * rates) - t).max()))
    if exact or nearest:
        return found
    i, j = divmod(int(off.argmin()), len(off))
    why = (
        f"its logarithm has a rate of {off[i, j]:.3g} /ms from {states[i]} to {states[j]}"
        if off[i, j] < -tolerance
        else "it has an eigenvalue below 0, so that its logarithm is not real"
    )
    raise InputError(
        f"no constant rates have this matrix over {lag:g} ms: {why}; take another lag, or the nearest rates "
        f'(embed = "nearest"), whose matrix is off by up to {found.error:.2g}'
    )


def _checked(matrix: Floats, states: Sequence[str]) -> Floats:
    """The matrix with rows that sum to 1 to the last digit. Raises InputError."""
    n = len(states)
    if matrix.shape != (n, n) or n < 2:
        raise InputError(f"a matrix of shape {matrix.shape} for {n} states: give a square one, of two states or more")
    if not np.isfinite(matrix).all() or (matrix < 0).any():
        i, j = np.argwhere(~(np.isfinite(matrix) & (matrix >= 0)))[0]
        raise InputError(f"{matrix[i, j]:g} from {states[i]} to {states[j]} is no probability")
    sums = matrix.sum(axis=1)
    worst = int(np.abs(sums - 1).argmax())
    if abs(sums[worst] - 1) > SUM:
        columns = np.abs(matrix.sum(axis=0) - 1).max() <= SUM
        advice = "its columns do: transpose it" if columns else "counts have to be divided by the sum of their row"
        raise InputError(f"row {states[worst]} sums to {sums[worst]:.8g}, not to 1; {advice}")
    return np.asarray(matrix / sums[:, None])


def _nearest(rates: Floats) -> Floats:
    """The nearest generator (Frobenius): every row projected on numbers that sum to 0, all but the diagonal ≥ 0."""
    out = np.zeros_like(rates)
    for i, row in enumerate(rates):
        others = np.delete(np.arange(len(row)), i)
        ordered = others[np.argsort(-row[others], kind="stable")]
        sums = row[i] + np.concatenate([[0.0], np.cumsum(row[ordered])])
        shifts = sums / np.arange(1, len(row) + 1)
        kept = next((k for k in range(len(ordered)) if row[ordered[k]] <= shifts[k]), len(ordered))
        out[i, ordered[:kept]] = row[ordered[:kept]] - shifts[kept]
        out[i, i] = -out[i].sum()
    return out
