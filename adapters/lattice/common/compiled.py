"""How kernels of the lattice are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
import numpy.typing as npt

from couple.cache.kernels import njit

Int64 = npt.NDArray[np.int64]
Int32 = npt.NDArray[np.int32]
Uint8 = npt.NDArray[np.uint8]
Uint64 = npt.NDArray[np.uint64]
Integer = int | np.int64
"""A number in a kernel: an int when compiled, one of NumPy's when run as Python."""


def compiled[F: Callable[..., object]](function: F) -> F:
    """Compile a kernel, cached.

    Kernels here make no array, so numba need not count references to those that are passed around; with dozens of
    them in a tuple the counting would cost more than the work (0.3 µs per call). They run without the interpreter's
    lock, so that sites and runs can share a process in threads.
    """
    return cast(F, njit(cache=True, nogil=True, _nrt=False)(function))


def inlined[F: Callable[..., object]](function: F) -> F:
    """Compile a part of other kernels, put into their code: to hand over dozens of arrays takes 0.1 µs."""
    return cast(F, njit(cache=True, nogil=True, _nrt=False, forceinline=True)(function))
