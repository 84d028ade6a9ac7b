"""Features of voltages by eFEL, the Electrophys Feature Extraction Library."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import InputError, MissingDependencyError, nearest


def efel_feature(name: str, threshold: float) -> tuple[Callable[[Floats, Floats], float], str]:
    """A function of times (n,) ms and V (n,) mV, and the unit of what it gives.

    Several values of a trace are averaged; NaN if there is none. The stimulus is taken to last as long as the trace.
    threshold: mV, of spikes. Raises InputError for a name that eFEL does not have, MissingDependencyError without it.
    """
    try:
        import efel
    except ImportError as error:
        raise MissingDependencyError('features of eFEL need it: uv pip install "couple[features]"') from error
    known = efel.get_feature_names()
    if name not in known:
        raise InputError(f'eFEL has no feature "{name}"; {nearest(name, known)}')

    def measure(time: Floats, voltage: Floats) -> float:
        efel.api.reset()
        efel.api.set_setting("Threshold", threshold)
        trace: dict[str, Any] = {"T": time, "V": voltage, "stim_start": [time[0]], "stim_end": [time[-1]]}
        (found,) = efel.get_feature_values([trace], [name], raise_warnings=False)
        values = found[name]
        return math.nan if values is None or not len(values) else float(np.mean(values))

    return measure, _unit(name)


def _unit(name: str) -> str:
    """Of a feature, where eFEL's own table says it; else ""."""
    from efel.units import get_unit

    try:
        return str(get_unit(name)).replace("constant", "1")
    except KeyError:
        return ""
