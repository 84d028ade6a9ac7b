"""Integer time. Every interval is a whole number of ticks; a float clock never decides anything."""

from __future__ import annotations

from dataclasses import dataclass

from couple.base.errors import InputError
from couple.chemistry.lattice_units import Unit
from couple.experiment import Experiment

MOST = 10**10
"""Windows of a run, or ticks of a window; more is a slip of a unit."""


@dataclass(frozen=True)
class Clock:
    """Intervals of a run.

    tick: ms, NEURON's dt or, without NEURON, the exchange interval. window: ticks between two exchanges.
    windows: of the whole run. record, checkpoint: windows between two of them (checkpoint 0 = never).
    unit: of times, for messages.
    """

    tick: float
    window: int
    windows: int
    record: int
    checkpoint: int
    unit: Unit = "ms"

    @classmethod
    def of(cls, experiment: Experiment) -> Clock:
        """Raises InputError, with the nearest values that fit, for steps that are not multiples."""
        run, neuron = experiment.experiment, experiment.neuron
        tick = neuron.dt if neuron else run.exchange
        every, checkpoint = experiment.record.every, experiment.checkpoint.every
        unit = experiment.time_unit
        try:
            if every is not None:
                _multiple(run.duration, every, "experiment.duration", "record.every", unit)
            return cls(
                tick=tick,
                window=_multiple(run.exchange, tick, "experiment.exchange", "neuron.dt", unit),
                windows=_multiple(run.duration, run.exchange, "experiment.duration", "experiment.exchange", unit),
                record=1
                if every is None
                else _multiple(every, run.exchange, "record.every", "experiment.exchange", unit),
                checkpoint=0
                if checkpoint is None
                else _multiple(checkpoint, run.exchange, "checkpoint.every", "experiment.exchange", unit),
                unit=unit,
            )
        except InputError as error:
            raise error.inside(experiment.where) from None

    def time(self, window: int) -> float:
        """Simulated ms (or steps) after `window` windows."""
        return window * self.window * self.tick

    def windows_until(self, time: float) -> int:
        """Windows that reach `time` ms. Raises InputError if it is not a multiple of the exchange interval."""
        return _multiple(time, self.window * self.tick, "--until", "experiment.exchange", self.unit)


def _multiple(value: float, unit: float, key: str, of: str, name: Unit) -> int:
    n = round(value / unit)
    step = f"{of} = {unit:.9g} {name}"
    if n > MOST:
        raise InputError(f"{value:.9g} {name} is {n:.1e} times {step}; more than {MOST:.0e} are refused", where=key)
    if n >= 1 and abs(n * unit - value) <= 1e-9 * value:
        return n
    low = max(1, int(value / unit))
    near = " or ".join(f'"{k * unit:.9g} {name}"' for k in (low, low + 1))
    raise InputError(f"{value:.9g} {name} is not a multiple of {step}; the nearest are {near}", where=key)
