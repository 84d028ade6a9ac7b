"""Expressions from the syntax trees of libsbml: kinetic laws, rules, initial assignments."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce
from itertools import pairwise
from typing import Any

from couple.base.errors import InputError
from couple.chemistry.laws import expression as make
from couple.chemistry.laws.expression import Expression, apply, combine

Lookup = Callable[[str], Expression]
"""What a name stands for. Raises InputError if it has no value."""


def number(lib: Any, node: Any, lookup: Callable[[str], float]) -> float:
    """The value of an expression. Raises InputError for what is no arithmetic, by name, and what is not finite."""
    tree = expression(lib, node, lambda name: make.number(lookup(name)), at_start=True)
    try:
        found = make.value(tree, {})
    except (ArithmeticError, ValueError, TypeError) as error:
        raise InputError(f'"{lib.formulaToL3String(node)}" cannot be worked out: {error}') from None
    if not math.isfinite(found):
        raise InputError(f'"{lib.formulaToL3String(node)}" is not finite')
    return found


def expression(lib: Any, node: Any, lookup: Lookup, at_start: bool = False) -> Expression:
    """The tree of an expression with its names replaced. Raises InputError for what is not read, by name.

    at_start: whether it is worked out once, at t = 0; else what depends on the time is not read.
    """
    kind = node.getType()
    constants = {lib.AST_CONSTANT_PI: math.pi, lib.AST_CONSTANT_E: math.e}
    constants |= {lib.AST_NAME_AVOGADRO: 6.02214179e23}  # as SBML level 3 defines its csymbol
    constants |= {lib.AST_CONSTANT_TRUE: 1.0, lib.AST_CONSTANT_FALSE: 0.0}
    if kind in constants:
        return make.number(constants[kind])
    if node.isNumber():
        if not math.isfinite(node.getValue()):
            raise InputError(f"{node.getValue():g} in an expression is not read")
        return make.number(float(node.getValue()))
    if kind == lib.AST_NAME:
        return lookup(node.getName())
    if kind == lib.AST_NAME_TIME:
        if at_start:
            return make.number(0.0)
        raise InputError(f'"{node.getName() or "time"}" is not read: rates that depend on the time are not')
    if kind == lib.AST_FUNCTION_PIECEWISE:
        return _piecewise(lib, node, lookup, at_start)
    parts = [expression(lib, node.getChild(k), lookup, at_start) for k in range(node.getNumChildren())]
    found = _operators(lib).get(kind)
    if found is None:
        raise InputError(f'"{node.getName() or lib.formulaToL3String(node)}" is not read in expressions')
    try:
        return found(*parts)
    except TypeError:
        raise InputError(f'"{lib.formulaToL3String(node)}" has {len(parts)} operands: not read') from None


def _piecewise(lib: Any, node: Any, lookup: Lookup, at_start: bool) -> Expression:
    """Choices within each other; pieces that cannot hold are not looked at."""
    n = node.getNumChildren()
    pieces: list[tuple[Expression, Expression]] = []
    last: Expression | None = None
    for k in range(0, n - 1, 2):
        condition = expression(lib, node.getChild(k + 1), lookup, at_start)
        if condition.op == "number" and not condition.value:
            continue
        piece = expression(lib, node.getChild(k), lookup, at_start)
        if condition.op == "number":
            last = piece
            break
        pieces.append((condition, piece))
    if last is None and n % 2 == 0:
        raise InputError("a piecewise expression has no otherwise, and none of its pieces need hold")
    tree = expression(lib, node.getChild(n - 1), lookup, at_start) if last is None else last
    return reduce(lambda rest, piece: apply("if", *piece, rest), reversed(pieces), tree)


def _minus(a: Expression, b: Expression | None = None) -> Expression:
    return apply("mul", make.number(-1.0), a) if b is None else apply("sub", a, b)


def _quotient(a: Expression, b: Expression) -> Expression:
    """a / b without what stands behind the point."""
    ratio = apply("div", a, b)
    return apply("if", apply("lt", ratio, make.number(0.0)), apply("ceil", ratio), apply("floor", ratio))


def _remainder(a: Expression, b: Expression) -> Expression:
    return apply("sub", a, apply("mul", b, _quotient(a, b)))


def _inverse(op: Callable[[Expression], Expression]) -> Callable[[Expression], Expression]:
    """One over a function."""
    return lambda x: apply("div", make.number(1.0), op(x))


def _factorial(n: Expression) -> Expression:
    if n.op != "number" or n.value != int(n.value) or not 0 <= n.value <= 170:
        raise InputError("the factorial of what is no whole number from 0 to 170 is not read")
    return make.number(float(math.factorial(int(n.value))))


def _chain(op: str, turned: bool = False) -> Callable[..., Expression]:
    """A comparison of two or more."""
    return lambda *x: combine("and", [apply(op, b, a) if turned else apply(op, a, b) for a, b in pairwise(x)])


def _many(op: str, nothing: float) -> Callable[..., Expression]:
    return lambda *x: combine(op, x) if x else make.number(nothing)


def _operators(lib: Any) -> dict[int, Callable[..., Expression]]:
    one = {
        lib.AST_FUNCTION_EXP: "exp", lib.AST_FUNCTION_LN: "ln", lib.AST_FUNCTION_ABS: "abs",
        lib.AST_FUNCTION_FLOOR: "floor", lib.AST_FUNCTION_CEILING: "ceil", lib.AST_FUNCTION_SIN: "sin",
        lib.AST_FUNCTION_COS: "cos", lib.AST_FUNCTION_TAN: "tan", lib.AST_FUNCTION_TANH: "tanh",
        lib.AST_LOGICAL_NOT: "not",
    }  # fmt: skip
    found: dict[int, Callable[..., Expression]] = {kind: _unary(op) for kind, op in one.items()}
    return found | {
        lib.AST_PLUS: _many("add", 0.0),
        lib.AST_TIMES: _many("mul", 1.0),
        lib.AST_MINUS: _minus,
        lib.AST_DIVIDE: lambda a, b: apply("div", a, b),
        lib.AST_POWER: lambda a, b: apply("pow", a, b),
        lib.AST_FUNCTION_POWER: lambda a, b: apply("pow", a, b),
        lib.AST_FUNCTION_LOG: lambda base, x: apply("div", apply("ln", x), apply("ln", base)),
        lib.AST_FUNCTION_ROOT: _root,
        lib.AST_FUNCTION_FACTORIAL: _factorial,
        lib.AST_FUNCTION_MIN: _many("min", math.inf),
        lib.AST_FUNCTION_MAX: _many("max", -math.inf),
        lib.AST_RELATIONAL_LT: _chain("lt"),
        lib.AST_RELATIONAL_LEQ: _chain("le"),
        lib.AST_RELATIONAL_GT: _chain("lt", turned=True),
        lib.AST_RELATIONAL_GEQ: _chain("le", turned=True),
        lib.AST_RELATIONAL_EQ: _chain("eq"),
        lib.AST_RELATIONAL_NEQ: _chain("ne"),
        lib.AST_LOGICAL_AND: _many("and", 1.0),
        lib.AST_LOGICAL_OR: _many("or", 0.0),
        **{getattr(lib, f"AST_FUNCTION_{name}"): function for name, function in _MORE.items()},
        lib.AST_LOGICAL_IMPLIES: lambda a, b: apply("or", apply("not", a), b),
        lib.AST_LOGICAL_XOR: _xor,
    }


def _xor(*parts: Expression) -> Expression:
    """Whether an odd number of them holds."""
    failing = [apply("not", part) for part in parts]
    return reduce(lambda so_far, fails: apply("eq", so_far, fails), failing, make.number(0.0))


def _unary(op: str) -> Callable[..., Expression]:
    return lambda a: apply(op, a)


def _root(degree: Expression, x: Expression) -> Expression:
    if degree == make.number(2.0):
        return apply("sqrt", x)
    return apply("pow", x, apply("div", make.number(1.0), degree))


_MORE: dict[str, Callable[..., Expression]] = {
    "SINH": make.DERIVED["sinh"], "COSH": make.DERIVED["cosh"], "SEC": _inverse(_unary("cos")),
    "CSC": _inverse(_unary("sin")), "COT": _inverse(_unary("tan")), "SECH": _inverse(make.DERIVED["cosh"]),
    "CSCH": _inverse(make.DERIVED["sinh"]), "COTH": _inverse(_unary("tanh")),
    "ARCSINH": make.DERIVED["asinh"], "ARCCOSH": make.DERIVED["acosh"], "ARCTANH": make.DERIVED["atanh"],
    "ARCSIN": make.DERIVED["asin"], "ARCCOS": make.DERIVED["acos"], "ARCTAN": _unary("atan"),
    "QUOTIENT": _quotient, "REM": _remainder,
}  # fmt: skip
"""Functions of MathML that are made of others."""
