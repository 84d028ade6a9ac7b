"""Reading values of a saved state; single ones come back from HDF5 as Python or NumPy scalars or as 0-d arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from couple.base.errors import InputError
from couple.components.component import State, StateValue


def whole(state: State, key: str, default: int | None = None) -> int:
    """The integer under `key`, or `default` if that is given and nothing is there. Raises InputError otherwise."""
    if default is not None and key not in state:
        return default
    value = _value(state, key)
    if isinstance(value, int | np.integer):
        return int(value)
    raise InputError(f"a state holds {value!r} where a whole number belongs", where=key)


def number(state: State, key: str) -> float:
    """The number under `key`, to the bit. Raises InputError for anything else."""
    value = _value(state, key)
    if isinstance(value, int | float | np.integer | np.floating):
        return float(value)
    raise InputError(f"a state holds {value!r} where a number belongs", where=key)


def text(state: State, key: str, default: str | None = None) -> str:
    """The text under `key`, or `default` if that is given and nothing is there. Raises InputError otherwise."""
    if default is not None and key not in state:
        return default
    value = _value(state, key)
    if isinstance(value, str):
        return value
    raise InputError(f"a state holds {value!r} where a text belongs", where=key)


def fitting(state: Mapping[str, StateValue], key: str, like: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """The array under `key`. Raises InputError unless it has the shape of `like` and its kind of numbers."""
    found = np.asarray(_value(state, key))
    if found.shape != like.shape or found.dtype.kind != like.dtype.kind:
        raise InputError(
            f"a state holds {found.dtype} of shape {found.shape} where {like.dtype} of {like.shape} belongs", where=key
        )
    return found


def refuse_outside(values: Any, first: float, last: Any, key: str) -> None:
    """Raise InputError unless all values are at least `first` and at most `last` (or as many). key: what they are."""
    array: npt.NDArray[Any] = np.asarray(values)
    if not ((array >= first) & (array <= np.asarray(last))).all():
        raise InputError(f"a state holds values below {first:g} or above {np.max(last):g}", where=key)


def _value(state: Mapping[str, StateValue], key: str) -> StateValue:
    if key not in state:
        raise InputError("a state holds no such value", where=key)
    value = state[key]
    return value.item() if isinstance(value, np.ndarray) and value.ndim == 0 else value
