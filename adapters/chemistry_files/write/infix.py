"""Expressions as text that SBML's formulas and Antimony read."""

from __future__ import annotations

from collections.abc import Mapping

from couple.base.errors import InputError
from couple.chemistry.laws.expression import Expression

FORMULA: Mapping[str, str] = {
    "add": "({} + {})", "sub": "({} - {})", "mul": "({} * {})", "div": "({} / {})", "pow": "({} ^ {})",
    "exp": "exp({})", "ln": "ln({})", "sqrt": "sqrt({})", "abs": "abs({})", "sin": "sin({})", "cos": "cos({})",
    "tan": "tan({})", "tanh": "tanh({})", "atan": "atan({})", "floor": "floor({})", "ceil": "ceil({})",
    "lt": "({} < {})", "le": "({} <= {})", "eq": "({} == {})", "ne": "({} != {})",
    "and": "({} && {})", "or": "({} || {})", "not": "(!{})",
    "min": "piecewise({0}, ({0} < {1}), {1})", "max": "piecewise({0}, ({1} < {0}), {1})",
    "if": "piecewise({1}, {0}, {2})",
}  # fmt: skip
"""Operation → text with its operands."""


def infix(tree: Expression, words: Mapping[str, str], what: str) -> str:
    """The text of a tree. what: whose law it is, for the message. Raises InputError for an operation without words."""
    if tree.op == "number":
        return repr(tree.value) if tree.value >= 0 else f"(-{-tree.value!r})"
    if tree.op == "name":
        return tree.name
    if tree.op not in words:
        raise InputError(f'"{what}": its law has {tree.op}(...), which the format has no word for')
    return words[tree.op].format(*(infix(part, words, what) for part in tree.args))
