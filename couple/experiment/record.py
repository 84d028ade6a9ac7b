"""[record]: what is recorded and how often."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from couple.base.errors import nearest
from couple.base.schema import Block
from couple.base.units import SimulatedTime, Voltage

QUANTITIES = ("v", "charge", "cai", "g", "parameters", "axial", "counts", "means", "influx")


def _quantity(name: str) -> str:
    if name not in QUANTITIES and not (name.endswith("i") and name[:-1].isidentifier()):
        raise ValueError(f'"{name}" is not recorded; {nearest(name, QUANTITIES)}')
    return name


def _range(name: str) -> str:
    place, _, variable = name.rpartition(".")
    if not place.strip() or not variable.isidentifier():
        raise ValueError(f'"{name}" is no place and variable, as in "soma(0.5).m_hh" or "dend*.eca"')
    if variable == "v":
        raise ValueError(f'"{name}": record.voltages is for voltages; give "{place}" there')
    return name


class Record(Block):
    """What is recorded and how often.

    variables: of the model v, charge, cai (of another ion nai, ...), g, parameters, axial; of the sites counts, means,
    influx;
    all of them by default.
    species: names for counts, or "all". voltages: segments besides the coupled ones, by name or pattern ("dend*"; "*"
    is all). ranges: range variables of mechanisms and ions by the names that NEURON has for them, as in
    "soma(0.5).m_hh", "dend*.eca". threshold: mV that V of a recorded soma crosses upwards in a spike. every: ms.
    """

    every: SimulatedTime | None = Field(default=None, gt=0)
    variables: tuple[Annotated[str, AfterValidator(_quantity)], ...] | None = None
    species: tuple[str, ...] | Literal["all"] | None = None
    voltages: tuple[str, ...] = ()
    threshold: Voltage = -20.0
    ranges: tuple[Annotated[str, AfterValidator(_range)], ...] = ()
