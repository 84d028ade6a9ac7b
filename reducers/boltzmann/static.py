"""θ of given moments: the state from which a reduced model starts."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from couple.errors import RunError
from reducers.boltzmann.family import Floats


class Curved(Protocol):
    """A family with moments and covariances."""

    @property
    def parameters(self) -> tuple[str, ...]: ...

    @property
    def sign(self) -> int: ...

    def moments(self, theta: Floats) -> Floats: ...

    def covariance(self, theta: Floats) -> Floats: ...


def match_moments(
    family: Curved, data: Floats, start: Floats | None = None, *, iterations: int = 500, tolerance: float = 1e-9
) -> Floats:
    """(n,) θ at which the family has the moments `data` (n,): damped Newton, steps of at most 1.

    Raises RunError if there is no such θ within reach (a density of 0 or 1, pairs that no distribution has).
    """
    theta = np.zeros(len(family.parameters)) if start is None else np.asarray(start, dtype=float).copy()
    for _ in range(iterations):
        gap = data - family.moments(theta)
        if np.abs(gap).max() <= tolerance * max(1.0, float(np.abs(data).max())):
            return theta
        covariance = family.covariance(theta)
        ridge = 1e-12 * np.trace(covariance) * np.eye(len(theta))
        step = family.sign * np.linalg.solve(covariance + ridge, gap)
        theta = theta + step / max(1.0, float(np.abs(step).max()))
    raise RunError(
        f"no parameters {', '.join(family.parameters)} give the moments {np.array2string(data, precision=4)}"
    )
