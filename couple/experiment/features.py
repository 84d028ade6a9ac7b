"""[features]: numbers that are taken from a record, by name."""

from __future__ import annotations

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from couple.base.paths.python_function import FUNCTION
from couple.base.schema import Block
from couple.base.units import SimulatedTime

Measure = Literal[
    "mean", "sd", "peak", "minimum", "last", "area", "time_of_peak", "time_above", "decay",
    "spikes", "rate", "first_spike", "isi_mean", "isi_cv", "bursts",
]  # fmt: skip
MEASURES: tuple[str, ...] = get_args(Measure)
OF_SPIKES = ("spikes", "rate", "first_spike", "isi_mean", "isi_cv", "bursts")
NEED_THRESHOLD = ("time_above",)


class FeatureBlock(Block):
    """One number of each run.

    of:        a record: "head.Ca", "head.SK_open", or a voltage, "neuron.soma(0.5)".
    measure:   mean, sd, peak, minimum, last; area (the integral over ms); time_of_peak (ms), time_above (ms above
               `threshold`), decay (ms from the peak to 1/e of its height above the end). Of a voltage: spikes, rate
               (per s), first_spike (ms), isi_mean (ms), isi_cv, bursts (of two spikes and more, `gap` apart at most).
    efel:      or a feature of eFEL by its name; of several values in a trace their mean.
    function:  or "features.py:name", a function of times (ms) and values, (n_rows,) each, that gives a number. A run
               does not read it.
    unit:      of a species in the volume: "molecules" or "uM".
    start, end: of the part that is looked at, by default all of it.
    threshold: in the unit of the record; of spikes -20 mV by default. gap: ms.
    """

    of: str = Field(min_length=1)
    measure: Measure | None = None
    efel: str | None = Field(default=None, pattern=r"^\w+$")
    function: str | None = Field(default=None, pattern=rf"^[^:]+\.py:{FUNCTION}$")
    unit: Literal["molecules", "uM"] = "molecules"
    start: SimulatedTime | None = Field(default=None, ge=0)
    end: SimulatedTime | None = Field(default=None, gt=0)
    threshold: Annotated[float, Field(strict=True, allow_inf_nan=False)] | int | None = None
    gap: SimulatedTime | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if sum(x is not None for x in (self.measure, self.efel, self.function)) != 1:
            raise ValueError("give exactly one of measure, efel, function")
        of_voltage = self.of.startswith("neuron.")
        if (self.measure in OF_SPIKES or self.efel) and not of_voltage:
            raise ValueError(f'{self.measure or self.efel} is one of voltages: of = "neuron.soma(0.5)"')
        if of_voltage and self.unit != "molecules":
            raise ValueError("unit: a voltage is in mV, leave it out")
        if self.measure in NEED_THRESHOLD and self.threshold is None:
            raise ValueError(f"{self.measure} needs a threshold")
        if self.threshold is not None and self.measure not in (*NEED_THRESHOLD, *OF_SPIKES) and self.efel is None:
            raise ValueError(f"threshold has no effect on {self.measure or 'a function'}: leave it out")
        if (self.gap is not None) != (self.measure == "bursts"):
            raise ValueError('bursts need gap = "20 ms", and nothing else does')
        if self.start is not None and self.end is not None and not self.start < self.end:
            raise ValueError("start is not before end")
        return self
