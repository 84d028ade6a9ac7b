"""[record]: what is recorded and how often."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from couple.base.errors import nearest
from couple.base.schema import Block
from couple.base.units import SimulatedTime

QUANTITIES = ("v", "charge", "cai", "g", "counts", "means", "influx")


def _quantity(name: str) -> str:
    if name not in QUANTITIES and not (name.endswith("i") and name[:-1].isidentifier()):
        raise ValueError(f'"{name}" is not recorded; {nearest(name, QUANTITIES)}')
    return name


class Record(Block):
    """What is recorded and how often.

    variables: of the model v, charge, cai (of another ion nai, ...), g; of the sites counts, means, influx; all of
    them by default.
    species: names for counts, or "all". voltages: segments besides the coupled ones. every: ms.
    """

    every: SimulatedTime | None = Field(default=None, gt=0)
    variables: tuple[Annotated[str, AfterValidator(_quantity)], ...] | None = None
    species: tuple[str, ...] | Literal["all"] | None = None
    voltages: tuple[str, ...] = ()
