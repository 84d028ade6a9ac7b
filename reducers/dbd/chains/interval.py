"""Hat functions on an interval: piecewise linear profiles h(x) and J(x) along a row of sites."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import InputError


def evenly(size: int, nodes: int) -> Floats:
    """(nodes,) places from the first to the last of `size` sites (0 … size - 1); the middle if there is one node."""
    return np.linspace(0.0, size - 1.0, nodes) if nodes > 1 else np.array([(size - 1) / 2])


def hats(places: Floats, nodes: Floats) -> Floats:
    """(n_places, n_nodes) values of the hat functions, which add up to 1; constant beyond the first and last node.

    nodes: ascending.
    """
    return np.stack([np.interp(places, nodes, unit) for unit in np.eye(len(nodes))], axis=1)


def checked_nodes(nodes: int | Sequence[float], size: int) -> Floats:
    """Places of nodes on a row of `size` sites. Raises InputError where they are no ascending places on it."""
    if isinstance(nodes, int):
        if not 1 <= nodes <= size:
            raise InputError(f"{nodes} nodes on a row of {size} sites: give 1 to {size}", where="model.nodes")
        return evenly(size, nodes)
    found = np.asarray(nodes, dtype=float)
    if not len(found) or (np.diff(found) <= 0).any() or found[0] < 0 or found[-1] > size - 1:
        raise InputError(
            f"nodes = {list(nodes)}: give ascending places on the row, sites 0 to {size - 1}, or how many",
            where="model.nodes",
        )
    return found
