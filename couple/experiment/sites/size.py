"""[site.size]: how the volume of a site changes, by time or by molecules."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Self

from pydantic import Field, model_validator

from couple.base.schema import Block, Name
from couple.base.units import Time, quantities, with_unit
from couple.experiment.sites.response import Response

SMALLEST, LARGEST = 1e-3, 1e3
"""Of its volume at the start."""

Factor = Annotated[float, Field(ge=SMALLEST, le=LARGEST, strict=True, allow_inf_nan=False)]


class Size(Block):
    """The volume of a site, as a factor of that at the start; its membrane goes by the power 2/3 of that.

    times: "0 5 20 s". factors: of the volume at each of them, in straight lines, the first 1. of: instead, a species or
    an observable of the site by whose amount its volume goes. function: what the factor is by that amount, as
    { kind = "hill", low = 1, high = 3, half = 40, n = 4 }. tau: time constant with which it follows that.
    """

    times: Annotated[tuple[float, ...], with_unit("time", quantities)] | None = None
    factors: tuple[Factor | int, ...] | None = None
    of: Name | None = None
    function: Response | None = None
    tau: Time | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = {key for key in ("times", "factors", "of", "function") if getattr(self, key) is not None}
        if given not in ({"times", "factors"}, {"of", "function"}):
            raise ValueError('give times and factors, as in times = "0 5 s", factors = [1, 2], or of and function')
        if self.times is None or self.factors is None:
            return self
        if self.tau is not None:
            raise ValueError("tau: only with of and function")
        if len(self.times) != len(self.factors) or len(self.times) < 2:
            raise ValueError(
                f"{len(self.times)} times and {len(self.factors)} factors: give two or more, as many of both"
            )
        if self.times[0] != 0 or not all(a < b for a, b in pairwise(self.times)):
            raise ValueError("times: the first is 0, and each has to be later than the one before")
        if self.factors[0] != 1:
            raise ValueError("factors: the first is 1, the size that the site has at the start")
        if not all(SMALLEST <= f <= LARGEST for f in self.factors):
            raise ValueError(f"factors: from {SMALLEST:g} to {LARGEST:g} of the volume at the start can be")
        return self
