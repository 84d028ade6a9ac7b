"""What names in kinetic laws and rules of an SBML model stand for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from adapters.chemistry_files.sbml.mathml import expression
from couple.base.errors import InputError
from couple.chemistry.laws.expression import Expression, apply
from couple.chemistry.laws.expression import name as make_name
from couple.chemistry.laws.expression import number as make_number


class Named(Protocol):
    """A model that knows its rules and free species by name, and what other names are worth."""

    libsbml: Any
    sbml: Any
    rules: dict[str, Any]
    free: dict[str, None]

    def symbol(self, name: str) -> float:
        """What one molecule adds to the value that the name of a species stands for."""

    def value(self, name: str) -> float:
        """What a name stands for at the start. Raises InputError if it has no value."""


class Symbols(Mapping[str, Expression]):
    """Names as expressions of molecules; raises InputError for a name without a value.

    own: parameters of one law, None for one without a value, which hides what has its name elsewhere all the same.
    used: rules that some law has asked for; None where no law asks.
    """

    def __init__(
        self, model: Named, own: Mapping[str, float | None] | None = None, used: set[str] | None = None
    ) -> None:
        self.model, self.own = model, own or {}
        self.in_law, self.used = used is not None, set() if used is None else used
        self._open: list[str] = []

    def within(self, law: Any) -> Symbols:
        """The names as one law sees them, with parameters of its own."""
        local = law.getListOfLocalParameters() if self.model.sbml.getLevel() > 2 else law.getListOfParameters()
        own = {p.getId(): float(p.getValue()) if p.isSetValue() else None for p in local}
        return Symbols(self.model, own, self.used)

    def __getitem__(self, name: str) -> Expression:
        model = self.model
        if name in self.own:
            return make_number(finite(name, self.own[name]))
        if name in model.rules:
            return self._opened("rule", name, model.rules[name], self._of_the_model())
        if name in model.free:
            return apply("mul", make_number(model.symbol(name)), make_name(name))
        reaction = model.sbml.getReaction(name)
        if reaction is not None and (law := reaction.getKineticLaw()) is not None:
            return self._opened("reaction", name, law.getMath(), self.within(law))
        return make_number(model.value(name))

    def _of_the_model(self) -> Symbols:
        """The names as a rule sees them: parameters of the law that asks for it are hidden from it."""
        return Symbols(self.model, None, self.used if self.in_law else None) if self.own else self

    def _opened(self, kind: str, name: str, math_of: Any, names: Symbols) -> Expression:
        if name in self._open:
            raise InputError(f'the {kind} "{name}" is defined by itself')
        self._open.append(name)
        names._open = self._open
        try:
            tree = expression(self.model.libsbml, math_of, names.__getitem__)
        finally:
            self._open.pop()
        if self.in_law and kind == "rule":
            self.used.add(name)
        return tree

    def __iter__(self) -> Iterator[str]:
        return iter((*self.own, *self.model.rules, *self.model.free))

    def __len__(self) -> int:
        return len([*self])


def finite(name: str, value: float | None) -> float:
    """The value of a name. Raises InputError if it has none, or none that is finite."""
    if value is None:
        raise InputError(f'"{name}" has no value')
    if not math.isfinite(value):
        raise InputError(f'"{name}" has the value {value:g}: it must be finite')
    return value
