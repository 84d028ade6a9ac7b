"""The sparse system of the mobile fields: what does not change in a run, its pattern, room for its values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from adapters.fem.mesh.discretisation import Matrices
from adapters.fem.solver.field_layout import FieldLayout, jacobian_sparsity
from adapters.fem.solver.system import Densities, MatrixEntries, NodeSystem, SchurFactors, SparseRows
from adapters.wellmixed.ode.kernel import STAGES
from couple.base.arrays import Bools, Floats, Ints


class Coupling(NamedTuple):
    """One coupling of two fields: (n,) rows and columns of its entries, and their parts as in `MatrixEntries`.

    None stands for zeros.
    """

    row: Ints
    column: Ints
    diffusion: Floats | None = None
    mass: Floats | None = None
    volume_weight: Floats | None = None
    volume_at: Ints | None = None
    membrane_weight: Floats | None = None
    membrane_at: Ints | None = None


def build_node_system(d: Matrices, f: FieldLayout) -> NodeSystem:
    """The numbers of fields and the matrices of a mesh, as kernels take them."""
    width = np.full(len(d.places), len(f.mobile_volume), dtype=np.int64)
    width[d.nodes] += len(f.mobile_membrane)
    first_unknown = np.concatenate([[0], np.cumsum(width)[:-1]])
    matrices = (_sparse(a) for a in (d.mass, d.stiffness, d.membrane_mass, d.membrane_stiffness))
    D = f.D
    return NodeSystem(
        len(f.mobile_volume), len(f.immobile_volume), len(f.mobile_membrane), len(f.immobile_membrane),
        f.volume_reactions, f.membrane_reactions, first_unknown, d.nodes,
        D[list(f.mobile_volume)], D[list(f.mobile_membrane)], *matrices,
    )  # fmt: skip


def _sparse(a: object) -> SparseRows:
    matrix = a.tocsr()  # type: ignore[attr-defined]
    return SparseRows(matrix.indptr.astype(np.int64), matrix.indices.astype(np.int64), matrix.data.astype(np.float64))


def empty_factors(t: NodeSystem) -> SchurFactors:
    """Room for the factors of one Jacobian."""
    n, g, m, r = len(t.first_unknown), len(t.membrane_nodes), t.n_mobile_volume, t.n_immobile_volume
    s, f = t.n_mobile_membrane, t.n_immobile_membrane
    w = m + s
    return SchurFactors(
        np.zeros((n, r, r)), np.zeros((n, r, m)), np.zeros((n, m, r)),
        np.zeros((g, f, f)), np.zeros((g, f, w)), np.zeros((g, f, r)), np.zeros((g, w, r)), np.zeros((g, w, f)),
        np.zeros((n, m, m)), np.zeros((g, w, w)),
    )  # fmt: skip


def empty_densities(t: NodeSystem, stages: int = 0) -> Densities:
    """Densities of zero, or room for that many stages."""
    unknowns = len(t.first_unknown) * t.n_mobile_volume + len(t.membrane_nodes) * t.n_mobile_membrane
    first = (stages,) if stages else ()
    return Densities(
        np.zeros((*first, unknowns)),
        np.zeros((*first, len(t.first_unknown), t.n_immobile_volume)),
        np.zeros((*first, len(t.membrane_nodes), t.n_immobile_membrane)),
    )


@dataclass(frozen=True, eq=False)
class SparsityPattern:
    """Entries of the system in compressed rows: start (n_unknowns + 1,), column (nnz,), what `entries` says of each.

    constant: no reaction among mobile fields is of second order and nothing is eliminated, so that the entries depend
    on the step alone.
    """

    start: npt.NDArray[np.int32]
    column: npt.NDArray[np.int32]
    entries: MatrixEntries
    constant: bool


def build_pattern(t: NodeSystem) -> SparsityPattern:
    """The sparsity pattern of a system: which field of which node depends on which."""
    seen, seen_on_membrane = _seen_fields(t)
    n_rows = len(t.first_unknown) * t.n_mobile_volume + len(t.membrane_nodes) * t.n_mobile_membrane
    parts = [
        *_volume_couplings(t, t.mass, seen, mass=True),
        *_volume_couplings(t, t.stiffness, np.eye(t.n_mobile_volume, dtype=bool), mass=False),
        *_membrane_couplings(t, seen_on_membrane),
    ]
    nothing = np.zeros(0, dtype=np.int64)  # where all mobile species are clamped
    row = np.concatenate([nothing, *(p.row for p in parts)])
    column = np.concatenate([nothing, *(p.column for p in parts)])
    order, inverse = np.unique(row * n_rows + column, return_inverse=True)
    values = {key: np.zeros(len(order)) for key in ("diffusion", "mass", "volume_weight", "membrane_weight")}
    places = {key: np.zeros(len(order), dtype=np.int64) for key in ("volume_at", "membrane_at")}
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
    entries = MatrixEntries(
        values["diffusion"], values["mass"], values["volume_weight"], places["volume_at"], values["membrane_weight"],
        places["membrane_at"],
    )  # fmt: skip
    return SparsityPattern(start, (order % max(n_rows, 1)).astype(np.int32), entries, _is_constant(t))


def _is_constant(t: NodeSystem) -> bool:
    if t.n_immobile_volume or t.n_immobile_membrane:
        return False
    n = t.n_mobile_volume + t.n_immobile_volume
    membrane = n + t.n_mobile_membrane + t.n_immobile_membrane
    return not any(
        (reactions.first[k] < size and reactions.second[k] < size)
        for reactions, size in ((t.volume_reactions, n), (t.membrane_reactions, membrane))
        for k in range(len(reactions.rate))
    ) and not _clamped_factors(t)


def _clamped_factors(t: NodeSystem) -> bool:
    """Whether a rate depends on a clamped amount, which may change from window to window."""
    n = t.n_mobile_volume + t.n_immobile_volume
    membrane = n + t.n_mobile_membrane + t.n_immobile_membrane
    for reactions, size in ((t.volume_reactions, n), (t.membrane_reactions, membrane)):
        if len(reactions.rate):
            places = np.concatenate([reactions.first, reactions.second])
            if len(np.unique(places[places >= size])) > 1:
                return True
    return False


def _seen_fields(t: NodeSystem) -> tuple[Bools, Bools]:
    """Which mobile field depends on which at a node of the volume (m, m), and at one of the membrane (w, w)."""
    m, n, s = t.n_mobile_volume, t.n_mobile_volume + t.n_immobile_volume, t.n_mobile_membrane
    d = jacobian_sparsity(t.volume_reactions, n)
    seen = _seen_after_elimination(d, np.arange(m), np.arange(m, n))
    membrane = jacobian_sparsity(t.membrane_reactions, n + s + t.n_immobile_membrane)
    membrane[:n, :n] |= d
    w = np.concatenate([np.arange(m), np.arange(n, n + s)])
    local = np.concatenate([np.arange(m, n), np.arange(n + s, n + s + t.n_immobile_membrane)])
    return seen | np.eye(m, dtype=bool), _seen_after_elimination(membrane, w, local)


def _seen_after_elimination(d: Bools, kept: npt.NDArray[np.intp], gone: npt.NDArray[np.intp]) -> Bools:
    """Which of the fields `kept` depend on each other once those `gone` are eliminated."""
    inner = d[np.ix_(gone, gone)] | np.eye(len(gone), dtype=bool)
    for _ in range(len(gone).bit_length()):
        inner = inner @ inner
    return np.asarray(d[np.ix_(kept, kept)] | (d[np.ix_(kept, gone)] @ inner @ d[np.ix_(gone, kept)]))


def _volume_couplings(t: NodeSystem, a: SparseRows, seen: Bools, *, mass: bool) -> list[Coupling]:
    """Every coupling in the volume that `seen` names, through the mass or the stiffness matrix `a`."""
    i = np.repeat(np.arange(len(t.first_unknown)), np.diff(a.start))
    parts = []
    for p, q in np.argwhere(seen).tolist():
        row, column = t.first_unknown[i] + p, t.first_unknown[a.column] + q
        if mass:
            at = (a.column * t.n_mobile_volume + p) * t.n_mobile_volume + q
            parts.append(Coupling(row, column, mass=a.value if p == q else None, volume_weight=a.value, volume_at=at))
        elif p == q:
            parts.append(Coupling(row, column, diffusion=t.D_volume[p] * a.value))
    return parts


def _membrane_couplings(t: NodeSystem, seen: Bools) -> list[Coupling]:
    """The couplings of what reacts on the membrane and of what diffuses in it; seen: (w, w)."""
    w, parts = t.n_mobile_volume + t.n_mobile_membrane, []
    for a, is_mass in ((t.membrane_mass, True), (t.membrane_stiffness, False)):
        k = np.repeat(np.arange(len(t.membrane_nodes)), np.diff(a.start))
        for p, q in np.ndindex(w, w):
            row, column = t.first_unknown[t.membrane_nodes[k]] + p, t.first_unknown[t.membrane_nodes[a.column]] + q
            own = p == q and p >= t.n_mobile_volume
            if is_mass and (seen[p, q] or own):
                at = (a.column * w + p) * w + q
                parts.append(
                    Coupling(row, column, mass=a.value if own else None, membrane_weight=a.value, membrane_at=at)
                )
            elif not is_mass and own:
                parts.append(Coupling(row, column, diffusion=t.D_membrane[p - t.n_mobile_volume] * a.value))
    return parts


def empty_stages(t: NodeSystem) -> Densities:
    """Room for the stages of a step."""
    return empty_densities(t, STAGES)
