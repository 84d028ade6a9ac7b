"""Fields as files for ParaView."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from adapters.fem.importing import MPI, dolfinx
from adapters.fem.pde import Fields
from couple.errors import InputError, RunError


def write_xdmf(path: Path, engine: Fields, site: int = 0, species: Sequence[str] | None = None) -> None:
    """Write fields of a site as they are now, in molecules per µm³ (elements of degree 1).

    species: of the volume; by default all that have a field. Raises InputError for one that has none and for elements
    of degree 2, RunError if the file cannot be written.
    """
    d = engine.discretisation(site)
    if d.space.element.basix_element.degree != 1:
        raise InputError(f'"{engine.name}" has elements of degree 2; XDMF takes degree 1')
    network = engine.network
    volume = [s.name for s in network.species if s.on == "volume" and s.name not in network.clamped]
    try:
        with dolfinx.io.XDMFFile(MPI.COMM_SELF, str(path), "w") as file:
            file.write_mesh(d.domain.mesh)
            for name in volume if species is None else species:
                made = d.function(engine.field(site, name))
                made.name = name
                file.write_function(made)
    except RuntimeError as error:
        raise RunError(f"{path}: cannot be written: {str(error).splitlines()[0]}") from error
