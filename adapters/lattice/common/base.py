"""What both modes of the lattice are to the loop: an engine of sites in space."""

from __future__ import annotations

import math
from pathlib import Path

from adapters.lattice.common.options import LatticeOptions
from adapters.lattice.common.site_mask import mask_for
from couple.base.schema import Block
from couple.components.capabilities import BringsGeometry
from couple.components.engine import SiteEngine
from couple.geometry.geometry import Geometry

FEW_CELLS = 1 << 26
"""The membrane of a larger lattice is only looked at if something lives on it."""


class LatticeBase(SiteEngine, BringsGeometry):
    """Molecules on a lattice, one per site; see the classes of the modes."""

    spatial = True
    Options = LatticeOptions

    @classmethod
    def geometry_of(cls, options: Block, folder: Path) -> Geometry | None:
        """See BringsGeometry: the lattice that `shape` describes."""
        assert isinstance(options, LatticeOptions)
        if options.mode == "paper":
            return Geometry.cells(options.shape or ())
        if options.shape is None and options.mask is None and not options.shapes:
            return None
        mask = mask_for(options, None, folder)
        area = mask.face_area if math.prod(mask.domain.shape) < FEW_CELLS else 0.0
        return Geometry.cells(mask.domain.shape[3 - mask.domain.dimension :], mask.volume, area)
