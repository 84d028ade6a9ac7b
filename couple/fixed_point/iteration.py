"""Tries until x = H(x) is met, for an H that can only be carried out, one try after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from couple.base.arrays import Floats
from couple.fixed_point.aitken import Aitken, Plain
from couple.fixed_point.anderson import Anderson

Acceleration = Literal["anderson", "aitken", "none"]
End = Literal["converged", "two-cycle", "limit"]


class Accelerator(Protocol):
    """What to try next."""

    def clear(self) -> None:
        """Forget all tries."""

    def next(self, tried: Floats, found: Floats, weights: Floats) -> Floats:
        """(n,) what to try after `tried`, of which H gives `found`."""


def accelerator(kind: Acceleration, n: int) -> Accelerator:
    """The method of that name for n numbers."""
    return Anderson(n) if kind == "anderson" else Aitken(n) if kind == "aitken" else Plain()


@dataclass(frozen=True)
class Outcome:
    """What the last try left.

    tried: (n,) its x, found: H of it. tries: how often H was carried out. off: the largest |H(x) - x| in units of what
    is tolerated. end: why no more were made.
    """

    tried: Floats
    found: Floats
    tries: int
    off: float
    end: End


def iterate(
    carry_out: Callable[[Floats], Floats],
    start: Floats,
    tolerated: Callable[[Floats], Floats],
    method: Accelerator,
    most: int,
    accelerated: Floats,
) -> Outcome:
    """Try x until |H(x) - x| is at most what is tolerated, in every number.

    carry_out: H; what it leaves behind is that of the last try. start: (n,) to try first. tolerated: (n,) above 0, for
    what H gave. most: tries. accelerated: (n,) 1, or 0 where the next try is to be what H gives. Where H jumps, as for
    whole ions, tries may end in a cycle of two: then, as at the limit, the one that is less off is what is left.

    >>> import numpy as np
    >>> from couple.fixed_point.iteration import accelerator, iterate
    >>> out = iterate(np.cos, np.array([1.0]), lambda y: 1e-10 + 0 * y, accelerator("anderson", 1), 20, np.ones(1))
    >>> round(float(out.found[0]), 9), out.end, out.tries < 8
    (0.739085133, 'converged', True)
    """
    method.clear()
    x = start
    tries: list[tuple[float, Floats]] = []
    for n in range(1, most + 1):
        found = carry_out(x)
        limit = tolerated(found)
        off = _largest(found - x, limit)
        if off <= 1.0:
            return Outcome(x, found, n, off, "converged")
        tries.append((off, x))
        cycles = n > 1 and _largest(found - tries[-2][1], limit) <= 1.0
        if cycles or n == most:
            off, best = min(tries[-2:] if cycles else tries, key=lambda one: one[0])
            if off < tries[-1][0]:
                x, n = best, n + 1
                found = carry_out(x)
            return Outcome(x, found, n, min(off, tries[-1][0]), "two-cycle" if cycles else "limit")
        x = method.next(x, found, accelerated / limit)
    raise ValueError("most: at least one try")


def _largest(difference: Floats, limit: Floats) -> float:
    """Of |difference| / limit; infinite where it is not a number."""
    if not difference.size:
        return 0.0
    largest = float((np.abs(difference) / limit).max())
    return largest if largest == largest else np.inf
