"""Exact solutions of the diffusion equation that engines with space are compared with."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.optimize import brentq


def left_between_walls(length: float, D: float, permeability: float, times: Sequence[float]) -> np.ndarray:
    """Share of molecules, even at first, that is left at `times` between two walls `length` apart.

    Their flux out is permeability × concentration at the wall; infinite: that is 0 (Crank, Mathematics of Diffusion,
    1975, equations 4.17 and 4.53).
    """
    t = np.asarray(times) * D / (length / 2) ** 2
    if math.isinf(permeability):
        k = np.pi * (np.arange(200) + 0.5)
        return np.asarray((2 / k**2 * np.exp(-np.outer(t, k**2))).sum(axis=1))
    biot = permeability * length / 2 / D
    edges = [(j * math.pi + 1e-12, j * math.pi + math.pi / 2 - 1e-12) for j in range(100)]
    k = np.array([brentq(lambda m: m * math.sin(m) - biot * math.cos(m), a, b) for a, b in edges])
    shares = 2 * biot**2 / (k**2 * (k**2 + biot**2 + biot))
    return np.asarray((shares * np.exp(-np.outer(t, k**2))).sum(axis=1))


def left_in_a_sphere(radius: float, D: float, permeability: float, times: Sequence[float]) -> np.ndarray:
    """The same of a sphere (Crank, equation 6.43)."""
    t = np.asarray(times) * D / radius**2
    biot = permeability * radius / D
    edges = [(j * math.pi + 1e-9, (j + 1) * math.pi - 1e-9) for j in range(100)]
    k = np.array([brentq(lambda b: b * math.cos(b) - (1 - biot) * math.sin(b), a, e) for a, e in edges])
    shares = 6 * biot**2 / (k**2 * (k**2 + biot * (biot - 1)))
    return np.asarray((shares * np.exp(-np.outer(t, k**2))).sum(axis=1))
