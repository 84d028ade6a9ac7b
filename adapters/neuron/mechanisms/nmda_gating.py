"""Conductance of NMDA receptors where no MOD file can compute it: see synapse.py."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from adapters.neuron.mechanisms.synapses import DETECTOR_SCALE, NMDA
from adapters.neuron.memory.pointers import pointers
from couple.base.arrays import Floats


class NMDAGating:
    """Sets both halves of each receptor to the mean conductance of the coming window."""

    def __init__(self, receptors: Sequence[NMDA]) -> None:
        self._receptors = list(receptors)
        n = len(self._receptors)
        detectors = [r.process for r in self._receptors]
        self._states = pointers([d._ref_A for d in detectors] + [d._ref_B for d in detectors])
        shares = np.array([r.calcium for r in self._receptors])
        self._halves = pointers(
            [r.halves[0]._ref_gmax for r in receptors] + [r.halves[1]._ref_gmax for r in receptors],
            np.concatenate([shares, 1 - shares]) / DETECTOR_SCALE,
        )
        self._factors: dict[float, Floats] = {}
        self._read = np.empty(2 * n)

    def set_window(self, window: float) -> None:
        """Set the conductances for the next `window` ms, from what the detectors hold now."""
        factors = self._factors.get(window)
        if factors is None:
            factors = self._factors[window] = self._window_factors(window)
        self._states.gather(self._read)
        weighted = self._read * factors
        n = len(self._receptors)
        g = weighted[n:] - weighted[:n]
        self._halves.scatter(np.concatenate([g, g]))

    def _window_factors(self, window: float) -> Floats:
        """(2 n,) means over the window of exp(−t/τ₁), then of exp(−t/τ₂)."""
        taus = [r.tau1 for r in self._receptors] + [r.tau2 for r in self._receptors]
        return np.array([-math.expm1(-window / tau) * tau / window for tau in taus])
