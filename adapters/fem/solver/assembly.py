"""The sparse system of all that moves: its pattern once, its values at every step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from adapters.fem.mesh.discretisation import Matrices
from adapters.fem.solver.field_layout import Fields, reach
from adapters.fem.solver.kernels import Coefficients, Elimination, Layout, Sparse, State
from adapters.wellmixed.ode_kernel import STAGES
from couple.base.arrays import Bools, Floats, Ints


class Entries(NamedTuple):
    """One coupling of two fields: rows, columns and what `Pattern` says of its other names; None is nothing."""

    row: Ints
    column: Ints
    still: Floats | None = None
    mass: Floats | None = None
    weight: Floats | None = None
    wall: Floats | None = None
    at: Ints | None = None
    wall_at: Ints | None = None


def layout_of(d: Matrices, f: Fields) -> Layout:
    """Numbers of fields and matrices for the kernels."""
    width = np.full(len(d.places), len(f.moving), dtype=np.int64)
    width[d.nodes] += len(f.sliding)
    base = np.concatenate([[0], np.cumsum(width)[:-1]])
    matrices = (_sparse(a) for a in (d.mass, d.stiffness, d.wall_mass, d.wall_stiffness))
    D = f.D
    return Layout(
        len(f.moving), len(f.resting), len(f.sliding), len(f.fixed), f.inside, f.wall, base, d.nodes,
        D[list(f.moving)], D[list(f.sliding)], *matrices,
    )  # fmt: skip


def _sparse(a: object) -> Sparse:
    matrix = a.tocsr()  # type: ignore[attr-defined]
    return Sparse(matrix.indptr.astype(np.int64), matrix.indices.astype(np.int64), matrix.data.astype(np.float64))


def elimination_of(t: Layout) -> Elimination:
    """Room for one elimination."""
    n, g, m, r, s, f = len(t.base), len(t.nodes), t.moving, t.resting, t.sliding, t.fixed
    w = m + s
    return Elimination(
        np.zeros((n, r, r)), np.zeros((n, r, m)), np.zeros((n, m, r)),
        np.zeros((g, f, f)), np.zeros((g, f, w)), np.zeros((g, f, r)), np.zeros((g, w, r)), np.zeros((g, w, f)),
        np.zeros((n, m, m)), np.zeros((g, w, w)),
    )  # fmt: skip


def state_of(t: Layout, stages: int = 0) -> State:
    """A state of zeros, or room for that many stages."""
    unknowns = len(t.base) * t.moving + len(t.nodes) * t.sliding
    first = (stages,) if stages else ()
    return State(
        np.zeros((*first, unknowns)),
        np.zeros((*first, len(t.base), t.resting)),
        np.zeros((*first, len(t.nodes), t.fixed)),
    )


@dataclass(frozen=True, eq=False)
class Pattern:
    """Entries of the system in compressed rows; each is  still + mass / (hγ) - weight × slope - wall × wall_slope.

    start (n + 1,), column (nnz,): the pattern. entries: the names above; at, wall_at: places in the flat slopes.
    constant: no reaction among what moves is of second order and nothing is eliminated, so that the entries depend on
    the step alone.
    """

    start: npt.NDArray[np.int32]
    column: npt.NDArray[np.int32]
    entries: Coefficients
    constant: bool


def pattern_of(t: Layout) -> Pattern:
    """The pattern of a layout: which field of which node sees which."""
    seen, wall_seen = _couplings(t)
    n_rows = len(t.base) * t.moving + len(t.nodes) * t.sliding
    parts = [
        *_inside_entries(t, t.mass, seen, mass=True),
        *_inside_entries(t, t.stiffness, np.eye(t.moving, dtype=bool), mass=False),
        *_wall_entries(t, wall_seen),
    ]
    nothing = np.zeros(0, dtype=np.int64)  # all that could move is held
    row = np.concatenate([nothing, *(p.row for p in parts)])
    column = np.concatenate([nothing, *(p.column for p in parts)])
    order, inverse = np.unique(row * n_rows + column, return_inverse=True)
    values = {key: np.zeros(len(order)) for key in ("still", "mass", "weight", "wall")}
    places = {key: np.zeros(len(order), dtype=np.int64) for key in ("at", "wall_at")}
    end = 0
    for part in parts:
        here = inverse[end : end + len(part.row)]
        end += len(part.row)
        for key in values:
            if getattr(part, key) is not None:
                values[key][here] += getattr(part, key)
        for key in places:
            if getattr(part, key) is not None:
                places[key][here] = getattr(part, key)
    start = np.searchsorted(order, np.arange(n_rows + 1) * n_rows).astype(np.int32)
    entries = Coefficients(
        values["still"], values["mass"], values["weight"], places["at"], values["wall"], places["wall_at"]
    )
    return Pattern(start, (order % max(n_rows, 1)).astype(np.int32), entries, _is_constant(t))


def _is_constant(t: Layout) -> bool:
    if t.resting or t.fixed:
        return False
    n = t.moving + t.resting
    wall = n + t.sliding + t.fixed
    return not any(
        (rules.first[k] < size and rules.second[k] < size)
        for rules, size in ((t.inside, n), (t.wall, wall))
        for k in range(len(rules.rate))
    ) and not _held_factors(t)


def _held_factors(t: Layout) -> bool:
    """Whether a speed depends on a clamped amount, which may change from window to window."""
    ones = [(t.inside, t.moving + t.resting), (t.wall, t.moving + t.resting + t.sliding + t.fixed)]
    for rules, size in ones:
        if len(rules.rate):
            places = np.concatenate([rules.first, rules.second])
            if len(np.unique(places[places >= size])) > 1:
                return True
    return False


def _couplings(t: Layout) -> tuple[Bools, Bools]:
    """Which moving field sees which at a node, and which moving or sliding one at a membrane node."""
    m, n, s = t.moving, t.moving + t.resting, t.sliding
    d = reach(t.inside, n)
    seen = _through(d, np.arange(m), np.arange(m, n))
    wall = reach(t.wall, n + s + t.fixed)
    wall[:n, :n] |= d
    w = np.concatenate([np.arange(m), np.arange(n, n + s)])
    local = np.concatenate([np.arange(m, n), np.arange(n + s, n + s + t.fixed)])
    return seen | np.eye(m, dtype=bool), _through(wall, w, local)


def _through(d: Bools, kept: npt.NDArray[np.intp], gone: npt.NDArray[np.intp]) -> Bools:
    """What the kept ones see of each other once the others are eliminated."""
    inner = d[np.ix_(gone, gone)] | np.eye(len(gone), dtype=bool)
    for _ in range(len(gone).bit_length()):
        inner = inner @ inner
    return np.asarray(d[np.ix_(kept, kept)] | (d[np.ix_(kept, gone)] @ inner @ d[np.ix_(gone, kept)]))


def _inside_entries(t: Layout, a: Sparse, seen: Bools, *, mass: bool) -> list[Entries]:
    """Every coupling in the volume that `seen` names, through the mass or the stiffness matrix `a`."""
    i = np.repeat(np.arange(len(t.base)), np.diff(a.start))
    parts = []
    for p, q in np.argwhere(seen).tolist():
        row, column = t.base[i] + p, t.base[a.column] + q
        if mass:
            at = (a.column * t.moving + p) * t.moving + q
            parts.append(Entries(row, column, mass=a.value if p == q else None, weight=a.value, at=at))
        elif p == q:
            parts.append(Entries(row, column, still=t.spread[p] * a.value))
    return parts


def _wall_entries(t: Layout, seen: Bools) -> list[Entries]:
    """As _inside_entries, for what reacts on the membrane and what diffuses in it."""
    w, parts = t.moving + t.sliding, []
    for a, is_mass in ((t.wall_mass, True), (t.wall_stiffness, False)):
        k = np.repeat(np.arange(len(t.nodes)), np.diff(a.start))
        for p, q in np.ndindex(w, w):
            row, column = t.base[t.nodes[k]] + p, t.base[t.nodes[a.column]] + q
            own = p == q and p >= t.moving
            if is_mass and (seen[p, q] or own):
                at = (a.column * w + p) * w + q
                parts.append(Entries(row, column, mass=a.value if own else None, wall=a.value, wall_at=at))
            elif not is_mass and own:
                parts.append(Entries(row, column, still=t.slide[p - t.moving] * a.value))
    return parts


def stages_of(t: Layout) -> State:
    """Room for the stages of a step."""
    return state_of(t, STAGES)
