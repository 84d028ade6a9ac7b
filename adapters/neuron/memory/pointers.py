"""Many NEURON variables read or written in one call, with a factor each.

Up to `FEW` variables, single references are faster than a PtrVector (measured: 0.1 µs each against 1 µs per call).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from adapters.neuron.hoc.h import h
from couple.base.arrays import Floats

FEW = 8


class SingleReferences:
    """References one by one; see `pointers`."""

    def __init__(self, references: Sequence[Any], scale: Floats, zeroed: Sequence[Any]) -> None:
        self.size = len(references)
        self._pairs = list(zip(references, scale.tolist(), strict=True))
        self._zeroed = list(zeroed)

    def gather(self, out: Floats) -> bool:
        """Read all variables, times their factors, into `out` (size,); whether all are finite."""
        probe = 0.0
        for i, (reference, factor) in enumerate(self._pairs):
            value = reference[0]
            # 0 times a number that is not finite is not 0.
            probe += 0.0 * value
            out[i] = value * factor
        return probe == 0.0

    def scatter(self, values: Floats) -> None:
        """Write `values` (size,), times their factors, and zeros into the zeroed ones."""
        for (reference, factor), value in zip(self._pairs, values.tolist(), strict=True):
            reference[0] = value * factor
        for reference in self._zeroed:
            reference[0] = 0.0


class PointerVector:
    """All references at once; see `pointers`."""

    def __init__(self, references: Sequence[Any], scale: Floats, zeroed: Sequence[Any]) -> None:
        self.size = len(references)
        self._pointers = h.PtrVector(self.size + len(zeroed))
        for i, reference in enumerate([*references, *zeroed]):
            self._pointers.pset(i, reference)
        # Behind the values lie the zeros, which nothing changes as long as this is for writing only.
        self._vector = h.Vector(self.size + len(zeroed))
        self._values: Floats = self._vector.as_numpy()[: self.size]
        self._scale = scale

    def gather(self, out: Floats) -> bool:
        """As in `SingleReferences`."""
        self._pointers.gather(self._vector)
        np.multiply(self._values, self._scale, out=out)
        return bool(np.isfinite(out).all())  # no dot product: threads of BLAS wait for each other on a busy machine

    def scatter(self, values: Floats) -> None:
        """As in `SingleReferences`."""
        np.multiply(values, self._scale, out=self._values)
        self._pointers.scatter(self._vector)


def pointers(
    references: Sequence[Any], scale: npt.ArrayLike = 1.0, zeroed: Sequence[Any] = ()
) -> SingleReferences | PointerVector:
    """References to NEURON variables in a fixed order.

    scale: factor of each, applied both when reading and when writing. zeroed: set to 0 whenever the others are
    written (pointers that have some are for writing only).
    """
    factors = np.array(np.broadcast_to(np.asarray(scale, dtype=np.float64), (len(references),)))
    kind = SingleReferences if len(references) + len(zeroed) <= FEW else PointerVector
    return kind(references, factors, zeroed)
