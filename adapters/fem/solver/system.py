"""The arrays that kernels of a Rosenbrock step share, each bundle with its fields by name.

Of the fields at a node some are mobile (coupled from node to node by diffusion, or filled from outside), the others
immobile (each node by itself); each kind lives in the volume or on the membrane. N: nodes, G of them on the membrane.
m: mobile fields of the volume, r: immobile ones, s: mobile fields of the membrane, f: immobile ones; w = m + s.
"""

from __future__ import annotations

from typing import NamedTuple

from adapters.fem.solver.field_layout import NodeReactions
from couple.base.arrays import Floats, Ints


class SparseRows(NamedTuple):
    """A sparse matrix in compressed rows: start (n + 1,), column (nnz,), value (nnz,)."""

    start: Ints
    column: Ints
    value: Floats


class NodeSystem(NamedTuple):
    """Numbers of fields, reactions and matrices, constant in a run.

    n_mobile_volume, n_immobile_volume, n_mobile_membrane, n_immobile_membrane: numbers of fields, see `FieldLayout`.
    volume_reactions, membrane_reactions: at a node of the volume, and at one of the membrane.
    first_unknown: (N,) first unknown of a node: its mobile fields of the volume, then, on the membrane, those of the
    membrane. membrane_nodes: (G,) node of each membrane node. D_volume (m,), D_membrane (s,): diffusion coefficients of
    the mobile fields, µm²/ms. mass, stiffness: (N, N) over the volume; membrane_mass, membrane_stiffness: (G, G).
    """

    n_mobile_volume: int
    n_immobile_volume: int
    n_mobile_membrane: int
    n_immobile_membrane: int
    volume_reactions: NodeReactions
    membrane_reactions: NodeReactions
    first_unknown: Ints
    membrane_nodes: Ints
    D_volume: Floats
    D_membrane: Floats
    mass: SparseRows
    stiffness: SparseRows
    membrane_mass: SparseRows
    membrane_stiffness: SparseRows


class Densities(NamedTuple):
    """Densities in molecules per µm³ and µm²; of stages, with an axis of stages in front.

    mobile: (n_unknowns,) see `NodeSystem.first_unknown`. immobile_volume: (N, r). immobile_membrane: (G, f).
    """

    mobile: Floats
    immobile_volume: Floats
    immobile_membrane: Floats


class WindowInputs(NamedTuple):
    """Inputs that hold over a window.

    load: (n_unknowns,) load vector: molecules per ms that enter. clamped_volume, clamped_membrane: (n_clamped,)
    densities of the clamped species, per µm³ and µm².
    """

    load: Floats
    clamped_volume: Floats
    clamped_membrane: Floats


class SchurFactors(NamedTuple):
    """The Jacobian J of the reactions with the immobile fields eliminated, at every node by itself.

    With K the mobile and E the immobile fields of a node and A = 1/(hγ) - J_EE:
    lu: factors of A. response: A⁻¹ J_EK, how immobile fields follow mobile ones. coupling: J_KE.
    schur: J_KK + J_KE A⁻¹ J_EK, what mobile fields see of each other.

    volume_lu (N, r, r), volume_response (N, r, m), volume_coupling (N, m, r), volume_schur (N, m, m).
    membrane_lu (G, f, f), membrane_response (G, f, w), membrane_coupling (G, w, f), membrane_schur (G, w, w); there
    immobile fields of the volume take part: membrane_by_immobile (G, f, r) and coupling_by_immobile (G, w, r) are the
    entries of J by them.
    """

    volume_lu: Floats
    volume_response: Floats
    volume_coupling: Floats
    membrane_lu: Floats
    membrane_response: Floats
    membrane_by_immobile: Floats
    coupling_by_immobile: Floats
    membrane_coupling: Floats
    volume_schur: Floats
    membrane_schur: Floats


class MatrixEntries(NamedTuple):
    """(nnz,) what each entry of the sparse system is made of:

    diffusion + mass / (hγ) - volume_weight × volume_schur[volume_at] - membrane_weight × membrane_schur[membrane_at],
    with places in the flat Schur complements of all nodes.
    """

    diffusion: Floats
    mass: Floats
    volume_weight: Floats
    volume_at: Ints
    membrane_weight: Floats
    membrane_at: Ints
