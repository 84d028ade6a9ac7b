"""What a law driven by the mean calcium leaves out, measured: runs into which ions come against runs at that mean.

Both are the same chemistry by the same engine. Where ions come in, calcium of a run reacts to its molecules; where it
is held at the mean course that was seen, it does not. What differs by more than chance no law that is driven by the
mean can have.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from reducers.data.stimuli import CalciumStimulus
from reducers.gccd.data.protocol_data import ProtocolData
from reducers.gccd.evaluation.scores import nrmse, pair_moments
from reducers.gccd.evaluation.validation import QUANTITIES


def held_out_means(data: ProtocolData) -> tuple[CalciumStimulus, ...]:
    """Stimuli that are tested on, as courses at which calcium is held."""
    return tuple(replace(s, influx=None) for s in data.stimuli if s.test)


def mean_field_error(free: ProtocolData, held: ProtocolData) -> dict[str, float]:
    """NRMSE of `held` against the held-out stimuli of `free`, both with shares; `chance NAME`: of scatter alone."""
    assert free.shares is not None and held.shares is not None
    chosen = np.array([s.test for s in free.stimuli])
    a, b = free.shares[:, chosen], held.shares
    x, y = a.mean(axis=0), b.mean(axis=0)
    scatter = a.var(axis=0, ddof=1) / len(a) + b.var(axis=0, ddof=1) / len(b)
    size = (x**2).sum(axis=(0, 1))
    off, chance = (np.sqrt(v.sum(axis=(0, 1)) / size) for v in ((x - y) ** 2, scatter))
    found = {q: float(off[k]) for k, q in enumerate(QUANTITIES)}
    pairs = [[pair_moments(_probabilities(row)) for row in rows] for rows in (held.counts, free.counts[chosen])]
    found["pairs"] = nrmse(*pairs)
    return found | {f"chance {q}": float(chance[k]) for k, q in enumerate(QUANTITIES)}


def _probabilities(counts: np.ndarray) -> np.ndarray:
    """(T, 45) of counts (T, 46)."""
    molecules = counts[:, :45]
    return np.asarray(molecules / molecules.sum(axis=1, keepdims=True))
