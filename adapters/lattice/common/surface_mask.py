"""The lattice of a site that a surface of triangles encloses, its membrane faces by region."""

from __future__ import annotations

import functools
import math

import numpy as np
import numpy.typing as npt

from adapters.lattice.common.domain import MAX_CELLS, build_domain
from adapters.lattice.common.mask import BYTES, Mask
from couple.base.budget import check_memory
from couple.base.errors import InputError
from couple.geometry.surface.surface import OPENING, Surface
from couple.geometry.surface.voxels import centres_along, nearest_region, refuse_pieces, voxels_inside


@functools.lru_cache(maxsize=16)
def mask_of_surface(surface: Surface, spacing: float) -> Mask:
    """Cells whose centres are inside; a face to the outside belongs to the region of the nearest triangle.

    Raises InputError for a spacing that leaves no cell, or several pieces, or needs more memory than there is.
    """
    axes = centres_along(surface, spacing)
    size = math.prod(len(a) + 2 for a in axes)
    what = f"a spacing of {spacing * 1e3:g} nm gives {size:.3g} cells for the mesh"
    check_memory(BYTES * size, what, "take a larger one")
    if size > MAX_CELLS:
        raise InputError(f"{what}; at most {MAX_CELLS:.3g} can be numbered: take a larger one")
    inside = voxels_inside(surface, *axes)
    refuse_pieces(inside, spacing, "lattice site")
    domain = build_domain(inside.shape, [("reflecting", "reflecting")] * 3, inside)
    first = np.array([a[0] for a in axes])
    closed = surface.regions.index(OPENING) if OPENING in surface.regions else -1

    def chosen(direction: int) -> npt.NDArray[np.bool_]:
        """All faces but those of the opening."""
        found = np.ones(inside.shape, dtype=np.bool_)
        if closed < 0:
            return found
        step = domain.directions[direction]
        there = np.roll(np.pad(inside, 1), -step, axis=(0, 1, 2))[1:-1, 1:-1, 1:-1]
        outer = np.argwhere(inside & ~there)
        region = nearest_region(surface, first + spacing * (outer + 0.5 * step))
        found[tuple(outer[region == closed].T)] = False
        return found

    return Mask(domain, spacing, first - spacing * np.array(domain.halo), chosen, surface)
