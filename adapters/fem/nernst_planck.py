"""Ions that drift and diffuse on finite elements, electroneutral: one linearly implicit step for all of them.

With ψ = φ F/RT, charges z and concentrations c of the ions k,

    ∂c_k/∂t = ∇·D_k (∇c_k + z_k c_k ∇ψ) + f_k,      ∇·Σ z_k D_k (∇c_k + z_k c_k ∇ψ) = kept − Σ z_k f_k:

no charge gathers but where it is said to (`kept`). A step solves for concentrations and potential together, the
conductivity being that of the concentrations before it: of first order in time, stable for any step, and of the order
of the elements in space. It moves each ion without loss, and the charge at every node changes by what is kept, to
rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.sparse import block_array, csc_array, csr_array
from scipy.sparse.linalg import splu

from adapters.fem.mesh.discretisation import Discretisation
from adapters.fem.mesh.library.dolfinx_import import dolfinx, ufl
from adapters.fem.mesh.library.form_cache import compiled
from couple.base.arrays import Floats


class NernstPlanck:
    """Steps of n ions on one mesh of N nodes. charges: (n,) z; D: (n,) µm²/ms."""

    def __init__(self, d: Discretisation, charges: Sequence[float], D: Sequence[float]) -> None:
        self._d, self.charges, self._D = d, np.asarray(charges, dtype=float), np.asarray(D, dtype=float)
        self._density = dolfinx.fem.Function(d.space)
        u, v = ufl.TrialFunction(d.space), ufl.TestFunction(d.space)
        mesh = d.domain.mesh
        weight = d.domain.weight(ufl.SpatialCoordinate(mesh))
        form = self._density * ufl.inner(ufl.grad(u), ufl.grad(v)) * weight * ufl.dx(domain=mesh)
        self._form = compiled(form)

    def conductivity(self, density: Floats) -> Any:
        """(N, N) sparse, ∫ c ∇φ·∇φ over the volume, of densities (N,) at the nodes."""
        self._density.x.array[:] = density
        made = csr_array(dolfinx.fem.assemble_matrix(self._form).to_scipy(), dtype=np.float64)
        made.sum_duplicates()
        return made * self._d.scale

    def step(self, c: Floats, h: float, loads: Floats, kept: Floats) -> tuple[Floats, Floats]:
        """(n, N) concentrations and (N,) ψ, which is 0 at the first node, after h ms.

        c: (n, N). loads: (n, N) load vectors, molecules per ms. kept: (N,) charges per ms that gather at each
        node; their sum is that of the charges of `loads`. NaN comes back where nothing conducts.
        """
        d, z, D = self._d, self.charges, self._D
        n, size = c.shape
        mass = d.mass / h
        drift = [z[k] * D[k] * self.conductivity(c[k]) for k in range(n)]
        diffusion = [D[k] * d.stiffness for k in range(n)]
        rows: list[list[Any]] = [
            [mass + diffusion[k] if j == k else None for j in range(n)] + [drift[k]] for k in range(n)
        ]
        current = sum(z[k] * drift[k] for k in range(n))
        first = np.zeros(1, dtype=np.int64)
        # The system fixes ψ but for a constant; as both sides of its rows add up to 0 this sets ψ to 0 there.
        pinned = csr_array(([current.diagonal().max()], (first, first)), shape=(size, size))
        rows.append([z[k] * diffusion[k] for k in range(n)] + [current + pinned])
        right = np.concatenate([mass @ c[k] + loads[k] for k in range(n)] + [z @ loads - kept])
        try:
            found = splu(csc_array(block_array(rows))).solve(right)
        except RuntimeError:  # singular
            found = np.full(len(right), np.nan)
        return found[: n * size].reshape(n, size), found[n * size :]
