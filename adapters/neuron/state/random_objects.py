"""h.Random objects of a model: where each stands, and the seed of those that Random123's global index does not reach.

A normal deviate comes with a second one, which the object keeps for the next draw and shows to nobody: where one is
kept, the position is that of the draw before, from which the object draws once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from adapters.neuron.hoc.h import h
from adapters.neuron.state.generators import Generators, hashed
from couple.base.errors import CoupleError

_FAR = 4096
"""How far back the draw is looked for that has left a deviate: each attempt at a pair takes two numbers."""


class Position(NamedTuple):
    """Where a generator stands: at `sequence`, after `draws` more."""

    sequence: float
    draws: float = 0.0


def positions(generators: Iterable[Any]) -> list[Position]:
    """Of each; they stand there afterwards too. Raises CoupleError if one cannot be found out."""
    return [_position(generator) for generator in generators]


def set_positions(generators: Sequence[Any], found: Iterable[Sequence[float]]) -> None:
    """Put each to its position."""
    for generator, (sequence, draws) in zip(generators, found, strict=True):
        _put(generator, sequence)
        for _ in range(int(draws)):
            generator.repick()


def reseed(generators: Sequence[Any], seed: int, shared: Generators) -> None:
    """Set the generators that NEURON shares, and let the objects draw what follows from the experiment's seed.

    Those of Random123 follow the global index. Those of MCellRan4 get an index of their own, unless the seed is 0:
    keyed by where the stream stands, which models number their streams by, and not by the order of objects, which
    depends on the ranks of a network.
    """
    if seed == 0 or not generators:
        shared.set()
        return
    there: Counter[float] = Counter()
    stand = positions(generators)
    for generator, position in zip(generators, stand, strict=True):
        if not _is_random123(generator):
            there[position.sequence] += 1
            key = hashed(seed, f"h.Random {position.sequence}", there[position.sequence])
            generator.MCellRan4(position.sequence, key)
    shared.set()
    set_positions(generators, stand)  # also what they keep is of the new index


def _position(generator: Any) -> Position:
    now = float(generator.seq())
    kept = generator.repick()
    if generator.seq() != now:
        _put(generator, now)
        return Position(now)
    for back in range(1, _FAR):
        if back > now:
            break
        _put(generator, now - back)
        generator.repick()
        if generator.seq() == now and generator.repick() == kept and generator.seq() == now:
            found = Position(now - back, 1.0)
            set_positions([generator], [found])
            return found
    raise CoupleError("an h.Random object of the model keeps a deviate that it has not drawn by itself")


def _put(generator: Any, sequence: float) -> None:
    """To a position, with no deviate kept: the second draw that follows a first takes it."""
    before = generator.seq()
    generator.repick()
    if generator.seq() != before:
        generator.repick()
    generator.seq(sequence)


def _is_random123(generator: Any) -> bool:
    """Whether the global index changes what it draws."""
    index, [stands] = h.Random().Random123_globalindex(), positions([generator])
    drawn = []
    for other in (index, index + 1 if index < 2**31 else index - 1):
        h.Random().Random123_globalindex(other)
        row = []
        _put(generator, stands.sequence)
        for _ in range(8):
            row.append(generator.repick())
        drawn.append(row)
    h.Random().Random123_globalindex(index)
    set_positions([generator], [stands])
    return drawn[0] != drawn[1]
