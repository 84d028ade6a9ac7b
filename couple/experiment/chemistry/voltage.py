"""Rates by the membrane potential, as files have them."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from couple.base.schema import Block
from couple.base.units import Voltage, interval, quantities, with_unit
from couple.chemistry.voltage import BETWEEN, VoltageFactor

Between = Annotated[tuple[float, float], with_unit("voltage", interval, between=" .. ")]


class VoltageBlock(Block):
    """A factor of a rate by V: with x = (V - at) / scale, exp(x) ("exponential"), 1 / (1 + exp(-x)) ("boltzmann"),
    x / (1 - exp(-x)) ("linoid"); or a "table".

    kind: which function. at: V where x is 0, by default 0 mV. scale: mV of one x, below 0 for what falls with V. v:
    rising voltages of a table, "-80 -40 0 mV". values: its factors there, straight lines between. between: range of V
    in which it has to be a finite number, by default -150 .. 100 mV, of a table its own; outside it stays as it is at
    the end.
    """

    kind: Literal["exponential", "boltzmann", "linoid", "table"]
    at: Voltage = 0.0
    scale: Voltage | None = None
    v: Annotated[tuple[float, ...], with_unit("voltage", quantities)] | None = None
    values: tuple[Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)], ...] = ()
    between: Between | None = None

    @model_validator(mode="after")
    def _meant(self) -> Self:
        if self.kind == "table":
            self._check_table()
        elif self.scale is None or not self.scale or not math.isfinite(self.scale):
            raise ValueError(f'scale: is missing or 0; kind = "{self.kind}" needs one, like scale = "17 mV"')
        elif self.v is not None or self.values:
            raise ValueError(f'v, values: only of kind = "table", not of "{self.kind}"')
        if self.between is not None and not self.between[0] < self.between[1]:
            raise ValueError("between: the first number has to be less than the second")
        factor = self.factor
        ends = [factor(v) for v in (factor.low, factor.high)]
        if not all(0 <= y < math.inf for y in ends):
            raise ValueError(
                f"is no finite number of at least 0 everywhere between {factor.low:g} and {factor.high:g} mV "
                f"({', '.join(f'{y:g}' for y in ends)} at the ends): check scale, or give a range it is meant for, "
                'as between = "-100 .. 50 mV"'
            )
        return self

    def _check_table(self) -> None:
        if self.scale is not None:
            raise ValueError('scale: a "table" has none; leave it out')
        if self.v is None or len(self.v) < 2 or len(self.v) != len(self.values):
            raise ValueError(
                f"{len(self.v or ())} voltages and {len(self.values)} values: give two or more, as many of both"
            )
        if not all(a < b for a, b in pairwise(self.v)):
            raise ValueError("v: each voltage has to be more than the one before")

    @property
    def factor(self) -> VoltageFactor:
        """For networks."""
        v = self.v or ()
        low, high = self.between or ((v[0], v[-1]) if v else BETWEEN)
        return VoltageFactor(self.kind, self.at, self.scale or 1.0, low, high, v, self.values)
