"""Random rate laws written as `.net`, SBML and TOML, and what they say in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import libsbml
import numpy as np

from couple.base.units import IONS_PER_MM_UM3

FAMILIES = {
    "saturating": ("V/(K+{x})", "V * {x} / (K + {x})", {"V": "rate", "K": "amount"}),
    "hill": ("V*{x}^(n-1)/(K^n+{x}^n)", "V * {x}^n / (K^n + {x}^n)", {"V": "rate", "K": "amount", "n": "power"}),
    "inhibited": ("k/(1+{y}/K)", "k * {x} / (1 + {y} / K)", {"k": "turnover", "K": "amount"}),
    "power": ("k*({x}/K)^q", "k * {x} * ({x} / K)^q", {"k": "turnover", "K": "amount", "q": "power"}),
    "exponential": ("k*exp(-{y}/K)", "k * {x} * exp(-{y} / K)", {"k": "turnover", "K": "amount"}),
    "root": ("k*sqrt({y}+K)/sqrt(K)", "k * {x} * sqrt({y} + K) / sqrt(K)", {"k": "turnover", "K": "amount"}),
}
"""Name → over its reactant x, whole, and what its parameters are."""


@dataclass(frozen=True)
class RandomLaw:
    """x -> p in molecules of 1 µm³ and seconds. over: the law over x, in BNGL's words. whole: with x."""

    x: str
    y: str
    p: str
    family: str
    values: dict[str, float]

    @classmethod
    def draw(cls, rng: np.random.Generator, names: Sequence[str]) -> RandomLaw:
        x, p = (str(s) for s in rng.choice(names, 2, replace=False))
        family = str(rng.choice(list(FAMILIES)))
        ranges = {"rate": (1e3, 2e4), "amount": (50, 500), "turnover": (10, 100), "power": (1.2, 3)}
        kinds = FAMILIES[family][2]
        return cls(x, str(rng.choice(names)), p, family, {k: float(rng.uniform(*ranges[v])) for k, v in kinds.items()})

    def written(self, which: int) -> str:
        """Over its reactant (0) or whole (1), with its parameters' names."""
        return FAMILIES[self.family][which].format(x=self.x, y=self.y)

    def numbers(self, which: int) -> str:
        """The same with numbers for parameters, as Python has them."""
        words = "".join(f" {c} " if not (c.isalnum() or c in "_.") else c for c in self.written(which)).split()
        return "".join(repr(self.values[w]) if w in self.values else w for w in words)

    def toml(self) -> dict[str, Any]:
        """As an entry of chemistry.reactions."""
        per = IONS_PER_MM_UM3
        units = {"rate": (1 / per, " mM/s"), "amount": (1 / per, " mM"), "turnover": (1.0, " /s")}
        parameters: dict[str, Any] = dict(self.values)
        for key, kind in FAMILIES[self.family][2].items():
            if kind in units:
                scale, unit = units[kind]
                parameters[key] = f"{self.values[key] * scale!r}{unit}"
        return {"equation": f"{self.x} -> {self.p}", "rate_law": self.written(1), "parameters": parameters}


def with_laws_net(text: str, laws: Sequence[RandomLaw], names: Sequence[str]) -> str:
    """A `.net` with the laws as functions of groups that have the names of species."""
    functions = [f" {i + 1} f{i}() {law.numbers(0)}" for i, law in enumerate(laws)]
    number = {name: str(i + 1) for i, name in enumerate(names)}
    reactions = [f" {900 + i} {number[law.x]} {number[law.p]} f{i}" for i, law in enumerate(laws)]
    groups = [f" {i} {name} {i}" for name, i in number.items()]
    text = text.replace("begin species", "\n".join(["begin functions", *functions, "end functions", "begin species"]))
    text = text.replace("end reactions", "\n".join([*reactions, "end reactions"]))
    return text.replace("end groups", "\n".join([*groups, "end groups"]))


def with_laws_sbml(text: str, laws: Sequence[RandomLaw]) -> str:
    """An SBML model, in items, with the laws as reactions."""
    document = libsbml.readSBMLFromString(text)
    for i, law in enumerate(laws):
        r = document.getModel().createReaction()
        r.setId(f"law{i}")
        r.setReversible(False)
        r.setFast(False)
        for create, name in ((r.createReactant, law.x), (r.createProduct, law.p)):
            reference = create()
            reference.setSpecies(name)
            reference.setStoichiometry(1)
            reference.setConstant(True)
        for other in {law.y} - {law.x, law.p}:
            r.createModifier().setSpecies(other)
        kinetic = r.createKineticLaw()
        for key, value in law.values.items():
            parameter = kinetic.createLocalParameter()
            parameter.setId(key)
            parameter.setValue(value)
        kinetic.setMath(libsbml.parseL3Formula(law.written(1)))
    return str(libsbml.writeSBMLToString(document))
