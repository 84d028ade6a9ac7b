"""Which cells a site has: from its geometry, or from the options of the lattice."""

from __future__ import annotations

import functools
from pathlib import Path

from adapters.lattice.common.mask import Mask, Placed, build_mask, cells_mask, mask_of
from adapters.lattice.common.options import Faces, LatticeOptions, spacing_of
from adapters.lattice.common.surface_mask import mask_of_surface
from couple.base.budget import cells_along
from couple.base.errors import InputError
from couple.geometry.geometry import Geometry
from couple.geometry.mask import read_mask


def mask_for(options: LatticeOptions, geometry: Geometry | None, folder: Path) -> Mask:
    """The mask of a site; `geometry` where the options say nothing. Raises InputError if there are no cells."""
    spacing = spacing_of(options)
    if options.shape is not None:
        return _of_shape(options.shape, options.faces(len(options.shape)), spacing)
    if options.mask is not None:
        path = folder / options.mask
        inside = read_mask(path)
        return cells_mask(inside.shape, options.faces(inside.ndim), spacing, inside)
    if options.shapes:
        return build_mask([Placed(s.build(), s.at) for s in options.shapes], spacing)
    if geometry is None or geometry.shape == "cells":
        raise InputError("the lattice needs a geometry, or lattice.shape, lattice.mask or lattice.shapes")
    if options.boundary != LatticeOptions.model_fields["boundary"].default:
        if geometry.shape != "box":
            raise InputError(
                f"the walls of a {geometry.shape} reflect; take a box, or lattice.shape", where="lattice.boundary"
            )
        cells = [min(cells_along(x, spacing), max(1, round(x / spacing))) for x in geometry.size]
        return _of_shape(tuple(cells), options.boundary, spacing)
    return mask_of(geometry, spacing) if geometry.surface is None else mask_of_surface(geometry.surface, spacing)


@functools.lru_cache(maxsize=16)
def _of_shape(shape: tuple[int, ...], faces: tuple[Faces, ...], spacing: float) -> Mask:
    return cells_mask(shape, faces, spacing)
