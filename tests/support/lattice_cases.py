"""What the tests of the lattice engine share: how to build it, and exact laws to compare it with."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp
from scipy.special import gammaln

from adapters.lattice import Lattice
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Species
from couple.components.engine import EngineSetup, Site
from couple.geometry.geometry import Geometry
from support.networks import build


def lattice(network: ReactionNetwork, sites: Sequence[Site], spacing: str = "10 nm", **setup: Any) -> Lattice:
    """The engine on these sites."""
    options = Lattice.Options.model_validate({"spacing": spacing})
    return Lattice(
        EngineSetup(**{"name": "x", "tick": 0.1, **setup}, network=network, sites=tuple(sites), options=options)
    )


def copies(n: int, geometry: Geometry, counts: Sequence[int]) -> list[Site]:
    """`n` equal sites, independent of each other."""
    return [Site(f"s{i}", geometry, tuple(counts)) for i in range(n)]


def binding(
    kon: float, koff: float | None, *, D: tuple[float, float] = (0.1, 0.1), on: str = "volume"
) -> ReactionNetwork:
    """A + B -> C or, with `koff`, A + B <-> C; kon in /mM/ms, koff in /ms. B and C may sit on the membrane."""
    place: Any = on
    second = D[1] if on == "volume" else 0.0
    species = [Species("A", D[0]), Species("B", second, on=place), Species("C", second, on=place)]
    rates = (f"{kon!r} /mM/ms",) if koff is None else (f"{kon!r} /mM/ms", f"{koff!r} /ms")
    arrow = "->" if koff is None else "<->"
    return build(species, [(f"A + B {arrow} C", *rates)], observables={"bound": ["C"]})


def equilibrium(a: int, b: int, ratio: float) -> tuple[float, float]:
    """Mean and variance of C in A + B <-> C with `a` and `b` in total; ratio = kon per pair of counts / koff."""
    c = np.arange(min(a, b) + 1)
    logs = c * math.log(ratio) - gammaln(a - c + 1) - gammaln(b - c + 1) - gammaln(c + 1)
    p = np.exp(logs - logs.max())
    p /= p.sum()
    mean = float(p @ c)
    return mean, float(p @ (c - mean) ** 2)


def relaxation(a: int, b: int, c: int, kon: float, koff: float, t: float) -> tuple[float, float]:
    """Mean and variance of C at time `t` from (a, b, c), by the master equation; kon per pair of counts."""
    n = np.arange(min(a, b) + c + 1)
    up = np.where(n < n[-1], kon * (a + c - n) * (b + c - n), 0.0)
    down = koff * n

    def change(_: float, p: np.ndarray) -> np.ndarray:
        out = -(up + down) * p
        out[1:] += (up * p)[:-1]
        out[:-1] += (down * p)[1:]
        return out

    start = (n == c).astype(float)
    p = solve_ivp(change, (0, t), start, method="LSODA", rtol=1e-8, atol=1e-12).y[:, -1]
    mean = float(p @ n)
    return mean, float(p @ (n - mean) ** 2)


def count_pairs(lattice: np.ndarray, a: int, b: int, distance: int, *, periodic: bool) -> int:
    """Pairs of sites with `a` and `b` at a Manhattan distance, step by step."""
    found = 0
    for step in itertools.product(range(-distance, distance + 1), repeat=lattice.ndim):
        if sum(map(abs, step)) != distance:
            continue
        pairs = (lattice == a) & (np.roll(lattice, [-s for s in step], range(lattice.ndim)) == b)
        if not periodic:
            pairs = pairs[tuple(slice(max(-s, 0), max(n - s, 0)) for s, n in zip(step, lattice.shape, strict=True))]
        found += int(pairs.sum())
    return found // 2 if a == b else found
