"""Features as conditions of a flow: centred, of scale 1, and with long tails drawn in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from couple.base.arrays import Floats

STRAIGHT = 5.0
"""Scales from the centre up to which conditions are linear in features; farther out they grow as the logarithm."""


@dataclass(frozen=True)
class Scaling:
    """centre, scale: (f,) median and half the central 68 % (or the standard deviation where that is 0)."""

    centre: Floats
    scale: Floats

    @classmethod
    def of(cls, features: Floats) -> Self:
        """From (n, f) features of valid simulations."""
        low, centre, high = np.quantile(features, [0.16, 0.5, 0.84], axis=0)
        scale = (high - low) / 2
        scale = np.where(scale > 0, scale, features.std(axis=0))
        return cls(centre, np.where(scale > 0, scale, 1.0))

    def __call__(self, features: Floats) -> Floats:
        """(..., f) conditions."""
        x = (features - self.centre) / self.scale
        far = np.maximum(np.abs(x) - STRAIGHT, 0.0)
        return np.asarray(np.where(far > 0, np.sign(x) * (STRAIGHT + np.log1p(far)), x))
