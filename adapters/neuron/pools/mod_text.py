"""A MOD file as blocks, constants and statements: as much of NMODL as calcium pools are written in.

Expressions are trees of `couple.chemistry.laws.expression`; nothing of the text is executed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from adapters.neuron.mechanisms.source import without_comments
from adapters.neuron.pools.unrolled import unrolled
from couple.base.errors import InputError
from couple.chemistry.laws.expression import Expression, parse, value

_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_HEAD = re.compile(
    r"\b([A-Z]+(?:\s+BREAKPOINT|\s+SOLVE|\s+INITIAL)?)((?:\s+\w+)?(?:\s*\([^{}]*?\))?(?:\s*\([^{}]*?\))?)\s*\{"
)
_ASSIGNED = re.compile(r"([A-Za-z_]\w*)\s*('?)\s*=(?!=)")
_NEXT = re.compile(
    r"(?<![\w.])(?:[A-Za-z_]\w*\s*'?\s*=(?!=)|if\s*\(|else\b|(?:LOCAL|SOLVE|TABLE|UNITSON|UNITSOFF|CONSERVE)\b)"
    r"|\n\s*[A-Za-z_]\w*\s*\([^()\n]*\)\s*(?=\n|$)"
)
_PHYSICAL = {"faraday": 96485.3321233, "pi": 3.141592653589793, "k-mole": 8.31446261815324, "R": 8.31446261815324}
_LENGTHS = {"um": 1.0, "micron": 1.0, "micrometer": 1.0, "nm": 1e-3, "mm": 1e3, "cm": 1e4, "m": 1e6}
_OF_SEGMENT = ("diam", "area", "L")
_SCALES = {"kilocoulombs": 1e-3, "kilocoulomb": 1e-3, "10000 coulomb": 1e-4, "millicoulomb": 1e3}
"""Of a unit in which a MOD file takes the Faraday constant, by which its number is multiplied."""


@dataclass(frozen=True)
class Assignment:
    """`name = expression`, or `name' = expression`."""

    name: str
    of_rate: bool
    expression: Expression


@dataclass(frozen=True)
class Choice:
    """`if (condition) { then } else { otherwise }`."""

    condition: Expression
    then: tuple[Statement, ...]
    otherwise: tuple[Statement, ...]


@dataclass(frozen=True)
class Call:
    """A call of a PROCEDURE, or of a FUNCTION, what it returns then having the name `result`."""

    name: str
    operands: tuple[Expression, ...]
    result: str = ""


Statement = Assignment | Choice | Call


class ModText:
    """What a MOD file says. Raises InputError, from its methods, for what goes beyond a calcium pool."""

    def __init__(self, text: str, name: str) -> None:
        bare = re.sub(r"VERBATIM.*?ENDVERBATIM", " ", without_comments(text), flags=re.DOTALL)
        self.text, self.name = unrolled(bare), name

    @cached_property
    def blocks(self) -> list[tuple[str, str, str]]:
        """(kind, what stands between kind and brace, body) of every block, in order."""
        found, at = [], 0
        while (match := _HEAD.search(self.text, at)) is not None:
            at = _closing(self.text, match.end() - 1, "{}")
            found.append((" ".join(match[1].split()), match[2].strip(), self.text[match.end() : at]))
        return found

    def block(self, kind: str, name: str = "") -> str:
        """The body of a block, of all of a kind if several have no name; "" without one."""
        return "\n".join(b for k, head, b in self.blocks if k == kind and (not name or re.match(rf"{name}\b", head)))

    @cached_property
    def suffix(self) -> str:
        """Name of the mechanism."""
        match = re.search(r"\b(?:SUFFIX|POINT_PROCESS)\s+(\w+)", self.text)
        return match[1] if match else self.name

    @cached_property
    def constants(self) -> dict[str, float]:
        """Numbers of UNITS, CONSTANT and PARAMETER."""
        found = {}
        for name, quantity, unit in re.findall(r"(\w+)\s*=\s*\(\s*([\w-]+)\s*\)\s*\(([^)]*)\)", self.block("UNITS")):
            if quantity in _PHYSICAL:
                found[name] = _PHYSICAL[quantity] * _SCALES.get(" ".join(unit.split()), 1.0)
        numbers = "\n".join((self.block("UNITS"), self.block("CONSTANT"), self.block("PARAMETER")))
        for name, number in re.findall(rf"([A-Za-z_]\w*)\s*=\s*([+-]?\s*{_NUMBER})", numbers):
            found[name] = float(number.replace(" ", ""))
        return found

    @cached_property
    def locals(self) -> list[str]:
        """Names of LOCAL statements: 0 where nothing has set them."""
        lists = re.findall(r"\bLOCAL\s+(\w+(?:\s*,\s*\w+)*)", self.text)
        return [name.strip() for names in lists for name in names.split(",")]

    @cached_property
    def parameters(self) -> list[str]:
        """Names in PARAMETER and ASSIGNED, of which a model may set values."""
        inside = self.block("PARAMETER") + "\n" + self.block("ASSIGNED")
        return list(dict.fromkeys(re.findall(r"[A-Za-z_]\w*", re.sub(r"\([^)]*\)|<[^>]*>|=\s*\S+", " ", inside))))

    @cached_property
    def states(self) -> list[str]:
        """Names in STATE."""
        inside = re.sub(r"\([^)]*\)|\bFROM\b.*|<[^>]*>", " ", self.block("STATE"))
        return re.findall(r"[A-Za-z_]\w*(?:\s*\[\s*\w+\s*\])?", inside)

    def with_elements(self, names: str) -> list[str]:
        """Names, those of arrays being all their elements."""
        found = re.findall(r"[A-Za-z_]\w*", names)
        return [s for name in found for s in self.states if s == name or re.fullmatch(rf"{name}__\d+", s)]

    def closing(self, text: str, at: int, pair: str) -> int:
        """Where the bracket that opens at `at` closes."""
        return _closing(text, at, pair)

    def expression(self, text: str) -> Expression:
        """An expression of NMODL."""
        return _expression(text)

    def run(self, body: str, names: dict[str, float], *, lenient: bool = False, deeper: int = 5) -> dict[str, float]:
        """Carry out statements on `names`; rates that they give to states. lenient: what fails is left out."""
        rates: dict[str, float] = {}
        self._carry_out(self.statements(body), names, rates, lenient, deeper)
        return rates

    def _carry_out(
        self, todo: tuple[Statement, ...], names: dict[str, float], rates: dict[str, float], lenient: bool, deeper: int
    ) -> None:
        for one in todo:
            try:
                if isinstance(one, Assignment):
                    (rates if one.of_rate else names)[one.name] = self.number(one.expression, names)
                elif isinstance(one, Choice):
                    chosen = one.then if self.number(one.condition, names) else one.otherwise
                    self._carry_out(chosen, names, rates, lenient, deeper)
                else:
                    self._call(one, names, lenient, deeper)
            except InputError:
                if not lenient:
                    raise

    def _call(self, call: Call, names: dict[str, float], lenient: bool, deeper: int) -> None:
        callable_ = [block for block in self.blocks if block[0] in ("PROCEDURE", "FUNCTION")]
        heads = {head.split("(")[0].strip(): (head, body) for _, head, body in callable_}
        if call.name not in heads or deeper == 0:
            raise InputError(f"{self.name} calls {call.name}(), of which nothing is known here")
        head, body = heads[call.name]
        formal = re.findall(r"[A-Za-z_]\w*", re.sub(r"(?<=\w)\s*\([^()]*\)", "", head.partition("(")[2]))
        outer = {name: names[name] for name in formal if name in names}
        names.update(zip(formal, [self.number(o, names) for o in call.operands], strict=False))
        self.run(body, names, lenient=lenient, deeper=deeper - 1)
        names.update(outer)
        if call.result:
            if call.name not in names:
                raise InputError(f"{self.name}: {call.name}() returns nothing")
            names[call.result] = names.pop(call.name)

    def number(self, tree: Expression, names: Mapping[str, float]) -> float:
        """The value of an expression. Raises InputError for a name that has none."""
        try:
            return value(tree, names)
        except KeyError as error:
            what = f'{self.name}: nothing says what "{error.args[0]}" is'
            of_segment = "; it is that of a segment: name sections, with --model, in place of the file"
            raise InputError(what + (of_segment if error.args[0] in _OF_SEGMENT else "")) from None
        except (ArithmeticError, ValueError, TypeError) as error:
            raise InputError(f"{self.name}: cannot be worked out: {error}") from None

    def statements(self, body: str) -> tuple[Statement, ...]:
        """The statements of a body."""
        return tuple(_statements(body, self._functions))

    @cached_property
    def _functions(self) -> frozenset[str]:
        return frozenset(head.split("(")[0].strip() for kind, head, _ in self.blocks if kind == "FUNCTION")

    @cached_property
    def lengths(self) -> dict[str, float]:
        """Constants that are lengths: µm in the unit of each."""
        found = {}
        for name, unit in re.findall(rf"([A-Za-z_]\w*)\s*=\s*{_NUMBER}\s*\(\s*([A-Za-z]+)\s*\)", self._numbers):
            if unit in _LENGTHS and name not in _OF_SEGMENT:
                found[name] = _LENGTHS[unit]
        return found

    @cached_property
    def fractions(self) -> list[str]:
        """Constants between 0 and 1 without a unit."""
        bare = re.findall(rf"([A-Za-z_]\w*)\s*=\s*{_NUMBER}\s*(?!\s*\(\s*[A-Za-z/])", self._numbers)
        return [name for name in bare if 0 < self.constants[name] < 1]

    @cached_property
    def _numbers(self) -> str:
        return "\n".join((self.block("CONSTANT"), self.block("PARAMETER")))


def _statements(body: str, functions: Collection[str]) -> Iterator[Statement]:
    at = 0
    while at < len(body):
        if (
            space := re.match(
                r"[\s;]+|(?:LOCAL|TABLE|CONSERVE)\b[^\n]*|SOLVE\s+\w+(?:\s+(?:METHOD|STEADYSTATE)\s+\w+)?"
                r"|UNITSON|UNITSOFF",
                body[at:],
            )
        ) is not None:
            at += space.end()
        elif (match := re.compile(r"if\s*(?=\()").match(body, at)) is not None:
            calls, choice, at = _choice(body, match.end(), functions)
            yield from calls
            yield choice
        elif (match := _ASSIGNED.match(body, at)) is not None:
            end = following.start() if (following := _NEXT.search(body, match.end())) else len(body)
            calls, text = _without_calls(body[match.end() : end], functions)
            yield from calls
            yield Assignment(match[1], bool(match[2]), _expression(text))
            at = end
        elif (match := re.compile(r"([A-Za-z_]\w*)\s*(?=\()").match(body, at)) is not None:
            at = _closing(body, match.end(), "()") + 1
            calls, inside = _without_calls(body[match.end() + 1 : at - 1], functions)
            yield from calls
            yield _call(match[1], inside)
        else:
            raise InputError(f'"{" ".join(body[at:].split())[:60]}" is not read here')


def _call(name: str, operands: str, result: str = "") -> Call:
    return Call(name, tuple(_expression(o) for o in operands.split(",") if o.strip()), result)


def _without_calls(text: str, functions: Collection[str]) -> tuple[list[Call], str]:
    """Calls of the file's own functions, the innermost first, and the text with what they return in their places."""
    calls: list[Call] = []
    called = re.compile(rf"\b({'|'.join(map(re.escape, functions))})\s*\(")
    # the one that begins last has no other within
    while functions and (found := [*called.finditer(text)]):
        match, result = found[-1], f"returned_{len(calls)}_by_{found[-1][1]}"
        end = _closing(text, match.end() - 1, "()")
        calls.append(_call(match[1], text[match.end() : end], result))
        text = text[: match.start()] + result + text[end + 1 :]
    return calls, text


def _choice(body: str, at: int, functions: Collection[str]) -> tuple[list[Call], Choice, int]:
    end = _closing(body, at, "()")
    start = body.index("{", end)
    close = _closing(body, start, "{}")
    calls, condition = _without_calls(body[at : end + 1], functions)
    then, otherwise = tuple(_statements(body[start + 1 : close], functions)), tuple[Statement, ...]()
    after = close + 1
    if (match := re.compile(r"\s*else\s*").match(body, after)) is not None:
        if (again := re.compile(r"if\s*(?=\()").match(body, match.end())) is not None:
            more, inner, after = _choice(body, again.end(), functions)
            otherwise = (*more, inner)
        else:
            start = body.index("{", match.end())
            close = _closing(body, start, "{}")
            otherwise, after = tuple(_statements(body[start + 1 : close], functions)), close + 1
    return calls, Choice(_expression(condition), then, otherwise), after


def _closing(text: str, at: int, pair: str) -> int:
    """Where the bracket that opens at `at` closes."""
    depth = 0
    for i in range(at, len(text)):
        depth += (text[i] == pair[0]) - (text[i] == pair[1])
        if depth == 0:
            return i
    raise InputError(f'a "{pair[0]}" is never closed')


def _expression(text: str) -> Expression:
    """An expression of NMODL: units behind numbers are left out, log is the natural one."""
    plain = re.sub(rf"(?<![\w.])({_NUMBER})\s*\(\s*[A-Za-z/][^()]*\)", r"\1", text)
    plain = re.sub(r"\blog\s*\(", "ln(", re.sub(r"\bfabs\s*\(", "abs(", plain))
    plain = re.sub(r"\bpow\s*\(([^(),]+),([^(),]+)\)", r"((\1)^(\2))", plain)
    return parse(" ".join(plain.split()))
