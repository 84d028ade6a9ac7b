"""The one place where DOLFINx is imported.

The pip wheel brings its own PETSc and has to be told before `dolfinx` is asked for; any other DOLFINx needs nothing.
MPI should come before NEURON (adapters/neuron/hoc/h.py): NEURON opens whatever libmpi the system has, mpi4py is
then bound to that one, and PETSc of the wheel finds the wrong library. The wiring therefore loads engines first.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Container
from pathlib import Path
from typing import Any

from couple.base import signals
from couple.base.errors import InputError, MissingDependencyError

INSTALL = "uv pip install dolfinx-solver-real mpi4py mpich"


def foreign_mpi(modules: Container[str], maps: Path = Path("/proc/self/maps")) -> str | None:
    """The MPI library that NEURON, imported first, has bound this process to, or None.

    modules: those imported so far. maps: what is mapped into the process, a line each.
    """
    if "neuron" not in modules or "mpi4py.MPI" in modules or not maps.exists():
        return None
    names = (line.split()[-1] for line in maps.read_text().splitlines() if "libmpi" in line)
    return next((n for n in names if Path(n).name.startswith("libmpi.so")), None)


def _import() -> None:
    late = "put `import adapters.fem.pde` in front of `import neuron`"
    found = foreign_mpi(sys.modules)
    if found is not None:
        raise InputError(f"NEURON was imported before DOLFINx and uses {found}, DOLFINx needs its own MPI: {late}")
    try:
        if importlib.util.find_spec("dolfinx_solver") is not None:
            importlib.import_module("dolfinx_solver")
        importlib.import_module("mpi4py.MPI")
        # its handlers would end the process at a broken pipe, and at every signal that Python does not listen to
        importlib.import_module("petsc4py").init("-no_signal_handler")
        importlib.import_module("petsc4py.PETSc")
        importlib.import_module("dolfinx")
        signals.reinstall()  # PETSc has put its own handlers in place
    except ImportError as error:
        hint = f"{INSTALL}; if it is installed, {late}" if "neuron" in sys.modules else INSTALL
        raise MissingDependencyError(
            f"finite elements need DOLFINx with PETSc, which cannot be loaded ({str(error).splitlines()[0]}): {hint}"
        ) from error


_import()

import basix.ufl  # noqa: E402
import dolfinx  # noqa: E402
import dolfinx.fem  # noqa: E402
import dolfinx.graph  # noqa: E402
import dolfinx.io  # noqa: E402
import dolfinx.mesh  # noqa: E402
import ufl  # noqa: E402

MPI: Any = importlib.import_module("mpi4py.MPI")
PETSc: Any = importlib.import_module("petsc4py.PETSc")

__all__ = ["MPI", "PETSc", "basix", "dolfinx", "ufl"]
