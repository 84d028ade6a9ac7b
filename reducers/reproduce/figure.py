"""What a published figure is here: how it is made, and its numbers beside those that are made now."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GROUP = "couple.figures"
"""Entry points: name → PublishedFigure."""


@dataclass(frozen=True)
class Row:
    """One number.

    what: it is. ours, published: now, and in the source (None where the source has a picture only). error: standard
    error of ours, 0 for what is computed. allowed: by how much the two may differ besides: digits of the source, or
    what the source itself says. bound: standard errors that chance may make of it.
    """

    what: str
    ours: float
    published: float | None = None
    error: float = 0.0
    allowed: float = 0.0
    bound: float = 0.0

    @property
    def agrees(self) -> bool | None:
        """Whether it does; None where there is nothing to compare with."""
        if self.published is None:
            return None
        return math.isfinite(self.ours) and abs(self.ours - self.published) <= self.allowed + self.bound * self.error

    def json(self) -> dict[str, object]:
        """Plain values."""
        return {
            "what": self.what,
            "ours": self.ours,
            "standard_error": self.error,
            "published": self.published,
            "agrees": self.agrees,
        }


@dataclass(frozen=True)
class Reproduced:
    """Numbers, and a drawing of matplotlib."""

    rows: Sequence[Row]
    drawing: Figure


Make = Callable[[Path, Callable[[str], None]], Reproduced]
"""Folder for runs and models that are made on the way, and what tells a person how far it is → the figure."""


@dataclass(frozen=True)
class PublishedFigure:
    """A figure or table of a paper.

    title: what it shows. source: the paper and its figure. minutes: that it takes on two cores, about. make: makes it;
    raises InputError or RunError where something is missing.
    """

    title: str
    source: str
    minutes: float
    make: Make
