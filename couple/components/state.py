"""Reading single values of a saved state, which come back from HDF5 as Python or NumPy scalars or as 0-d arrays."""

from __future__ import annotations

import numpy as np

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


def _value(state: State, key: str) -> StateValue:
    if key not in state:
        raise InputError("a state holds no such value", where=key)
    value = state[key]
    return value.item() if isinstance(value, np.ndarray) and value.ndim == 0 else value
