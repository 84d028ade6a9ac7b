"""The engine `lattice`: one name for both modes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Self, cast

from adapters.lattice.common.options import LatticeOptions
from couple.base.errors import InputError
from couple.base.schema import Block
from couple.components.capabilities import BringsGeometry
from couple.components.engine import EngineSetup, SiteEngine
from couple.geometry.geometry import Geometry

FEW_CELLS = 1 << 26
"""The membrane of a larger lattice is only looked at if something lives on it."""


class Lattice(SiteEngine, BringsGeometry):
    """Molecules on a lattice. Building one gives the class of the mode, as pathlib.Path gives that of the platform.

    `lattice.mode = "physical"`: adapters.lattice.physical.engine; "paper": adapters.lattice.paper.engine.
    """

    spatial = True
    Options = LatticeOptions

    def __new__(cls, setup: EngineSetup) -> Self:
        """Raises InputError if the options are not a lattice's."""
        made: Any = super().__new__(class_of(setup) if cls is Lattice else cls)
        return cast(Self, made)

    @classmethod
    def geometry_of(cls, options: Block, folder: Path) -> Geometry | None:
        """See BringsGeometry: the lattice that `shape` describes."""
        assert isinstance(options, LatticeOptions)
        if options.mode == "paper":
            return Geometry.cells(options.shape or ())
        if options.shape is None and options.mask is None and not options.shapes:
            return None
        from adapters.lattice.physical.places import mask_for

        mask = mask_for(options, None, folder)
        area = mask.face_area if math.prod(mask.domain.shape) < FEW_CELLS else 0.0
        return Geometry.cells(mask.domain.shape[3 - mask.domain.dimension :], mask.volume, area)

    @classmethod
    def check(cls, setup: EngineSetup) -> list[str]:
        """See SiteEngine."""
        return list(class_of(setup).check(setup))


def class_of(setup: EngineSetup) -> type[Lattice]:
    """The class of the mode."""
    from adapters.lattice.paper.engine import PaperLattice
    from adapters.lattice.physical.engine import PhysicalLattice

    if not isinstance(setup.options, LatticeOptions):
        raise InputError(f'"{setup.name}": the lattice engine needs a spacing: lattice.spacing = "10 nm"')
    return PaperLattice if setup.options.mode == "paper" else PhysicalLattice


def spacing_of(options: LatticeOptions) -> float:
    """The spacing in µm, or InputError if it was not given."""
    if options.spacing is None:
        raise InputError('the lattice engine needs a spacing: lattice.spacing = "10 nm"')
    return options.spacing
