"""The SK channel: open probability against calcium, and the rates that a training has found from simulated channels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from couple.base.arrays import Floats
from couple.projects.examples import examples_folder
from reducers.markov.file import read_block
from reducers.markov.markov import MarkovBlock
from reducers.reproduce.figure import PublishedFigure, Reproduced, Row

RATES = (
    ("SK_C1", "SK_C2", 0.2, 0.08), ("SK_C2", "SK_C3", 0.16, 0.08), ("SK_C3", "SK_C4", 0.08, 0.2),
    ("SK_C3", "SK_O1", 0.16, 1.0), ("SK_C4", "SK_O2", 1.2, 0.1),
)  # fmt: skip
"""States, forward and backward, /ms, the first three forward per uM."""
OPEN = {0.1: 0.02399, 0.2: 0.11546, 0.5: 0.46043, 1.0: 0.70255, 3.0: 0.85905, 10.0: 0.90506}
"""Calcium, uM → open probability of that scheme."""
WITHIN = 0.03
"""Of a rate, and of a probability, which the training promises on what was held out."""


def sk_gating(folder: Path, tell: Callable[[str], None]) -> Reproduced:
    """The model that ships with the examples beside the published scheme."""
    import matplotlib.pyplot as plt

    block = read_block(examples_folder() / "sk" / "sk.h5")
    assert isinstance(block, MarkovBlock)
    names = list(block.about.species)
    rows = []
    for a, b, forward, backward in RATES:
        i, j = names.index(a), names.index(b)
        binds = not b.startswith("SK_O")
        ours = (block.slope if binds else block.base)[j, i]
        rows.append(Row(f"{a} -> {b}, {'/ms/uM' if binds else '/ms'}", float(ours), forward, allowed=WITHIN * forward))
        rows.append(Row(f"{b} -> {a}, /ms", float(block.base[i, j]), backward, allowed=WITHIN * backward))
    opens = [names.index("SK_O1"), names.index("SK_O2")]
    for calcium, known in OPEN.items():
        ours = _steady(block, calcium)[opens].sum()
        rows.append(Row(f"open at {calcium:g} uM", float(ours), known, allowed=WITHIN * known))

    drawing, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
    axis = np.geomspace(0.03, 30, 100)
    ours = np.array([_steady(block, c)[opens].sum() for c in axis])
    c = axis
    left.semilogx(c, (0.8 * c**2 + 24 * c**3) / (1 + 2.5 * c + 5.8 * c**2 + 26 * c**3), color="0.5", label="scheme")
    left.semilogx(c, ours, "--", color="#D55E00", label="learned")
    left.set(xlabel="Ca (µM)", ylabel="open probability")
    left.legend(frameon=False)
    theirs = [rate for _, _, *pair in RATES for rate in pair]
    right.loglog(theirs, [row.ours for row in rows[: len(theirs)]], "o", color="#D55E00")
    right.loglog([0.05, 2], [0.05, 2], color="0.7")
    right.set(xlabel="published rate (/ms, /ms/µM)", ylabel="learned rate")
    return Reproduced(rows, drawing)


def _steady(block: MarkovBlock, calcium: float) -> Floats:
    """(n,) probabilities of the states at rest at this calcium, uM."""
    generator = block.base + calcium * block.slope
    values, vectors = np.linalg.eig(generator)
    found = vectors[:, np.argmin(abs(values))].real
    return np.asarray(found / found.sum())


FIGURE = PublishedFigure(
    "the SK channel: open probability against calcium, and rates learned from simulated channels",
    "Hirschberg et al. (1998), J Gen Physiol 111:565", 0.1, sk_gating,
)  # fmt: skip
