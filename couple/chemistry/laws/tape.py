"""Rate laws for kernels: a tape of elementary operations on one array of numbers.

Behind the values that an engine has at hand (counts, the constant 1) the array holds constants, then the result of each
operation in turn. What stands twice in laws or their derivatives is worked out once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from couple.base.arrays import Floats, Ints
from couple.base.units import IONS_PER_MM_UM3
from couple.cache.kernels import njit
from couple.chemistry.laws.calculus import derivative
from couple.chemistry.laws.expression import OPERATIONS, Expression
from couple.chemistry.laws.rate_law import RateLaw

WIDTH = 4
"""Whole numbers of an operation: which, and its three operands."""
_CODES = {op: code for code, op in enumerate(OPERATIONS)}
PER_VOLUME, PER_AREA, BY_VOLUME, BY_AREA, TO_WALL, FIXED = range(6)
"""Constants of a site, then those that are the same everywhere."""
DEPTH = "distance of the membrane"
"""A name in laws that is no species (it has spaces): how far the membrane is from the middle of the place, µm."""


@dataclass(frozen=True)
class LawTape:
    """Rate laws as a tape for an array of numbers whose first `base` are the engine's.

    code: operations, see `run_tape`, first those of the `n_rates` that rates need. values: where the rate of each law
    is, in events per ms. slopes: (reaction, species) → where its derivative by the count of that species is. fixed:
    constants that are the same in all sites.
    """

    base: int
    code: Ints
    n_rates: int
    values: tuple[int, ...]
    slopes: Mapping[tuple[int, str], int]
    fixed: tuple[float, ...]

    @property
    def n_constants(self) -> int:
        """Constants of a site."""
        return FIXED + len(self.fixed) if len(self.values) else 0

    @property
    def start(self) -> int:
        """Place of the result of the first operation."""
        return self.base + self.n_constants

    @property
    def size(self) -> int:
        """Numbers of the array."""
        return self.start + len(self.code) // WIDTH

    def constants(self, volume: float, area: float, depth: float = 0.0) -> Floats:
        """(n_constants,) of a site of `volume` µm³ with `area` µm² of membrane; depth: see DEPTH, µm."""
        if not self.values:
            return np.zeros(0)
        per_area = 1.0 / area if area > 0 else 0.0
        return np.array(
            [1.0 / (IONS_PER_MM_UM3 * volume), per_area, IONS_PER_MM_UM3 * volume, area, depth, *self.fixed],
            dtype=float,
        )


def build_tape(
    laws: Mapping[int, RateLaw],
    membrane: Mapping[str, bool],
    places: Mapping[str, int],
    base: int,
    *,
    slopes: bool = False,
    least: Mapping[int, Mapping[str, int]] | None = None,
) -> LawTape:
    """The tape of laws, by the number of their reaction, of counts at `places` of an array.

    membrane: species → whether it lives there. slopes: with derivatives. least: reaction → molecules of each species
    without which it does not happen, whatever its law says.
    """
    made = _Builder(membrane, places)
    values: list[_Operand] = []
    for r, law in laws.items():
        rate = made.scaled(law.tree, law)
        for species, n in (least or {}).get(r, {}).items():
            enough = made.operation("le", made.number(float(n)), ("place", places[species]))
            rate = made.operation("if", enough, rate, made.number(0.0))
        values.append(rate)
    n_rates = len(made.operations)
    found: dict[tuple[int, str], _Operand] = {}
    for r, law in laws.items() if slopes else ():
        for species in law.names:
            per = made.site(PER_AREA if membrane[species] else PER_VOLUME)
            found[r, species] = made.operation("mul", made.scaled(derivative(law.tree, species), law), per)
    return made.tape(base, n_rates, values, found)


_Operand = tuple[str, int]
"""("place", of the engine's), ("constant", number), ("result", of an operation)."""


@dataclass
class _Builder:
    membrane: Mapping[str, bool]
    places: Mapping[str, int]
    operations: dict[tuple[int, _Operand, _Operand, _Operand], int] = field(default_factory=dict)
    fixed: dict[float, int] = field(default_factory=dict)
    known: dict[Expression, _Operand] = field(default_factory=dict)

    def site(self, which: int) -> _Operand:
        return "constant", which

    def number(self, value: float) -> _Operand:
        return "constant", FIXED + self.fixed.setdefault(value, len(self.fixed))

    def operation(self, op: str, *operands: _Operand) -> _Operand:
        a, b, c = (*operands, *[operands[0]] * (3 - len(operands)))
        return "result", self.operations.setdefault((_CODES[op], a, b, c), len(self.operations))

    def scaled(self, tree: Expression, law: RateLaw) -> _Operand:
        """A rate by the law's volume or area, in events per ms."""
        return self.operation("mul", self.tree(tree), self.site(BY_VOLUME if law.on == "volume" else BY_AREA))

    def tree(self, tree: Expression) -> _Operand:
        if tree not in self.known:
            self.known[tree] = self._made(tree)
        return self.known[tree]

    def _made(self, tree: Expression) -> _Operand:
        if tree.op == "number":
            return self.number(tree.value)
        if tree.op == "name" and tree.name == DEPTH:
            return self.site(TO_WALL)
        if tree.op == "name":
            per = PER_AREA if self.membrane[tree.name] else PER_VOLUME
            return self.operation("mul", ("place", self.places[tree.name]), self.site(per))
        return self.operation(tree.op, *(self.tree(part) for part in tree.args))

    def tape(
        self, base: int, n_rates: int, values: list[_Operand], slopes: Mapping[tuple[int, str], _Operand]
    ) -> LawTape:
        n_constants = FIXED + len(self.fixed) if values else 0
        first = {"place": 0, "constant": base, "result": base + n_constants}
        code = [x for op, *operands in self.operations for x in (op, *(first[kind] + k for kind, k in operands))]
        return LawTape(
            base,
            np.array(code, dtype=np.int64),
            n_rates,
            tuple(first[kind] + k for kind, k in values),
            {key: first[kind] + k for key, (kind, k) in slopes.items()},
            tuple(self.fixed),
        )


@njit(cache=True, _nrt=False)
def run_tape(code: Ints, start: int, z: Floats) -> None:
    """Work out all operations on the numbers `z`; the result of the first is put at `start`.

    code: (n × WIDTH,) the operation (in the order of OPERATIONS) and the places of its operands.
    """
    for i in range(len(code) // 4):
        op = code[4 * i]
        a, b = z[code[4 * i + 1]], z[code[4 * i + 2]]
        v = 0.0
        if op == 0:
            v = a + b
        elif op == 1:
            v = a - b
        elif op == 2:
            v = a * b
        elif op == 3:
            v = a / b if b != 0.0 else (math.nan if a == 0.0 else math.copysign(math.inf, a))
        elif op == 4:
            v = _power(a, b)
        elif op == 5:
            v = math.exp(a)
        elif op == 6:
            v = math.log(a) if a > 0.0 else -math.inf
        elif op == 7:
            v = math.sqrt(a) if a > 0.0 else 0.0
        elif op == 8:
            v = abs(a)
        elif op <= 12:
            v = _trigonometric(op, a)
        elif op == 13:
            v = np.floor(a)
        elif op == 14:
            v = np.ceil(a)
        elif op == 15:
            v = min(a, b)
        elif op == 16:
            v = max(a, b)
        elif op <= 23:
            v = 1.0 if _truth(op, a, b) else 0.0
        elif op == 24:
            v = np.rint(a)
        elif op == 25:
            v = b if a != 0.0 else z[code[4 * i + 3]]
        else:
            v = math.atan(a)
        z[start + i] = v


@njit(cache=True, _nrt=False)
def _power(a: float, b: float) -> float:
    """a ^ b; 0 for a negative base of a fractional exponent: a count that rounding has left below zero."""
    if a < 0.0 and b != np.floor(b):
        return 0.0
    if a == 0.0 and b < 0.0:
        return math.inf
    return float(a**b)


@njit(cache=True, _nrt=False)
def _trigonometric(op: int, a: float) -> float:
    if op == 9:
        return math.sin(a)
    if op == 10:
        return math.cos(a)
    return math.tan(a) if op == 11 else math.tanh(a)


@njit(cache=True, _nrt=False)
def _truth(op: int, a: float, b: float) -> bool:
    if op == 17:
        return a < b
    if op == 18:
        return a <= b
    if op == 19:
        return a == b
    if op == 20:
        return a != b
    if op == 21:
        return a != 0.0 and b != 0.0
    return (a != 0.0 or b != 0.0) if op == 22 else a == 0.0
