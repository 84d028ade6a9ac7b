"""Expressions as polynomials in species."""

from __future__ import annotations

from couple.chemistry.laws.expression import Expression

Polynomial = dict[tuple[str, ...], float]
"""Sorted species of a term → its coefficient."""

MOST = 20
"""Exponent up to which powers are multiplied out."""


def polynomial(tree: Expression) -> Polynomial | None:
    """The terms of an expression, without those that vanish; None if it is no polynomial."""
    terms = _terms(tree)
    return None if terms is None else {k: c for k, c in terms.items() if c != 0.0}


def _terms(tree: Expression) -> Polynomial | None:
    if tree.op == "number":
        return {(): tree.value}
    if tree.op == "name":
        return {(tree.name,): 1.0}
    if tree.op not in ("add", "sub", "mul", "div", "pow"):
        return None
    a, b = (_terms(part) for part in tree.args)
    if a is None or b is None:
        return None
    if tree.op in ("add", "sub"):
        return _sum(a, b, 1.0 if tree.op == "add" else -1.0)
    if tree.op == "mul":
        return _product(a, b)
    if set(b) != {()} or b[()] == 0.0:
        return None
    if tree.op == "div":
        return {k: c / b[()] for k, c in a.items()}
    return _power(a, b[()])


def _power(base: Polynomial, exponent: float) -> Polynomial | None:
    if exponent != int(exponent) or not 0 <= exponent <= MOST:
        return None
    product: Polynomial = {(): 1.0}
    for _ in range(int(exponent)):
        product = _product(product, base)
    return product


def _sum(a: Polynomial, b: Polynomial, sign: float) -> Polynomial:
    total = dict(a)
    for k, c in b.items():
        total[k] = total.get(k, 0.0) + sign * c
    return total


def _product(a: Polynomial, b: Polynomial) -> Polynomial:
    total: Polynomial = {}
    for k, c in a.items():
        for m, d in b.items():
            key = tuple(sorted(k + m))
            total[key] = total.get(key, 0.0) + c * d
    return total
