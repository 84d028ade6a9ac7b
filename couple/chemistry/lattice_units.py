"""Experiments whose clock counts lattice steps instead of milliseconds.

A model on a lattice that knows neither lengths nor times has rates "per step" (order 0 and 1) and probabilities "per
encounter" (order 2); its times are written "500 steps". One step takes the place of one ms everywhere.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from couple.base.errors import InputError, quoted
from couple.base.units import counts_steps, quantity
from couple.chemistry.network import ReactionNetwork

Unit = Literal["ms", "step"]

_RATE = re.compile(
    r"\s*([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)\s*(per step|/step|1/step|per encounter|1)\s*"
)
_TIMES = (("experiment", "duration"), ("experiment", "exchange"), ("record", "every"), ("checkpoint", "every"))


@dataclass(frozen=True)
class GivenTime:
    """A simulated time such as "100 ms" or "5 steps", before it is known which of them the clock counts.

    text: as given. value: ms or steps. where: of the option, for messages.
    """

    text: str
    value: float
    unit: Unit
    where: str

    @classmethod
    def read(cls, text: str, where: str) -> GivenTime:
        """Raises InputError that names the option for what is no time."""
        try:
            value = quantity(text, "simulated time")
        except InputError as error:
            raise error.at(where) from None
        return cls(text, value, "step" if counts_steps(text) else "ms", where)

    def on(self, clock: str) -> float:
        """The value, if it is counted as `clock` counts. Raises InputError otherwise."""
        if self.value != 0 and self.unit != clock:
            like = "100 ms" if clock == "ms" else "100 steps"
            raise InputError(
                f'{quoted(self.text)}: this experiment counts {clock}; give a time like "{like}"', where=self.where
            )
        return self.value


def lattice_rate(text: str, order: int) -> tuple[float, Literal["step", "encounter"]] | None:
    """The number and unit of a rate such as "0.1 per step" or "0.4 per encounter" (or "0.4 1"), None for other units.

    Raises InputError if the order of the reaction asks for the other one, or for a probability above 1.
    """
    match = _RATE.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    number = float(match[1])
    if not math.isfinite(number):
        raise InputError(f"{quoted(text)} is not finite")
    per: Literal["step", "encounter"] = "step" if match[2].endswith("step") else "encounter"
    if (per == "encounter") != (order == 2):
        wanted = "encounter" if order == 2 else "step"
        raise InputError(f'"{text}": a reaction of order {order} has a rate like "0.1 per {wanted}" there')
    if per == "encounter" and not 0 <= number <= 1:
        raise InputError(f'"{text}" is no probability; give one from 0 to 1')
    return number, per


def time_unit(content: Mapping[str, Any]) -> Unit:
    """The unit that the clock of an experiment counts. Raises InputError, with the key, if times are of both."""
    given: dict[str, bool] = {}
    for table, key in _TIMES:
        block = content.get(table)
        value = block.get(key) if isinstance(block, Mapping) else None
        if isinstance(value, str):
            given[f"{table}.{key}"] = counts_steps(value)
    for key, steps in given.items():
        if steps != given.get("experiment.exchange", steps):
            wanted = "ms" if steps else "steps"
            raise InputError(f'is counted otherwise than experiment.exchange; give it in "{wanted}"', where=key)
    steps = given.get("experiment.exchange", False)
    if steps and content.get("neuron") is not None:
        raise InputError('NEURON has no lattice steps; give times like "0.1 ms"', where="experiment.exchange")
    return "step" if steps else "ms"


def check_rates(network: ReactionNetwork, unit: Unit) -> None:
    """Raise InputError for a reaction whose rate is counted by another clock."""
    for reaction in network.reactions:
        if (reaction.per == "time") == (unit == "step"):
            raise InputError(
                f'"{reaction}" has a rate in physical units, the clock counts steps: give it per step or per encounter'
                if unit == "step"
                else f'"{reaction}" has a rate per {reaction.per}: write times like exchange = "1 step" then',
                where="chemistry.reactions",
            )
