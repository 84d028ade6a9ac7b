"""Numbers from the syntax trees of libsbml: initial assignments, rules of constants, times of nothing that changes."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from couple.base.errors import InputError

Lookup = Callable[[str], float]
"""Value of a name. Raises InputError if it has none."""


def number(lib: Any, node: Any, lookup: Lookup) -> float:
    """The value of an expression. Raises InputError for what is no arithmetic, by name, and what is not finite."""
    try:
        value = _value(lib, node, lookup)
    except (ArithmeticError, ValueError, TypeError) as error:
        raise InputError(f'"{lib.formulaToL3String(node)}" cannot be worked out: {error}') from None
    if isinstance(value, complex) or not math.isfinite(value):
        raise InputError(f'"{lib.formulaToL3String(node)}" is not finite')
    return value


def _value(lib: Any, node: Any, lookup: Lookup) -> float:
    kind = node.getType()
    if kind == lib.AST_NAME_AVOGADRO:
        return 6.02214179e23  # as SBML level 3 defines its csymbol
    if kind == lib.AST_CONSTANT_PI:
        return math.pi
    if kind == lib.AST_CONSTANT_E:
        return math.e
    if node.isNumber():
        return float(node.getValue())
    if kind == lib.AST_NAME:
        return lookup(node.getName())
    if kind == lib.AST_FUNCTION_PIECEWISE:
        return _piecewise(lib, node, lookup)
    parts = [_value(lib, node.getChild(k), lookup) for k in range(node.getNumChildren())]
    found = _operators(lib).get(kind)
    if found is None:
        raise InputError(f'"{node.getName() or lib.formulaToL3String(node)}" is not read in what is worked out')
    return float(found(*parts))


def _piecewise(lib: Any, node: Any, lookup: Lookup) -> float:
    n = node.getNumChildren()
    for k in range(0, n - 1, 2):
        if _truth(lib, node.getChild(k + 1), lookup):
            return _value(lib, node.getChild(k), lookup)
    if n % 2 == 0:
        raise InputError("no piece of a piecewise expression holds")
    return _value(lib, node.getChild(n - 1), lookup)


def _truth(lib: Any, node: Any, lookup: Lookup) -> bool:
    kind = node.getType()
    parts = [node.getChild(k) for k in range(node.getNumChildren())]
    if kind in (lib.AST_CONSTANT_TRUE, lib.AST_CONSTANT_FALSE):
        return bool(kind == lib.AST_CONSTANT_TRUE)
    if kind == lib.AST_LOGICAL_NOT:
        return not _truth(lib, parts[0], lookup)
    if kind in (lib.AST_LOGICAL_AND, lib.AST_LOGICAL_OR):
        held = [_truth(lib, part, lookup) for part in parts]
        return all(held) if kind == lib.AST_LOGICAL_AND else any(held)
    relations: dict[int, Callable[[float, float], bool]] = {
        lib.AST_RELATIONAL_LT: lambda a, b: a < b,
        lib.AST_RELATIONAL_LEQ: lambda a, b: a <= b,
        lib.AST_RELATIONAL_GT: lambda a, b: a > b,
        lib.AST_RELATIONAL_GEQ: lambda a, b: a >= b,
        lib.AST_RELATIONAL_EQ: lambda a, b: a == b,
        lib.AST_RELATIONAL_NEQ: lambda a, b: a != b,
    }
    if kind not in relations or len(parts) < 2:
        raise InputError(f'"{lib.formulaToL3String(node)}" is not a condition that is read')
    values = [_value(lib, part, lookup) for part in parts]
    return all(relations[kind](a, b) for a, b in pairwise(values))


def _operators(lib: Any) -> dict[int, Callable[..., float]]:
    return {
        lib.AST_PLUS: lambda *x: math.fsum(x),
        lib.AST_MINUS: lambda a, b=None: -a if b is None else a - b,
        lib.AST_TIMES: lambda *x: math.prod(x),
        lib.AST_DIVIDE: lambda a, b: a / b,
        lib.AST_POWER: lambda a, b: a**b,
        lib.AST_FUNCTION_POWER: lambda a, b: a**b,
        lib.AST_FUNCTION_EXP: math.exp,
        lib.AST_FUNCTION_LN: math.log,
        lib.AST_FUNCTION_LOG: lambda base, x: math.log(x) / math.log(base),
        lib.AST_FUNCTION_ROOT: lambda degree, x: x ** (1.0 / degree),
        lib.AST_FUNCTION_ABS: abs,
        lib.AST_FUNCTION_FLOOR: math.floor,
        lib.AST_FUNCTION_CEILING: math.ceil,
        lib.AST_FUNCTION_SIN: math.sin,
        lib.AST_FUNCTION_COS: math.cos,
        lib.AST_FUNCTION_TAN: math.tan,
        lib.AST_FUNCTION_TANH: math.tanh,
        lib.AST_FUNCTION_FACTORIAL: lambda n: float(math.factorial(int(n))),
    }
