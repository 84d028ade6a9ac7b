"""Fields as files for ParaView."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

from adapters.fem.field_engine import FieldEngine
from adapters.fem.mesh.library.dolfinx_import import MPI, dolfinx
from couple.base.errors import InputError, RunError
from couple.base.paths.whole_file import flush_and_rename, guarded
from couple.files.write_hdf5 import check_length
from couple.simulation.simulation import Simulation
from couple.storage.scratch import scratch_folder


def write_xdmf(path: Path, engine: FieldEngine, site: int = 0, species: Sequence[str] | None = None) -> None:
    """Write fields of a site as they are now, in molecules per µm³ (elements of degree 1).

    species: of the volume; by default all that have a field. Raises InputError for one that has none and for elements
    of degree 2, RunError if the file cannot be written.
    """
    volume = _drawable(engine, site)
    with guarded(path), scratch_folder("xdmf", path.parent) as folder:
        made = folder / path.name
        with _session(made, "w") as file:
            file.write_mesh(engine.discretisation(site).domain.mesh)
            _write(file, engine, site, volume if species is None else species, 0.0)
        flush_and_rename(made.with_suffix(".h5"), path.with_suffix(".h5"))
        flush_and_rename(made, path)


def xdmf_series(
    path: Path, engine: FieldEngine, site: int = 0, species: Sequence[str] | None = None, every: int = 1
) -> Callable[[Simulation], None]:
    """A watcher for `Simulation.after_each_window` that writes such fields over time, one file for ParaView.

    every: windows between two times. Raises what `write_xdmf` does.
    """
    names = _drawable(engine, site) if species is None else list(species)
    write_xdmf(path, engine, site, names)

    def watch(simulation: Simulation) -> None:
        if simulation.orchestrator.window % every == 0:
            with _session(path, "a") as file:
                _write(file, engine, site, names, simulation.time)

    return watch


@contextmanager
def _session(path: Path, mode: str) -> Iterator[dolfinx.io.XDMFFile]:
    """PATH and the HDF5 file beside it, open for writing. Raises RunError if they are not whole at the end: neither
    DOLFINx nor its writer of XML looks whether the disk took what they wrote.
    """
    try:
        with dolfinx.io.XDMFFile(MPI.COMM_SELF, str(path), mode) as file:
            yield file
        ElementTree.parse(path)
        check_length(path.with_suffix(".h5"))
    except (RuntimeError, OSError, ElementTree.ParseError) as error:
        raise RunError(f"{path}: cannot be written: {str(error).splitlines()[0]}") from error


def _drawable(engine: FieldEngine, site: int) -> list[str]:
    """Species of the volume that have a field, if the elements are of degree 1."""
    d = engine.discretisation(site)
    if d.space.element.basix_element.degree != 1:
        raise InputError(f'"{engine.name}" has elements of degree 2; XDMF takes degree 1')
    network = engine.network
    return [s.name for s in network.species if s.on == "volume" and s.name not in network.clamped]


def _write(file: dolfinx.io.XDMFFile, engine: FieldEngine, site: int, names: Sequence[str], time: float) -> None:
    for name in names:
        share = engine.network.species[engine.network.index(name)].share  # of the volume that its compartment is
        made = engine.discretisation(site).function(engine.field(site, name) / share)
        made.name = name
        file.write_function(made, time)
