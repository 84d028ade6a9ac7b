"""The one place where NEURON is imported.

Three things have to happen in order, or they fail silently: no graphics (or NEURON prints a warning about
DISPLAY), MPI before NEURON where ranks or DOLFINx are used (so couple.wiring loads the engines first), and the ions
registered before the first section asks for them.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from couple.base.errors import CoupleError
from couple.parallel.communicator import world

_OPTIONS = "NEURON_MODULE_OPTIONS"


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


@contextmanager
def _quiet(quiet: bool) -> Iterator[None]:
    """NEURON prints the number of ranks on stdout, which may be for a summary, past Python."""
    if not quiet:
        yield
        return
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
        ctypes.CDLL(None).fflush(None)
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def _import() -> Any:
    options = os.environ.get(_OPTIONS, "")
    if "-nogui" not in options:
        os.environ[_OPTIONS] = f"{options} -nogui".strip()
    ranks = world().size
    if ranks > 1:
        _share_mpi_library()
    with _quiet(ranks > 1):
        from neuron import h

    if ranks > 1:
        h.nrnmpi_init()
        if int(h.ParallelContext().nhost()) != ranks:
            raise CoupleError(
                f"mpi4py runs {ranks} ranks but NEURON sees {int(h.ParallelContext().nhost())}: they use different MPI "
                "libraries, or NEURON was imported before mpi4py. Import mpi4py first, and see couple doctor"
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


def switch_off_watchdog() -> None:
    """Have NEURON not end the process, or job, when its time has stood still for 20 s; a model may have asked for it.

    Of a job one rank computes while the others wait: chemistry may take longer. And psolve leaves the alarm running
    when an error is thrown out of it; some 40 s later, wherever the process is, it calls for the end of an MPI that
    was never loaded, a null pointer.
    """
    pc.timeout(0)


switch_off_watchdog()


@functools.cache
def library() -> ctypes.CDLL:
    """NEURON's library as it is loaded; all symbols of the process if it does not lie where the wheel has it."""
    found = next((p for p in NEURON_FOLDER.rglob("libnrniv.*") if p.suffix in (".so", ".dylib")), None)
    return ctypes.CDLL(str(found) if found is not None else None)
