"""Derivatives of expressions, and their split into what is added and what is taken away."""

from __future__ import annotations

from couple.chemistry.laws.expression import TRUTHS, Expression, apply, number

_ZERO, _ONE, _TWO = number(0.0), number(1.0), number(2.0)


def derivative(tree: Expression, by: str) -> Expression:
    """The derivative of a tree by a name; of choices piece by piece, of steps 0."""
    if tree.op == "name":
        return _ONE if tree.name == by else _ZERO
    if tree.op in ("number", "floor", "ceil", "rint", *TRUTHS):
        return _ZERO
    if tree.op == "if":
        return apply("if", tree.args[0], derivative(tree.args[1], by), derivative(tree.args[2], by))
    slopes = [derivative(part, by) for part in tree.args]
    if all(slope == _ZERO for slope in slopes):
        return _ZERO
    return _unary(tree, slopes[0]) if len(slopes) == 1 else _binary(tree, *slopes)


def _binary(tree: Expression, da: Expression, db: Expression) -> Expression:
    a, b = tree.args
    if tree.op in ("add", "sub"):
        return apply(tree.op, da, db)
    if tree.op == "mul":
        return apply("add", apply("mul", da, b), apply("mul", a, db))
    if tree.op == "div":
        return apply("div", apply("sub", da, apply("mul", tree, db)), b)
    if tree.op in ("min", "max"):
        return apply("if", apply("le", *((a, b) if tree.op == "min" else (b, a))), da, db)
    inner = apply("mul", apply("mul", b, apply("pow", a, apply("sub", b, _ONE))), da)  # of a ^ b
    if db == _ZERO:
        return inner
    return apply("add", inner, apply("mul", apply("mul", tree, apply("ln", a)), db))


def _unary(tree: Expression, slope: Expression) -> Expression:
    (a,) = tree.args
    if tree.op == "ln":
        return apply("div", slope, a)
    if tree.op == "sqrt":
        return apply("div", slope, apply("mul", _TWO, tree))
    outer = {
        "exp": lambda: tree,
        "abs": lambda: apply("if", apply("lt", a, _ZERO), number(-1.0), _ONE),
        "sin": lambda: apply("cos", a),
        "cos": lambda: apply("mul", number(-1.0), apply("sin", a)),
        "tan": lambda: apply("add", _ONE, apply("mul", tree, tree)),
        "tanh": lambda: apply("sub", _ONE, apply("mul", tree, tree)),
        "atan": lambda: apply("div", _ONE, apply("add", _ONE, apply("mul", a, a))),
    }[tree.op]()
    return apply("mul", outer, slope)


def split_signs(tree: Expression) -> tuple[Expression, Expression]:
    """(added, taken): two trees whose difference is `tree`, each without a minus of its own where that can be seen.

    The rate of a reversible reaction becomes those of its two directions, taking names to be at least 0.
    """
    if tree.op == "number" and tree.value < 0:
        return _ZERO, number(-tree.value)
    if tree.op in ("add", "sub", "mul"):
        (p, q), (r, s) = (split_signs(part) for part in tree.args)
        if tree.op == "sub":
            r, s = s, r
        if tree.op != "mul":
            return apply("add", p, r), apply("add", q, s)
        plus = apply("add", apply("mul", p, r), apply("mul", q, s))
        return plus, apply("add", apply("mul", p, s), apply("mul", q, r))
    if tree.op == "div":
        (p, q), (r, s) = (split_signs(part) for part in tree.args)
        if s == _ZERO:
            return apply("div", p, r), apply("div", q, r)
    return tree, _ZERO
