"""Courses of calcium as a spine sees them: steps, noise, spike trains, theta bursts, pairings of spikes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import AfterValidator, Field, model_validator

from couple.base.arrays import Floats
from couple.base.schema import Block
from couple.base.units import Concentration, quantities, with_unit
from couple.rng.streams import generator

Range = tuple[float, float]


def _range(values: tuple[float, ...]) -> Range:
    """One number or a least and a largest."""
    low, high = values[0], values[-1]
    if len(values) > 2 or not 0 < low <= high:
        raise ValueError("must be one number above 0, or the least and the largest")
    return low, high


ConcentrationRange = Annotated[tuple[float, ...], with_unit("concentration", quantities), AfterValidator(_range)]
TimeRange = Annotated[tuple[float, ...], with_unit("time", quantities), AfterValidator(_range)]
RateRange = Annotated[tuple[float, ...], with_unit("rate of first order", quantities), AfterValidator(_range)]
FluxRange = Annotated[tuple[float, ...], with_unit("count per time", quantities), AfterValidator(_range)]


class StimulusBlock(Block):
    """`count` courses of one kind; what is given as a range "1 10 uM" is drawn log-uniformly for each.

    kind: step (a plateau of `peak` for `duration`), noise (a logarithmic Ornstein-Uhlenbeck process of median `peak`
    and correlation time `decay`), spikes (Poisson, at `rate`), theta (bursts of 4 spikes at 100 /s, `rate` bursts),
    stdp (pairs of a slow presynaptic and a fast postsynaptic transient -50 to 50 ms apart, at `rate`).
    base: calcium at rest. peak: of a single transient; decay: its time constant; transients add up.
    influx: instead of base and peak, ions that come in per ms at the peak: calcium is then what the chemistry makes of
    them, with its buffers and pumps.
    test: kept from the training; a kind is either learned from or tested on.
    """

    kind: Literal["step", "noise", "spikes", "theta", "stdp"]
    count: Annotated[int, Field(strict=True, ge=1, le=500)] = 1
    base: Concentration = Field(default=1e-4, ge=0)
    peak: ConcentrationRange = (1e-3, 1e-2)
    decay: TimeRange = (12.0, 50.0)
    rate: RateRange = (5e-3, 5e-2)
    duration: TimeRange = (200.0, 1000.0)
    delay: TimeRange = (5.0, 100.0)
    influx: FluxRange | None = None
    test: bool = False

    @property
    def height(self) -> Range:
        """Least and largest of a single transient: mM, or ions per ms."""
        low, high = self.peak if self.influx is None else self.influx
        return low, high

    @model_validator(mode="after")
    def _one_height(self) -> Self:
        if self.influx is not None and {"peak", "base"} & self.model_fields_set:
            raise ValueError(f"{self.kind}: give influx, or base and peak")
        return self


def refuse_mixed_kinds(stimuli: Mapping[str, StimulusBlock]) -> None:
    """Raise ValueError if a kind is both learned from and tested on. stimuli: by their keys in the file."""
    learned = {s.kind: key for key, s in reversed([*stimuli.items()]) if not s.test}
    for key, s in stimuli.items():
        if s.test and s.kind in learned:
            raise ValueError(
                f'{key} tests on "{s.kind}", which {learned[s.kind]} is learned from: a kind of stimulus is either '
                "learned from or tested on, since a test shows how the model does on courses of a kind that it has not "
                "seen; give it another kind, or test = true to all of this kind"
            )


@dataclass(frozen=True)
class CalciumStimulus:
    """One course. calcium: (n_windows,) uM, held constant over each window.

    influx: (n_windows,) ions per ms in the middles, None where calcium is held; calcium is then what was seen of it,
    the mean over each window and over runs, and 0 before anything has run.
    """

    name: str
    kind: str
    test: bool
    calcium: Floats
    influx: Floats | None = None


def make_stimuli(block: StimulusBlock, time: Floats, seed: int, protocol: str) -> list[CalciumStimulus]:
    """All of a block at the middles of windows `time` (n_windows,) ms, from streams keyed by kind and number."""
    make = _KINDS[block.kind]
    found = []
    for i in range(block.count):
        rng = generator(seed, "stimuli", protocol, f"{block.kind} {i}")
        made, name = make(block, time, rng), f"{block.kind} {i}"
        if block.influx is None:
            found.append(CalciumStimulus(name, block.kind, block.test, 1e3 * (block.base + made)))
        else:
            found.append(CalciumStimulus(name, block.kind, block.test, np.zeros(len(time)), made))
    return found


def _draw(rng: np.random.Generator, span: tuple[float, ...]) -> float:
    """Log-uniform between two numbers."""
    return float(np.exp(rng.uniform(np.log(span[0]), np.log(span[1]))))


def _transients(time: Floats, at: Floats, peak: float, decay: float) -> Floats:
    """Sum of exponential transients."""
    out = np.zeros_like(time)
    for start in at:
        after = time >= start
        out[after] += peak * np.exp(-(time[after] - start) / decay)
    return out


def _step(block: StimulusBlock, time: Floats, rng: np.random.Generator) -> Floats:
    peak, delay, duration = (_draw(rng, span) for span in (block.height, block.delay, block.duration))
    return np.where((time >= delay) & (time < delay + duration), peak, 0.0)


def _noise(block: StimulusBlock, time: Floats, rng: np.random.Generator) -> Floats:
    peak, decay, delay = (_draw(rng, span) for span in (block.height, block.decay, block.delay))
    keep = np.exp(-(time[1] - time[0]) / decay)
    kicks = rng.standard_normal(len(time)) * np.sqrt(1 - keep**2)
    x = np.empty(len(time))
    x[0] = kicks[0]
    for k in range(1, len(time)):
        x[k] = keep * x[k - 1] + kicks[k]
    return np.where(time >= delay, peak * np.exp(0.8 * x), 0.0)


def _spikes(block: StimulusBlock, time: Floats, rng: np.random.Generator) -> Floats:
    peak, decay, rate, delay = (_draw(rng, span) for span in (block.height, block.decay, block.rate, block.delay))
    gaps = rng.exponential(1 / rate, size=int(3 * time[-1] * rate) + 10)
    return _transients(time, delay + np.cumsum(gaps) - gaps[0], peak, decay)


def _theta(block: StimulusBlock, time: Floats, rng: np.random.Generator) -> Floats:
    peak, decay, rate, delay = (_draw(rng, span) for span in (block.height, block.decay, block.rate, block.delay))
    starts = np.arange(delay, time[-1], 1 / rate)
    return _transients(time, (starts[:, None] + 10.0 * np.arange(4)).ravel(), peak, decay)


def _stdp(block: StimulusBlock, time: Floats, rng: np.random.Generator) -> Floats:
    """The presynaptic transient is slow; a postsynaptic spike that follows it unblocks its channels."""
    peak, decay, rate, delay = (_draw(rng, span) for span in (block.height, block.decay, block.rate, block.delay))
    apart = rng.uniform(-50.0, 50.0)
    pre = np.arange(delay + 50.0, time[-1], 1 / rate)
    boost = 1.0 + 2.0 * np.exp(-apart / 20.0) if apart > 0 else 1.0
    slow = _transients(time, pre + max(apart, 0.0), 0.3 * peak * boost, 2.5 * decay)
    return slow + _transients(time, pre + apart, peak, decay)


_KINDS: dict[str, Callable[[StimulusBlock, Floats, np.random.Generator], Floats]] = {
    "step": _step,
    "noise": _noise,
    "spikes": _spikes,
    "theta": _theta,
    "stdp": _stdp,
}
