"""Our own mechanisms: compiled MOD files where there is a compiler, the same equations as KSChan where there is none.

Both paths offer the same names (`couple_k`, `couple_na`, `couple_ca`, `couple_ns`, `couple_cav`) with the same
range variables, so that nothing else has to know which one runs. Only charge, NMDA receptors and the holding of `cai`
against other writers differ: see coupling/charge_over_window.py, synapses.py and coupling/cai_writers.py.
"""

from __future__ import annotations

import ctypes
import functools
import logging
import os
from pathlib import Path
from typing import Literal

from adapters.neuron.hoc.h import h
from adapters.neuron.mechanisms import kschan, nmodl

log = logging.getLogger(__name__)

ChannelPath = Literal["MOD", "KSChan"]

MOD_FILES = Path(__file__).with_name("mod")


@functools.cache
def channel_path() -> ChannelPath:
    """Load our mechanisms, once per process, and say how: "MOD" (compiled) or "KSChan" (no compiler needed)."""
    library = None if without_compiler() else compiled_library()
    # nrn_load_dll returns 0 without a word if it cannot open the file.
    if library is not None and h.nrn_load_dll(str(library)) == 1.0:
        return "MOD"
    if library is not None:
        log.warning("NEURON could not load %s; using channels that need no compiler (KSChan)", library.name)
    kschan.define_all()
    return "KSChan"


def loaded_library() -> ctypes.CDLL:
    """The library of our mechanisms, for its functions that NEURON's language has no name for; on the path "MOD"."""
    found = compiled_library()
    assert found is not None
    return ctypes.CDLL(str(found))


def without_compiler() -> bool:
    """Whether the user has asked to do as if there were no compiler."""
    return os.environ.get("COUPLE_NO_COMPILER", "") not in ("", "0")


def compiled_library() -> Path | None:
    """The shared library of our MOD files, compiled on first use into the user's cache; None without a compiler."""
    try:
        return nmodl.library(sorted(MOD_FILES.glob("*.mod")), "couple", fused=False)
    except nmodl.NoCompilerError as error:
        log.info("%s; using channels that need none (KSChan)", error)
    except nmodl.CompilationError as error:
        log.warning(
            "compiling the mechanisms of couple failed; using channels that need no compiler (KSChan), which are "
            "slower. nrnivmodl said:\n%s",
            error.output,
        )
    return None


def cached_library() -> Path | None:
    """The library if it has been compiled already."""
    return nmodl.cached(sorted(MOD_FILES.glob("*.mod")), "couple", fused=False)
