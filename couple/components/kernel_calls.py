"""Kernels as calls of a compiled loop; apart from `calls`, since it takes numba."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy.typing as npt

from couple.cache.native import address_of, table_of
from couple.components.calls import Call, python_call


def kernel_call(
    kernel: Any, arrays: Sequence[npt.NDArray[Any]], answer: Callable[[int], None], python: Callable[[], object]
) -> Call:
    """The call of a kernel (couple/cache/native.py) whose context is these arrays, which may not move.

    python: does the same, where nothing is compiled.
    """
    function = address_of(kernel)
    if not function:
        return python_call(python)
    table = table_of(*arrays)
    return Call(function, table.ctypes.data, answer, (table, *arrays))
