"""Array types that signatures share. Shapes are said where the arrays are."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int64]  # numbers of molecules
Bools = npt.NDArray[np.bool_]
Words = npt.NDArray[np.uint64]  # states of random streams
Indices = npt.NDArray[np.uint32]  # places in the block of memory that an exchange works on
Integers = npt.NDArray[np.integer[Any]]  # integers of any width, as meshes have them
