"""Kernels that compiled code calls without Python: the address of one, and arrays behind addresses.

Such a kernel takes the address of a table of integers, its context, in which addresses and lengths of its arrays stand,
and gives an integer back. It is compiled and kept as all kernels are (couple/cache/kernels.py).
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from numba import carray, types
from numba.core.dispatcher import Dispatcher
from numba.extending import intrinsic

from couple.cache.kernels import njit

CONTEXT = types.int64
Table = npt.NDArray[np.int64]


@intrinsic
def _pointer(typing: Any, address: Any) -> Any:
    """An integer as a pointer."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return types.voidptr(address), generate


@njit(cache=True)
def integers(address: int, n: int) -> Table:
    """(n,) of int64."""
    return carray(_pointer(address), (n,), np.int64)  # type: ignore[no-any-return]


@njit(cache=True)
def short_integers(address: int, n: int) -> npt.NDArray[np.uint32]:
    """(n,) of uint32."""
    return carray(_pointer(address), (n,), np.uint32)  # type: ignore[no-any-return]


@njit(cache=True)
def flags(address: int, n: int) -> npt.NDArray[np.int32]:
    """(n,) of int32."""
    return carray(_pointer(address), (n,), np.int32)  # type: ignore[no-any-return]


@njit(cache=True)
def floats(address: int, n: int) -> npt.NDArray[np.float64]:
    """(n,) of float64."""
    return carray(_pointer(address), (n,), np.float64)  # type: ignore[no-any-return]


@njit(cache=True)
def rows(address: int, n: int, width: int) -> npt.NDArray[np.float64]:
    """(n, width) of float64."""
    return carray(_pointer(address), (n, width), np.float64)  # type: ignore[no-any-return]


@njit(cache=True)
def word_rows(address: int, n: int, width: int) -> npt.NDArray[np.uint64]:
    """(n, width) of uint64."""
    return carray(_pointer(address), (n, width), np.uint64)  # type: ignore[no-any-return]


def address_of(kernel: Any) -> int:
    """Of the compiled kernel, a function int64 (int64); 0 where nothing is compiled (NUMBA_DISABLE_JIT)."""
    if not isinstance(kernel, Dispatcher) or numba.config.DISABLE_JIT:
        return 0
    if (CONTEXT,) not in kernel.overloads:
        kernel.compile((CONTEXT,))
    made = kernel.overloads[(CONTEXT,)]
    return int(made.library.get_pointer_to_function(made.fndesc.llvm_cfunc_wrapper_name))


def table_of(*entries: npt.NDArray[Any] | int) -> Table:
    """A context: of each array its address and its lengths, and integers as they are.

    Whoever keeps the table has to keep the arrays as well, and they may not move.
    """
    found: list[int] = []
    for entry in entries:
        found += [entry] if isinstance(entry, int) else [entry.ctypes.data, *entry.shape]
    return np.array(found, dtype=np.int64)
