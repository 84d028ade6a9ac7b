"""Which cells of a grid are inside, from a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from couple.base.errors import InputError
from couple.base.formats import complaint
from couple.base.regular_file import open_regular
from couple.files.array_file import read_array


def read_mask(path: Path) -> npt.NDArray[np.bool_]:
    """The array in a .npy file. Raises InputError that names it."""
    try:
        with open_regular(path) as file:
            array = read_array(file, str(path))
    except FileNotFoundError:
        raise InputError("no such file: give the .npy file of a mask", where=str(path)) from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", where=str(path)) from None
    except (ValueError, EOFError, RecursionError, MemoryError) as error:
        wrong = f"is not a .npy file: {error}"
        raise InputError(
            complaint(path, "an array of NumPy (.npy)", "numpy", otherwise=wrong), where=str(path)
        ) from None
    if array.dtype.kind not in "buif" or not 1 <= array.ndim <= 3:
        raise InputError(
            f"an array {array.shape} of {array.dtype}: a mask is an array of numbers with one to three axes",
            where=str(path),
        )
    return np.asarray(array != 0)
