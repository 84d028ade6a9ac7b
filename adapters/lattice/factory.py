"""The engine `lattice`: one name for both modes."""

from __future__ import annotations

from typing import Any

from adapters.lattice.common.base import LatticeBase
from adapters.lattice.common.options import LatticeOptions
from adapters.lattice.paper.engine import PaperLattice
from adapters.lattice.physical.engine import PhysicalLattice
from couple.base.errors import InputError
from couple.components.engine import EngineSetup


class Lattice(LatticeBase):
    """Molecules on a lattice. Building one gives the class of the mode, as pathlib.Path gives that of the platform.

    `lattice.mode = "physical"`: adapters.lattice.physical.engine; "paper": adapters.lattice.paper.engine.
    """

    voltage_order = 1

    def __new__(cls, setup: EngineSetup) -> Any:
        """The engine of the mode. Raises InputError if the options are not a lattice's."""
        return mode_class(setup)(setup)

    @classmethod
    def check(cls, setup: EngineSetup) -> list[str]:
        """See SiteEngine."""
        return list(mode_class(setup).check(setup))


def mode_class(setup: EngineSetup) -> type[PhysicalLattice] | type[PaperLattice]:
    """The class of the mode that the options name. Raises InputError if they are not a lattice's."""
    if not isinstance(setup.options, LatticeOptions):
        raise InputError(f'"{setup.name}": the lattice engine needs a spacing: lattice.spacing = "10 nm"')
    return PaperLattice if setup.options.mode == "paper" else PhysicalLattice
