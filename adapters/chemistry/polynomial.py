"""Kinetic laws as polynomials in species, from the syntax tree of libsbml."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.chemistry.mathml import number
from couple.base.errors import InputError

Polynomial = dict[tuple[str, ...], float]
"""Sorted species of a term → its coefficient."""


def polynomial(libsbml: Any, node: Any, symbols: Mapping[str, Polynomial]) -> Polynomial:
    """The terms of an expression, without those that vanish. Raises InputError for what is no polynomial, by name."""
    terms = _terms(libsbml, node, symbols)
    return {k: c for k, c in terms.items() if c != 0.0}


def _terms(lib: Any, node: Any, symbols: Mapping[str, Polynomial]) -> Polynomial:
    parts = [node.getChild(k) for k in range(node.getNumChildren())]
    kind = node.getType()
    if node.isNumber():
        return {(): number(lib, node, _nothing)}
    if kind == lib.AST_NAME:
        if node.getName() not in symbols:
            raise InputError(f'"{node.getName()}" in the kinetic law has no value')
        return symbols[node.getName()]
    if kind == lib.AST_PLUS:
        return _sum(*(_terms(lib, part, symbols) for part in parts))
    if kind == lib.AST_MINUS:
        first, *rest = (_terms(lib, part, symbols) for part in parts)
        return _sum(first, _scaled(rest[0], -1.0)) if rest else _scaled(first, -1.0)
    if kind == lib.AST_TIMES:
        product: Polynomial = {(): 1.0}
        for part in parts:
            product = _product(product, _terms(lib, part, symbols))
        return product
    if kind == lib.AST_DIVIDE:
        return _scaled(_terms(lib, parts[0], symbols), 1.0 / _number(lib, parts[1], symbols))
    if kind in (lib.AST_POWER, lib.AST_FUNCTION_POWER):
        return _power(_terms(lib, parts[0], symbols), _number(lib, parts[1], symbols))
    return {(): number(lib, node, lambda name: _constant(lib, node, name, symbols))}


def _constant(lib: Any, node: Any, name: str, symbols: Mapping[str, Polynomial]) -> float:
    """The number that a name stands for within a function of numbers."""
    terms = symbols.get(name)
    if terms is None:
        raise InputError(f'"{name}" in the kinetic law has no value')
    if set(terms) - {()}:
        function = node.getName() or lib.formulaToL3String(node)
        raise InputError(f'"{function}" in the kinetic law is not read: mass action is')
    return terms.get((), 0.0)


def _nothing(name: str) -> float:
    raise InputError(f'"{name}" has no value')


def _number(lib: Any, node: Any, symbols: Mapping[str, Polynomial]) -> float:
    terms = _terms(lib, node, symbols)
    if set(terms) - {()} or not terms.get((), 0.0):
        raise InputError(f'"{lib.formulaToL3String(node)}" in the kinetic law is not a number: mass action is read')
    return terms[()]


def _power(base: Polynomial, exponent: float) -> Polynomial:
    if exponent != int(exponent) or exponent < 0:
        if set(base) == {()}:
            return {(): base[()] ** exponent}
        raise InputError(f"a species to the power of {exponent:g} in the kinetic law is not mass action")
    product: Polynomial = {(): 1.0}
    for _ in range(int(exponent)):
        product = _product(product, base)
    return product


def _sum(*terms: Polynomial) -> Polynomial:
    total: Polynomial = {}
    for part in terms:
        for k, c in part.items():
            total[k] = total.get(k, 0.0) + c
    return total


def _scaled(terms: Polynomial, by: float) -> Polynomial:
    return {k: c * by for k, c in terms.items()}


def _product(a: Polynomial, b: Polynomial) -> Polynomial:
    return _sum(*({tuple(sorted(k + m)): c * d} for k, c in a.items() for m, d in b.items()))
