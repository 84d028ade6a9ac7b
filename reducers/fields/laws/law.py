"""Laws of motion of fields, dν_a/dt = F⁰_a(ν) + F¹_a(ν)|∇ν_a|² + F²_a(ν)Δν_a, as sums of terms.

A term is a family of functions of the values of ν at a point (`reducers.dbd.laws`: constants, polynomials, Hermite
elements, reactions) that enters F⁰, F¹ and F² with fixed factors. Diffusion is one constant that enters F¹ with -1 and
F² with +1; because the master equation is linear in its processes, the terms of processes add.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import InputError, nearest
from couple.chemistry.equations import parse_equation
from reducers.dbd.laws.law import AUTONOMOUS, CoefficientTable, Law
from reducers.dbd.laws.polynomial import Polynomial

PLACES = ("F0", "F1", "F2")


@dataclass(frozen=True, eq=False)
class LawTerm:
    """law: (nodes, species) values of ν → its values for each species. factors: (3,) how it enters F⁰, F¹, F²."""

    name: str
    law: Law
    factors: tuple[float, float, float]

    @property
    def constant(self) -> bool:
        """Whether it does not depend on ν."""
        return isinstance(self.law, Polynomial) and self.law.degree == 0


class FieldLaw:
    """A sum of terms. species: names of the fields. Raises InputError for terms of other species, or none."""

    def __init__(self, species: Sequence[str], terms: Sequence[LawTerm]) -> None:
        self.species, self.terms = tuple(species), tuple(terms)
        if not self.terms or any(t.law.parameters != self.species for t in self.terms):
            raise InputError(f"needs terms of the fields {', '.join(self.species)}, one at least")
        self.constant = all(t.constant for t in self.terms)

    @property
    def tables(self) -> Sequence[CoefficientTable]:
        """Coefficients of all terms, in their order."""
        return tuple(table for t in self.terms for table in t.law.tables)

    @property
    def size(self) -> int:
        """Coefficients in all."""
        return sum(t.values.size for t in self.tables)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the coefficients: "F2 A", "D A", "2 A -> 0", with the number of the row where there are several."""
        found = []
        for t in self.terms:
            if isinstance(t.law, MassActionLaw):
                found += list(t.law.equations)
                continue
            for table in t.law.tables:
                for row in range(table.rows):
                    number = f"[{row}]" if table.rows > 1 else ""
                    width = table.values.shape[1] // len(self.species)
                    kinds = [f".{k}" if width > 1 else "" for k in range(width) for _ in self.species]
                    species = list(self.species) * width
                    found += [f"{t.name}{number}{k} {s}" for k, s in zip(kinds, species, strict=True)]
        return tuple(found)

    def vector(self) -> Floats:
        """(size,) coefficients."""
        return np.concatenate([t.values.ravel() for t in self.tables])

    def assign(self, values: Floats) -> None:
        """Set all coefficients to u (size,)."""
        at = 0
        for t in self.tables:
            t.values[:] = values[at : at + t.values.size].reshape(t.values.shape)
            at += t.values.size

    def reserve(self, nu: Floats) -> None:
        """Make room for the coefficients that matter at ν (species, nodes)."""
        for t in self.terms:
            t.law.reserve(nu.T)

    def values(self, nu: Floats) -> Floats:
        """(species, 3, nodes) F at ν (species, nodes), or (species, 3) if the law is constant."""
        at = nu[:, :1].T if self.constant else nu.T
        out = np.zeros((len(self.species), 3, len(at)))
        for t in self.terms:
            rates = t.law.rates(at).T
            for g, factor in enumerate(t.factors):
                if factor:
                    out[:, g] += factor * rates
        return out[:, :, 0] if self.constant else out

    def slopes(self, nu: Floats) -> Floats | None:
        """(species a, species b, 3, nodes) ∂F_a/∂ν_b; None where all are zero."""
        if self.constant:
            return None
        s = len(self.species)
        out = np.zeros((s, s, 3, nu.shape[1]))
        for t in self.terms:
            if not t.constant:
                found = t.law.jacobian(nu.T).transpose(1, 2, 0)
                for g, factor in enumerate(t.factors):
                    if factor:
                        out[:, :, g] += factor * found
        return out

    def pull(self, nu: Floats, weights: Floats) -> None:
        """Add Σ weights (species, 3, nodes) ∂F/∂u to the gradients of the coefficients."""
        for t in self.terms:
            t.law.pull(nu.T, np.tensordot(np.asarray(t.factors), weights, axes=(0, 1)).T)

    def gradient(self) -> Floats:
        """(size,) what was pulled since `clear`."""
        return np.concatenate([t.gradient.ravel() for t in self.tables])

    def clear(self) -> None:
        """Set all gradients to zero."""
        for t in self.terms:
            t.law.clear()


class MassActionLaw(Law):
    """What reactions do to fields of independent particles: dλ_a/dt = Σ_r S_ar k_r Π_b λ_b^n_rb, as F⁰ of ν = -ln λ.

    equations: like "A -> 0" or "A + B -> C"; k_r is learned, in units of λ (per length, area or volume, and run). Two
    equal partners react as k λ², with S = -2 for 2 A -> 0. Death gives F⁰ = +k: ν grows as particles vanish.
    """

    def __init__(self, species: Sequence[str], equations: Sequence[str]) -> None:
        self.parameters, self.equations = tuple(species), tuple(equations)
        sides = [_sides(text, self.parameters) for text in self.equations]
        self.orders = np.array([left for left, _ in sides], dtype=float).reshape(len(sides), len(species))
        self.change = np.array([right for _, right in sides], dtype=float).reshape(self.orders.shape) - self.orders
        self.coefficients = CoefficientTable(len(self.equations), 1)

    @property
    def tables(self) -> Sequence[CoefficientTable]:
        """The rates k (n_reactions, 1)."""
        return (self.coefficients,)

    def _each(self, theta: Floats) -> Floats:
        """(batch, reactions, species) F⁰ for k = 1: -S e^{ν_a - Σ n ν}."""
        speed = -theta @ self.orders.T
        with np.errstate(over="ignore", invalid="ignore"):  # Newton's method sees to what is not finite
            return np.asarray(-self.change * np.exp(np.minimum(speed[:, :, None] + theta[:, None, :], 300.0)))

    def rates(self, theta: Floats, drive: Floats = AUTONOMOUS) -> Floats:
        """(batch, species) F⁰."""
        return np.asarray(np.einsum("r,bra->ba", self.coefficients.values[:, 0], self._each(theta)))

    def vjp(self, theta: Floats, weights: Floats, drive: Floats = AUTONOMOUS) -> Floats:
        """(batch, species) Σ_a weights_a ∂F⁰_a/∂ν."""
        each = np.einsum("r,bra,ba->bra", self.coefficients.values[:, 0], self._each(theta), weights)
        return np.asarray(each.sum(axis=1) - each.sum(axis=2) @ self.orders)

    def pull(self, theta: Floats, weights: Floats, drive: Floats = AUTONOMOUS) -> None:
        """Add Σ weights_a ∂F⁰_a/∂k, summed over the batch, to the gradient."""
        self.coefficients.gradient[:, 0] += np.einsum("bra,ba->r", self._each(theta), weights)
        self.coefficients.touched[:] = True


def _sides(text: str, species: Sequence[str]) -> tuple[list[int], list[int]]:
    left, right, reversible = parse_equation(text)
    unknown = [name for name in (*left, *right) if name not in species]
    if unknown:
        raise InputError(f'"{text}": unknown species "{unknown[0]}"; {nearest(unknown[0], species)}', where="law")
    if reversible or not left:
        raise InputError(f'"{text}": write each direction by itself, with one reactant at least', where="law")
    return [left.count(s) for s in species], [right.count(s) for s in species]


def constants(species: Sequence[str], places: Sequence[str] = PLACES) -> list[LawTerm]:
    """F⁰, F¹, F² as constants, each with a coefficient of its own per species."""
    unit = np.eye(3)
    return [LawTerm(p, Polynomial(species, species, 0), tuple(unit[PLACES.index(p)])) for p in places]


def diffusion(species: Sequence[str]) -> LawTerm:
    """One coefficient D per species: F¹ = -D, F² = D."""
    return LawTerm("D", Polynomial(species, species, 0), (0.0, -1.0, 1.0))


def reactions(species: Sequence[str], equations: Sequence[str]) -> LawTerm:
    """Mass action in F⁰."""
    return LawTerm("k", MassActionLaw(species, equations), (1.0, 0.0, 0.0))
