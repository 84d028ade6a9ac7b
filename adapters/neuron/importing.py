"""The one place where NEURON is imported.

Three things have to happen in order, or they fail silently: no graphics (or NEURON prints a warning about
DISPLAY), MPI before NEURON where ranks or DOLFINx are used (so couple.wiring loads the engines first), and the ions
registered before the first section asks for them.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from typing import Any

from couple.errors import CoupleError

_OPTIONS = "NEURON_MODULE_OPTIONS"


def _ranks() -> int:
    """Number of MPI ranks of this run; 1 if nothing has imported mpi4py before us."""
    module: Any = sys.modules.get("mpi4py.MPI")
    if module is None or not module.Is_initialized() or module.Is_finalized():
        return 1
    return int(module.COMM_WORLD.Get_size())


def _share_mpi_library() -> None:
    """Make the MPI that mpi4py has loaded visible to NEURON.

    NEURON first looks for `MPI_Initialized` among the global symbols and takes the library that has it; otherwise
    it opens whatever "libmpi.so" the system has, and every rank then believes to be alone.
    """
    maps = Path("/proc/self/maps")
    if not maps.exists():
        return
    names = {line.split()[-1] for line in maps.read_text().splitlines() if "libmpi" in line}
    for name in sorted(names):
        if Path(name).name.startswith("libmpi.so"):
            ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)


def _import() -> Any:
    options = os.environ.get(_OPTIONS, "")
    if "-nogui" not in options:
        os.environ[_OPTIONS] = f"{options} -nogui".strip()
    ranks = _ranks()
    if ranks > 1:
        _share_mpi_library()
    from neuron import h

    if ranks > 1:
        h.nrnmpi_init()
        if int(h.ParallelContext().nhost()) != ranks:
            raise CoupleError(
                f"mpi4py runs {ranks} ranks but NEURON sees {int(h.ParallelContext().nhost())}: they use different MPI "
                "libraries, or NEURON was imported before mpi4py. Import mpi4py first"
            )
    # On the bare wheel `insert("ca_ion")` fails until something has used the ion.
    for ion, valence in (("ca", 2), ("k", 1), ("na", 1)):
        h.ion_register(ion, valence)
    return h


h: Any = _import()
"""NEURON's interpreter object."""

NEURON_VERSION = str(sys.modules["neuron"].__version__)
NEURON_FOLDER = Path(str(sys.modules["neuron"].__file__)).parent

pc: Any = h.ParallelContext()
cvode: Any = h.CVode()
