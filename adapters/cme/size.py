"""How large the state space of a network is, without walking through it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog

from couple.base.errors import InputError
from couple.chemistry.network import ReactionNetwork

WIDTH = 3.0
"""Standard deviations to each side within which almost all probability lies, at the least."""


@dataclass(frozen=True)
class StateSpaceSize:
    """Numbers of states of a network.

    independent: counts that the others follow from. likely: states needed, estimated from below. reachable: states at
    most, inf if counts have no bound.
    """

    independent: tuple[str, ...]
    likely: float
    reachable: float


def size_of(network: ReactionNetwork, initial: Sequence[int]) -> StateSpaceSize:
    """Size of the space that `initial` (n_species,) leads to; held species (`network.clamped`) do not count."""
    columns = [i for i, name in enumerate(network.names) if name not in network.clamped]
    change = network.change[:, columns].astype(float)
    change = change[change.any(axis=1)]
    start = np.array([initial[c] for c in columns], dtype=float)
    most = [_most(change, start, k) for k in range(len(columns))]
    chosen: list[int] = []
    for k in sorted(range(len(columns)), key=lambda k: most[k]):
        if np.linalg.matrix_rank(change[:, [*chosen, k]]) > len(chosen):
            chosen.append(k)
    d = len(chosen)
    ball = math.pi ** (d / 2) / math.gamma(d / 2 + 1) / 2**d  # an ellipsoid in its box
    spread = [min(most[k] + 1, 2 * WIDTH * math.sqrt(max(1.0, min(start[k], most[k] / 4))) + 1) for k in chosen]
    names = tuple(network.names[columns[k]] for k in chosen)
    return StateSpaceSize(names, ball * math.prod(spread), math.prod(most[k] + 1 for k in chosen))


def check_size(network: ReactionNetwork, initial: Sequence[int], most: int) -> None:
    """Raise InputError if the space is too large beyond doubt."""
    size = size_of(network, initial)
    if size.likely > most:
        reach = "without bound" if math.isinf(size.reachable) else f"up to {size.reachable:.1e}"
        raise InputError(
            f"the master equation does not fit: {len(size.independent)} independent counts need {size.likely:.1e} "
            f"states or more ({reach} can be reached), cme.states = {most:g} are allowed; use ssa or langevin"
        )


def _most(change: np.ndarray, start: np.ndarray, k: int) -> float:
    """Largest count of species k that conservation allows: a linear programme over extents."""
    if not change[:, k].any():
        return float(start[k])
    found = linprog(-change[:, k], A_ub=-change.T, b_ub=start, method="highs")
    return float(round(start[k] - found.fun)) if found.status == 0 else math.inf
