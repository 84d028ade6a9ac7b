"""What each segment of a dendrite holds: sums over the nodes of its fields."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array, diags_array

from adapters.fem.solver.field_layout import Fields
from adapters.fem.solver.kernels import State
from couple.base.arrays import Floats


@dataclass(frozen=True, eq=False)
class Segments:
    """inside, wall: (n_segments, N) sparse, ∫φ over each segment, of the volume and of the membrane.

    observables: (n_observables, n_states) weights.
    """

    inside: csr_array
    wall: csr_array
    fields: Fields
    observables: Floats

    def counts(self, y: State) -> Floats:
        """(n_segments, n_states) molecules in each segment; reservoirs and clamped species 0."""
        f = self.fields
        out = np.zeros((self.inside.shape[0], self.observables.shape[1]))
        moving, width = len(f.moving), len(f.moving) + len(f.sliding)
        if width:
            values = y.x.reshape(-1, width)  # every node of a cable is on the membrane
            out[:, list(f.moving)] = self.inside @ values[:, :moving]
            out[:, list(f.sliding)] = self.wall @ values[:, moving:]
        if f.resting:
            out[:, list(f.resting)] = self.inside @ y.rest
        if f.fixed:
            out[:, list(f.fixed)] = self.wall @ y.fixed
        out[:, f.n_species :] = 0.0
        return out

    def observed(self, y: State) -> Floats:
        """(n_segments × n_observables,) of what is not held."""
        return (self.counts(y) @ self.observables.T).ravel()

    def part(self, nodes: npt.NDArray[np.int64], own: npt.NDArray[np.bool_]) -> Segments:
        """For some nodes of the mesh, of which only `own` ones count."""
        count = diags_array(own.astype(np.float64))
        inside, wall = (csr_array(a[:, nodes] @ count) for a in (self.inside, self.wall))
        return replace(self, inside=inside, wall=wall)
