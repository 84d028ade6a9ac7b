"""What each segment of a dendrite holds: sums over the nodes of its fields."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array, diags_array

from adapters.fem.solver.field_layout import FieldLayout
from adapters.fem.solver.system import Densities
from couple.base.arrays import Floats


@dataclass(frozen=True, eq=False)
class SegmentSums:
    """volume, membrane: (n_segments, N) sparse, ∫φ over each segment, of the volume and of the membrane.

    observables: (n_observables, n_states) weights.
    """

    volume: csr_array
    membrane: csr_array
    fields: FieldLayout
    observables: Floats

    def counts(self, y: Densities) -> Floats:
        """(n_segments, n_states) molecules in each segment; reservoirs and clamped species 0."""
        f = self.fields
        out = np.zeros((self.volume.shape[0], self.observables.shape[1]))
        mobile_volume, width = len(f.mobile_volume), len(f.mobile_volume) + len(f.mobile_membrane)
        if width:
            values = y.mobile.reshape(-1, width)  # every node of a cable is on the membrane
            out[:, list(f.mobile_volume)] = self.volume @ values[:, :mobile_volume]
            out[:, list(f.mobile_membrane)] = self.membrane @ values[:, mobile_volume:]
        if f.immobile_volume:
            out[:, list(f.immobile_volume)] = self.volume @ y.immobile_volume
        if f.immobile_membrane:
            out[:, list(f.immobile_membrane)] = self.membrane @ y.immobile_membrane
        out[:, f.n_species :] = 0.0
        return out

    def observed(self, y: Densities) -> Floats:
        """(n_segments × n_observables,) of what is not held."""
        return (self.counts(y) @ self.observables.T).ravel()

    def part(self, nodes: npt.NDArray[np.int64], own: npt.NDArray[np.bool_]) -> SegmentSums:
        """For some nodes of the mesh, of which only `own` ones count."""
        count = diags_array(own.astype(np.float64))
        volume, membrane = (csr_array(a[:, nodes] @ count) for a in (self.volume, self.membrane))
        return replace(self, volume=volume, membrane=membrane)
