"""Kernel of mass action: a Rosenbrock method with adaptive inner steps, all sites over one window in one call.

RODAS4 (coefficients of Hairer & Wanner, Solving Ordinary Differential Equations II, 2nd ed., IV.7): six stages, order 4
with an embedded third order, L-stable and stiffly accurate. Rosenbrock methods keep linear invariants to rounding, so
what a reaction moves is never lost.

With A = 1/(h γ) - J the stages are  A u_i = f(y + Σ a_ij u_j) + Σ c_ij u_j / h,  the step y + Σ a_5j u_j + u_5 + u_6
and its error estimate u_6.
"""

from __future__ import annotations

import math

import numpy as np

from adapters.wellmixed.common.codes import COLLAPSED, INLINE, JIT, NEGATIVE, OK
from adapters.wellmixed.common.inputs import set_clamped, spread_influx
from adapters.wellmixed.common.law_tables import RATES, START, load_constants
from adapters.wellmixed.ode.elimination import MassActionTables, unpack
from couple.base.arrays import Floats, Ints
from couple.cache.kernels import njit
from couple.cache.native import floats, integers, rows
from couple.chemistry.laws.tape import run_tape

STAGES = 6
GAMMA = 0.25
A = np.array(
    [
        [0.0, 0.0, 0.0, 0.0, 0.0],
        [1.544, 0.0, 0.0, 0.0, 0.0],
        [0.9466785280815826, 0.2557011698983284, 0.0, 0.0, 0.0],
        [3.314825187068521, 2.896124015972201, 0.9986419139977817, 0.0, 0.0],
        [1.221224509226641, 6.019134481288629, 12.53708332932087, -0.6878860361058950, 0.0],
        [1.221224509226641, 6.019134481288629, 12.53708332932087, -0.6878860361058950, 1.0],
    ]
)
C = np.array(
    [
        [0.0, 0.0, 0.0, 0.0, 0.0],
        [-5.6688, 0.0, 0.0, 0.0, 0.0],
        [-2.430093356833875, -0.2063599157091915, 0.0, 0.0, 0.0],
        [-0.1073529058151375, -9.594562251023355, -20.47028614809616, 0.0, 0.0],
        [7.496443313967647, -10.24680431464352, -33.99990352819905, 11.70890893206160, 0.0],
        [8.083246795921522, -7.981132988064893, -31.52159432874371, 16.31930543123136, -6.058818238834054],
    ]
)
SHRINK, GROW, SAFETY = 0.2, 5.0, 0.9
SMALLEST = 1e-10
"""Smallest inner step as a part of the window; below it the run stops."""
BELOW, LEAST_BELOW = 100.0, 1e-3
"""A species further below zero than so many `atol` and molecules stops the run, unless a rate law takes it there."""


@njit(**INLINE)
def rate_of_change(tables: MassActionTables, rates: Floats, source: Floats, z: Floats, out: Floats) -> None:
    """out (n_variables,) = source + Σ change × flux at the places `z`; rates of laws are worked out there."""
    if len(tables.law_code) > 0:
        run_tape(tables.law_code[: tables.law[RATES]], tables.law[START], z)
    for i in range(len(source)):
        out[i] = source[i]
    for k in range(len(tables.flux_start) - 1):
        flux = 0.0
        for m in range(tables.flux_start[k], tables.flux_start[k + 1]):
            flux += rates[m] * z[tables.first[m]] * z[tables.second[m]]
        for i in range(tables.change_start[k], tables.change_start[k + 1]):
            out[tables.change[i]] += tables.change_by[i] * flux


@njit(**INLINE)
def jacobian(tables: MassActionTables, rates: Floats, z: Floats, entries: Floats) -> None:
    """entries = -J at the places `z`; a slope that is not finite (of a root at 0) is left out."""
    if len(tables.law_code) > 0:
        run_tape(tables.law_code, tables.law[START], z)
    entries[:] = 0.0
    for k in range(len(tables.slope_start) - 1):
        slope = 0.0
        for i in range(tables.slope_start[k], tables.slope_start[k + 1]):
            slope += rates[tables.slope_member[i]] * z[tables.slope_other[i]]
        if not math.isfinite(slope):
            slope = 0.0
        for i in range(tables.entry_start[k], tables.entry_start[k + 1]):
            entries[tables.entry[i]] -= tables.entry_by[i] * slope


@njit(**INLINE)
def factorise(tables: MassActionTables, lu: Floats, row: Floats) -> None:
    """Factors in place, without a search for pivots; the diagonal holds the inverse pivots.

    row: (n_variables,) scratch. Both ways take each entry's products in the same order.
    """
    if len(tables.row_start) > 1:
        _factorise_rows(tables, lu, row)
        return
    for k in range(len(tables.diagonal)):
        inverse = 1.0 / lu[tables.diagonal[k]] if lu[tables.diagonal[k]] != 0.0 else math.nan
        lu[tables.diagonal[k]] = inverse
        a, b = tables.upper_start[k], tables.upper_start[k + 1]
        for i in range(tables.lower_start[k], tables.lower_start[k + 1]):
            factor = lu[tables.lower[i]] * inverse
            lu[tables.lower[i]] = factor
            start = tables.target_start[i] - a
            for j in range(a, b):
                lu[tables.target[start + j]] -= factor * lu[tables.upper[j]]


@njit(**INLINE)
def _factorise_rows(tables: MassActionTables, lu: Floats, row: Floats) -> None:
    """Row by row, spread out in `row`: no table of what goes where, which grows as the operations do."""
    for i in range(len(tables.diagonal)):
        a, b = tables.row_start[i], tables.row_start[i + 1]
        for p in range(a, b):
            row[tables.row_column[p]] = lu[p]
        for p in range(a, tables.diagonal[i]):
            k = tables.row_column[p]
            factor = row[k] * lu[tables.diagonal[k]]
            row[k] = factor
            for j in range(tables.upper_start[k], tables.upper_start[k + 1]):
                row[tables.upper_column[j]] -= factor * lu[tables.upper[j]]
        for p in range(a, b):
            lu[p] = row[tables.row_column[p]]
        pivot = lu[tables.diagonal[i]]
        lu[tables.diagonal[i]] = 1.0 / pivot if pivot != 0.0 else math.nan


@njit(**INLINE)
def solve(tables: MassActionTables, lu: Floats, x: Floats) -> None:
    """x (n_variables,) = A⁻¹ x in place."""
    n = len(tables.diagonal)
    for k in range(n):
        for i in range(tables.lower_start[k], tables.lower_start[k + 1]):
            x[tables.lower_row[i]] -= lu[tables.lower[i]] * x[k]
    for k in range(n - 1, -1, -1):
        total = x[k]
        for i in range(tables.upper_start[k], tables.upper_start[k + 1]):
            total -= lu[tables.upper[i]] * x[tables.upper_column[i]]
        x[k] = total * lu[tables.diagonal[k]]


@njit(**INLINE)
def _observe(tables: MassActionTables, o: int, z: Floats) -> float:
    """Observable number `o` at the places `z`."""
    total = 0.0
    for i in range(tables.watched_start[o], tables.watched_start[o + 1]):
        total += z[tables.watched[i]]
    return total


@njit(**INLINE)
def _stages(
    tables: MassActionTables, rates: Floats, source: Floats, y: Floats, g: Floats, u: Floats, lu: Floats, h: float
) -> None:
    """The six stages u (6, n_places) of one step of `h` from `y`; leaves y + Σ a_6j u_j in `g`."""
    n = len(source)
    for i in range(STAGES):
        for p in range(n):
            g[p] = y[p]
        for j in range(i):
            a = A[i, j]
            for p in range(n):
                g[p] += a * u[j, p]
        rate_of_change(tables, rates, source, g, u[i])
        for j in range(i):
            c = C[i, j] / h
            for p in range(n):
                u[i, p] += c * u[j, p]
        solve(tables, lu, u[i])


@njit(**INLINE)
def _integrate(
    tables: MassActionTables, y: Floats, u: Floats, h: float, q: Floats, start: Floats, means: Floats, part: float
) -> None:
    """Adds to `means` what a step of `h`, `part` / h of the window, holds above the `start` of each observable.

    An integral is one more state of the system, on which nothing else depends: its stages q need no elimination.
    """
    for o in range(len(means)):
        total = h * (_observe(tables, o, y) - start[o])
        for i in range(STAGES):
            q[i] = _observe(tables, o, u[i])
            for j in range(i):
                q[i] += A[i, j] * q[STAGES + j]
            q[STAGES + i] = _observe(tables, o, u[i])
        for i in range(STAGES):
            q[i] *= h * GAMMA
            for j in range(i):
                q[i] += GAMMA * C[i, j] * q[j]
            total += q[i] * (A[STAGES - 1, i] if i < STAGES - 1 else 1.0)
        means[o] += total * part


@njit(**INLINE)
def _worst(graded: Ints, y: Floats, g: Floats, error: Floats, rtol: float, atol: float) -> tuple[float, int]:
    """Largest error in units of the tolerance and its variable; nan if any is not finite."""
    worst, where = 0.0, 0
    for v in graded:
        ratio = abs(error[v]) / (atol + rtol * max(abs(y[v]), abs(g[v])))
        if not ratio <= worst:
            worst, where = ratio, v
            if not math.isfinite(ratio):
                return math.nan, where
    return worst, where


@njit(**INLINE)
def _window(
    tables: MassActionTables,
    rates: Floats,
    source: Floats,
    y: Floats,
    g: Floats,
    u: Floats,
    minus_j: Floats,
    lu: Floats,
    q: Floats,
    means: Floats,
    span: float,
    h: float,
    steps: int,
    rtol: float,
    atol: float,
) -> tuple[float, int]:
    """One site over one window, in `steps` equal steps or, if 0, as the tolerance asks.

    Returns the step to try next and -1, or the variable that broke.
    """
    n, start = len(source), q[2 * STAGES :]
    for o in range(len(means)):
        start[o] = _observe(tables, o, y)
        means[o] = start[o]
    left, todo, limit, adaptive = span, float(steps), GROW, steps == 0
    while left > 0.0:
        jacobian(tables, rates, y, minus_j)
        while True:
            parts = max(1.0, math.ceil(left / h * (1.0 - 1e-9))) if adaptive else todo
            step = left / parts
            for i in range(len(lu)):
                lu[i] = minus_j[i]
            for i in range(n):
                lu[tables.diagonal[i]] += 1.0 / (step * GAMMA)
            factorise(tables, lu, u[STAGES - 1])
            _stages(tables, rates, source, y, g, u, lu, step)
            for p in range(n):
                g[p] += u[STAGES - 1, p]
            error, where = _worst(tables.graded, y, g, u[STAGES - 1], rtol, atol)
            if not adaptive:
                if math.isnan(error):
                    return h, where
                break
            # a fourth root by square roots: the same bits on every machine
            factor = SAFETY / math.sqrt(math.sqrt(error)) if error > 0.0 else (GROW if error == 0.0 else SHRINK)
            h = step * min(limit, max(SHRINK, factor))
            if error <= 1.0:
                break
            limit = 1.0
            if h < SMALLEST * span:
                return h, where
        _integrate(tables, y, u, step, q, start, means, 1.0 / span)
        for p in range(n):
            y[p] = g[p]
        left = 0.0 if parts <= 1.0 else left - step
        todo -= 1.0
        limit = GROW
    return min(h, span), -1


@njit(**INLINE)
def _take_inputs(
    tables: MassActionTables, source: Floats, y: Floats, influx: Floats, clamp: Floats, span: float, atol: float
) -> int:
    """Set clamped counts, take out what leaves and spread what enters; returns a code."""
    code: int = set_clamped(y, clamp, tables.clamped, tables.clamp_book)
    if code == OK:
        code = spread_influx(source, y, influx, tables.injected, tables.clamp_book, span, atol, 0.0)
    return code


@njit(**JIT)
def advance(
    packed: Ints,
    counts: Floats,
    influx: Floats,
    clamp: Floats,
    means: Floats,
    rates: Floats,
    inner: Floats,
    work: Floats,
    span: float,
    steps: int,
    rtol: float,
    atol: float,
) -> tuple[int, int, int]:
    """All sites over one window of `span` ms.

    packed: MassActionTables, see `packing`. counts: (n_sites, n_states). influx: (n_sites, n_injected) molecules.
    clamp: (n_sites, n_clamped). means: (n_sites, n_observables) are set. rates: (n_sites, n_members), signed, in the
    order of the members, then the constants of rate laws. inner: (n_sites,) inner step to try first, ms, 0
    if none is known. work: scratch of `work_size`. Returns (code, site, column of the counts that broke).
    """
    tables = unpack(packed)
    column = tables.column
    n, places = len(tables.diagonal), len(column) + 1
    width = tables.law[START] + len(tables.law_code) // 4
    n_entries = (len(work) - n - 2 * width - STAGES * places - 2 * STAGES - means.shape[1]) // 2
    source, y = work[:n], work[n : n + width]
    at = n + width
    g = work[at : at + width]
    at += width
    u = work[at : at + STAGES * places].reshape(STAGES, places)
    at += STAGES * places
    minus_j, lu = work[at : at + n_entries], work[at + n_entries : at + 2 * n_entries]
    q = work[at + 2 * n_entries :]
    for site in range(len(counts)):
        for p in range(places - 1):
            y[p] = counts[site, column[p]]
        y[places - 1] = 1.0
        load_constants(tables.law, rates[site], len(tables.first), y)
        code = _take_inputs(tables, source, y, influx[site], clamp[site], span, atol)
        if code != OK:
            return code, site, 0
        for p in range(width):
            g[p] = y[p]
        u[:] = 0.0
        h = inner[site] if inner[site] > 0.0 else span
        h, broken = _window(
            tables, rates[site], source, y, g, u, minus_j, lu, q, means[site], span, h, steps, rtol, atol
        )
        inner[site] = h
        for p in range(places - 1):
            counts[site, column[p]] = y[p]
        if broken >= 0:
            return COLLAPSED, site, column[broken]
        for v in tables.bounded:
            if y[v] < -max(LEAST_BELOW, BELOW * atol):
                return NEGATIVE, site, column[v]
    return OK, 0, 0


def work_size(n_variables: int, n_places: int, width: int, n_entries: int, n_observables: int) -> int:
    """Length of the scratch array of `advance`; width: places with those of rate laws."""
    return n_variables + 2 * width + STAGES * n_places + 2 * n_entries + 2 * STAGES + n_observables


@njit(cache=True)
def advance_of(context: int) -> int:
    """`advance` of a context (packed, counts, influx, clamp, means, rates, inner, work, [span, rtol, atol, steps]).

    Returns code + 8 x (site + n_sites x column), 0 if all went well.
    """
    t = integers(context, 24)
    counts, influx, clamp = rows(t[2], t[3], t[4]), rows(t[5], t[6], t[7]), rows(t[8], t[9], t[10])
    means, rates, inner = rows(t[11], t[12], t[13]), rows(t[14], t[15], t[16]), floats(t[17], t[18])
    given = floats(t[21], t[22])
    packed, work = integers(t[0], t[1]), floats(t[19], t[20])
    code, site, column = advance(
        packed, counts, influx, clamp, means, rates, inner, work, given[0], int(given[3]), given[1], given[2]
    )
    return code + 8 * (site + len(counts) * column)  # type: ignore[no-any-return]
