"""Times of spikes that blocks give to their synapses."""

from __future__ import annotations

from couple.base.errors import InputError, quoted
from couple.base.units import quantities


def spike_times(given: str | None, key: str) -> tuple[float, ...]:
    """Times in ms, none if none are given. Raises InputError that names the key, also for a time before 0."""
    if given is None:
        return ()
    try:
        times = quantities(given, "time")
    except InputError as error:
        raise error.at(key) from None
    if min(times) < 0:
        raise InputError(f"{quoted(given)} begins before 0", where=key)
    return times
