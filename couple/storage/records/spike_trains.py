"""Spikes of single cells: when the recorded V of a soma crosses a threshold upwards, between two rows by a line."""

from __future__ import annotations

import re

import numpy as np

from couple.base.arrays import Floats
from couple.storage.records.record_file import Recording

THRESHOLD = "spike_threshold_mV"
"""Attribute of a file of records."""
LONGEST = 0.5
"""ms between rows; of rows further apart spikes fall between them."""

_SOMA = re.compile(r"(^|\.)soma(\[\d+\])?\(", re.IGNORECASE)


def spike_times(v: Floats, time: Floats, threshold: float) -> Floats:
    """(n_spikes,) times at which v (n_times,) crosses `threshold` mV upwards, between two rows by a line."""
    k = np.flatnonzero((v[:-1] < threshold) & (v[1:] >= threshold))
    return np.asarray(time[k] + (threshold - v[k]) / (v[k + 1] - v[k]) * (time[k + 1] - time[k]))


def too_coarse(recording: Recording) -> str:
    """Why spikes cannot be told from a record, "" if they can: its rows are too far apart."""
    time = recording.time
    if time.size > 1 and time[1] - time[0] > LONGEST * (1 + 1e-9):
        return f"rows are {time[1] - time[0]:g} ms apart, spikes need {LONGEST:g} ms or less (record.every)"
    return ""


def somata(recording: Recording) -> list[str]:
    """Segments of somata whose voltage is recorded, of a model that is no network."""
    names = [] if "spikes" in recording.file else recording.voltage_names()
    return [name for name in names if _SOMA.search(name)]


def soma_spikes(recording: Recording) -> dict[str, list[Floats]]:
    """Segment of a soma → for each run (one in the results of a run) its (n_spikes,) times, ms.

    Empty for a network, whose cells have their own, without recorded somata, and where rows are too far apart.
    """
    time, attributes = recording.time, recording.file.attrs
    if THRESHOLD not in attributes or time.size < 2 or too_coarse(recording):
        return {}
    threshold = float(attributes[THRESHOLD])
    found = {}
    for name in somata(recording):
        runs = np.atleast_2d(recording[f"neuron.{name}"])
        found[name] = [spike_times(v, time, threshold) for v in runs]
    return found
