"""One feature: which record, which part of it, and what is made of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from couple.analysis.features.measures import MEASURES, of_spikes, spike_times, time_above
from couple.base import registry
from couple.base.arrays import Floats
from couple.base.errors import InputError
from couple.base.paths.python_function import load_function
from couple.experiment.features import OF_SPIKES, FeatureBlock
from couple.storage.records.record_file import Recording
from couple.storage.records.spike_trains import too_coarse

SPIKE = -20.0
"""mV; above it, V is a spike."""

Measuring = Callable[[Floats, Floats], float]
"""Of times (n,) ms and values (n,)."""


@dataclass(frozen=True)
class Feature:
    """name: of the user's. unit: of the values. measure: of one run. block: what was asked for."""

    name: str
    unit: str
    measure: Measuring
    block: FeatureBlock

    def of(self, recording: Recording) -> Floats:
        """(n_runs,) values, (1,) of the results of one run; NaN of runs that failed, and where there is none.

        Raises InputError if the record is not there, or no row of it is in the part that is looked at.
        """
        if (self.block.efel or self.block.measure in OF_SPIKES) and (reason := too_coarse(recording)):
            raise InputError(reason)
        values, time = np.atleast_2d(_record(recording, self.block)), recording.time
        low, high = self.block.start, self.block.end
        part = (time >= (-math.inf if low is None else low)) & (time <= (math.inf if high is None else high))
        if part.sum() < 2:
            raise InputError(f"fewer than two rows of {self.block.of} are between start and end")
        return np.array([self._of_run(time[part], run[part]) for run in values])

    def _of_run(self, time: Floats, values: Floats) -> float:
        if not np.isfinite(values).all():
            return math.nan
        return float(self.measure(time, values))


def feature(name: str, block: FeatureBlock, folder: Path = Path()) -> Feature:
    """A feature as it was asked for. folder: where paths start. Raises InputError."""
    kind = block.measure
    if block.function is not None:
        function, _ = load_function(block.function, folder, "(time, values): return 1.0")
        return Feature(name, "", _checked(function, block.function), block)
    if block.efel is not None:
        return _of_efel(name, block)
    assert kind is not None
    record_unit = "mV" if block.of.startswith("neuron.") else block.unit
    if kind in OF_SPIKES:
        threshold = SPIKE if block.threshold is None else block.threshold
        units = {"spikes": "1", "bursts": "1", "isi_cv": "1", "rate": "1/s"}
        gap = block.gap or 0.0

        def of_train(t: Floats, v: Floats) -> float:
            return of_spikes(kind, spike_times(v, t, threshold), float(t[-1] - t[0]), gap)

        return Feature(name, units.get(kind, "ms"), of_train, block)
    if kind == "time_above":
        level = block.threshold or 0.0
        return Feature(name, "ms", lambda t, v: time_above(t, v, level), block)
    units = {"area": f"{record_unit} ms", "time_of_peak": "ms", "decay": "ms"}
    return Feature(name, units.get(kind, record_unit), MEASURES[kind], block)


def _of_efel(name: str, block: FeatureBlock) -> Feature:
    threshold = SPIKE if block.threshold is None else block.threshold
    measure, unit = registry.load("couple.voltage_features", "efel")(block.efel, threshold)
    return Feature(name, unit, measure, block)


def _checked(function: Callable[[Floats, Floats], object], text: str) -> Measuring:
    """A function of the user's, whose faults name it."""

    def measure(time: Floats, values: Floats) -> float:
        try:
            return float(function(time.copy(), values.copy()))  # type: ignore[arg-type]
        except Exception as error:
            raise InputError(f"{text} failed: {type(error).__name__}: {error}") from error

    return measure


def _record(recording: Recording, block: FeatureBlock) -> Floats:
    """(..., n_rows) of what the feature is of."""
    site, _, name = block.of.partition(".")
    if block.unit == "uM":
        return recording.micromolar(site, name)
    return recording[block.of]
