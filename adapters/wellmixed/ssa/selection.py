"""The next group of reactions, chosen with a chance proportional to its propensity.

By sums over blocks of groups (the direct method; Gillespie, J Phys Chem 81:2340, 1977), whose cost grows with the
number of groups, or, where a kernel is given `Levels`, by composition and rejection (see `levels`), whose cost does
not. Which of the two a kernel is compiled for follows from the type of `levels`; the other is not in its code.
"""

from __future__ import annotations

from typing import NamedTuple

from adapters.wellmixed.common.codes import INLINE
from adapters.wellmixed.ssa.grouping import BLOCK
from adapters.wellmixed.ssa.levels import LEVELS, Levels, choose, clear, put, resum
from couple.base.arrays import Floats, Words
from couple.cache.kernels import njit
from couple.rng.streams import uniform


class GroupSums(NamedTuple):
    """Propensities per ms of the groups, and their sums; not used beside `Levels`."""

    total: Floats  # (n_groups,)
    block: Floats  # (n_blocks,) sums over BLOCK groups each


@njit(**INLINE)
def clear_propensities(sums: GroupSums, levels: Levels | None) -> None:
    """All propensities 0."""
    if levels is None:
        sums.total[:] = 0.0
        sums.block[:] = 0.0
    else:
        clear(levels)


@njit(**INLINE)
def set_propensity(sums: GroupSums, levels: Levels | None, group: int, propensity: float) -> None:
    """Give a group another propensity (per ms)."""
    if levels is None:
        sums.block[group // BLOCK] += propensity - sums.total[group]
        sums.total[group] = propensity
    else:
        put(levels, group, max(propensity, 0.0))


@njit(**INLINE)
def settle_sums(levels: Levels | None) -> None:
    """After all propensities were set: sums without what rounding has left."""
    if levels is not None:
        resum(levels)


@njit(**INLINE)
def sum_propensities(sums: GroupSums, levels: Levels | None) -> float:
    """The propensity of the whole network, per ms."""
    if levels is None:
        everything = sums.block[0]
        for b in range(1, len(sums.block)):
            everything += sums.block[b]
        return float(everything)
    return float(levels.sums[LEVELS])


@njit(**INLINE)
def choose_group(sums: GroupSums, levels: Levels | None, words: Words, everything: float) -> tuple[int, float]:
    """A group, and a number that is uniform between 0 and its propensity; -1 if rounding pointed at none.

    everything: of `sum_propensities`. words: (4,) the random stream.
    """
    if levels is None:
        target = uniform(words) * everything
        b = 0
        while b < len(sums.block) - 1 and target > sums.block[b]:
            target -= sums.block[b]
            b += 1
        k, last = b * BLOCK, min(b * BLOCK + BLOCK, len(sums.total)) - 1
        while k < last and target > sums.total[k]:
            target -= sums.total[k]
            k += 1
        return k, target
    group, target = choose(levels, words)
    return int(group), target
