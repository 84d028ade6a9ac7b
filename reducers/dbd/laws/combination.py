"""Laws made of laws: sums, linear combinations of given functions, and laws that a drive switches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import InputError
from reducers.dbd.laws.law import AUTONOMOUS, CoefficientTable, Law


def _same_parameters(laws: Sequence[Law]) -> tuple[str, ...]:
    if not laws or any(law.parameters != laws[0].parameters for law in laws):
        raise InputError(f"laws to combine must have the same parameters, not {[law.parameters for law in laws]}")
    return laws[0].parameters


class SumLaw(Law):
    """F = Σ_i F_i; each keeps its own coefficients."""

    def __init__(self, laws: Sequence[Law]) -> None:
        self.parameters, self.laws = _same_parameters(laws), tuple(laws)
        self.inputs = tuple(dict.fromkeys(name for law in laws for name in law.inputs))
        self._inputs = [[self.inputs.index(name) for name in law.inputs] for law in laws]

    @property
    def tables(self) -> Sequence[CoefficientTable]:
        """Coefficients of all laws, in their order."""
        return tuple(table for law in self.laws for table in law.tables)

    def parts(self) -> Sequence[Law]:
        """The laws that are added."""
        return self.laws

    def first_touched(self, theta: Floats) -> int:
        """First state of a path (T, n) at which any of the laws depends on a touched coefficient."""
        return min(law.first_touched(theta) for law in self.laws)

    def rates(self, theta: Floats, drive: Floats = AUTONOMOUS) -> Floats:
        """(batch, n) Σ_i F_i, each with its own columns of the drive."""
        return sum(
            (law.rates(theta, drive[:, i]) for law, i in zip(self.laws, self._inputs, strict=True)),
            np.zeros_like(theta),
        )

    def vjp(self, theta: Floats, weights: Floats, drive: Floats = AUTONOMOUS) -> Floats:
        """(batch, n) Σ_i of the laws' vector-Jacobian products."""
        return sum(
            (law.vjp(theta, weights, drive[:, i]) for law, i in zip(self.laws, self._inputs, strict=True)),
            np.zeros_like(theta),
        )

    def pull(self, theta: Floats, weights: Floats, drive: Floats = AUTONOMOUS) -> None:
        """Add to the gradients of all laws, see `Law.pull`."""
        for law, i in zip(self.laws, self._inputs, strict=True):
            law.pull(theta, weights, drive[:, i])

    def reserve(self, theta: Floats) -> None:
        """Make room in all laws for what matters at θ (batch, n)."""
        for law in self.laws:
            law.reserve(theta)


class Combination(Law):
    """F_k = Σ_r c_{rk} F_rk of given functions F_r; the c are learned.

    shared: one c_r for all components (the physical case, c_r being rates); otherwise one for each.
    """

    def __init__(self, functions: Sequence[Law], shared: bool = True) -> None:
        self.parameters, self.functions, self.shared = _same_parameters(functions), tuple(functions), shared
        if any(f.inputs or f.tables for f in functions):
            raise InputError("functions of a linear combination have no inputs and no coefficients of their own")
        self.coefficients = CoefficientTable(len(functions), 1 if shared else len(self.parameters))

    @property
    def tables(self) -> Sequence[CoefficientTable]:
        """The coefficients c: (functions, 1) if shared, (functions, n) otherwise."""
        return (self.coefficients,)

    def rates(self, theta: Floats, drive: Floats = AUTONOMOUS) -> Floats:
        """(batch, n) Σ_r c_r F_r; there is no drive."""
        pairs = zip(self.coefficients.values, self.functions, strict=True)
        return sum((c * f.rates(theta) for c, f in pairs), np.zeros_like(theta))

    def vjp(self, theta: Floats, weights: Floats, drive: Floats = AUTONOMOUS) -> Floats:
        """(batch, n) Σ_rk weights_k c_rk ∂F_rk/∂θ."""
        pairs = zip(self.coefficients.values, self.functions, strict=True)
        return sum((f.vjp(theta, weights * c) for c, f in pairs), np.zeros_like(theta))

    def jacobian(self, theta: Floats, drive: Floats = AUTONOMOUS) -> Floats:
        """(batch, n, n) Σ_r c_rk ∂F_rk/∂θ_j at [:, k, j]."""
        pairs = zip(self.coefficients.values, self.functions, strict=True)
        return sum((c[:, None] * f.jacobian(theta) for c, f in pairs), np.zeros((*theta.shape, theta.shape[1])))

    def by_coefficient(self, theta: Floats) -> Floats:
        """(batch, n, n_coefficients) ∂F/∂c, in the order of `coefficients`."""
        rates = np.stack([f.rates(theta) for f in self.functions], axis=2)
        if self.shared:
            return rates
        n = rates.shape[1]
        return np.asarray((rates[:, :, :, None] * np.eye(n)[:, None, :]).reshape(len(rates), n, -1))

    def pull(self, theta: Floats, weights: Floats, drive: Floats = AUTONOMOUS) -> None:
        """Add Σ weights_k F_rk, summed over the batch, to the gradient of c."""
        for r, f in enumerate(self.functions):
            each = (weights * f.rates(theta)).sum(axis=0)
            self.coefficients.gradient[r] += each.sum() if self.shared else each
        self.coefficients.touched[:] = True


class DrivenLaw(Law):
    """F = F_0(θ) + Σ_j drive_j F_j(θ): linear in the inputs, as mass action is in a clamped concentration."""

    def __init__(self, base: Law, per_input: dict[str, Law]) -> None:
        self.parameters = _same_parameters([base, *per_input.values()])
        self.base, self.per_input, self.inputs = base, dict(per_input), tuple(per_input)

    @property
    def tables(self) -> Sequence[CoefficientTable]:
        """Coefficients of F_0, then of each F_j."""
        return tuple(t for law in self.parts() for t in law.tables)

    def parts(self) -> Sequence[Law]:
        """F_0, then each F_j in the order of `inputs`."""
        return (self.base, *self.per_input.values())

    def first_touched(self, theta: Floats) -> int:
        """First state of a path (T, n) at which any part depends on a touched coefficient."""
        return min(law.first_touched(theta) for law in self.parts())

    def rates(self, theta: Floats, drive: Floats = AUTONOMOUS) -> Floats:
        """(batch, n) F_0 + Σ_j drive_j F_j."""
        out = self.base.rates(theta)
        for j, law in enumerate(self.per_input.values()):
            out = out + drive[:, j, None] * law.rates(theta)
        return out

    def vjp(self, theta: Floats, weights: Floats, drive: Floats = AUTONOMOUS) -> Floats:
        """(batch, n) Σ_k weights_k ∂F_k/∂θ at this drive."""
        out = self.base.vjp(theta, weights)
        for j, law in enumerate(self.per_input.values()):
            out = out + law.vjp(theta, drive[:, j, None] * weights)
        return out

    def pull(self, theta: Floats, weights: Floats, drive: Floats = AUTONOMOUS) -> None:
        """Add to the gradients of all parts, those of F_j multiplied with drive_j."""
        self.base.pull(theta, weights)
        for j, law in enumerate(self.per_input.values()):
            law.pull(theta, drive[:, j, None] * weights)

    def reserve(self, theta: Floats) -> None:
        """Make room in all parts for what matters at θ (batch, n)."""
        for law in self.parts():
            law.reserve(theta)
