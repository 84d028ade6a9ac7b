"""A rate as the elementary reactions that it stands for, or as a rate law where it stands for none.

Rates are in events per ms, of numbers of molecules.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from adapters.chemistry_files.model import CountReaction
from adapters.chemistry_files.polynomial import Polynomial, polynomial
from couple.chemistry.laws.calculus import split_signs
from couple.chemistry.laws.expression import Expression

HIGHEST = 2
"""Order of elementary reactions."""
_CLOSE = 1e-9


def reactions_of(
    name: str, left: tuple[str, ...], right: tuple[str, ...], rate: Expression, reversible: bool
) -> Iterator[CountReaction]:
    """The reactions of a rate from `left` to `right`; of a reversible one in both directions.

    Mass action of the reactants, with catalysts, becomes elementary; k n (n - 1) of two of a kind likewise, the
    propensity of k per pair in order. Everything else is a rate law.
    """
    terms = polynomial(rate)
    if terms is not None:
        found = _elementary(name, left, right, terms)
        if found is not None and (reversible or all(r.reactants[: len(left)] == left for r in found)):
            yield from found
            return
    if not reversible:
        yield CountReaction(name, left, right, 1.0, rate)
        return
    for start, end, part in zip((left, right), (right, left), split_signs(rate), strict=True):
        terms = polynomial(part)
        if terms == {}:
            continue
        found = None if terms is None else _elementary(name, start, end, terms)
        if found is not None and all(r.reactants[: len(start)] == start for r in found):
            yield from found
        else:
            yield CountReaction(name, start, end, 1.0, part)


def _elementary(
    name: str, left: tuple[str, ...], right: tuple[str, ...], terms: Polynomial
) -> list[CountReaction] | None:
    """Mass action of the terms, those below zero from right to left; None if one is none."""
    terms, found = _of_pairs(terms), []
    for species, coefficient in terms.items():
        start, end = (left, right) if coefficient > 0 else (right, left)
        extra = _catalysts(species, start)
        if extra is None or len(species) > HIGHEST:
            return None
        found.append(CountReaction(name, start + extra, end + extra, abs(coefficient)))
    return found


def _of_pairs(terms: Polynomial) -> Polynomial:
    """The terms with c n² - c n as c n²: n (n - 1) are pairs in order of whole molecules."""
    found = dict(terms)
    for species, c in terms.items():
        if len(species) == 2 and species[0] == species[1]:
            single = found.get(species[:1], 0.0)
            if single and math.isclose(single, -c, rel_tol=_CLOSE):
                del found[species[:1]]
    return found


def _catalysts(term: tuple[str, ...], start: tuple[str, ...]) -> tuple[str, ...] | None:
    """What stands in a term of a rate besides the reactants; None if one of the reactants is missing."""
    left = list(term)
    for name in start:
        if name not in left:
            return None
        left.remove(name)
    return tuple(left)
