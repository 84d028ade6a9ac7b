"""What a reaction does to neighbouring sites of a lattice."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """A local reaction: the units of a place (1 site, or 2 along an edge) go from one set of states to another.

    rate: per place. A bond that can react both ways round carries two rules.
    """

    before: tuple[int, ...]
    after: tuple[int, ...]
    rate: float = 1.0
