"""How likely windows are under models that were fitted to others: halvings, each half held out once.

Successive windows are cut into blocks, which stay together: windows of one block may depend on each other, and blocks
that are longer than activity is correlated do not. A random half of the blocks is fitted and the other held out, then
the other way around (Dietterich, Neural Comput 10:1895, 1998, with 5 × 2 splits).

The standard error is that of the mean over blocks. A held-out half is off the mean over all windows by one standard
error, so that a difference of two has its sign in a split with probability 0.977, and in 9 of 10 splits with 0.98. A
tenth, held out once, is off by three standard errors: the sign is there in 7 or 8 of 10, and in 9 with 0.11. Where few
windows are fitted, fits to different halves differ by more than this: then that is the error that is given.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from couple.base.arrays import Bools, Floats, Ints
from couple.rng.streams import generator
from reducers.population.models.model import BLOCK, Estimate, FitBlock, PatternModel
from reducers.population.patterns.patterns import Bits

BITS = float(np.log(2.0))


@dataclass(frozen=True)
class Splits:
    """edges: (blocks + 1,) first window of each block, and the end. held: (splits, blocks) what each holds out."""

    edges: Ints
    held: Bools

    @classmethod
    def of(cls, windows: int, blocks: int, splits: int, seed: int) -> Splits:
        """Of at most `blocks` blocks of two windows or more; splits 2 i and 2 i + 1 hold out what the other fits."""
        blocks = max(2, min(blocks, windows // 2))
        rng, held = generator(seed, "population", "halves", "chosen"), np.zeros((splits, blocks), dtype=bool)
        for first in range(0, splits, 2):
            held[first, rng.permutation(blocks)[: blocks // 2]] = True
            held[first + 1 : first + 2] = ~held[first]
        return cls(np.linspace(0, windows, blocks + 1).astype(np.int64), held)

    @property
    def sizes(self) -> Ints:
        """(blocks,) windows."""
        return np.diff(self.edges)

    def windows(self, split: int) -> Bools:
        """(windows,) whether a split holds them out."""
        return np.repeat(self.held[split], self.sizes)


@dataclass(frozen=True)
class HeldOut:
    """by_split: (splits,) mean of the windows that each holds out. by_block: (blocks,) of those of each block, over the
    splits that hold it out; sizes: (blocks,) windows. Bits per neuron and window, or differences of such.
    """

    by_split: Floats
    by_block: Floats
    sizes: Ints

    def mean(self) -> Estimate:
        """Of all windows, with the standard error of a mean over blocks, or what splits are off it (root mean square)
        if that is more: fits to other halves differ, too. NaN where some window has probability 0.
        """
        if not np.isfinite(self.by_block).all():
            return Estimate(float(self.by_block.mean()), float("nan"))
        total, blocks = float(self.sizes.sum()), len(self.sizes)
        mean = float(self.sizes @ self.by_block) / total
        off = self.sizes * (self.by_block - mean)
        error = float(np.sqrt(off @ off * blocks / (blocks - 1))) / total
        return Estimate(mean, max(error, float(np.sqrt(np.mean((self.by_split - mean) ** 2)))))

    def less(self, other: HeldOut) -> HeldOut:
        """The difference, window by window."""
        with np.errstate(invalid="ignore"):  # of two models that both have a probability of 0 somewhere
            return HeldOut(self.by_split - other.by_split, self.by_block - other.by_block, self.sizes)


def hold_out(kind: type[PatternModel], states: Bits, splits: Splits, settings: FitBlock) -> HeldOut:
    """Of models of one kind. A model of successive windows sees all that came before a window, and is fitted as if the
    blocks of its half followed each other.
    """
    by_split, sums, times = [], np.zeros(len(splits.sizes)), splits.held.sum(axis=0)
    for split, held in enumerate(splits.held):
        out = splits.windows(split)
        model = kind.fit(states[~out], settings)
        log_p = np.zeros(len(states))
        log_p[out] = model.log_probability(states)[out] if kind.ORDERED else _in_pieces(model, states[out])
        log_p /= BITS * states.shape[1]
        by_split.append(float(log_p[out].mean()))
        sums[held] += (np.add.reduceat(log_p, splits.edges[:-1]) / splits.sizes)[held]
    return HeldOut(np.array(by_split), sums / np.maximum(times, 1), splits.sizes)


def _in_pieces(model: PatternModel, states: Bits) -> Floats:
    """(m,) ln p, in memory for a few windows at a time."""
    step = max(1, BLOCK // states.shape[1])
    return np.concatenate([model.log_probability(states[a : a + step]) for a in range(0, len(states), step)])
