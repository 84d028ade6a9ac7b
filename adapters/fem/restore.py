"""Taking up the saved state of fields, all of it or nothing."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from couple.base.errors import InputError
from couple.components.component import State
from couple.components.state import refuse_outside


def restore_arrays(name: str, arrays: Mapping[str, npt.NDArray[np.generic]], state: State, most: float) -> None:
    """Copy a saved state into the arrays of an engine of that name.

    most: size of the largest real number that a run may have written. Raises InputError, with nothing changed, if the
    state is of another mesh, network or set of sites, or holds numbers that no run has written.
    """
    for key, array in arrays.items():
        saved = np.asarray(state.get(key))
        if saved.shape != array.shape:
            raise InputError(
                f'the saved state does not fit "{name}": "{key}" has shape {saved.shape}, not {array.shape}; '
                "resume with the mesh, resolution and degree of the run"
            )
        if array.dtype.kind == "f":
            refuse_outside(saved, -most, most, key)
    for key, array in arrays.items():
        array[...] = np.asarray(state[key])
