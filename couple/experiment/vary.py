"""[vary]: what differs between the runs of an ensemble; a single run has the values that stand elsewhere."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from couple.base.schema import Block


class Vary(Block):
    """What `couple sample` varies.

    keys:   key, as `--set` has it → values ("1 2 5 /ms", "1 .. 5 /ms in 9", "1 .. 5 /ms in 9 log") or a distribution
            ("uniform 1 .. 5 /ms", "loguniform 1 .. 100 uM", "normal 3 0.5 um", "truncnormal 3 0.5 1 .. 5 um"). All
            combinations of values are taken, each with all draws.
    points: draws from the distributions. design: how they are placed: independent, as a Latin hypercube, or as a
            scrambled Sobol sequence.
    """

    keys: dict[str, str | float | tuple[float, ...]] = Field(min_length=1)
    points: int | None = Field(default=None, ge=1, strict=True)
    design: Literal["random", "lhs", "sobol"] = "sobol"
