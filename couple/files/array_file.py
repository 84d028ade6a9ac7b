"""Arrays in NumPy's own format (.npy): numbers only, no pickles, and no more than the file holds."""

from __future__ import annotations

import math
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from couple.base.budget import check_memory

_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def read_array(file: BinaryIO, name: str) -> npt.NDArray[Any]:
    """The array at the place where a file is. name: of the file, for messages.

    Raises ValueError for what is no array of numbers, or is longer than the file; InputError for more than the memory
    takes. An archive (.npz) is not unpacked, a pickle not opened.
    """
    start = file.tell()
    if file.read(len(npy.MAGIC_PREFIX)) != npy.MAGIC_PREFIX:
        raise ValueError("it does not begin as one")
    file.seek(start)
    version = npy.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"version {version} of the format is not known here")
    shape, _, kind = _HEADERS[version](file)
    if kind.hasobject:
        raise ValueError("it holds objects of Python, which can run any program, not numbers")
    needed, begin = math.prod(shape) * kind.itemsize, file.tell()
    there = file.seek(0, 2) - begin
    if needed > there or min(shape, default=0) < 0:
        raise ValueError(f"an array {shape} of {kind} is longer than the file")
    check_memory(needed, f"an array {shape} of {kind}", "give a smaller one", name)
    file.seek(start)
    return np.asarray(np.load(file, allow_pickle=False))
