"""Real amounts in engines that count whole molecules: met in the mean, never rounded to nothing.

One rule for each way in:

* An amount at the start is rounded up with the probability of its fraction (`whole_amounts`). Forms that one total is
  split over are rounded together: their sum is off by less than one molecule. A distribution over states starts with
  the same probabilities (`start_states`).
* A count that is held goes up and down by one in time, so that it is the real number on average (`held_count`).
* Molecules that enter are given out whole, what is left is carried on and given with the next (`whole_and_rest`; ions
  that links hand over likewise, see couple.exchange.kernels).
* A whole site is handed over by couple.chemistry.rounding.

Random numbers are keyed by (seed, site, species), so that every engine starts a site from the same molecules.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from couple.base.arrays import Floats
from couple.base.errors import InputError
from couple.cache.kernels import njit
from couple.chemistry.rounding import RoundingRule
from couple.rng.streams import stream, uniform

WHOLE = 1e-9
"""An amount this near to a whole number, relative to it where it is above 1, is one: unit conversions round."""

TURN = 0.5 * (math.sqrt(5.0) - 1.0)
"""Of a period by which `held_count` moves on in one: the golden ratio, so that no window or record is in step with
it, and any n moments that are equally far apart see the mean to about 1/n."""

Draw = Callable[[str], float]
"""Name of a species → uniform number in [0, 1)."""


def keyed_draw(seed: int, site: str) -> Draw:
    """The random numbers of one site at the start, one for each species."""
    return lambda species: 1.0 - uniform(stream(seed, "start", site, species))


def whole_amounts(
    amounts: Sequence[float],
    names: Sequence[str],
    together: Sequence[Sequence[int]],
    rule: RoundingRule,
    draw: Draw,
) -> tuple[int, ...]:
    """(n,) whole numbers for as many real ones of at least 0.

    together: columns that one total was split over. With "random" the mean over `draw` is `amounts`. With "nearest"
    each is the nearest whole number; of those that go together the sum is, by the largest fractions. In both no number
    moves by one or more, nor does the sum of those that go together.
    """
    found = [round(x) for x in amounts]
    parted = {c for c, (n, x) in enumerate(zip(found, amounts, strict=True)) if n != x}
    for group in _groups(parted, together):
        if rule == "random":
            whole = _cut([amounts[c] for c in group], draw(names[group[0]]))
        else:
            whole = _nearest([nearly_whole(amounts[c]) for c in group])
        for c, n in zip(group, whole, strict=True):
            found[c] = n
    return tuple(found)


def start_states(
    amounts: Sequence[float], together: Sequence[Sequence[int]], most: int
) -> tuple[npt.NDArray[np.int64], Floats]:
    """(n, n_species) whole numbers and (n,) probabilities with which "random" rounds `amounts` to them.

    Raises InputError if these are more than `most` states.
    """
    parts: list[tuple[list[int], list[tuple[list[int], float]]]] = []
    for group in _groups(range(len(amounts)), together):
        ends = _ends([amounts[c] for c in group])
        edges = sorted({0.0, 1.0, *(1.0 - end % 1.0 for end in ends)})
        steps = [(a, b) for a, b in itertools.pairwise(edges) if b - a > WHOLE]
        parts.append((group, [(_cut([amounts[c] for c in group], 0.5 * (a + b)), b - a) for a, b in steps]))
    n = math.prod(len(choices) for _, choices in parts)
    if n > most:
        raise InputError(
            f"the amounts at the start are no whole molecules: {n:.1e} states share the start, {most} are allowed "
            "(cme.states); give fewer of them in parts of a molecule, as { count = 20 }"
        )
    states, p = np.zeros((n, len(amounts)), dtype=np.int64), np.ones(n)
    for row, chosen in enumerate(itertools.product(*(choices for _, choices in parts))):
        for (group, _), (whole, chance) in zip(parts, chosen, strict=True):
            states[row, group] = whole
            p[row] *= chance
    return states, np.asarray(p / p.sum())


def apportion(total: int, shares: Mapping[str, float]) -> dict[str, int]:
    """Split `total` molecules by shares that sum to 1, in integers that sum to `total` (largest remainder)."""
    exact = {k: total * v for k, v in shares.items()}
    counts = {k: int(v) for k, v in exact.items()}
    short = total - sum(counts.values())
    for k in sorted(exact, key=lambda k: (counts[k] - exact[k], k))[:short]:
        counts[k] += 1
    return counts


def whole_and_rest(due: npt.ArrayLike) -> tuple[Floats, Floats]:
    """What is given out now, whole numbers, and what is carried on; less than 1e-6 is missing only by rounding."""
    array = np.asarray(due, dtype=float)
    whole = np.floor(array + 1e-6)
    return whole, array - whole


def nearly_whole(x: float) -> float:
    """The whole number that x, of at least 0, is but for rounding; else x. What is next to nothing stays what it is."""
    return float(round(x)) if abs(x - round(x)) <= WHOLE * x else x


def turn_of(period: float) -> np.uint64:
    """By how much the phase of a held count moves on in one step, for about `period` steps in each 0 to 1."""
    return np.uint64(int(TURN / period * 2.0**64) | 1)


@njit(cache=True, inline="always")
def held_count(target: float, phase: np.uint64) -> int:
    """Molecules to hold now for a real number of them: the whole part, and one more where the phase says so.

    phase: goes through all 64-bit numbers evenly, by `turn_of` in every step: over time the mean is `target`.
    """
    whole = math.floor(target + 1e-9)
    return int(whole) + int(float(phase >> np.uint64(11)) * (1.0 / (1 << 53)) < target - whole)


def _groups(columns: Collection[int], together: Sequence[Sequence[int]]) -> list[list[int]]:
    """These columns, once: with those that they go together with, then each of the others alone."""
    joined = [list(group) for group in together if any(c in columns for c in group)]
    seen = {c for group in joined for c in group}
    return joined + [[c] for c in sorted(columns) if c not in seen]


def _nearest(amounts: Sequence[float]) -> list[int]:
    """Rounded down, and one more for the largest fractions until the sum is the nearest to that of the amounts."""
    whole = [math.floor(x) for x in amounts]
    short = round(math.fsum(amounts)) - sum(whole)
    for k in sorted(range(len(whole)), key=lambda k: (whole[k] - amounts[k], k))[:short]:
        whole[k] += 1
    return whole


def _ends(amounts: Sequence[float]) -> list[float]:
    """Running sums; those that are whole but for rounding are made so."""
    return [nearly_whole(x) for x in itertools.accumulate(amounts)]


def _cut(amounts: Sequence[float], u: float) -> list[int]:
    """Systematic sampling: running sums plus u, rounded down, and their differences."""
    ends = [math.floor(end + u) for end in _ends(amounts)]
    return [b - a for a, b in itertools.pairwise([0, *ends])]
