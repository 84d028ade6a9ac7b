"""Catalysts: species that a reaction needs and leaves as they are."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from couple.chemistry.reaction import Reaction


class Change(NamedTuple):
    """What a reaction turns into what, and the catalysts, on both sides, that stay; names as often as they stand."""

    left: tuple[str, ...]
    right: tuple[str, ...]
    catalysts: tuple[str, ...]


def change_of(reaction: Reaction) -> Change:
    """A reaction taken apart.

    >>> from couple import Reaction
    >>> from couple.chemistry.catalysis import change_of
    >>> change_of(Reaction(("A", "E"), ("E", "B"), rate=1.0))
    Change(left=('A',), right=('B',), catalysts=('E',))
    """
    left, right = Counter(reaction.reactants), Counter(reaction.products)
    both = left & right
    return Change(*(tuple(names.elements()) for names in (left - both, right - both, both)))
