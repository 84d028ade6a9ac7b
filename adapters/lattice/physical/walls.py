"""Walls that absorb, at the wall: how often a molecule leaves a cell beside one.

A molecule of a wall cell, whose centre is h/2 from the wall, leaves at the rate

    1 / (h/2D + 1/kappa) / h = D/h² / s,        s = 1/2 + D / (kappa h),

kappa the permeability of the wall (infinite for one that absorbs whatever comes): then densities that fall off linearly
towards the wall, to D/kappa times their slope, are at rest, and the error is of second order in the spacing. (A hop out
of the box alone comes at the rate D/h²: the wall would stand half a spacing outside.)

With a chance q per direction to hop out in a sweep that is q/s. A try to hop out leaves with a chance of min(1, 1/s).
What is missing where s < 1 is made up for by tries along the wall, 2 (d - 1) directions in d dimensions, each of which
leaves with a chance of (1/s - 1) / (2 (d - 1)): a molecule that hops in every sweep has no other. Lattices of one
dimension have no such directions; there hops from the wall cell inwards and those into it leave, with a chance of
1 - sqrt(2 s / (1 + s)): densities linear from the second cell on point at the same place.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from adapters.lattice.common.compiled import Int64, Uint64
from adapters.lattice.common.domain import ABSORBING
from adapters.lattice.common.mask import Mask


def exit_directions(mask: Mask) -> Uint64:
    """(n,) directions in which the box ends with an absorbing wall."""
    domain = mask.domain
    codes = domain.lattice.reshape(domain.full)
    found = [k for k in range(len(domain.offsets)) if (codes[domain.core(k)] == ABSORBING).any()]
    return np.array(found, dtype=np.uint64)


def exit_chances(D: float, permeability: float, spacing: float, dimension: int) -> tuple[float, float]:
    """Chances to leave of a try to hop out, and of one along the wall (of a row: inwards, or into the last cell).

    D: µm²/ms, above 0. permeability: µm/ms, may be infinite. spacing: µm.
    """
    s = 0.5 + (D / permeability / spacing if permeability > 0 else math.inf)
    more = max(0.0, 1.0 / s - 1.0)
    if dimension > 1:
        return min(1.0, 1.0 / s), more / (2 * (dimension - 1))
    return min(1.0, 1.0 / s), 1.0 - math.sqrt(2 * s / (1 + s)) if more > 0 else 0.0


def exit_limits(D: Sequence[float], permeability: float, mask: Mask) -> tuple[Int64, Int64]:
    """(n_codes,) the two chances by code, in units of 2^-32; what does not move has none."""
    chances = [(0.0, 0.0)]
    for d in D:
        chances.append(exit_chances(d, permeability, mask.spacing, mask.domain.dimension) if d > 0 else (0.0, 0.0))
    scaled = np.rint(np.array(chances) * 2.0**32).astype(np.int64)
    return scaled[:, 0].copy(), scaled[:, 1].copy()
