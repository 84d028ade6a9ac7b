"""The Gauss-Newton system of a misfit, solved by conjugate gradients with tangents and adjoints."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csc_array
from scipy.sparse.linalg import splu

from couple.base.arrays import Floats
from couple.base.errors import RunError
from reducers.fields.fit.misfit import PathMisfit

MOST_PRODUCTS = 400


class GaussNewtonSystem:
    """The Gauss-Newton Hessian of a misfit at its kept paths."""

    def __init__(self, misfit: PathMisfit) -> None:
        self.misfit = misfit
        basis = misfit.basis
        self.weights: list[list[list[Any]]] = [
            [[e.runs * basis.weighted_mass(x) for x in row] for row in path.nu]
            for e, path in zip(misfit.ensembles, misfit.paths, strict=True)
        ]
        self._blocks = self._make_blocks()
        self._small = self._make_small()

    def __call__(self, z: Floats) -> Floats:
        """(length,) H z."""
        me = self.misfit
        u, starts = me.unpack(z)
        me.law.clear()
        back = []
        for e, path, start in zip(range(len(me.ensembles)), me.paths, starts, strict=True):
            pushed = self._weighted(e, me.stepper.tangent(path, start, u))
            back.append(me.stepper.pull_back(path, pushed) + me.pull_rough(start))
        return me.pack(me.law.gradient() + me.ridge * u, back)

    def _weighted(self, e: int, change: Floats) -> Floats:
        return np.stack(
            [[w @ x for w, x in zip(*row, strict=True)] for row in zip(self.weights[e], change, strict=True)]
        )

    def _make_small(self) -> Floats:
        """Inverse of the block of the coefficients, with a little ridge for what no data speak of."""
        me = self.misfit
        changes = []
        for unit in np.eye(me.law.size):
            changes.append(
                [me.stepper.tangent(p, np.zeros_like(s), unit) for p, s in zip(me.paths, me.nu0, strict=True)]
            )
        block = np.zeros((me.law.size, me.law.size))
        for e in range(len(me.ensembles)):
            weighted = [self._weighted(e, c[e]) for c in changes]
            block += np.array([[float((a[e] * b).sum()) for b in weighted] for a in changes])
        block += me.ridge * np.eye(len(block))
        floor = 1e-12 * max(float(np.trace(block)), 1e-300)
        return np.asarray(np.linalg.inv(block + floor * np.eye(len(block))))

    def _make_blocks(self) -> list[list[Any]]:
        """Factors of R∫e^{-ν}φφ + P at the first time."""
        if not self.misfit.joint:
            return []
        return [
            [splu(csc_array(w + q)) for w, q in zip(weights[0], self.misfit.rough, strict=True)]
            for weights in self.weights
        ]

    def _precondition(self, r: Floats) -> Floats:
        me = self.misfit
        u, starts = me.unpack(r)
        solved = [
            np.stack([lu.solve(x) for lu, x in zip(blocks, start, strict=True)])
            for blocks, start in zip(self._blocks, starts, strict=False)
        ]
        return me.pack(self._small @ u, solved)

    def solve(self, right: Floats, tolerance: float) -> tuple[Floats, int]:
        """(length,) H⁻¹ b by preconditioned conjugate gradients, and how many products it took.

        tolerance: of the residual in the norm of the preconditioner, relative. Raises RunError after 400 products.
        """
        if not self.misfit.joint:
            return self._small @ right, 0
        x = np.zeros_like(right)
        r = right.copy()
        y = self._precondition(r)
        p, rho = y.copy(), float(r @ y)
        goal = tolerance**2 * rho
        for k in range(MOST_PRODUCTS):
            if rho <= goal or rho == 0.0:
                return x, k
            q = self(p)
            alpha = rho / float(p @ q)
            x += alpha * p
            r -= alpha * q
            y = self._precondition(r)
            new = float(r @ y)
            p = y + (new / rho) * p
            rho = new
        raise RunError("the law cannot be learned: its equations are too badly scaled; give a ridge, or a simpler law")
