"""Whole molecules of all species out of expected numbers of single molecules, given the totals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from couple.base.arrays import Counts, Floats
from reducers.gccd.law.molecule import FREE, IONS, LOBES, MONO, P_MONO, P_PAIRED, PAIRED, state_of


def draw_counts(
    expected: Floats, calmodulin: int, subunits: int, ions: int, species: Sequence[str], rng: np.random.Generator
) -> Counts:
    """(n_species,) molecules: `calmodulin` of them drawn from `expected` (45,), `ions` held, `subunits` of CaMKII.

    Pairs are put together at random. Where `ions` is out of reach (below 0, above 4 each) the nearest is taken.
    """
    numbers = _paired(rng.multinomial(calmodulin, expected / expected.sum()), subunits)
    numbers = _with_ions(numbers, expected, min(max(ions, 0), 4 * calmodulin), rng)
    found = dict.fromkeys(species, 0)
    for head, kind in (("CaM", FREE), ("K_CaM", MONO), ("pK_CaM", P_MONO)):
        for c, n in LOBES:
            found[f"{head}_c{c}n{n}"] += int(numbers[state_of(kind, c, n)])
    halves = rng.permutation(np.repeat(np.arange(9), numbers[9 * PAIRED : 9 * PAIRED + 9])).tolist()
    for one in np.repeat(np.arange(9), numbers[9 * P_PAIRED : 9 * P_PAIRED + 9]).tolist():
        found[f"pK_K_{_lobes(one)}_{_lobes(halves.pop())}"] += 1
    while halves:
        x, y = sorted((halves.pop(), halves.pop()))
        found[f"K_K_{_lobes(x)}_{_lobes(y)}"] += 1
    found["K"] = subunits - int(numbers[9:].sum())
    return np.array([found[name] for name in species], dtype=np.int64)


def _lobes(k: int) -> str:
    return f"c{LOBES[k][0]}n{LOBES[k][1]}"


def _paired(numbers: Counts, subunits: int) -> Counts:
    """The same, changed by a molecule or two so that every pair has two halves, and bound ones find a subunit."""
    out = numbers.copy()
    while out[9:].sum() > subunits:
        _shift(out, MONO if out[9:18].any() else P_MONO, FREE)
    while _total(out, P_PAIRED) > _total(out, PAIRED):
        _shift(out, P_PAIRED, P_MONO)
    if (_total(out, PAIRED) - _total(out, P_PAIRED)) % 2:
        _shift(out, PAIRED, MONO)
    return out


def _total(numbers: Counts, kind: int) -> int:
    return int(numbers[9 * kind : 9 * kind + 9].sum())


def _shift(numbers: Counts, source: int, target: int) -> None:
    """One molecule of the commonest lobes to another class."""
    k = int(numbers[9 * source : 9 * source + 9].argmax())
    numbers[9 * source + k] -= 1
    numbers[9 * target + k] += 1


def _with_ions(numbers: Counts, expected: Floats, ions: int, rng: np.random.Generator) -> Counts:
    """The same with `ions` in all: single ions come or go, at odds of the expected numbers after and before."""
    out, weights = numbers.copy(), np.maximum(expected, 1e-12 * expected.sum())
    while (missing := ions - int(out @ IONS)) != 0:
        moves = [(s, t) for s, t in _STEPS if out[s if missing > 0 else t] > 0]
        sources = np.array([s if missing > 0 else t for s, t in moves])
        targets = np.array([t if missing > 0 else s for s, t in moves])
        odds = out[sources] * weights[targets] / (weights[sources] + weights[targets])
        k = int(rng.choice(len(moves), p=odds / odds.sum()))
        out[sources[k]] -= 1
        out[targets[k]] += 1
    return out


_STEPS = [
    (state_of(kind, c, n), state_of(kind, c + dc, n + dn))
    for kind in range(5)
    for c, n in LOBES
    for dc, dn in ((1, 0), (0, 1))
    if c + dc < 3 and n + dn < 3
]
"""Pairs of states that differ by one ion."""
