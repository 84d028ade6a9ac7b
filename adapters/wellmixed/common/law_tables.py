"""Rate laws in the tables of well-mixed engines.

Rates of a site have its constants of laws behind those of the members of fluxes, or groups.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from couple.base.arrays import Floats, Ints
from couple.base.units import IONS_PER_MM_UM3
from couple.cache.kernels import njit
from couple.chemistry.laws.expression import value
from couple.chemistry.laws.rate_law import RateLaw
from couple.chemistry.laws.tape import LawTape, build_tape, run_tape
from couple.chemistry.network import ReactionNetwork
from couple.components.engine import Site


def law_inputs(network: ReactionNetwork, r: int, law: RateLaw) -> set[int]:
    """Columns of the counts that the propensity of a reaction with a rate law depends on."""
    names = {*law.names, *network.reactions[r].reactants} & {*network.names}
    return {network.index(name) for name in names}


def law_message(network: ReactionNetwork, volume: float, area: float, counts: Sequence[float]) -> str:
    """Which rate laws have no propensity at the counts (n_states,) in a volume (µm³) and on an area; "" if all do."""
    bad = []
    for r, law in network.laws.items():
        per = {"volume": IONS_PER_MM_UM3 * volume, "membrane": area}
        names = {s.name: counts[i] / (per[s.on] or math.inf) for i, s in enumerate(network.species)}
        try:
            found = value(law.tree, names) * per[law.on]
        except (ArithmeticError, ValueError, TypeError):
            found = math.nan
        if not -WRONG <= found < math.inf:
            bad.append(f'"{network.reactions[r]}" by its rate law "{law}" ({found:g} /ms)')
    return f"no propensity, which must be a finite number of at least 0: {', '.join(bad)}" if bad else ""


BASE, START, RATES, VALUES = range(4)
"""Entries of the table `law`: place of the first constant, of the first result, length of the part of the code that
rates need, and from there on the places of the rates."""
WRONG = 1e-9
"""A rate below zero by less than this is one that rounding has left there."""


def law_tape(
    network: ReactionNetwork,
    places: Mapping[str, int],
    base: int,
    *,
    slopes: bool = False,
    whole: bool = False,
    laws: Mapping[int, RateLaw] | None = None,
) -> LawTape:
    """The tape of the laws of a network for counts at `places`; whole: of events that need all of their reactants.

    laws: instead of those of the network.
    """
    least = {r: Counter(network.reactions[r].reactants) for r in network.laws} if whole else {}
    free = {r: {s: n for s, n in need.items() if s in places} for r, need in least.items()}
    membrane = {s.name: s.on == "membrane" for s in network.species}
    return build_tape(network.laws if laws is None else laws, membrane, places, base, slopes=slopes, least=free)


def law_numbers(tape: LawTape) -> list[int]:
    """The table `law`."""
    return [tape.base, tape.start, tape.n_rates * 4, *tape.values]


def with_constants(rates: Floats, tape: LawTape, sites: Sequence[Site]) -> Floats:
    """(n_sites, n_members + n_constants) rates, and behind them the constants of laws."""
    own = [tape.constants(site.geometry.volume, site.geometry.area) for site in sites]
    return np.ascontiguousarray(np.hstack([rates, np.array(own).reshape(len(sites), tape.n_constants)]))


@njit(cache=True, _nrt=False)
def load_constants(law: Ints, rates: Floats, n_members: int, z: Floats) -> None:
    """Put the constants of a site behind the values `z`."""
    for i in range(law[START] - law[BASE]):
        z[law[BASE] + i] = rates[n_members + i]


@njit(cache=True, _nrt=False)
def run_laws(code: Ints, law: Ints, z: Floats) -> bool:
    """Work out the rates of all laws; whether each is a finite number of at least 0 (else it is set to infinity)."""
    run_tape(code[: law[RATES]], law[START], z)
    good = True
    for i in range(VALUES, len(law)):
        if not -WRONG <= z[law[i]] < math.inf:
            z[law[i]] = math.inf
            good = False
        elif z[law[i]] < 0.0:
            z[law[i]] = 0.0
    return good
