"""Engine `lattice`: every molecule on a cubic lattice, one per site, in 3-D; the most detailed engine."""

from adapters.lattice.engine import Lattice

__all__ = ["Lattice"]
