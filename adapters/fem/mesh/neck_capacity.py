"""How the density at an opening answers to what crosses it within a window."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csc_array
from scipy.sparse.linalg import splu

from adapters.fem.mesh.discretisation import Discretisation
from couple.base.arrays import Floats
from couple.components.engine import EngineSetup

STEPS = 16
"""Implicit Euler steps of a window."""


def opening_capacity(d: Discretisation, opening: Floats, D: float, window: float) -> float:
    """µm³: molecules that enter evenly over a window, over the density which they leave at the opening at its end.

    Of a long neck of section A this is A √(πDτ) / 2, as far as diffusion gets (Carslaw & Jaeger 1959, 2.9): the volume
    that what lies beyond the opening is in touch with for one window.
    opening: (N,) see `neck_opening_weights`; D: µm²/ms.
    """
    step = window / STEPS
    factors = splu(csc_array(d.mass + step * D * d.stiffness), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0,
                   options={"SymmetricMode": True})  # fmt: skip
    c = np.zeros(len(opening))
    for _ in range(STEPS):
        c = factors.solve(d.mass @ c + opening / STEPS)
    return float(1.0 / (opening @ c))


def opening_capacities(
    setup: EngineSetup, elements: Sequence[Discretisation], openings: Sequence[Floats | None]
) -> Floats:
    """(n_sites, n_injected) `opening_capacity` each species, 0 without an opening; equal ones are computed once."""
    found = np.zeros((len(setup.sites), len(setup.injected)))
    made: dict[tuple[int, float | None, float], float] = {}
    for k, (site, d, opening) in enumerate(zip(setup.sites, elements, openings, strict=True)):
        for i, name in enumerate(setup.injected):
            D = setup.network.species[setup.network.index(name)].D
            key = id(d), site.opening_diameter, D
            if opening is not None and key not in made:
                made[key] = opening_capacity(d, opening, D, setup.window or setup.tick)
            found[k, i] = made.get(key, 0.0)
    return found
