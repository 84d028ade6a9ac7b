"""Reading reactions: "Ca + CBP <-> CaCBP" with rates that carry units."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from couple.base.errors import InputError, nearest, quoted
from couple.base.units import quantity
from couple.chemistry.lattice_units import lattice_rate
from couple.chemistry.laws.rate_law import read_rate_law
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Reaction, Species

MOST = 1000
"""Molecules on a side of an equation; engines list them one by one."""

_TERM = re.compile(r"\s*(?:([0-9]+)\s*\*?\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*")


def _side(text: str, equation: str) -> tuple[str, ...]:
    if text.strip() in ("", "0", "∅"):
        return ()
    names: list[str] = []
    for term in text.split("+"):
        match = _TERM.fullmatch(term)
        if match is None or match[1] == "0":
            raise InputError(f'cannot read "{term.strip()}" in "{equation}"; write it like "A + 2 B <-> C"')
        n = int(match[1]) if match[1] and len(match[1]) < 10 else MOST + 1 if match[1] else 1
        if len(names) + n > MOST:
            raise InputError(f"{quoted(equation)}: up to {MOST} molecules can stand on a side")
        names += [match[2]] * n
    return tuple(names)


def parse_equation(equation: str) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
    """ "A + 2 B <-> C" → (reactants, products, reversible). Raises InputError if it cannot be read."""
    arrow = "<->" if "<->" in equation else "->"
    sides = equation.split(arrow)
    if len(sides) != 2:
        raise InputError(f'"{equation}" needs one arrow, "->" or "<->"')
    return _side(sides[0], equation), _side(sides[1], equation), arrow == "<->"


def beside_both(equation: str, name: str) -> str:
    """An equation with one more molecule on both sides: "A -> B" and "E" make "A + E -> B + E".

    Raises InputError if it cannot be read.
    """
    left, right, reversible = parse_equation(equation)
    return f" {'<->' if reversible else '->'} ".join(" + ".join((*side, name)) for side in (left, right))


def warmed(reactions: Iterable[Reaction], factor: float) -> list[Reaction]:
    """The reactions with their rates times a `factor` that comes from the temperature."""
    return [replace(r, rate=r.rate * factor, warming=factor) for r in reactions]


def read_reaction(
    species: Mapping[str, Species],
    equation: str,
    forward: str | None,
    backward: str | None = None,
    reservoirs: Iterable[str] | None = None,
) -> list[Reaction]:
    """One or two irreversible reactions from an equation and rates with units.

    Names that are no species are reservoirs; with `reservoirs` given, only these are.
    Raises InputError if a name is unknown, or a rate is missing, superfluous, negative or of the wrong dimension.
    """
    left, right, reversible = parse_equation(equation)
    _check_names((*left, *right), equation, species, reservoirs)
    if reversible and backward is None:
        raise InputError(f'"{equation}" is reversible: give backward = "... /s" too, or write "->"')
    if not reversible and backward is not None:
        raise InputError(f'"{equation}" has a backward rate: write "<->"')
    reactions = []
    for key, a, b, rate in (("forward", left, right, forward), ("backward", right, left, backward)):
        if rate is None:
            continue
        reactants = [species[n] for n in a if n in species]
        dimension = ReactionNetwork.rate_dimension(reactants, [species[n].on for n in b if n in species])
        try:
            value, per = lattice_rate(rate, len(reactants)) or (quantity(rate, dimension), "time")
        except InputError as error:
            raise error.at(key) from None
        if value < 0:
            raise InputError(f'"{rate}" is negative', where=key)
        text = f"{' + '.join(a) or '0'} -> {' + '.join(b) or '0'}"
        reactions.append(Reaction(a, b, value, text, per=per))
    return reactions


def read_law_reaction(
    species: Mapping[str, Species],
    equation: str,
    rate_law: str,
    parameters: Mapping[str, object],
    reservoirs: Iterable[str] | None = None,
) -> Reaction:
    """The reaction of an equation with a rate law, see couple.chemistry.laws.rate_law; names as in `read_reaction`.

    Raises InputError for a reversible one, an unknown name, and a law that cannot be read or whose units are wrong.
    """
    left, right, reversible = parse_equation(equation)
    _check_names((*left, *right), equation, species, reservoirs)
    if reversible:
        raise InputError(f'"{equation}" has a rate law, which is of one direction: write two reactions with "->"')
    law = read_rate_law(rate_law, parameters, {name: s.on for name, s in species.items()})
    return Reaction(left, right, 1.0, f"{' + '.join(left) or '0'} -> {' + '.join(right) or '0'}", law=law)


def _check_names(
    names: Iterable[str], equation: str, species: Mapping[str, Species], reservoirs: Iterable[str] | None
) -> None:
    """Raise InputError for a name that is neither a species nor one of the `reservoirs`, if these are given."""
    if reservoirs is None:
        return
    outside = set(reservoirs)
    for name in names:
        if name not in species and name not in outside:
            known = [*species, *reservoirs]
            raise InputError(f'unknown species "{name}" in "{equation}"; {nearest(name, known)}', where="equation")
