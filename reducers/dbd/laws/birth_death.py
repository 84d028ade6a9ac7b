"""Laws of birth and death of one well-mixed species, known in closed form (JCP 149:034107)."""

from __future__ import annotations

import numpy as np

from couple.base.arrays import Floats
from reducers.dbd.laws.law import AUTONOMOUS, Law


class BirthDeath(Law):
    """K = 1, A → 2A at `birth`, A → 0 at `death` per particle: dν/dt = (death - birth)(1 - e^{-ν}), exact in ⟨n⟩."""

    parameters = ("nu1",)

    def __init__(self, birth: float, death: float) -> None:
        self.birth, self.death = birth, death

    def rates(self, theta: Floats, drive: Floats = AUTONOMOUS) -> Floats:
        """(batch, 1) (death - birth)(1 - e^{-ν})."""
        return np.asarray(-(self.death - self.birth) * np.expm1(-theta))

    def vjp(self, theta: Floats, weights: Floats, drive: Floats = AUTONOMOUS) -> Floats:
        """(batch, 1) weights × (death - birth) e^{-ν}."""
        return np.asarray(weights * (self.death - self.birth) * np.exp(-theta))


class GaussianBirthDeath(Law):
    """K = 2 in the Gaussian approximation, whose mean and variance obey μ' = Dμ, v' = 2Dv + Sμ (D, S = birth ∓ death).

    F₁ = -Dν₁ - Dν₂/2 + Sν₁² - Sν₁ν₂/2, F₂ = -ν₂(2D + S(ν₂/2 - ν₁)).
    """

    parameters = ("nu1", "nu2")

    def __init__(self, birth: float, death: float) -> None:
        self.difference, self.sum = birth - death, birth + death

    def rates(self, theta: Floats, drive: Floats = AUTONOMOUS) -> Floats:
        """(batch, 2) F₁ and F₂."""
        (a, b), d, s = theta.T, self.difference, self.sum
        return np.stack([-d * a - d * b / 2 + s * a * a - s * a * b / 2, -b * (2 * d + s * (b / 2 - a))], axis=1)

    def vjp(self, theta: Floats, weights: Floats, drive: Floats = AUTONOMOUS) -> Floats:
        """(batch, 2) Σ_k weights_k ∂F_k/∂ν."""
        (a, b), (w1, w2), d, s = theta.T, weights.T, self.difference, self.sum
        return np.stack(
            [w1 * (-d + 2 * s * a - s * b / 2) + w2 * s * b, w1 * (-d / 2 - s * a / 2) - w2 * (2 * d + s * (b - a))],
            axis=1,
        )
