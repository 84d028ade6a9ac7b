"""Engine `lattice`: every molecule on a cubic lattice, one per site, in 3-D; the most detailed engine."""

from adapters.lattice.factory import Lattice

__all__ = ["Lattice"]
