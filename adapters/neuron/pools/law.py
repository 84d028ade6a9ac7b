"""The law of a calcium pool, as it acts: linear in concentrations and currents, found by working out its equations.

What a MOD file writes as depth, tau and gamma under any names, or as phi and beta, is told from the slopes of its
rates: d c/dt = -s i + A c + b, with one state for the concentration that NEURON has and others behind it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from adapters.neuron.coupling.ion_use import uses_in
from adapters.neuron.pools.kinetic import Kinetics
from adapters.neuron.pools.mod_text import ModText
from couple.base.arrays import Floats
from couple.base.errors import InputError

FARADAY = 96485.3321233
"""C/mol (SI 2019)."""
VALENCE = {"na": 1.0, "k": 1.0, "cl": -1.0}
STEP = 1e-3
"""mM, and mA/cm²: between the points at which the equations are worked out; they are linear, or refused."""
_NEAR = 0.01
"""Of 1: what a fraction is off by where files have the Faraday constant in few digits."""
EXACT = 1e-6
"""Of slopes, relative: more apart is not linear."""


@dataclass(frozen=True)
class PoolLaw:
    """d c/dt = inflow · (-i) + matrix c + constant, in mM and ms, i in mA/cm².

    ion: whose concentration it writes. currents: ions whose current enters. states: the first is what NEURON has.
    inflow: mM/ms per mA/cm², into the first. matrix (n, n) 1/ms. constant (n,) mM/ms. start (n,) mM. gamma: fraction
    of the current that stays free, where the file names it. one_way: whether outward current takes nothing out.
    """

    name: str
    ion: str
    currents: tuple[str, ...]
    states: tuple[str, ...]
    inflow: float
    matrix: Floats
    constant: Floats
    start: Floats
    gamma: float
    valence: float
    one_way: bool

    @property
    def depth(self) -> float:
        """µm, of which the free fraction of what enters makes the inflow: 1e4 gamma / (z F inflow)."""
        return 1e4 * self.gamma / (self.valence * FARADAY * self.inflow)

    @property
    def rest(self) -> Floats:
        """(n,) mM where nothing flows; the start where nothing removes anything."""
        try:
            found: Floats = np.linalg.solve(self.matrix, -self.constant)
        except np.linalg.LinAlgError:
            return self.start
        return found

    @property
    def key(self) -> tuple[float, ...]:
        """What tells it from the pool of another segment."""
        values = (self.inflow, *self.matrix.ravel(), *self.constant, *self.start, self.gamma)
        return tuple(float(f"{v:.9g}") for v in values)


def pool_law(text: str, name: str, values: Mapping[str, float] = {}) -> PoolLaw:
    """The law of a MOD file. values: of its parameters, and of `celsius`, `diam` and the like, in a segment.

    Raises InputError, with the file's name, for one that writes no concentration or is no linear pool.
    """
    mod = ModText(text, name)
    writing = [use for use in uses_in(text) if f"{use.ion}i" in use.writes]
    if not writing:
        raise InputError(f"{name} writes no concentration: it is no pool")
    if len(writing) > 1:
        raise InputError(f"{name} writes {', '.join(f'{u.ion}i' for u in writing)}: one concentration is read")
    ion = writing[0].ion
    if any(f"i{use.ion}" in use.writes for use in uses_in(text)):
        raise InputError(f"{name} carries a current besides its pool: write it as reactions")
    currents = tuple(use.ion for use in uses_in(text) if f"i{use.ion}" in use.reads)
    if not currents:
        raise InputError(f"{name} reads no current: nothing flows into its pool")
    valence = _valence(text, currents[0])
    law = _identify(_Equations(mod, ion, values), ion, currents, valence)
    return replace(law, gamma=_free_fraction(mod, law, values))


def _free_fraction(mod: ModText, law: PoolLaw, values: Mapping[str, float]) -> float:
    """Of what enters. A length as which the inflow falls (1/depth) is the depth of the shell, and the fraction is what
    the inflow lacks of it; else `gamma`, or, in a pool of the whole diameter, a number below 1 as which it grows.
    """

    def grows(name: str) -> float:
        """Inflow where a constant is doubled, of what it is."""
        doubled = {**values, name: 2 * equations.names[name]}
        return _identify(_Equations(mod, law.ion, doubled), law.ion, law.currents, law.valence).inflow / law.inflow

    equations = _Equations(mod, law.ion, values)
    depths = [equations.names[n] * scale for n, scale in mod.lengths.items() if abs(grows(n) - 0.5) < EXACT]
    if len(depths) == 1:
        found = depths[0] / replace(law, gamma=1.0).depth
        return found if 0 < found < 1 - _NEAR else 1.0
    shares = [n for n in mod.fractions if n == "gamma" or re.search(r"\bdiam\b", mod.text)]
    found = next((equations.names[n] for n in shares if abs(grows(n) - 2) < EXACT), 1.0)
    return found if 0 < found <= 1 else 1.0


def _valence(text: str, ion: str) -> float:
    match = re.search(rf"\bUSEION\s+{ion}\b[^\n}}]*?\bVALENCE\s+([+-]?\d+)", text)
    return float(match[1]) if match else VALENCE.get(ion, 2.0)


class _Equations:
    """The rates of a MOD file at given concentrations and currents."""

    def __init__(self, mod: ModText, ion: str, values: Mapping[str, float]) -> None:
        self.mod, self.ion = mod, ion
        body = mod.block("BREAKPOINT")
        solved = re.search(r"\bSOLVE\s+(\w+)", body)
        self.derivative = mod.block("DERIVATIVE", solved[1]) if solved else ""
        kinetic = mod.block("KINETIC", solved[1]) if solved else ""
        self._kinetics = Kinetics(kinetic, mod) if kinetic.strip() else None
        if self._kinetics is None and not self.derivative.strip():
            kinds = [k for k, head, _ in mod.blocks if solved and re.match(rf"{solved[1]}\b", head)] or ["no"]
            raise InputError(f"{mod.name} solves a {kinds[0]} block; pools whose law is DERIVATIVE or KINETIC are read")
        defaults = {"v": -65.0, "t": 0.0, "dt": 0.025, "celsius": 6.3, f"{ion}i": 5e-5, f"{ion}o": 2.0}
        defaults |= dict.fromkeys(mod.locals, 0.0)
        self.names = {**defaults, **{f"i{use.ion}": 0.0 for use in uses_in(mod.text)}, **mod.constants, **values}
        mod.run(mod.block("INITIAL"), self.names, lenient=True)

    def rates(self, states: Mapping[str, float], currents: Mapping[str, float]) -> dict[str, float]:
        """mM/ms of each state."""
        names = {**self.names, **states, **currents}
        self.mod.run(self.mod.block("BREAKPOINT"), names, lenient=True)
        return self._derived(names, lenient=False)

    def _derived(self, names: dict[str, float], *, lenient: bool) -> dict[str, float]:
        """Rates that the solved block gives to states; what else it sets is in `names` afterwards."""
        if self._kinetics is not None:
            return self._kinetics.rates(names, lenient=lenient)
        return self.mod.run(self.derivative, names, lenient=lenient)

    def handed(self) -> str:
        """The state that is the concentration in NEURON. Raises InputError if it is a mixture."""
        of_ion = f"{self.ion}i"
        if of_ion in self.mod.states:
            return of_ion
        for state in self.mod.states:
            given = [self._given({s: 1e-3 * (s == state) * k for s in self.mod.states}) for k in (1, 2)]
            if np.allclose(given, [1e-3, 2e-3], rtol=EXACT):
                return state
        raise InputError(f"{self.mod.name}: {of_ion} is not one of its states")

    def _given(self, states: Mapping[str, float]) -> float:
        names = {**self.names, **states, f"{self.ion}i": -1.0}
        self.mod.run(self.mod.block("BREAKPOINT"), names, lenient=True)
        self._derived(names, lenient=True)
        return names[f"{self.ion}i"]


def _identify(equations: _Equations, ion: str, currents: tuple[str, ...], valence: float) -> PoolLaw:
    first = equations.handed()
    moving = list(equations.rates(dict.fromkeys(equations.mod.states, 0.0), {}))
    states = (first, *(s for s in equations.mod.states if s != first and s in moving))
    n = len(states)

    def rates(c: Floats, inward: float = 0.0) -> Floats:
        flowing = {f"i{k}": -inward / len(currents) for k in currents}
        found = equations.rates(dict(zip(states, c.tolist(), strict=True)), flowing)
        return np.array([found[s] for s in states])

    base = np.full(n, STEP)
    still = rates(base)
    matrix = np.array([_slope(lambda k, j=j: rates(base + k * STEP * np.eye(n)[j]), equations) for j in range(n)]).T
    inflow = _slope(lambda k: rates(base, k * STEP), equations)
    if inflow[0] <= 0 or np.any(np.abs(inflow[1:]) > EXACT * inflow[0]):
        raise InputError(f"{equations.mod.name}: its current does not enter {first} alone")
    outward = (rates(base, -STEP) - still) / -STEP
    _refuse_products(equations, rates, base, matrix, inflow)
    start = np.array([equations.names.get(s, np.nan) for s in states])
    law = PoolLaw(
        name=equations.mod.suffix, ion=ion, currents=currents, states=states, inflow=float(inflow[0]), matrix=matrix,
        constant=still - matrix @ base, start=start, gamma=1.0, valence=valence,
        one_way=not np.allclose(outward, inflow, rtol=1e-3),
    )  # fmt: skip
    return law if np.all(np.isfinite(start)) else _from_rest(law)


def _from_rest(law: PoolLaw) -> PoolLaw:
    rest = np.linalg.solve(law.matrix, -law.constant)
    return replace(law, start=np.where(np.isfinite(law.start), law.start, rest))


def _refuse_products(
    equations: _Equations, rates: Callable[[Floats, float], Floats], base: Floats, matrix: Floats, inflow: Floats
) -> None:
    """Raises InputError where states multiply: along each of them, such a law is as straight as a linear one."""
    away = STEP * (1 + 0.7 * np.arange(len(base)))
    expected = rates(base, 0.0) + matrix @ away + inflow * STEP
    size = np.abs(rates(base, 0.0)) + np.abs(matrix) @ (base + away) + np.abs(inflow) * STEP
    if np.any(np.abs(rates(base + away, STEP) - expected) > EXACT * size.max()):
        raise _not_linear(equations)


def _not_linear(equations: _Equations) -> InputError:
    return InputError(f"{equations.mod.name}: its law is not linear (a pump, a buffer?): write it as reactions")


def _slope(at: object, equations: _Equations) -> Floats:
    """Of rates, per mM or mA/cm², the same over one step and over two. Raises InputError where it is not."""
    zero, one, two = (np.asarray(at(k)) for k in (0, 1, 2))  # type: ignore[operator]
    slope: Floats = (one - zero) / STEP
    size = max(np.abs(one - zero).max(), np.abs(two - one).max(), 1e-300)
    if np.abs((two - one) - (one - zero)).max() > EXACT * size:
        raise _not_linear(equations)
    return slope
