"""Expressions of rate laws: read from an allow list, differentiated, and worked out by kernels as by Python."""

from __future__ import annotations

import math

import numpy as np
import pytest

from couple.base.errors import InputError
from couple.chemistry.laws.calculus import derivative, split_signs
from couple.chemistry.laws.expression import OPERATIONS, TRUTHS, Expression, name, number, parse, show, value
from couple.chemistry.laws.rate_law import RateLaw, read_rate_law
from couple.chemistry.laws.tape import build_tape, run_tape

EXPRESSIONS = {
    "add": "A + B + 2", "sub": "A - B", "mul": "3*A*B", "div": "A / (1 + B)", "pow": "A^2.5 + 2^B + B^A",
    "exp": "exp(-A)", "ln": "ln(A) + log10(B)", "sqrt": "sqrt(A + B)", "abs": "abs(A - 3*B)", "sin": "sin(A)",
    "cos": "cos(A*B)", "tan": "tan(A/4)", "tanh": "tanh(B)", "floor": "A*floor(3*B)", "ceil": "A*ceil(3*B)",
    "min": "min(A, B, 7)", "max": "max(A^2, B)", "lt": "if(A < B, A, 2*B)", "le": "if(A >= B, A^2, B)",
    "eq": "if(A == 2, A, A*B)", "ne": "if(A != 2, A, A*B)", "and": "if(A > 1 && B < 5, A*B, B)",
    "or": "if(A > 100 || B > 0.1, A, B)", "not": "if(!(A > 1), B, A^3)", "rint": "B*rint(A)", "if": "if(A, B, 3)",
    "atan": "atan(A*B)",
}  # fmt: skip
"""One for each operation, smooth at the points."""
POINTS = ({"A": 1.3, "B": 0.4}, {"A": 0.7, "B": 2.2})


def on_tape(tree: Expression, at: dict[str, float]) -> tuple[float, dict[str, float]]:
    """Value and derivatives by a kernel, of one where molecules are per µm² of 1 µm²."""
    law = RateLaw(tree, "membrane", "")
    tape = build_tape({0: law}, dict.fromkeys(at, True), {s: i for i, s in enumerate(at)}, len(at) + 1, slopes=True)
    z = np.zeros(tape.size)
    z[: len(at)] = list(at.values())
    z[tape.base : tape.start] = tape.constants(1.0, 1.0)
    run_tape(tape.code, tape.start, z)
    return z[tape.values[0]], {s: z[place] for (_, s), place in tape.slopes.items()}


def test_every_operation_has_a_case() -> None:
    assert EXPRESSIONS.keys() == OPERATIONS.keys()


@pytest.mark.parametrize("operation", EXPRESSIONS)
@pytest.mark.parametrize("at", POINTS)
def test_kernels_find_values_and_derivatives(operation: str, at: dict[str, float]) -> None:
    tree = parse(EXPRESSIONS[operation])
    found, slopes = on_tape(tree, at)
    assert found == pytest.approx(value(tree, at), rel=1e-14, abs=1e-300)
    for s in {*tree.names()}:
        h = 1e-6
        wanted = (value(tree, {**at, s: at[s] + h}) - value(tree, {**at, s: at[s] - h})) / (2 * h)
        assert slopes[s] == pytest.approx(wanted, rel=1e-7, abs=1e-8), s
        assert value(derivative(tree, s), at) == pytest.approx(slopes[s], rel=1e-12, abs=1e-300)


@pytest.mark.parametrize("operation", EXPRESSIONS)
def test_what_is_shown_is_read_again(operation: str) -> None:
    tree = parse(EXPRESSIONS[operation])
    assert parse(show(tree)) == tree


@pytest.mark.parametrize("text", ["2*A/(1 + A) - 3*B/(2 + B)", "(A - B)*(A - 2)", "-A", "A*B/(1 + A) - 2", "5"])
def test_signs_are_split(text: str) -> None:
    tree = parse(text)
    for at in POINTS:
        plus, minus = (value(part, at) for part in split_signs(tree))
        assert min(plus, minus) >= 0
        assert plus - minus == pytest.approx(value(tree, at), rel=1e-12)


@pytest.mark.parametrize(
    "text",
    ["a.b", "__import__('os')", "x[1]", "lambda: 1", "1 if a else 2", "1 +", "exp(1, 2)", "f(3)", "x = 1", "'a'", "",
     "(" * 300 + "1" + ")" * 300, "-" * 200 + "A", "1" * 100_001, "[1]", "True and", "a := 2", "f'{a}'", "a; b", "**a",
     "exp(*a)", "exp(x=1)", "1_0", "0x", "1j", "a @ b", "a // b", "a % b", "~a", "a in b", "a is b", "`a`", "\x00"],
)  # fmt: skip
def test_what_is_no_arithmetic_is_refused(text: str) -> None:
    with pytest.raises(InputError) as error:
        found = parse(text)
        assert {*found.names()} <= {"a", "b", "_0"} and "1_0" not in text, show(found)
    assert "\n" not in str(error.value)


def test_long_sums_are_no_deep_ones() -> None:
    tree = parse(" + ".join(f"{k} * a{k}" for k in range(800)))
    for found in (tree, parse(show(tree))):
        assert value(found, {f"a{k}": 1.0 for k in range(800)}) == 800 * 799 / 2


def test_names_may_be_words_of_python() -> None:
    assert value(parse("lambda * in / (lambda + class)"), {"lambda": 2.0, "in": 3.0, "class": 1.0}) == 2.0


@pytest.mark.parametrize(
    ("tree", "wanted"),
    [
        (Expression("div", (number(1.0), name("A"))), math.inf),
        (Expression("pow", (name("A"), number(-1.0))), math.inf),
        (Expression("ln", (name("A"),)), -math.inf),
        (parse("sqrt(A - 1)"), 0.0),
        (parse("(A - 1)^0.5"), 0.0),
        (parse("(A - 2)^2"), 4.0),
    ],
)
def test_edges_are_no_exceptions(tree: Expression, wanted: float) -> None:
    """A count that rounding has left below zero gives no nan, and a division by zero stops no kernel."""
    assert on_tape(tree, {"A": 0.0})[0] == wanted


ON = {"S": "volume", "M": "membrane"}


@pytest.mark.parametrize(
    ("text", "parameters", "place", "at_one"),
    [
        ("V*S/(K + S)", {"V": "2 uM/s", "K": "5 uM"}, "volume", 2e-6 / 1.005),
        ("V*S^n/(K^n + S^n)", {"V": "2 mM/ms", "K": "1 mM", "n": 4}, "volume", 1.0),
        ("k*M*S/(K + S)", {"k": "3 /s", "K": "1 mM"}, "membrane", 0.0015),
        ("V*(S/S0)^2.5", {"V": "7 /um^2/s", "S0": "1 mM"}, "membrane", 0.007),
        ("k*S*if(S > K, 1, 0)", {"k": "1 /ms", "K": "1 uM"}, "volume", 1.0),
        ("min(k*S, V)", {"k": "1 /ms", "V": "1 uM/ms"}, "volume", 1e-3),
        ("k*S*exp(-S/K)", {"k": "1 /ms", "K": "1 mM"}, "volume", math.exp(-1)),
        ("sqrt(k*S)*q", {"k": "1 /mM", "q": "1e3 uM/s"}, "volume", 1e-3),
        ("k*S*M", {"k": "1 um^2/ms"}, "volume", 1.0),
    ],
)
def test_units_are_used(text: str, parameters: dict[str, object], place: str, at_one: float) -> None:
    law = read_rate_law(text, parameters, ON)
    assert law.on == place
    assert value(law.tree, {"S": 1.0, "M": 1.0}) == pytest.approx(at_one, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "parameters", "message"),
    [
        ("V*S/(K + S)", {"V": "2 uM/s", "K": "5 /s"}, r'"K" \(/ms\) and "S" \(mM\) do not go together'),
        ("V*S/(1 + S)", {"V": "2 uM/s"}, "do not go together"),
        ("k*S", {"k": 1}, "is in mM; a rate law gives mM/ms .* or /um\\^2/ms"),
        ("k*exp(S)", {"k": "1 mM/ms"}, "do not go together"),
        ("k*S^n", {"k": "1 /ms", "n": "2 mM"}, "exponent .* has a unit"),
        ("k*S^M", {"k": "1 /ms"}, "exponent .* has a unit"),
        ("k*X", {"k": "1 /ms"}, 'unknown name "X"'),
        ("k*S*time", {"k": "1 /ms"}, "depends on the time"),
        ("k*S", {"k": "1 mV"}, r"parameters\.k: .*not made of amounts, lengths and times"),
        ("k*S", {"k": "1 parsecs/fortnite"}, r"parameters\.k: unknown unit"),
        ("k*S", {"k": "fast"}, r"parameters\.k: .*give a number, or one with its unit"),
        ("k*S", {"k": "1 /ms", "j": 2}, r"parameters\.j: .*does not stand in"),
        ("k*S", {"k": "1 /ms", "S": 2}, r'parameters\.S: "S" is a species'),
    ],
)
def test_units_that_do_not_fit_are_refused(text: str, parameters: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        read_rate_law(text, parameters, ON)
    assert str(error.value).startswith(("rate_law", "parameters")) or "parameters" in str(error.value)


def test_truths_are_operations() -> None:
    assert {*TRUTHS} < {*OPERATIONS}


@pytest.mark.parametrize("function", ["sinh", "cosh", "asinh", "acosh", "atanh", "asin", "acos"])
@pytest.mark.parametrize("x", [-1.0, -0.6, 1e-9, 0.3, 1.0, 1e9, -1e9])
def test_functions_made_of_others(function: str, x: float) -> None:
    try:
        wanted = getattr(math, function)(x)
    except (ValueError, OverflowError):
        return
    assert value(parse(f"{function}(A)"), {"A": x}) == pytest.approx(wanted, rel=1e-12, abs=1e-16)


def test_names_before_constants() -> None:
    assert parse("_pi") == number(math.pi) and parse("_pi", {"_pi"}) == name("_pi")
