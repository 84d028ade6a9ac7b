"""Integer time. Every interval is a whole number of ticks; a float clock never decides anything."""

from __future__ import annotations

import math
from dataclasses import dataclass

from couple.base.errors import InputError
from couple.chemistry.lattice_units import Unit
from couple.experiment import Experiment

LONGEST = 1.0
"""ms between two exchanges that nobody has to ask for: membranes answer to what is constant in between within that."""

MOST = 10**10
"""Windows of a run, or ticks of a window; more is a slip of a unit."""


def longest_interval(experiment: Experiment) -> float:
    """ms between two exchanges, at most."""
    given, control = experiment.experiment.exchange, experiment.exchange
    if given != "auto":
        return given
    every = experiment.record.every or LONGEST
    return control.longest or every / math.ceil(every / LONGEST)


@dataclass(frozen=True)
class Clock:
    """Intervals of a run.

    tick: ms, NEURON's dt or, without NEURON, the exchange interval. window: ticks between two exchanges, or, where they
    are chosen on the way, the most. windows: of the whole run. record, checkpoint: windows between two of them
    (checkpoint 0 = never). unit: of times, for messages. shortest: ticks between two exchanges, at least.
    """

    tick: float
    window: int
    windows: int
    record: int
    checkpoint: int
    unit: Unit = "ms"
    shortest: int = 0
    """0 where all windows have one length."""

    @classmethod
    def of(cls, experiment: Experiment) -> Clock:
        """Raises InputError, with the nearest values that fit, for steps that are not multiples."""
        run, neuron = experiment.experiment, experiment.neuron
        every, checkpoint = experiment.record.every, experiment.checkpoint.every
        exchange, key, shortest, unit = longest_interval(experiment), "experiment.exchange", 0, experiment.time_unit
        tick = neuron.dt if neuron else exchange
        try:
            if every is not None:
                _multiple(run.duration, every, "experiment.duration", "record.every", unit)
            if run.exchange == "auto":
                least, key = experiment.exchange.shortest or tick, "exchange.longest"
                shortest = _multiple(least, tick, "exchange.shortest", "neuron.dt", unit)
                if least > exchange:
                    raise InputError(
                        f"{least:g} ms is above exchange.longest = {exchange:g} ms", where="exchange.shortest"
                    )
            return cls(
                tick=tick,
                window=_multiple(exchange, tick, key, "neuron.dt", unit),
                windows=_multiple(run.duration, exchange, "experiment.duration", key, unit),
                record=1 if every is None else _multiple(every, exchange, "record.every", key, unit),
                checkpoint=0 if checkpoint is None else _multiple(checkpoint, exchange, "checkpoint.every", key, unit),
                unit=unit,
                shortest=shortest,
            )
        except InputError as error:
            raise error.inside(experiment.where) from None

    @property
    def played(self) -> int:
        """Ticks of a row of what is prescribed: it has to fit into windows of any length."""
        return 1 if self.shortest else self.window

    def time(self, window: int) -> float:
        """Simulated ms (or steps) after `window` windows."""
        return window * self.window * self.tick

    def windows_until(self, time: float) -> int:
        """Windows that reach `time` ms. Raises InputError if it is not a multiple of the exchange interval."""
        return _multiple(time, self.window * self.tick, "--until", "experiment.exchange", self.unit)


def _multiple(value: float, unit: float, key: str, of: str, name: Unit) -> int:
    times, step = value / unit, f"{of} = {unit:.9g} {name}"
    if times > MOST:  # also where it is too many to be a number
        raise InputError(f"{value:.9g} {name} is {times:.1e} times {step}; more than {MOST:.0e} are refused", where=key)
    n = round(times)
    if n >= 1 and abs(n * unit - value) <= 1e-9 * value:
        return n
    low = max(1, int(times))
    near = " or ".join(f'"{k * unit:.9g} {name}"' for k in (low, low + 1))
    raise InputError(f"{value:.9g} {name} is not a multiple of {step}; the nearest are {near}", where=key)
