"""Gridded stochastic simulation: whole molecules in voxels, well mixed inside each (the next-subvolume method)."""

from adapters.gridded.engine import Gridded, GriddedOptions
from adapters.gridded.grid import Grid, grid_of

__all__ = ["Grid", "Gridded", "GriddedOptions", "grid_of"]
