"""Arithmetic in parameters of foreign files: numbers, names, + - * / ^ and a few functions, and nothing else."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping

from couple.base.errors import InputError

_BINARY: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_FUNCTIONS: dict[str, Callable[[float], float]] = {
    "exp": math.exp, "ln": math.log, "log10": math.log10, "log2": math.log2, "sqrt": math.sqrt, "abs": abs,
}  # fmt: skip


def evaluate(text: str, names: Mapping[str, float]) -> float:
    """The value of an expression. Raises InputError for anything but arithmetic on known names."""
    try:
        value = float(_value(ast.parse(text.strip().replace("^", "**"), mode="eval").body, names, text))
    except (SyntaxError, ZeroDivisionError, OverflowError, ValueError, TypeError) as error:
        raise InputError(f'"{text}" cannot be worked out: {error}') from None
    if not math.isfinite(value):
        raise InputError(f'"{text}" is not finite')
    return value


def _value(node: ast.expr, names: Mapping[str, float], text: str) -> float:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name) if name in names:
            return names[name]
        case ast.Name(id="_pi"):
            return math.pi
        case ast.BinOp(left=a, op=op, right=b) if type(op) in _BINARY:
            return _BINARY[type(op)](_value(a, names, text), _value(b, names, text))
        case ast.UnaryOp(op=ast.USub(), operand=a):
            return -_value(a, names, text)
        case ast.UnaryOp(op=ast.UAdd(), operand=a):
            return _value(a, names, text)
        case ast.Call(func=ast.Name(id=name), args=[a], keywords=[]) if name in _FUNCTIONS:
            return _FUNCTIONS[name](_value(a, names, text))
        case ast.Name(id=name) | ast.Call(func=ast.Name(id=name)):
            raise InputError(f'unknown name "{name}" in "{text}"')
    raise InputError(f'"{ast.unparse(node)}" in "{text}" is not plain arithmetic')
