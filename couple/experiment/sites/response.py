"""What a parameter of the electrical model is by an amount of molecules: functions of stated numbers."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Discriminator, Field, model_validator

from couple.base.errors import InputError
from couple.base.schema import Block
from couple.base.unit_text import split_list
from couple.base.units import quantities

AmountKind = Literal["count", "concentration", "surface density"]

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]


def read_amounts(value: float | str | tuple[float, ...]) -> tuple[tuple[float, ...], AmountKind]:
    """Numbers of molecules as they are, or concentrations (mM) or densities (/µm²) of a text, and which they are.

    Raises InputError for a text in another unit.
    """
    if isinstance(value, tuple):
        return value, "count"
    if not isinstance(value, str):
        return (float(value),), "count"
    found = split_list(value)
    if found is not None and found[0] and not found[1]:
        return tuple(found[0]), "count"
    try:
        return quantities(value, "concentration"), "concentration"
    except InputError:
        pass
    try:
        return quantities(value, "surface density"), "surface density"
    except InputError:
        raise InputError(
            f'"{value}" is no amount: give molecules (20), a concentration ("2 uM") or a density ("10 /um^2")'
        ) from None


def _amount(value: float | str | tuple[float, ...]) -> float | str | tuple[float, ...]:
    try:
        read_amounts(value)
    except InputError as error:
        raise ValueError(error.message) from None
    return value


Value = Number | int | str
"""In the unit that NEURON has for the parameter: text as "0.1 nS", or a number where it has none."""

Amount = Annotated[Number | int | str, AfterValidator(_amount)]
"""Molecules (20), or a text: a concentration ("2 uM") or a density on the membrane ("10 /um^2")."""


class Linear(Block):
    """offset + slope x / per of an amount x, within least .. most.

    kind: which function. slope: what one `per` more adds. per: an amount: molecules (1), "1 uM" or "1 /um^2". offset:
    the value of no molecules. least: never below. most: never above.
    """

    kind: Literal["linear"]
    slope: Value
    offset: Value
    per: Amount = 1
    least: Value | None = None
    most: Value | None = None

    @model_validator(mode="after")
    def _positive(self) -> Self:
        if not read_amounts(self.per)[0][0] > 0:
            raise ValueError(f"per: {self.per} is not more than 0")
        return self


class Hill(Block):
    """low + (high - low) x^n / (half^n + x^n) of an amount x.

    kind: which function. low: the value of no molecules. high: that of very many. half: the amount with the value
    halfway: molecules (20), "2 uM" or "10 /um^2". n: the Hill coefficient.
    """

    kind: Literal["hill"]
    low: Value
    high: Value
    half: Amount
    n: float = Field(gt=0, le=100, strict=True)

    @model_validator(mode="after")
    def _positive(self) -> Self:
        if not read_amounts(self.half)[0][0] > 0:
            raise ValueError(f"half: {self.half} is not more than 0")
        return self


class Table(Block):
    """Straight lines between points, constant outside of them.

    kind: which function. amounts: rising: molecules ([0, 10, 20]), or text as "0 1 2 uM". values: as many, numbers or
    text as "0.1 0.2 0.3 nS".
    """

    kind: Literal["table"]
    amounts: Annotated[tuple[Number, ...] | str, AfterValidator(_amount)]
    values: tuple[Number, ...] | str

    @model_validator(mode="after")
    def _points(self) -> Self:
        at = read_amounts(self.amounts)[0]
        found = split_list(self.values) if isinstance(self.values, str) else (list(self.values), "")
        if found is None:
            raise ValueError(f'values: "{self.values}" is not a list of numbers with one unit')
        if len(at) < 2 or len(at) != len(found[0]):
            raise ValueError(f"{len(at)} amounts and {len(found[0])} values: give two or more, as many of both")
        if not all(a < b for a, b in pairwise(at)):
            raise ValueError("amounts: each has to be more than the one before")
        return self


Response = Annotated[Linear | Hill | Table, Discriminator("kind")]
