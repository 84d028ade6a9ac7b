"""What the loop asks of a scheme that looks ahead."""

from __future__ import annotations

from abc import ABC, abstractmethod

from couple.base.arrays import Floats
from couple.components.component import State


class Scheme(ABC):
    """Carries out windows, one after the other, from values that it expects."""

    @abstractmethod
    def clear(self) -> None:
        """Before the first window: nothing is known of what was before."""

    @abstractmethod
    def step(self, rows: Floats, row: int) -> None:
        """One window, recorded in rows[row] if row >= 0. Raises RunError if it cannot go on."""

    @abstractmethod
    def save(self) -> State:
        """What is needed, beside the components and the exchange, to go on to the bit."""

    @abstractmethod
    def restore(self, state: State) -> None:
        """Take up what `save` gave. Raises InputError for what does not fit."""

    def passes(self) -> dict[int, int]:
        """How often the components were advanced in a window → windows of which that is so; empty if always once."""
        return {}

    def lengths(self) -> list[int]:
        """Ticks of every window so far, where they differ."""
        return []

    def rejected(self) -> int:
        """Windows that were undone and carried out again, shorter."""
        return 0

    def validity_counts(self) -> dict[str, int]:
        """What windows were left with → their number."""
        return {}
