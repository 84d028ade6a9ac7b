"""[neuron]: the electrical model."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from couple.base.paths.file_fields import ReadsFile
from couple.base.paths.python_function import FUNCTION
from couple.base.schema import Block
from couple.base.units import ElectricCurrent, Time, Voltage, quantities, with_unit
from couple.components.model_spec import CaiWriters, Reversal

Model = Annotated[str, Field(min_length=1), ReadsFile("model", behind=FUNCTION)]
"""An electrical model: a file, or "cell.py:function", or "cell.hoc:Template"."""
Times = Annotated[tuple[float, ...], with_unit("time", quantities)]
"""ms, of "20 40 ms"."""
MechanismFile = Annotated[str, ReadsFile("mechanism")]
HocFile = Annotated[str, Field(min_length=1), ReadsFile("model")]
"""A MOD file, or a folder of them."""


class CurrentBlock(Block):
    """A current clamp: `at` a segment, `amplitude` (nA) for `duration` from `start` on (ms), or from each of `times`.

    at: a segment. start: when it begins. times: "20 40 ms", when each pulse of a train begins, instead of start.
    duration: how long, of each. amplitude: how much, depolarising above 0.
    """

    at: str
    start: Time = Field(default=0.0, ge=0)
    times: Times | None = None
    duration: Time = Field(gt=0)
    amplitude: ElectricCurrent

    @model_validator(mode="after")
    def _train(self) -> Self:
        if self.times is None:
            return self
        if "start" in self.model_fields_set:
            raise ValueError("give start for one pulse, or times for many, not both")
        if min(self.times) < 0:
            raise ValueError(f"times: {min(self.times):g} ms is before 0")
        ordered = sorted(self.times)
        for first, second in pairwise(ordered):
            if second - first < self.duration:
                raise ValueError(f"times: the pulse at {first:g} ms lasts {self.duration:g} ms, beyond {second:g} ms")
        return self

    @property
    def onsets(self) -> tuple[float, ...]:
        """When each pulse begins, ms."""
        return (self.start,) if self.times is None else self.times


class Neuron(Block):
    """The electrical model: "cell.py:function" (or a class), "cell.hoc", "cell.hoc:Template" or "cell.swc".

    arguments: of the function, class or template. mechanisms: MOD files, or folders of them. biophysics: what a bare
    morphology lacks. dt: ms. celsius (degrees), v_init (mV): what the model sets, if not given. cai_writers: see
    `couple.components.model_spec`. init: the procedure of HOC that starts the model; by default its own init(), where
    it has one; "none" is finitialize(v_init) alone. cvode: "off" switches off what the model switches on. eca: "keep"
    leaves reversal potentials of coupled ions to the model. before, after: files of HOC carried out around the model's.
    uninsert, set: mechanisms taken out and values set when all is built (docs/neuron_models.md). second_order: steps of
    second order in dt (Crank-Nicolson) instead of backward Euler; what the model sets, if not given.
    model: file, and function, class or template. celsius: degrees; what the model sets, if not given. v_init: the
    potential at the start; what the model sets, if not given. current: current clamps.
    """

    model: Model = ""
    dt: Time = Field(gt=0)
    celsius: float | None = Field(default=None, gt=-273.15, lt=100, strict=True)
    v_init: Voltage | None = Field(default=None, ge=-1000, le=1000)
    arguments: dict[str, Any] | tuple[Any, ...] = ()
    mechanisms: MechanismFile | tuple[MechanismFile, ...] = ()
    biophysics: dict[str, Any] | None = None
    current: tuple[CurrentBlock, ...] = ()
    cai_writers: CaiWriters = "refuse"
    init: str = Field(default="", pattern=r"^(|[A-Za-z_][A-Za-z0-9_]*)$")
    cvode: Literal["refuse", "off"] = "refuse"
    second_order: bool | None = Field(default=None, strict=True)
    eca: Reversal = "nernst"
    before: tuple[HocFile, ...] = ()
    after: tuple[HocFile, ...] = ()
    uninsert: tuple[str, ...] = ()
    set: dict[str, float | str] = Field(default_factory=dict)

    @property
    def file_and_function(self) -> tuple[str, str]:
        """ "cell.hoc:Cell" as ("cell.hoc", "Cell"); the second is "" if there is none."""
        match = re.fullmatch(f"(.+):({FUNCTION})", self.model)
        return (match[1], match[2]) if match else (self.model, "")
