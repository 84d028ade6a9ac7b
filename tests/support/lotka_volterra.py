"""Lotka–Volterra on a lattice of 40 × 40 sites as others found it, and how to compare with it.

Means and run-to-run standard deviations of prey P, hunters H and pairs of neighbours (each bond once, periodic).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import fisher_exact, norm

from adapters.lattice.paper import PaperEnsemble, ensemble, lotka_volterra

Row = dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Reference:
    """runs: behind the numbers. rows: step → quantity → (mean, sd). extinct: step → runs without hunters."""

    runs: int
    rows: dict[int, Row]
    extinct: dict[int, int]


def _reference(runs: int, columns: tuple[str, ...], text: str) -> Reference:
    rows: dict[int, Row] = {}
    extinct: dict[int, int] = {}
    for line in text.strip().splitlines():
        t, *values = line.split()
        numbers = [float(v) for v in values]
        rows[int(t)] = {c: (numbers[2 * i], numbers[2 * i + 1]) for i, c in enumerate(columns)}
        if len(numbers) > 2 * len(columns):
            extinct[int(t)] = int(numbers[-1])
    return Reference(runs, rows, extinct)


_MOMENTS = ("P", "H", "P P", "H H", "H P")

ROW_FIRST = _reference(
    300,
    _MOMENTS,
    """
    50 137.0 23.8 28.4 7.7 26.1 9.8 3.9 2.4 5.5 2.8 0
    100 350.1 71.0 30.3 17.3 169.1 72.1 8.8 7.4 13.0 8.4 1
    150 598.5 184.9 174.2 75.9 640.1 357.5 112.7 77.3 75.5 34.4 2
    200 316.1 236.9 307.1 145.8 385.3 442.8 246.2 187.1 83.5 57.2 2
    250 170.9 182.3 93.2 83.0 109.3 302.8 48.7 77.5 13.9 24.0 2
    300 315.1 193.9 50.0 65.9 210.9 315.2 27.0 54.3 16.0 21.6 6
    350 558.4 226.9 124.4 116.2 579.7 435.0 92.0 112.2 50.0 45.4 35
    400 577.6 375.7 265.7 181.7 828.9 742.3 251.7 233.4 83.2 66.0 38
    450 411.6 474.4 178.8 166.4 595.2 966.4 146.6 183.2 36.8 49.6 38
    500 439.7 471.7 89.2 114.5 589.8 993.4 65.9 111.0 22.8 34.5 43
    """,
)
"""The authors' simulator, which chooses row by row."""

BETWEEN = _reference(
    300,
    ("P", "H"),
    """
    20 93.48 10.89 60.05 8.50
    40 116.71 18.42 35.49 7.72
    60 164.34 30.42 24.10 7.85
    80 239.73 47.22 22.31 10.24
    120 479.95 99.63 59.43 34.98
    """,
)
"""More times of the same runs."""

UNIFORM = _reference(
    1000,
    _MOMENTS,
    """
    50 132.1 23.9 29.5 8.1 23.8 9.3 3.8 2.6 6.2 3.0 0
    100 320.3 67.4 33.2 18.2 141.2 61.0 8.9 7.1 14.4 9.3 1
    150 420.8 182 195.3 81.0 343.5 262 102.9 61.5 85.0 36.8 6
    200 74.9 134 156.3 110 39.9 256 57.1 90 20.1 29 6
    250 82.1 129 20.2 17 29.6 247 1.8 3.3 2.4 3.6 9
    300 213.4 172 11.6 20 96.7 260 3.0 7.5 4.7 9.4 182
    400 595.4 555 168.6 202 900 1114 128.8 211 47.9 73 402
    500 672 738 9.3 27 1245 1535 2.0 12 1.6 8.8 475
    """,
)
"""An independent simulator with uniform choices."""

Z = 4.0


def campaign(runs: int, *, row_first: bool, seed: int = 1) -> PaperEnsemble:
    """100 hunters and 100 prey at random, 500 steps, a row every 10."""
    return ensemble(
        lotka_volterra(),
        (40, 40),
        500,
        runs,
        seed,
        initial={"H": 100, "P": 100},
        row_first=row_first,
        every=10,
        threads=2,
    )


def column(made: PaperEnsemble, quantity: str) -> np.ndarray:
    """(n_runs, n_rows) of a species or of a pair of neighbours."""
    if " " in quantity:
        first, second = quantity.split()
        return made.nn[:, :, made.pairs.index((first, second))]
    return made.counts[:, :, made.species.index(quantity)]


def disagreements(made: PaperEnsemble, reference: Reference) -> dict[str, float]:
    """ "quantity at step" → z of the two-sample test, with the larger of both variances, where it is above `Z`.

    Runs without hunters are compared by Fisher's exact test, at the same error probability.
    """
    found: dict[str, float] = {}
    n, steps = len(made.seeds), made.steps.tolist()
    for t, row in reference.rows.items():
        for quantity, (mean, sd) in row.items():
            values = column(made, quantity)[:, steps.index(t)]
            variance = max(sd**2, values.var(ddof=1))
            z = abs(values.mean() - mean) / math.sqrt(variance * (1 / n + 1 / reference.runs))
            if z > Z:
                found[f"{quantity} at {t}"] = z
    for t, extinct in reference.extinct.items():
        here = int((column(made, "H")[:, steps.index(t)] == 0).sum())
        p = fisher_exact([[here, n - here], [extinct, reference.runs - extinct]]).pvalue
        if p < 2 * norm.sf(Z):
            found[f"extinct at {t}"] = float(norm.isf(p / 2))
    return found
