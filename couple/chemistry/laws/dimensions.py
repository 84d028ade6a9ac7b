"""Units in rate laws: what parameters stand for in mM, µm and ms, and whether the sums of a law make sense."""

from __future__ import annotations

import math
from collections.abc import Mapping

from couple.base.errors import InputError, quoted
from couple.base.unit_text import read_unit, split_quantity
from couple.base.units import ratio, registry
from couple.chemistry.laws.expression import TRUTHS, Expression, show

Dimension = tuple[float, float, float]
"""Exponents of mM, µm and ms. Molecules have none: a density on a membrane is /µm²."""

NONE: Dimension = (0.0, 0.0, 0.0)
CONCENTRATION: Dimension = (1.0, 0.0, 0.0)
DENSITY: Dimension = (0.0, -2.0, 0.0)
_CLOSE = 1e-9


def read_parameter(value: object) -> tuple[float, Dimension]:
    """Number and dimension of a parameter: 2.5, or a text such as "0.3 uM/s".

    Raises InputError for what is neither, and for units that mM, µm and ms do not make up.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        found, unit = float(value), ""
    elif isinstance(value, str) and (parts := split_quantity(value)) is not None:
        found, unit = parts
    else:
        raise InputError(f'{quoted(str(value))} is no parameter; give a number, or one with its unit, as "2 uM/s"')
    if unit:
        dimension = _dimension(unit)
        by = ratio(unit, _spelt(dimension))
        if by is None or not by > 0:
            raise InputError(f"{quoted(unit)} is not a unit that rate laws take")
        found *= by
    if not math.isfinite(found):
        raise InputError(f"{quoted(str(value))} is not finite")
    return found, dimension if unit else NONE


def dimension_of(tree: Expression, names: Mapping[str, Dimension], values: Mapping[str, float]) -> Dimension:
    """The dimension of an expression, of names with these dimensions and, of parameters, these values.

    Raises InputError where unlike things are added or compared, or stand in functions or powers.
    """
    if tree.op == "number":
        return NONE
    if tree.op == "name":
        return names[tree.name]
    found = [dimension_of(part, names, values) for part in tree.args]
    if tree.op == "mul":
        return _sum(found[0], found[1], 1.0)
    if tree.op == "div":
        return _sum(found[0], found[1], -1.0)
    if tree.op in ("add", "sub", "min", "max", "lt", "le", "eq", "ne"):
        shared = _shared(tree, tree.args, found)
        return NONE if tree.op in TRUTHS else shared
    if tree.op == "if":
        return _shared(tree, tree.args[1:], found[1:])
    if tree.op in ("abs", "floor", "ceil", "rint"):
        return found[0]
    if tree.op == "sqrt":
        return _sum(NONE, found[0], 0.5)
    if tree.op == "pow":
        return _raised(tree, found, values)
    return _shared(tree, (*tree.args, Expression("number", value=1.0)), [*found, NONE])


def spell(dimension: Dimension) -> str:
    """A dimension as units: "mM/ms"."""
    parts = [(unit, x) for unit, x in zip(("mM", "um", "ms"), dimension, strict=True) if x]
    over = "*".join(unit + (f"^{x:g}" if x != 1 else "") for unit, x in parts if x > 0)
    under = "".join(f"/{unit}" + (f"^{-x:g}" if x != -1 else "") for unit, x in parts if x < 0)
    return over + under or "no unit"


def same(a: Dimension, b: Dimension) -> bool:
    """Whether two dimensions are the same."""
    return all(abs(x - y) < _CLOSE for x, y in zip(a, b, strict=True))


def _spelt(dimension: Dimension) -> str:
    parts = [f"{unit}^{x:g}" for unit, x in zip(("mM", "um", "ms"), dimension, strict=True) if x]
    return "*".join(parts) or "um/um"


def _dimension(unit: str) -> Dimension:
    units = registry()
    made: dict[str, float] = {}
    for name, power in read_unit(unit):
        try:
            for base, x in units.parse_units(name).dimensionality.items():
                made[base] = made.get(base, 0.0) + float(x) * power
        except Exception as error:
            raise InputError(f'unknown unit "{name}" in {quoted(unit)}') from error
    left = {base for base, x in made.items() if x} - {"[substance]", "[length]", "[time]"}
    if left:
        raise InputError(f"{quoted(unit)} is not made of amounts, lengths and times, as units of rate laws are")
    substance = made.get("[substance]", 0.0)
    return substance, made.get("[length]", 0.0) + 3.0 * substance, made.get("[time]", 0.0)


def _sum(a: Dimension, b: Dimension, by: float) -> Dimension:
    return a[0] + by * b[0], a[1] + by * b[1], a[2] + by * b[2]


def _shared(tree: Expression, parts: tuple[Expression, ...], found: list[Dimension]) -> Dimension:
    """The one dimension of several parts; 0 has any."""
    counted = [(p, d) for p, d in zip(parts, found, strict=True) if p.op != "number" or p.value != 0.0]
    for part, dimension in counted[1:]:
        if not same(dimension, counted[0][1]):
            raise InputError(
                f'"{show(counted[0][0])[:60]}" ({spell(counted[0][1])}) and "{show(part)[:60]}" ({spell(dimension)}) '
                f'do not go together in "{tree.op}": give numbers that have a unit as parameters'
            )
    return counted[0][1] if counted else NONE


def _raised(tree: Expression, found: list[Dimension], values: Mapping[str, float]) -> Dimension:
    base, exponent = tree.args
    if not same(found[1], NONE):
        raise InputError(f'the exponent "{show(exponent)[:60]}" has a unit ({spell(found[1])})')
    if same(found[0], NONE):
        return NONE
    power = exponent.value if exponent.op == "number" else values.get(exponent.name)
    if power is None:
        raise InputError(f'"{show(base)[:60]}" has a unit ({spell(found[0])}): its exponent must be a number')
    return _sum(NONE, found[0], power)
