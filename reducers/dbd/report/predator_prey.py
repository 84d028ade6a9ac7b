"""Closures by hand for predator and prey on a square lattice, to compare learned ones with: mean field and pairs.

Prey are born at rate `birth` per prey onto any free site, hunters die at rate `death`, a hunter turns a prey next to it
into a hunter at rate k₃ per pair of neighbours (arXiv:1905.12122, eqs 1-3), and particles hop to each free neighbour at
rate `hop`. Both close the hierarchy by a guess: independent sites, or sites that are independent given the one between
them (P(abc) = P(ab) P(bc) / P(b); Matsuda et al., Prog. Theor. Phys. 88, 1035). The simulator knows a probability per
encounter, not k₃, so that k₃ is fitted to the data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from scipy.integrate import solve_ivp
from scipy.optimize import least_squares

from couple.base.arrays import Floats
from couple.base.errors import RunError
from reducers.data.moments import nrmse

MOMENTS = ("P", "H", "PP nn", "HH nn", "HP nn")
EMPTY, HUNTER, PREY = 0, 1, 2


@dataclass(frozen=True)
class PredatorPreyRates:
    """Per step of the data; hop: to each free neighbour. neighbours: of a site. sites: of the periodic lattice."""

    birth: float
    death: float
    hop: float
    neighbours: int = 4
    sites: int = 1600


def mean_field(rates: PredatorPreyRates, k3: float, start: Mapping[str, float], time: Floats) -> dict[str, Floats]:
    """name → (T,) moments if sites were independent: dP/dt = k₁P - k₃ z HP/N, dH/dt = k₃ z HP/N - k₂H (eq. 2)."""
    meet = k3 * rates.neighbours / rates.sites

    def slope(_: float, y: Floats) -> Floats:
        eaten = meet * y[0] * y[1]
        return np.array([rates.birth * y[0] - eaten, eaten - rates.death * y[1]])

    prey, hunters = _integrate(slope, np.array([start["P"], start["H"]]), time)
    bonds = rates.neighbours * rates.sites / 2
    p, h = prey / rates.sites, hunters / rates.sites
    return dict(zip(MOMENTS, (prey, hunters, bonds * p**2, bonds * h**2, 2 * bonds * p * h), strict=True))


def pair_approximation(
    rates: PredatorPreyRates, k3: float, start: Mapping[str, float], time: Floats
) -> dict[str, Floats]:
    """name → (T,) moments if triples were made of pairs: nine probabilities of the two states of a bond."""
    bonds = rates.neighbours * rates.sites / 2

    def slope(_: float, y: Floats) -> Floats:
        q = y.reshape(3, 3)
        change = _site_changes(rates, k3, q)
        return np.asarray((change + change.T).ravel())

    found = _integrate(slope, _bond(rates, start, bonds).ravel(), time).reshape(3, 3, -1)
    sites = rates.sites * found.sum(axis=1)
    pairs = (found[PREY, PREY], found[HUNTER, HUNTER], 2 * found[HUNTER, PREY])
    return dict(zip(MOMENTS, (sites[PREY], sites[HUNTER], *(bonds * pair for pair in pairs)), strict=True))


def _bond(rates: PredatorPreyRates, start: Mapping[str, float], bonds: float) -> Floats:
    """(3, 3) symmetric probabilities of (state of a site, state of its neighbour) with the given moments."""
    q = np.zeros((3, 3))
    q[PREY, PREY], q[HUNTER, HUNTER] = start["PP nn"] / bonds, start["HH nn"] / bonds
    q[HUNTER, PREY] = q[PREY, HUNTER] = start["HP nn"] / bonds / 2
    for state, name in ((HUNTER, "H"), (PREY, "P")):
        q[EMPTY, state] = q[state, EMPTY] = start[name] / rates.sites - q[HUNTER, state] - q[PREY, state]
    q[EMPTY, EMPTY] = 1 - q.sum()
    return q


def _site_changes(rates: PredatorPreyRates, k3: float, q: Floats) -> Floats:
    """(3, 3) dq/dt by what happens to the first of both sites, from outside or, if hunters eat, across the bond."""
    site = q.sum(axis=1)
    near = q / np.maximum(site, 1e-12)[:, None]  # [a, b]: a neighbour of an a is a b
    outside = rates.neighbours - 1
    gain = np.zeros((3, 3, 3))  # [from, to, state of the second site]
    free = max(site[EMPTY], 1 / rates.sites)  # with less than one free site births wait for it
    gain[EMPTY, PREY] = rates.birth * site[PREY] / free + rates.hop * outside * near[EMPTY, PREY]
    gain[EMPTY, HUNTER] = rates.hop * outside * near[EMPTY, HUNTER]
    gain[PREY, EMPTY] = rates.hop * outside * near[PREY, EMPTY]
    gain[HUNTER, EMPTY] = rates.death + rates.hop * outside * near[HUNTER, EMPTY]
    gain[PREY, HUNTER] = k3 * outside * near[PREY, HUNTER]
    gain[PREY, HUNTER, HUNTER] += k3
    flow = gain * q[:, None, :]
    return np.asarray(flow.sum(axis=0) - flow.sum(axis=1))


def _integrate(slope: Callable[[float, Floats], Floats], start: Floats, time: Floats) -> Floats:
    """(n, T); lattices that fill up make it stiff."""
    found = solve_ivp(slope, (time[0], time[-1]), start, t_eval=time, method="LSODA", rtol=1e-6, atol=1e-9)
    if not found.success:
        raise RunError(f"the closure cannot be integrated: {found.message}")
    return np.asarray(found.y)


Closure = Callable[[PredatorPreyRates, float, Mapping[str, float], Floats], dict[str, Floats]]
CLOSURES: dict[str, Closure] = {"mean field": mean_field, "pair approximation": pair_approximation}


def fit_k3(closure: Closure, rates: PredatorPreyRates, data: Mapping[str, Floats], time: Floats) -> float:
    """k₃ of the least squares over all moments (T,) of the data, each relative to its root-mean-square.

    The misfit has several minima in k₃ (the phase of the oscillation): it is refined from the best of a grid, of which
    values that cannot be integrated are left out. Raises RunError if none can.
    """
    start = {name: float(data[name][0]) for name in MOMENTS}
    size = {name: float(np.sqrt(np.mean(data[name] ** 2))) for name in MOMENTS}

    def misfit(log_k3: Floats) -> Floats:
        found = closure(rates, float(np.exp(log_k3[0])), start, time)
        return np.concatenate([(found[name] - data[name]) / size[name] for name in MOMENTS])

    tried: dict[float, float] = {}
    for guess in np.log(np.geomspace(0.01, 1.0, 41)):
        with suppress(RunError):
            tried[float(guess)] = float(np.sum(misfit(np.array([guess])) ** 2))
    if not tried:
        raise RunError("the closure cannot be integrated for any k3 between 0.01 and 1 per step: check its rates")
    return float(np.exp(least_squares(misfit, [min(tried, key=tried.__getitem__)]).x[0]))


def compare(
    rates: PredatorPreyRates, learned: Mapping[str, Floats], held_out: Mapping[str, Floats], time: Floats, times: Floats
) -> dict[str, tuple[float, float]]:
    """Closure → (k₃ fitted to the `learned` moments at `time`, mean NRMSE against the `held_out` ones at `times`)."""
    start, out = {name: float(learned[name][0]) for name in MOMENTS}, {}
    for label, closure in CLOSURES.items():
        k3 = fit_k3(closure, rates, learned, time)
        found = closure(rates, k3, start, times)
        out[label] = k3, float(np.mean([nrmse(found[name], held_out[name]) for name in MOMENTS]))
    return out
