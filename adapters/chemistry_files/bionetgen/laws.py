"""Rates of BioNetGen networks that are no constants: functions of observables, Sat, MM and Hill."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from adapters.chemistry_files.bionetgen.arithmetic import evaluate
from couple.base.errors import InputError
from couple.chemistry.laws.expression import Expression, apply, combine, number, parse, substitute
from couple.chemistry.laws.expression import name as named

BUILT_IN = {"Sat": 2, "MM": 2, "Hill": 3}
"""Name → how many constants it has."""
NOT_READ = ("FunctionProduct", "Arrhenius")
_CALL = re.compile(r"(?:(?P<factor>.+?)\s*\*\s*)?\b(?P<law>Sat|MM|Hill)\b\s*(?P<constants>.*)")


@dataclass(frozen=True)
class NetLaws:
    """What names in rates stand for, in the unit of amount of the file.

    parameters: their values, those of constant functions too. functions: name → text. groups: name → weight of each
    species. held: molecules of species that are held. amount: molecules in the unit of amount.
    """

    parameters: Mapping[str, float]
    functions: Mapping[str, str]
    groups: Mapping[str, Mapping[str, float]]
    held: Mapping[str, float]
    amount: float
    _known: dict[str, Expression] = field(default_factory=dict)
    _open: list[str] = field(default_factory=list)

    def rate(self, law: str, left: tuple[str, ...]) -> Expression:
        """How fast a reaction of `left` with this law goes, in the file's amount and time. Raises InputError."""
        for word in NOT_READ:
            if re.search(rf"\b{word}\b", law) and word not in self.parameters:
                raise InputError(f'the rate law "{law}" is not read; elementary rates, functions, Sat, MM and Hill are')
        match = _CALL.fullmatch(law)
        if match and match["law"] not in self.parameters:
            rate = self._built_in(match["law"], self._constants(law, match), [self.species(s) for s in left])
            factor = evaluate(match["factor"], self.parameters) if match["factor"] else 1.0
            return apply("mul", number(factor), rate)
        return combine("mul", [substitute(parse(law), self._named), *(self.species(s) for s in left)])

    def species(self, s: str) -> Expression:
        """The amount of a species."""
        if s in self.held:
            return number(self.held[s] / self.amount)
        return apply("mul", number(1.0 / self.amount), named(s))

    def _constants(self, law: str, match: re.Match[str]) -> list[float]:
        given = match["constants"].strip()
        inner = given[1:-1] if given.startswith("(") and given.endswith(")") else ",".join(given.split())
        constants = [evaluate(text, self.parameters) for text in inner.split(",") if text.strip()]
        if len(constants) != BUILT_IN[match["law"]]:
            raise InputError(f'the rate law "{law}" has {len(constants)} constants, not {BUILT_IN[match["law"]]}')
        return constants

    @staticmethod
    def _built_in(law: str, constants: list[float], x: list[Expression]) -> Expression:
        """Rate of a law, as the manual of BioNetGen has it; the first reactant is what saturates it."""
        if not x or (law == "MM" and len(x) != 2):
            raise InputError(f"the rate law {law} needs {'a substrate and an enzyme' if law == 'MM' else 'a reactant'}")
        k, K = number(constants[0]), number(constants[1])
        if law == "MM":  # tQSSA: the substrate that is free
            s, e = x
            d = apply("sub", apply("sub", s, K), e)
            root = apply("sqrt", apply("add", apply("mul", d, d), combine("mul", [number(4.0), K, s])))
            free = apply("mul", number(0.5), apply("add", d, root))
            return apply("div", combine("mul", [k, free, e]), apply("add", K, free))
        n = number(constants[2] if law == "Hill" else 1.0)
        raised = apply("pow", x[0], n)
        below = apply("add", apply("pow", K, n), raised)
        return apply("div", combine("mul", [k, raised, *x[1:]]), below)

    def _named(self, found: str) -> Expression:
        if found in self.parameters:
            return number(self.parameters[found])
        if found not in self._known:
            self._known[found] = self._made(found)
        return self._known[found]

    def _made(self, found: str) -> Expression:
        if found in self.groups:
            terms = [apply("mul", number(w), self.species(s)) for s, w in self.groups[found].items()]
            return combine("add", terms) if terms else number(0.0)
        if found in ("time", "t") and found not in self.functions:
            raise InputError("the time in a rate is not read")
        if found not in self.functions:
            raise InputError(f'unknown name "{found}"')
        if found in self._open:
            raise InputError(f'the function "{found}" is defined by itself')
        self._open.append(found)
        try:
            return substitute(parse(self.functions[found]), self._named)
        finally:
            self._open.pop()
