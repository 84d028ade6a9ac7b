"""The endless chain of one species with couplings of neighbours and of triplets: h Σ s + J Σ ss' + K Σ ss's''.

The transfer matrix acts on pairs of sites; it is not symmetric, moments come from its left and right eigenvectors.
"""

from __future__ import annotations

import numpy as np

from couple.base.arrays import Floats


class TripletChain:
    """Parameters h, J, K (plus convention); moments are per site."""

    parameters = ("h", "J", "K")
    sign = 1

    def __init__(self) -> None:
        self.logs = np.zeros((3, 4, 4))
        self.allowed = np.zeros((4, 4))
        for a, b, c in np.ndindex(2, 2, 2):
            place = (2 * a + b, 2 * b + c)
            self.allowed[place] = 1.0
            self.logs[(slice(None), *place)] = a, a * b, a * b * c

    def moments(self, theta: Floats) -> Floats:
        """(3,) ⟨s⟩, ⟨ss'⟩, ⟨ss's''⟩."""
        energy = np.tensordot(theta, self.logs, axes=1)
        matrix = np.exp(energy - energy.max()) * self.allowed
        values, right = np.linalg.eig(matrix)
        top = int(np.argmax(values.real))
        others, left = np.linalg.eig(matrix.T)
        r, v = right[:, top].real, left[:, int(np.argmax(others.real))].real
        return np.asarray([(v @ (matrix * g) @ r) / (values[top].real * (v @ r)) for g in self.logs])

    def log_z(self, theta: Floats) -> float:
        """ln Z per site of the endless chain at θ (3,)."""
        energy = np.tensordot(theta, self.logs, axes=1)
        top = energy.max()
        return float(top + np.log(np.linalg.eigvals(np.exp(energy - top) * self.allowed).real.max()))

    def covariance(self, theta: Floats, step: float = 1e-5) -> Floats:
        """(3, 3) Cov per site, by differences of the moments."""
        unit = step * np.eye(3)
        return np.stack([(self.moments(theta + u) - self.moments(theta - u)) / (2 * step) for u in unit])
