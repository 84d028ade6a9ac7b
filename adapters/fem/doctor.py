"""What `couple doctor` looks at for engines with finite elements and for many ranks. All of it is optional."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from couple.doctor.finding import Finding, first_line, python

_LIBRARY = """
import pathlib, mpi4py.MPI as M
maps = pathlib.Path("/proc/self/maps")
lines = maps.read_text().splitlines() if maps.exists() else []
files = sorted({line.split()[-1] for line in lines if "libmpi" in line.rsplit("/", 1)[-1]})
print(*M.Get_library_version().split("\\n")[0].strip("\\0 ").split(), "|", *files)
"""
_DOLFINX = """
try:
    import dolfinx_solver
except ModuleNotFoundError:
    pass
import dolfinx
print(dolfinx.__version__)
"""
_INSTALL_MPI = "only for many ranks and finite elements: uv pip install mpi4py mpich"


def mpi() -> Iterator[Finding]:
    """The library that mpi4py loads, and whether `mpiexec` is of the same kind."""
    code, line = python(_LIBRARY)
    if code != 0:
        missing = "ModuleNotFoundError" in line
        yield Finding("MPI", "warn", "not installed" if missing else f"mpi4py does not load: {line}", _INSTALL_MPI)
        return
    library, _, files = (part.strip() for part in line.partition("|"))
    if len(files.split()) > 1:
        advice = "two libraries in one process end in a crash: uninstall one"
        yield Finding("MPI", "warn", f"{library}, from {files}", advice)
    else:
        yield Finding("MPI", "ok", f"{library}, from {files or 'its own module'}")
    yield launcher(library)


def launcher(library: str) -> Finding:
    """mpiexec: beside this Python, or else on the PATH."""
    beside = Path(sys.executable).parent / "mpiexec"
    found = str(beside) if beside.exists() else shutil.which("mpiexec")
    if found is None:
        return Finding("mpiexec", "warn", "none", "uv pip install mpich")
    _, line = first_line([found, "--version"])
    if kind(line) != kind(library):
        advice = "every rank would believe to be alone: use the mpiexec of the library above"
        return Finding("mpiexec", "warn", f"{found} is of {kind(line) or 'another MPI'}, not {kind(library)}", advice)
    return Finding("mpiexec", "ok", f"{found}, of {kind(line) or line}")


def kind(text: str) -> str:
    """Which MPI a version line speaks of; HYDRA is the launcher of MPICH and Intel MPI."""
    names = {"open mpi": "Open MPI", "openrte": "Open MPI", "intel": "Intel MPI", "mpich": "MPICH", "hydra": "MPICH"}
    return next((kind for word, kind in names.items() if word in text.lower()), "")


def dolfinx() -> Iterator[Finding]:
    """Whether DOLFINx can be imported, in a process of its own."""
    code, line = python(_DOLFINX)
    if code == 0:
        yield Finding("DOLFINx", "ok", line)
    elif "ModuleNotFoundError" in line and "dolfinx" in line:
        advice = "only for the engines pde and spde: uv pip install dolfinx-solver-real"
        yield Finding("DOLFINx", "warn", "not installed", advice)
    else:
        yield Finding("DOLFINx", "warn", f"does not load: {line}", "uv pip install --reinstall dolfinx-solver-real")
