"""Arithmetic as trees: numbers, names, + - * / ^, a few functions, comparisons and choices, and nothing else.

Text is read by Python's own parser and taken over node by node from an allow list; nothing of it is ever executed.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from couple.base.errors import InputError

LONGEST = 100_000
"""Characters of an expression."""
DEEPEST = 150
"""Brackets and operators within each other."""

OPERATIONS: dict[str, tuple[int, Callable[..., float]]] = {
    "add": (2, operator.add), "sub": (2, operator.sub), "mul": (2, operator.mul), "div": (2, operator.truediv),
    "pow": (2, operator.pow), "exp": (1, math.exp), "ln": (1, math.log), "sqrt": (1, math.sqrt), "abs": (1, abs),
    "sin": (1, math.sin), "cos": (1, math.cos), "tan": (1, math.tan), "tanh": (1, math.tanh),
    "floor": (1, math.floor), "ceil": (1, math.ceil), "min": (2, min), "max": (2, max),
    "lt": (2, operator.lt), "le": (2, operator.le), "eq": (2, operator.eq), "ne": (2, operator.ne),
    "and": (2, lambda a, b: a != 0 and b != 0), "or": (2, lambda a, b: a != 0 or b != 0), "not": (1, operator.not_),
    "rint": (1, round), "if": (3, lambda c, a, b: a if c else b),
    "atan": (1, math.atan),
}  # fmt: skip
"""Name → operands and what it does with numbers."""
TRUTHS = ("lt", "le", "eq", "ne", "and", "or", "not")


@dataclass(frozen=True)
class Expression:
    """A node: "number" (value), "name" (name), or an operation on `args`, see OPERATIONS."""

    op: str
    args: tuple[Expression, ...] = ()
    value: float = 0.0
    name: str = ""

    def names(self) -> Iterator[str]:
        """Every name that stands in it, as often as it does."""
        if self.op == "name":
            yield self.name
        for part in self.args:
            yield from part.names()


def number(value: float) -> Expression:
    """A number."""
    return Expression("number", value=float(value))


def name(text: str) -> Expression:
    """A name."""
    return Expression("name", name=text)


def apply(op: str, *args: Expression) -> Expression:
    """An operation, worked out where all operands are numbers; 0 and 1 as terms and factors are left out."""
    if op == "if" and args[0].op == "number":
        return args[1] if args[0].value else args[2]
    if all(a.op == "number" for a in args):
        try:
            value = float(OPERATIONS[op][1](*(a.value for a in args)))
        except (ArithmeticError, ValueError, TypeError):  # TypeError: of a complex number
            return Expression(op, args)
        return number(value) if math.isfinite(value) else Expression(op, args)
    return _NEUTRAL.get(op, Expression)(op, args)


def combine(op: str, parts: Sequence[Expression]) -> Expression:
    """Many operands of an associative operation, in halves, so that long sums are not deep."""
    if len(parts) == 1:
        return parts[0]
    half = len(parts) // 2
    return apply(op, combine(op, parts[:half]), combine(op, parts[half:]))


def _cosh(x: Expression) -> Expression:
    turned = apply("exp", apply("mul", number(-1.0), x))
    return apply("mul", number(0.5), apply("add", apply("exp", x), turned))


def _area(op: str, x: Expression) -> Expression:
    """ln(x + sqrt(x² ± 1))."""
    return apply("ln", apply("add", x, apply("sqrt", apply(op, apply("mul", x, x), number(1.0)))))


def _asinh(x: Expression) -> Expression:
    """By the magnitude: of large numbers below zero nothing would be left of a sum."""
    found = _area("add", apply("abs", x))
    return apply("if", apply("lt", x, number(0.0)), apply("mul", number(-1.0), found), found)


def _atanh(x: Expression) -> Expression:
    return apply(
        "mul", number(0.5), apply("ln", apply("div", apply("add", number(1.0), x), apply("sub", number(1.0), x)))
    )


def _asin(x: Expression) -> Expression:
    """2 atan(x / (1 + sqrt(1 - x²)))."""
    root = apply("sqrt", apply("sub", number(1.0), apply("mul", x, x)))
    return apply("mul", number(2.0), apply("atan", apply("div", x, apply("add", number(1.0), root))))


DERIVED: dict[str, Callable[[Expression], Expression]] = {
    "sinh": lambda x: apply("mul", apply("tanh", x), _cosh(x)), "cosh": _cosh, "asinh": _asinh,
    "acosh": lambda x: _area("sub", x), "atanh": _atanh,
    "asin": _asin, "acos": lambda x: apply("sub", number(math.pi / 2), _asin(x)),
}  # fmt: skip
"""Functions that are made of others."""


def value(tree: Expression, names: Mapping[str, float]) -> float:
    """The number that a tree stands for; only the piece that holds of a choice is looked at.

    Raises KeyError for a name without a value, ArithmeticError, ValueError or TypeError where there is no real number.
    """
    if tree.op == "number":
        return tree.value
    if tree.op == "name":
        return names[tree.name]
    if tree.op == "if":
        return value(tree.args[1] if value(tree.args[0], names) else tree.args[2], names)
    return float(OPERATIONS[tree.op][1](*(value(part, names) for part in tree.args)))


def substitute(tree: Expression, replace: Callable[[str], Expression]) -> Expression:
    """The tree with every name replaced."""
    if tree.op == "name":
        return replace(tree.name)
    return apply(tree.op, *(substitute(part, replace) for part in tree.args)) if tree.args else tree


def show(tree: Expression) -> str:
    """Text that `parse` reads as the same tree."""
    if tree.op == "number":
        return repr(tree.value) if tree.value >= 0 else f"(-{-tree.value!r})"
    if tree.op == "name":
        return tree.name
    parts = [show(part) for part in tree.args]
    if tree.op in _SIGNS:
        return f"({parts[0]} {_SIGNS[tree.op]} {parts[1]})"
    return f"{tree.op}({', '.join(parts)})" if tree.op != "not" else f"(!{parts[0]})"


def parse(text: str, known: Container[str] = ()) -> Expression:
    """The tree of a text such as "k*A^n / (K + A)"; conditions as in "if(A > 1, 2*A, 0)".

    known: names that are not BioNetGen's constants, if they are called like one of them (_pi, _e).
    Raises InputError for anything that is no such arithmetic.
    """
    if len(text) > LONGEST:
        raise InputError(f'"{text[:40]}..." has {len(text)} characters; up to {LONGEST} are worked out')
    marked = _WORDS.sub(lambda m: _MARK + m[0] if m[0][0].isalpha() or m[0][0] == "_" else m[0], text.strip())
    for sign, word in (("^", "**"), ("&&", " and "), ("||", " or ")):
        marked = marked.replace(sign, word)
    try:
        tree = _read(ast.parse(re.sub(r"!(?!=)", " not ", marked).strip(), mode="eval").body, text, DEEPEST)
    except (SyntaxError, RecursionError, MemoryError, ValueError):
        raise InputError(f'"{_brief(text)}" cannot be worked out: it is not arithmetic') from None
    constants = {key: x for key, x in _CONSTANTS.items() if key not in known}
    return substitute(tree, lambda n: number(constants[n]) if n in constants else name(n))


_MARK = "n_"
"""In front of every name, so that those that are words of Python's own (lambda, in) are names like all others."""
_WORDS = re.compile(r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[A-Za-z_]\w*")
_SIGNS = {
    "add": "+", "sub": "-", "mul": "*", "div": "/", "pow": "^", "lt": "<", "le": "<=", "eq": "==", "ne": "!=",
    "and": "&&", "or": "||",
}  # fmt: skip
_BINARY: dict[type[ast.operator], str] = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Pow: "pow",
}  # fmt: skip
_COMPARED: dict[type[ast.cmpop], tuple[str, bool]] = {
    ast.Lt: ("lt", False), ast.LtE: ("le", False), ast.Gt: ("lt", True), ast.GtE: ("le", True),
    ast.Eq: ("eq", False), ast.NotEq: ("ne", False),
}  # fmt: skip
_CONSTANTS = {"_pi": math.pi, "_e": math.e}
FUNCTIONS = ("exp", "ln", "log10", "log2", "sqrt", "abs", "sin", "cos", "tan", "tanh", "floor", "ceil", "min", "max",
             "rint", "if", "atan", *DERIVED)  # fmt: skip
"""What text can call; a function without operands, as BioNetGen writes them, is a name."""


def _brief(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]}..."


def _read(node: ast.expr, text: str, deeper: int) -> Expression:
    if deeper == 0:
        raise InputError(f'"{_brief(text)}" is nested deeper than {DEEPEST} brackets')
    match node:
        case ast.Constant(value=bool()):
            pass
        case ast.Constant(value=int() | float() as found):
            return number(float(found))
        case ast.Name(id=marked) | ast.Call(func=ast.Name(id=marked), args=[], keywords=[]):
            plain = marked.removeprefix(_MARK)
            return name(plain)
        case ast.BinOp(op=ast.Add() | ast.Mult() as op):
            parts = [_read(part, text, deeper - 1) for part in _spine(node, type(op))]
            return combine(_BINARY[type(op)], parts)
        case ast.BinOp(left=a, op=op, right=b) if type(op) in _BINARY:
            return apply(_BINARY[type(op)], _read(a, text, deeper - 1), _read(b, text, deeper - 1))
        case ast.UnaryOp(op=ast.USub(), operand=a):
            return apply("mul", number(-1.0), _read(a, text, deeper - 1))
        case ast.UnaryOp(op=ast.UAdd(), operand=a):
            return _read(a, text, deeper - 1)
        case ast.UnaryOp(op=ast.Not(), operand=a):
            return apply("not", _read(a, text, deeper - 1))
        case ast.BoolOp(op=op, values=found):
            return combine("and" if isinstance(op, ast.And) else "or", [_read(a, text, deeper - 1) for a in found])
        case ast.Compare(left=a, ops=ops, comparators=others) if all(type(op) in _COMPARED for op in ops):
            return _compared([_read(part, text, deeper - 1) for part in (a, *others)], ops)
        case ast.Call(func=ast.Name(id=marked), args=args, keywords=[]):
            return _called(marked.removeprefix(_MARK), [_read(a, text, deeper - 1) for a in args], text)
    raise InputError(f'"{ast.unparse(node).replace(_MARK, "")}" in "{_brief(text)}" is not plain arithmetic')


def _spine(node: ast.expr, op: type[ast.operator]) -> Iterable[ast.expr]:
    """Terms of a + b + c, which the parser nests to the left."""
    found = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, op):
        found.append(node.right)
        node = node.left
    return reversed([*found, node])


def _compared(parts: list[Expression], ops: list[ast.cmpop]) -> Expression:
    found = []
    for a, op, b in zip(parts, ops, parts[1:], strict=False):
        word, turned = _COMPARED[type(op)]
        found.append(apply(word, b, a) if turned else apply(word, a, b))
    return combine("and", found)


def _called(function: str, args: list[Expression], text: str) -> Expression:
    if function not in FUNCTIONS:
        raise InputError(f'unknown name "{function}" in "{_brief(text)}"')
    if function in ("min", "max") and len(args) > 1:
        return combine(function, args)
    wanted = 1 if function.startswith("log") or function in DERIVED else OPERATIONS[function][0]
    if len(args) != wanted:
        raise InputError(f'"{function}" in "{_brief(text)}" takes {wanted} values, not {len(args)}')
    if function.startswith("log"):
        return apply("div", apply("ln", args[0]), number(math.log(float(function.removeprefix("log")))))
    return DERIVED[function](args[0]) if function in DERIVED else apply(function, *args)


def _is(tree: Expression, value: float) -> bool:
    return tree.op == "number" and tree.value == value


def _added(op: str, args: tuple[Expression, ...]) -> Expression:
    return args[1] if _is(args[0], 0.0) else args[0] if _is(args[1], 0.0) else Expression(op, args)


def _subtracted(op: str, args: tuple[Expression, ...]) -> Expression:
    return args[0] if _is(args[1], 0.0) else Expression(op, args)


def _multiplied(op: str, args: tuple[Expression, ...]) -> Expression:
    if _is(args[0], 0.0) or _is(args[1], 0.0):
        return number(0.0)
    return args[1] if _is(args[0], 1.0) else args[0] if _is(args[1], 1.0) else Expression(op, args)


def _divided(op: str, args: tuple[Expression, ...]) -> Expression:
    return number(0.0) if _is(args[0], 0.0) else args[0] if _is(args[1], 1.0) else Expression(op, args)


def _raised(op: str, args: tuple[Expression, ...]) -> Expression:
    return number(1.0) if _is(args[1], 0.0) else args[0] if _is(args[1], 1.0) else Expression(op, args)


_NEUTRAL: dict[str, Callable[[str, tuple[Expression, ...]], Expression]] = {
    "add": _added, "sub": _subtracted, "mul": _multiplied, "div": _divided, "pow": _raised,
}  # fmt: skip
