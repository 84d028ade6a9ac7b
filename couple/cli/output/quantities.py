"""What all that `--json` prints is made of."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Output(BaseModel):
    """Base of what `--json` prints."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Quantity(Output):
    """One number, or several: what they are, their unit, their values."""

    name: str
    unit: str
    values: float | tuple[float, ...]
