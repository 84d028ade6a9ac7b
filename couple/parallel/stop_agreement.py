"""When the ranks of a run meet to agree on stopping: a few times a second, not after every window."""

from __future__ import annotations

from time import perf_counter

from couple.base.signals import NAMES
from couple.parallel.communicator import SingleProcess

INTERVAL = 0.2
"""Seconds between two meetings; what they cost is far below a thousandth of it."""

MOST = 10**6
"""Windows between two meetings."""

WALLTIME = "--walltime"
_REASONS = ("", WALLTIME, *reversed(NAMES))


class StopAgreement:
    """Agreement on why to stop, whether to write a checkpoint now, and whether a watcher asks for the end."""

    def __init__(self, ranks: SingleProcess) -> None:
        self._ranks, self._every, self._left, self._met = ranks, 1, 1, perf_counter()

    def agree(self, reason: str | None, due: bool, asked: bool) -> tuple[str | None, bool, bool]:
        """After a window: what all ranks know of the three, which is nothing between two meetings."""
        if self._ranks.size == 1:
            return reason, due, asked
        self._left -= 1
        if self._left:
            return None, False, False
        now = perf_counter()
        wanted = self._every * INTERVAL / max(now - self._met, 1e-6)
        # The first rank's clock decides: everybody has to come to the next meeting after the same window.
        every = min(wanted, 2.0 * self._every, MOST) if self._ranks.first else 0.0
        proposals = [_REASONS.index(reason or ""), self._ranks.first and due, asked, every]
        agreed = self._ranks.maximum([float(proposal) for proposal in proposals])
        self._every = self._left = max(1, int(agreed[3]))
        self._met = perf_counter()
        return _REASONS[int(agreed[0])] or None, bool(agreed[1]), bool(agreed[2])
