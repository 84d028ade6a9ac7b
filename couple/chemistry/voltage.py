"""Rates that depend on the membrane potential: stated functions of V, a factor of the rate of a reaction each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

Kind = Literal["exponential", "boltzmann", "linoid", "table"]

BETWEEN = (-150.0, 100.0)
"""mV in which a factor has to be a finite number of at least 0, unless it says otherwise."""


@dataclass(frozen=True)
class VoltageFactor:
    """A factor of a rate by V (mV); outside of low .. high it stays as it is there.

    exponential: exp(x), boltzmann: 1 / (1 + exp(-x)), linoid: x / (1 - exp(-x)) (1 at 0), with x = (V - at) / scale.
    table: straight lines between points (v, y), v rising.

    >>> from couple.chemistry.voltage import VoltageFactor
    >>> VoltageFactor("boltzmann", at=-20.0, scale=5.0)(-20.0)
    0.5
    """

    kind: Kind
    at: float = 0.0
    scale: float = 1.0
    low: float = BETWEEN[0]
    high: float = BETWEEN[1]
    v: tuple[float, ...] = ()
    y: tuple[float, ...] = ()

    def __call__(self, v: float) -> float:
        """The factor at V; infinite where it overflows."""
        at = min(max(v, self.low), self.high)
        x = (at - self.at) / self.scale
        try:
            if self.kind == "exponential":
                return math.exp(x)
            if self.kind == "boltzmann":
                return 1.0 / (1.0 + math.exp(-x))
            if self.kind == "linoid":
                return 1.0 + 0.5 * x if abs(x) < 1e-8 else x / -math.expm1(-x)
        except OverflowError:
            return math.inf if self.kind == "exponential" else 0.0
        return float(np.interp(at, self.v, self.y))

    def __str__(self) -> str:
        inside = {
            "exponential": "exp(x)", "boltzmann": "1 / (1 + exp(-x))", "linoid": "x / (1 - exp(-x))",
        }  # fmt: skip
        if self.kind == "table":
            return f"a table of V from {self.v[0]:g} to {self.v[-1]:g} mV"
        shift = f"V - {self.at:g} mV" if self.at >= 0 else f"V + {-self.at:g} mV"
        return f"{inside[self.kind]}, x = {'V' if not self.at else f'({shift})'} / {self.scale:g} mV"
