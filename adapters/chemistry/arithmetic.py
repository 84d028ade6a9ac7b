"""Arithmetic in parameters of foreign files: numbers, names, + - * / ^ and a few functions, and nothing else."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping

from couple.base.errors import InputError

LONGEST = 10_000
"""Characters of an expression that is worked out."""

_BINARY: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_FUNCTIONS: dict[str, Callable[..., float]] = {
    "exp": math.exp, "ln": math.log, "log10": math.log10, "log2": math.log2, "sqrt": math.sqrt, "abs": abs,
    "sin": math.sin, "cos": math.cos, "tan": math.tan, "min": min, "max": max, "rint": round,
}  # fmt: skip
_WORDS = re.compile(r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[A-Za-z_]\w*")
_MARK = "n_"
"""In front of every name, so that those that are words of Python's own (lambda, in) are names like all others."""


def evaluate(text: str, names: Mapping[str, float]) -> float:
    """The value of an expression. Raises InputError for anything but arithmetic on known names."""
    if len(text) > LONGEST:
        raise InputError(f'"{text[:40]}..." has {len(text)} characters; up to {LONGEST} are worked out')
    marked = _WORDS.sub(lambda m: _MARK + m[0] if m[0][0].isalpha() or m[0][0] == "_" else m[0], text.strip())
    try:
        value = float(_value(ast.parse(marked.replace("^", "**"), mode="eval").body, names, text))
    except (SyntaxError, RecursionError, MemoryError):
        raise InputError(f'"{text}" cannot be worked out: it is not arithmetic') from None
    except (ArithmeticError, ValueError, TypeError) as error:
        raise InputError(f'"{text}" cannot be worked out: {error}') from None
    if not math.isfinite(value):
        raise InputError(f'"{text}" is not finite')
    return value


def _value(node: ast.expr, names: Mapping[str, float], text: str) -> float:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=marked):
            return _named(marked.removeprefix(_MARK), names, text)
        case ast.BinOp(left=a, op=op, right=b) if type(op) in _BINARY:
            return _BINARY[type(op)](_value(a, names, text), _value(b, names, text))
        case ast.UnaryOp(op=ast.USub(), operand=a):
            return -_value(a, names, text)
        case ast.UnaryOp(op=ast.UAdd(), operand=a):
            return _value(a, names, text)
        case ast.Call(func=ast.Name(id=marked), args=[], keywords=[]):  # BioNetGen writes constant functions so
            return _named(marked.removeprefix(_MARK), names, text)
        case ast.Call(func=ast.Name(id=marked), args=args, keywords=[]) if marked.removeprefix(_MARK) in _FUNCTIONS:
            return _FUNCTIONS[marked.removeprefix(_MARK)](*(_value(a, names, text) for a in args))
        case ast.Call(func=ast.Name(id=marked)):
            raise InputError(f'unknown name "{marked.removeprefix(_MARK)}" in "{text}"')
    raise InputError(f'"{ast.unparse(node).replace(_MARK, "")}" in "{text}" is not plain arithmetic')


def _named(name: str, names: Mapping[str, float], text: str) -> float:
    if name in names:
        return names[name]
    if name == "_pi":
        return math.pi
    if name == "_e":
        return math.e
    raise InputError(f'unknown name "{name}" in "{text}"')
